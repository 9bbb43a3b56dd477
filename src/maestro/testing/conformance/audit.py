"""The suite for audit stores. Its model recomputes the whole tree by the RFC's recursion at every step."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from maestro.audit.checkpoints import Checkpoint, parse_checkpoint
from maestro.audit.entries import Draft, entry_bytes
from maestro.audit.tree import Node, TreeHead, consistency_proof, inclusion_proof
from maestro.audit.verification import verify_consistency, verify_inclusion
from maestro.kernel.errors import BadInputError
from maestro.ports.audit import AuditStore
from maestro.ports.capabilities import Capability
from maestro.testing.conformance.interleaved import together
from maestro.testing.conformance.processes import Say, killed_after, run_all
from maestro.testing.conformance.suite import Bench, Suite, capabilities_of, raises

__all__ = ["AuditStoreConformance", "AuditStoreMachine", "ModelAudit", "merkle_root"]

_AT = datetime(2026, 3, 30, tzinfo=UTC)
_IDS = st.one_of(st.none(), st.sampled_from([f"/events#{number}" for number in range(12)]))


def merkle_root(entries: list[bytes]) -> bytes:
    """``MTH`` as RFC 9162 section 2.1.1 writes it down."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return sha256(b"\x01" + merkle_root(entries[:split]) + merkle_root(entries[split:])).digest()


class ModelAudit:
    """What an audit store must hold: a list."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.bodies: list[bytes] = []
        self.places: dict[str, int] = {}

    def append(self, drafts: list[Draft]) -> tuple[int, ...]:
        """``AuditStore.append``."""
        answer = []
        for draft in drafts:
            if draft.id is not None and draft.id in self.places:
                answer.append(self.places[draft.id])
                continue
            answer.append(len(self.bodies))
            if draft.id is not None:
                self.places[draft.id] = len(self.bodies)
            self.bodies.append(entry_bytes(self._origin, len(self.bodies), draft))
        return tuple(answer)

    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(len(self.bodies), merkle_root(self.bodies))


def draft(id: str | None, number: int = 0) -> Draft:  # noqa: A002  # as the field is called
    """An entry to be."""
    return Draft(_AT, "kit", "kit.told", "kit", {"number": number}, id)


class _Sealer:
    """Makes checkpoints (unsigned: the store must not care) and remembers what it was told."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.told: tuple[bytes | None, TreeHead, TreeHead] | None = None
        self.made = b""

    def __call__(self, last: bytes | None, before: TreeHead, after: TreeHead) -> bytes:
        self.told = (last, before, after)
        self.made = Checkpoint(self._origin, after.size, after.root).text().encode()
        return self.made


class AuditStoreMachine(RuleBasedStateMachine):
    """Appends to the store and to the model, and compares everything that can be read."""

    def __init__(self, suite: Suite[AuditStore]) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.bench: Bench[AuditStore] = self.stack.enter_context(suite.bench())
        self.capabilities = capabilities_of(self.bench.store)
        self.model = ModelAudit(self.bench.store.origin)
        self.heads: list[TreeHead] = []
        self.newest: bytes | None = None

    def teardown(self) -> None:
        """Delete the log."""
        self.stack.close()

    @rule(ids=st.lists(_IDS, max_size=9))
    def append(self, ids: list[str | None]) -> None:
        """Some entries, new and told before, alone and twice in one call; sealed once, and only when one is new."""
        seal, before = _Sealer(self.bench.store.origin), self.model.head()
        drafts = [draft(one, number) for number, one in enumerate(ids)]
        places, expected = self.bench.store.append(drafts, seal), self.model.append(drafts)
        assert tuple(places) == expected, f"append answered {places}, expected {expected}"
        after = self.model.head()
        told = (self.newest, before, after) if after.size > before.size else None
        assert seal.told == told, f"sealed {seal.told}, expected {told}"
        if told:
            self.newest = seal.made
            self.heads.append(after)

    @rule(ids=st.lists(_IDS, min_size=1, max_size=3))
    def fail_to_seal(self, ids: list[str | None]) -> None:
        """All or none: a seal that raises leaves nothing."""

        def refuse(*_: object) -> bytes:
            raise ZeroDivisionError

        drafts = [draft(None), *map(draft, ids)]
        raises(ZeroDivisionError, lambda: self.bench.store.append(drafts, refuse))

    @rule(ids=st.lists(_IDS, max_size=2))
    def fail_to_write(self, ids: list[str | None]) -> None:
        """All or none: a draft that cannot be written leaves nothing of those before it."""
        bad = Draft(_AT, "kit", "kit.told", "kit", {"number": float("nan")})
        drafts, seal = [*map(draft, ids), bad], _Sealer("")
        raises(BadInputError, lambda: self.bench.store.append(drafts, seal))

    @precondition(lambda self: Capability.DURABLE in self.capabilities)
    @rule()
    def restart(self) -> None:
        """Close and reopen."""
        self.bench.reopen()

    @precondition(lambda self: bool(self.model.bodies))
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        """What is kept proves every entry under every older tree, and every tree to begin with those before it."""
        new = data.draw(st.sampled_from(self.heads))
        index = data.draw(st.integers(0, new.size - 1))
        proof = inclusion_proof(self.bench.store.hashes, index, new.size)
        verify_inclusion(merkle_root([self.model.bodies[index]]), index, new, proof)
        size = data.draw(st.integers(1, new.size))
        old = TreeHead(size, merkle_root(self.model.bodies[:size]))
        verify_consistency(old, new, consistency_proof(self.bench.store.hashes, size, new.size))

    @rule(first=st.integers(0, 30), limit=st.integers(0, 5))
    def read_a_page(self, first: int, limit: int) -> None:
        """Pages are parts of the whole."""
        page = [(one.sequence, one.body) for one in self.bench.store.read(first, limit)]
        expected = list(enumerate(self.model.bodies))[first:][:limit]
        assert page == expected, f"read({first}, {limit}): {page}, expected {expected}"

    @invariant()
    def same_entries(self) -> None:
        """Both hold the same entries, and the newest checkpoint speaks of them."""
        store, model = self.bench.store, self.model
        entries = store.read(0, 10_000)
        assert [one.body for one in entries] == model.bodies, f"holds {entries}, expected {model.bodies}"
        assert store.size() == len(model.bodies), f"size() is {store.size()}"
        for one in entries:
            levels = (one.sequence ^ (one.sequence + 1)).bit_length()
            hashes = store.hashes([Node(level, one.sequence >> level) for level in range(levels)])
            assert one.hashes == b"".join(hashes), f"entry {one.sequence} does not keep what it completes"
        for number in range(12):
            id_ = f"/events#{number}"
            assert store.find(id_) == model.places.get(id_), f"find({id_!r}) is {store.find(id_)}"
        assert store.checkpoint() == self.newest, f"the checkpoint is {store.checkpoint()!r}"
        kept = [parse_checkpoint(note.decode()).head for note in store.checkpoints()]
        assert kept == sorted(set(kept)), f"checkpoints are not in order: {kept}"
        assert set(kept) <= set(self.heads), "a checkpoint is kept that was never given"
        assert kept[-1:] == self.heads[-1:], "the newest checkpoint is not the last"


