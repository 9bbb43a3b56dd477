"""Publishing: a signed bundle, deltas to it and the update metadata around it, into plain files. Blocking.

Everything is written whole, what is new first and ``timestamp.json`` last, so that a publisher may be killed at any
write: clients go on seeing the old state, and publishing again ends in the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from maestro.edge import delta
from maestro.edge.bundle_targets import BUNDLE_SUFFIX, Custom, Previous, custom_of
from maestro.edge.keyring import Keyring
from maestro.edge.repository import Lifetimes, Present, Target, Write, next_metadata, next_root
from maestro.edge.verify import TrustedKey, decimal_revision, verify_files
from maestro.formats.opa_bundle import SIGNATURES, Bundle, bundle_of, canonical_tar, gzipped, read_bundle
from maestro.formats.opa_manifest import MANIFEST
from maestro.formats.opa_signature import signed
from maestro.kernel.errors import BadInputError, UntrustedError
from maestro.ports.clock import Clock
from maestro.ports.repository import RepositoryFiles

__all__ = ["Order", "Published", "Publisher", "unsigned"]


@attrs.frozen
class Order:
    """How content is published.

    Attributes:
        revision: decimal; None takes the next one, and none where nothing changed.
        name: of the bundle; one repository may hold several.
        scope: that the signature is for.
        bundle_lifetime: until the bundle's own signature ends (``exp``).
        lifetimes: of the update metadata.
        deltas: from how many revisions before.
        tzdata: version of the zone database that the content was made with.
    """

    revision: int | None = None
    name: str = "bundle"
    scope: str = ""
    bundle_lifetime: timedelta = timedelta(days=90)
    lifetimes: Lifetimes = attrs.field(factory=Lifetimes)
    deltas: int = 3
    tzdata: str = ""


@attrs.frozen
class Published:
    """What stands in the repository now.

    Attributes:
        changed: whether the bundle is a new one.
        written: paths in the order of writing.
    """

    revision: str
    digest: str
    file_digest: str
    changed: bool
    deltas: Mapping[str, int]
    written: tuple[str, ...]


class Publisher:
    """Publishes into one repository; let no two do so at once.

    Args:
        files: the repository.
        keys: those at hand.
        clock: the wall clock.
    """

    def __init__(self, files: RepositoryFiles, keys: Keyring, clock: Clock) -> None:
        self._files = files
        self._keys = keys
        self._now = clock.now

    def publish(self, content: Mapping[str, bytes], order: Order) -> Published:
        """Sign and offer this content, if it is not what is offered already.

        Args:
            content: the bundle's files, ``.manifest`` among them; an older signature in it is dropped.
            order: how.

        Raises:
            BadInputError: a revision that is taken, too low or none; a private key that is not at hand.
            UntrustedError: the content is no bundle, or the repository is not as its keys signed it.
        """
        now, present = self._now(), self._present()
        current = self._current(present, order.name)
        if current is not None and self._stands(current, content, order, now):
            written = self._write(present, None, order, now)
            alias = f"{order.name}{BUNDLE_SUFFIX}"
            if self._files.read(alias) != current.packed:  # the last write of a publisher that was killed
                self._files.write(alias, current.packed)
            return _published(current.bundle, current.packed, (), written, changed=False)
        if self._keys.bundle is None:
            raise BadInputError(
                "is not at hand.",
                field=f"the private key {self._keys.bundle_id}",
                remedy="Bring its file into the folder of keys.",
                code="keys_missing",
            )
        number = self._number(order.revision, current)
        claims: dict[str, Any] = {
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + order.bundle_lifetime).timestamp()),
            **({"scope": order.scope} if order.scope else {}),
        }
        bundle = bundle_of(signed(unsigned(content, number), self._keys.bundle, self._keys.bundle_id, claims))
        packed = gzipped(canonical_tar(bundle.files))
        targets = self._targets(bundle, packed, current, order)
        written = self._write(present, targets, order, now)
        return _published(bundle, packed, targets[1:], written, changed=True)

    def refresh(self, order: Order) -> tuple[str, ...]:
        """Sign anew what would expire, by the keys that count now; the bundle stays. The paths written.

        Raises:
            BadInputError: there is no repository yet.
        """
        present = self._present()
        if present.targets is None:
            raise _empty()
        return self._write(present, None, order, self._now())

    def content(self, name: str = "bundle") -> dict[str, bytes]:
        """The files of the bundle that is offered now.

        Raises:
            BadInputError: there is none.
        """
        current = self._current(self._present(), name)
        if current is None:
            raise _empty()
        return dict(current.bundle.files)

    # ---- what is there -----------------------------------------------------------------------------------

    def _present(self) -> Present:
        roots = sorted(
            int(name.split(".")[0])
            for name in self._files.names("metadata")
            if name.endswith(".root.json") and name.split(".")[0].isdigit()
        )
        if not roots:
            return Present()
        read = self._files.read
        timestamp = read("metadata/timestamp.json")
        snapshot = None if timestamp is None else read(f"metadata/{_announced(timestamp, 'snapshot')}")
        targets = None if snapshot is None else read(f"metadata/{_announced(snapshot, 'targets')}")
        before = read(f"metadata/{roots[-2]}.root.json") if len(roots) > 1 else None
        return Present(read(f"metadata/{roots[-1]}.root.json"), timestamp, snapshot, targets, before)

    def _current(self, present: Present, name: str) -> _Current | None:
        from tuf.api.metadata import Metadata, Targets

        if present.targets is None:
            return None
        target = Metadata[Targets].from_bytes(present.targets).signed.targets.get(f"{name}{BUNDLE_SUFFIX}")
        custom = None if target is None else custom_of(target)
        if target is None or custom is None:
            return None
        path = target.get_prefixed_paths()[0]
        packed = self._files.read(f"targets/{path}")
        if packed is None or hashlib.sha256(packed).hexdigest() != target.hashes["sha256"]:
            raise UntrustedError(
                f"The bundle targets/{path} is missing, or is not what was published.",
                code="digest_mismatch",
                remedy="Restore the repository from a copy, or publish into a new folder.",
            )
        return _Current(read_bundle(packed), packed, path, custom)

    def _stands(self, current: _Current, content: Mapping[str, bytes], order: Order, now: datetime) -> bool:
        """Whether what is offered is this very content, by today's key, and will hold for a while."""
        number = decimal_revision(current.custom.revision) or 0
        if current.custom.key_epoch != self._keys.roles.epoch or order.revision not in (None, number):
            return False
        files = current.bundle.files
        rest = {name: each for name, each in files.items() if name != SIGNATURES}
        if rest != unsigned(content, number):
            if order.revision == number:
                raise _taken(number)
            return False
        if self._keys.bundle is None:
            return True
        key = TrustedKey(self._keys.bundle_id, self._keys.bundle.public)
        claims = verify_files(files, [key], at=now).claims
        expires = None if claims is None or claims.scope != order.scope else claims.expires
        return expires is not None and expires - now > order.bundle_lifetime / 2

    def _number(self, asked: int | None, current: _Current | None) -> int:
        last = 0 if current is None else decimal_revision(current.custom.revision) or 0
        number = last + 1 if asked is None else asked
        if decimal_revision(str(number)) is None:
            raise BadInputError(
                "must be a decimal integer from 1 to 19 digits.",
                field="--revision",
                value=number,
                remedy="Count up from 1.",
            )
        same_epoch = current is not None and current.custom.key_epoch == self._keys.roles.epoch
        if same_epoch and number <= last:
            raise _taken(last)
        return number

    # ---- what is written ---------------------------------------------------------------------------------

    def _targets(self, bundle: Bundle, packed: bytes, current: _Current | None, order: Order) -> list[Target]:
        """The full snapshot, then a delta from each bundle before it."""
        previous = self._previous(current, order.deltas)
        custom = Custom(
            kind="bundle",
            revision=bundle.revision,
            digest=bundle.digest,
            key_epoch=self._keys.roles.epoch,
            tzdata=order.tzdata,
            previous=tuple(each for each, _ in previous),
        )
        targets = [Target(f"{order.name}{BUNDLE_SUFFIX}", packed, msgspec.to_builtins(custom))]
        for each, content in previous:
            base = read_bundle(content)
            made = delta.make(base, bundle)
            if len(made) < len(packed):
                name = f"deltas/{order.name}-{each.revision}-{bundle.revision}.delta"
                more = msgspec.structs.replace(custom, kind="delta", base_digest=base.digest, previous=())
                targets.append(Target(name, made, msgspec.to_builtins(more)))
        return targets

    def _previous(self, current: _Current | None, count: int) -> list[tuple[Previous, bytes]]:
        if current is None:
            return []
        listed = [Previous(current.custom.revision, current.path), *current.custom.previous]
        found = ((each, self._files.read(f"targets/{each.path}")) for each in listed[:count])
        return [(each, content) for each, content in found if content is not None]

    def _write(
        self, present: Present, targets: list[Target] | None, order: Order, now: datetime
    ) -> tuple[str, ...]:
        root = next_root(present.root, self._keys.roles, self._keys.signer_of, now, order.lifetimes.root)
        offered = None if targets is None else [*self._others(present, order.name), *targets]
        writes = [Write(f"targets/{_path(target)}", target.content) for target in targets or ()]
        writes += [] if root is None else [root]
        trusted = present.root if root is None else root.content
        writes += next_metadata(present, trusted or b"", offered, self._keys.signer_of, now, order.lifetimes)
        # For a plain OPA, which knows one address and no metadata: signed all the same.
        writes += [Write(target.name, target.content) for target in (targets or ())[:1]]
        for write in writes:
            self._files.write(write.path, write.content)
        return tuple(write.path for write in writes)

    def _others(self, present: Present, name: str) -> Iterable[Any]:
        """What is offered under other names stays offered."""
        from tuf.api.metadata import Metadata, Targets

        if present.targets is None:
            return
        for listed, target in Metadata[Targets].from_bytes(present.targets).signed.targets.items():
            if listed != f"{name}{BUNDLE_SUFFIX}" and not listed.startswith(f"deltas/{name}-"):
                yield target