class AuditStoreConformance(Suite[AuditStore]):
    """What every audit store must do. Subclass it and say how your store is made."""

    port: ClassVar[str] = "audit"

    def test_it_answers_as_the_model_does(self) -> None:
        """Random histories in lock-step with ``ModelAudit``."""
        self.run_machine(AuditStoreMachine)

    def test_entries_told_at_once_are_kept_once_and_signed_in_order(self) -> None:
        """Threads that tell the same and other things: each once, and every checkpoint grows from the last."""
        with self.bench() as bench:
            history: list[tuple[TreeHead, TreeHead]] = []

            def seal(_: bytes | None, before: TreeHead, after: TreeHead) -> bytes:
                history.append((before, after))
                return Checkpoint("kit", after.size, after.root).text().encode()

            def tell(number: int) -> None:
                for batch in range(10):
                    bench.store.append([draft(f"{number}-{batch}"), draft(f"same-{batch}")], seal)

            together(5, tell)
            bodies = [one.body for one in bench.store.read(0, 1000)]
            assert len(bodies) == 60, f"{len(bodies)} entries of 60"
            heads = [TreeHead(0, merkle_root([])), *(after for _, after in history)]
            assert [before for before, _ in history] == heads[:-1], "an append began from an older tree"
            assert heads[-1] == TreeHead(60, merkle_root(bodies)), (
                "the last checkpoint is not of what is kept"
            )

    def test_entries_outlive_the_process_or_are_gone(self) -> None:
        """DURABLE: what was answered before ``kill -9`` is there after it, whole, and nothing by half."""
        durable = self.declares(Capability.DURABLE)
        with self.bench() as bench:
            if not durable:
                bench.store.append([draft("1")], _Sealer(""))
                if not self.does_not_outlive(bench):
                    assert not bench.store.read(), "entries outlive the store: declare DURABLE"
                self.refused += (Capability.DURABLE,)
                return
            bench.close()

            def tell(_: int, say: Say) -> None:
                store = bench.reopen()
                for number in range(10_000):
                    store.append([draft(f"{number}{part}") for part in "ab"], _Sealer("kit"))
                    say(f"{number}")

            answered = int(killed_after(tell, 20)[-1])
            store = bench.reopen()
            bodies = [one.body for one in store.read(0, 50_000)]
            assert len(bodies) % 2 == 0, "half of an append is kept"
            assert answered + 1 <= len(bodies) // 2 <= answered + 2, (
                f"{len(bodies)} entries, {answered} answered"
            )
            note = store.checkpoint()
            assert note is not None, "the checkpoint is gone"
            signed = parse_checkpoint(note.decode()).head
            assert signed == TreeHead(len(bodies), merkle_root(bodies)), "the checkpoint is of another tree"

    def test_processes_share_the_log_or_it_is_their_own(self) -> None:
        """SHARED: entries of all processes, each once, in one tree. Undeclared: a second store is another world."""
        shared = self.declares(Capability.SHARED)
        with self.bench() as bench:
            if not shared:
                bench.store.append([draft("1")], _Sealer(""))
                assert not bench.another().read(), "two stores share their entries: declare SHARED"
                self.refused += (Capability.SHARED,)
                return

            def tell(number: int, say: Say) -> None:
                store = bench.another()
                for batch in range(10):
                    store.append([draft(f"{number}-{batch}"), draft(f"{batch}")], _Sealer("kit"))
                say("done")

            run_all(tell, 4)
            bodies = [one.body for one in bench.store.read(0, 1000)]
            assert len(bodies) == len(set(bodies)) == 50, f"{len(bodies)} entries of 50"
            note = bench.store.checkpoint()
            assert note is not None, "the checkpoint is gone"
            signed = parse_checkpoint(note.decode()).head
            assert signed == TreeHead(50, merkle_root(bodies)), "the checkpoint is of another tree"