def unsigned(content: Mapping[str, bytes], number: int) -> dict[str, bytes]:
    """The content with this revision in its manifest, and without a signature.

    Raises:
        UntrustedError: the content is no bundle.
    """
    raw = msgspec.json.decode(bundle_of(content).manifest.raw)
    manifest = raw | {"revision": str(number), "roots": raw.get("roots", [""])}
    rest = {name: each for name, each in content.items() if name != SIGNATURES}
    return rest | {MANIFEST: msgspec.json.encode(manifest, order="sorted")}


@attrs.frozen
class _Current:
    bundle: Bundle
    packed: bytes
    path: str
    custom: Custom


def _published(
    bundle: Bundle, packed: bytes, deltas: Iterable[Target], written: tuple[str, ...], *, changed: bool
) -> Published:
    return Published(
        revision=bundle.revision,
        digest=bundle.digest,
        file_digest=f"sha256:{hashlib.sha256(packed).hexdigest()}",
        changed=changed,
        deltas={each.name: len(each.content) for each in deltas},
        written=written,
    )


def _path(target: Target) -> str:
    folder, slash, base = target.name.rpartition("/")
    return f"{folder}{slash}{hashlib.sha256(target.content).hexdigest()}.{base}"


def _announced(data: bytes, role: str) -> str:
    """The file name of what the level above announces."""
    from tuf.api.metadata import Metadata

    above: Any = Metadata.from_bytes(data).signed
    meta = above.snapshot_meta if role == "snapshot" else above.meta[f"{role}.json"]
    return f"{meta.version}.{role}.json"


def _empty() -> BadInputError:
    return BadInputError(
        "offers no bundle yet.", field="REPO", remedy="Publish one with 'maestro edge publish'."
    )


def _taken(number: int) -> BadInputError:
    return BadInputError(
        f"must be above {number}, which is published.",
        field="--revision",
        value=number,
        remedy="Leave it out to take the next one.",
        code="revision_taken",
    )
