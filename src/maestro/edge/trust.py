"""Which files of an update repository are trusted now: the TUF client workflow as a value (specification 1.0, section 5).

No sockets, no files, no clock: an ``Update`` says which file it wants next, is fed its bytes, and gives the state that
is to be kept. python-tuf's metadata classes parse and check signatures; their own client reads the clock and the disk.
Numbers in comments are the specification's steps.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from maestro.edge.trust_reasons import TrustReason
from maestro.edge.trust_state import TrustState
from maestro.kernel.errors import UntrustedError

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

__all__ = ["EPOCH_FIELD", "Fetch", "Update", "begin", "key_epoch", "untrusted"]

EPOCH_FIELD: Final = "x-maestro-key-epoch"
"""A field of the root: counts how often bundle keys were replaced, so that a mark set by a stolen key can be undone."""
_MOST_BYTES: Final = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}
_MOST_ROOTS: Final = 256
_HASHES = frozenset({"sha256", "sha384", "sha512"})
_ONLINE: Final = ("timestamp", "snapshot", "targets")


@attrs.frozen
class Fetch:
    """The next file to fetch.

    Attributes:
        path: below the repository's ``metadata/``.
        most_bytes: no more need be read.
        may_be_missing: that it does not exist is an answer (``feed(None)``), not a failure.
    """

    path: str
    most_bytes: int
    may_be_missing: bool = False


@attrs.frozen
class Update:
    """One refresh under way. Immutable: feeding gives the next one, so a failure leaves what was accepted before it.

    Attributes:
        state: what is to be kept; it grows with every accepted file, and keeping it early does no harm.
        wants: the next file, or None when all are there.
        now: the instant by which expiry is judged, the same for the whole refresh.
    """

    state: TrustState
    wants: Fetch | None
    now: datetime
    root: Root = attrs.field(repr=False)
    timestamp: Timestamp | None = attrs.field(default=None, repr=False)
    snapshot: Snapshot | None = attrs.field(default=None, repr=False)
    targets: Targets | None = attrs.field(default=None, repr=False)
    roots: int = 0

    def feed(self, data: bytes | None) -> Update:
        """Take the file that was wanted; None says that the server has no such file.

        Raises:
            UntrustedError: a reason of ``TrustReason``; this update stays as it was.
        """
        if self.wants is None:
            return self
        if data is None and not self.wants.may_be_missing:
            raise untrusted(TrustReason.METADATA_MISMATCH, f"The repository has no {self.wants.path}.")
        if data is not None and len(data) > self.wants.most_bytes:
            raise untrusted(TrustReason.METADATA_TOO_LARGE, f"{self.wants.path} has {len(data)} bytes.")
        if self.wants.may_be_missing:
            return _after_roots(self) if data is None else _next_root(self, data)
        if self.timestamp is None:
            return _new_timestamp(self, data or b"")
        step = _new_snapshot if self.snapshot is None else _new_targets
        return step(self, data or b"")

    @property
    def fresh_until(self) -> datetime:
        """The earliest expiry of all that is trusted.

        Raises:
            UntrustedError: the refresh is not at its end.
        """
        return min(self.root.expires, *(each.expires for each in self.complete()))

    def complete(self) -> tuple[Timestamp, Snapshot, Targets]:
        """The trusted metadata below the root.

        Raises:
            UntrustedError: the refresh is not at its end.
        """
        if self.timestamp is None or self.snapshot is None or self.targets is None:
            raise untrusted(TrustReason.METADATA_MISMATCH, "The refresh is not at its end.")
        return self.timestamp, self.snapshot, self.targets


def begin(state: TrustState, now: datetime) -> Update:
    """A refresh from what is trusted so far (5.2: the trusted root).

    Raises:
        UntrustedError: ``metadata_malformed``, ``keys_too_few``: the root that is trusted is none.
    """
    metadata = _parse(state.root, "root")
    root: Root = metadata.signed
    _check_keys(root, metadata, "root")
    return Update(state, _root_after(root), now, root)


def key_epoch(root: Root) -> int:
    """The root's count of bundle-key replacements; 1 where it does not count."""
    epoch = root.unrecognized_fields.get(EPOCH_FIELD, 1)
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1:
        raise untrusted(TrustReason.METADATA_MALFORMED, f"The root's {EPOCH_FIELD} is no count.")
    return epoch


def untrusted(reason: TrustReason, message: str) -> UntrustedError:
    """The error that says so."""
    return UntrustedError(message, code=reason.value, remedy=reason.remedy)


# ---- 5.3 root --------------------------------------------------------------------------------------------


def _root_after(root: Root) -> Fetch:
    return Fetch(f"{root.version + 1}.root.json", _MOST_BYTES["root"], may_be_missing=True)  # 5.3.3


def _next_root(update: Update, data: bytes) -> Update:
    if update.roots >= _MOST_ROOTS:
        raise untrusted(TrustReason.METADATA_TOO_LARGE, f"More than {_MOST_ROOTS} roots at once.")
    metadata = _parse(data, "root")
    root: Root = metadata.signed
    _check_keys(update.root, metadata, "root")  # 5.3.4: the old root's keys and
    _check_keys(root, metadata, "root")  # the new one's own
    if root.version != update.root.version + 1:  # 5.3.5
        raise untrusted(
            TrustReason.METADATA_ROLLBACK,
            f"Root {update.root.version + 1} says it is version {root.version}.",
        )
    if key_epoch(root) < key_epoch(update.root):
        raise untrusted(TrustReason.METADATA_ROLLBACK, "The root counts back its key epoch.")
    state = attrs.evolve(update.state, root=data)  # 5.3.8
    if _keys_differ(update.root, root):  # 5.3.11: recovery from fast-forward
        state = attrs.evolve(state, timestamp=None, snapshot=None, targets=None)
    return attrs.evolve(
        update, state=state, root=root, wants=_root_after(root), roots=update.roots + 1
    )  # 5.3.9


def _keys_differ(old: Root, new: Root) -> bool:
    return any(set(old.roles[role].keyids) != set(new.roles[role].keyids) for role in _ONLINE)


def _after_roots(update: Update) -> Update:
    _check_expiry(update.root, "root", update.now)  # 5.3.10
    return attrs.evolve(update, wants=Fetch("timestamp.json", _MOST_BYTES["timestamp"]))  # 5.4.1


# ---- 5.4 timestamp, 5.5 snapshot, 5.6 targets ------------------------------------------------------------


def _new_timestamp(update: Update, data: bytes) -> Update:
    new = _signed_by(update.root, data, "timestamp")  # 5.4.2
    kept = _kept(update, update.state.timestamp, "timestamp")
    if kept is not None:
        if new.version < kept.version:  # 5.4.3.1
            raise _older("timestamp", new.version, kept.version)
        if new.snapshot_meta.version < kept.snapshot_meta.version:  # 5.4.3.2
            raise _older("snapshot", new.snapshot_meta.version, kept.snapshot_meta.version)
        if new.version == kept.version:  # 5.4.3.1: the same version is no news; the kept one counts
            new, data = kept, update.state.timestamp or data
    _check_expiry(new, "timestamp", update.now)  # 5.4.4
    state = attrs.evolve(update.state, timestamp=data)  # 5.4.5
    return _with_kept(
        attrs.evolve(update, state=state, timestamp=new), update.state.snapshot, _new_snapshot, "snapshot"
    )


def _new_snapshot(update: Update, data: bytes) -> Update:
    meta = _announced(update, "snapshot")
    _check_announced(meta, data, "snapshot")  # 5.5.2
    new = _signed_by(update.root, data, "snapshot")  # 5.5.3
    if new.version != meta.version:  # 5.5.4
        raise untrusted(TrustReason.METADATA_MISMATCH, f"The snapshot has version {new.version}.")
    kept = _kept(update, update.state.snapshot, "snapshot")
    for name, meta in kept.meta.items() if kept is not None else ():  # 5.5.5
        found = new.meta.get(name)
        if found is None or found.version < meta.version:
            raise _older(name, 0 if found is None else found.version, meta.version)
    if "targets.json" not in new.meta:
        raise untrusted(TrustReason.METADATA_MALFORMED, "The snapshot names no targets.")
    _check_expiry(new, "snapshot", update.now)  # 5.5.6
    state = attrs.evolve(update.state, snapshot=data)  # 5.5.7
    return _with_kept(
        attrs.evolve(update, state=state, snapshot=new), update.state.targets, _new_targets, "targets"
    )


def _new_targets(update: Update, data: bytes) -> Update:
    meta = _announced(update, "targets")
    _check_announced(meta, data, "targets")  # 5.6.2
    new = _signed_by(update.root, data, "targets")  # 5.6.3
    if new.version != meta.version:  # 5.6.4
        raise untrusted(TrustReason.METADATA_MISMATCH, f"The targets have version {new.version}.")
    _check_expiry(new, "targets", update.now)  # 5.6.5
    return attrs.evolve(
        update, state=attrs.evolve(update.state, targets=data), targets=new, wants=None
    )  # 5.6.6


def _with_kept(
    update: Update, kept: bytes | None, take: Callable[[Update, bytes], Update], role: str
) -> Update:
    """Go on with the kept file where it is still the one announced, so that nothing is fetched twice."""
    if kept is not None:
        try:
            return take(update, kept)
        except UntrustedError:
            pass  # another version is announced
    meta = _announced(update, role)
    version = f"{meta.version}." if update.root.consistent_snapshot else ""
    most = _MOST_BYTES[role]
    return attrs.evolve(
        update, wants=Fetch(f"{version}{role}.json", min(most, most if meta.length is None else meta.length))
    )


def _announced(update: Update, role: str) -> MetaFile:
    """What the level above says of the role's file."""
    if role == "snapshot":
        return cast("Timestamp", update.timestamp).snapshot_meta
    return cast("Snapshot", update.snapshot).meta["targets.json"]


# ---- checks ----------------------------------------------------------------------------------------------


def _kept(update: Update, data: bytes | None, role: str) -> Any:
    """What was trusted before, if the present root still does; its expiry does not matter for comparing versions."""
    try:
        return None if data is None else _signed_by(update.root, data, role)
    except UntrustedError:
        return None


def _signed_by(root: Root, data: bytes, role: str) -> Any:
    metadata = _parse(data, role)
    _check_keys(root, metadata, role)
    return metadata.signed


def _parse(data: bytes, role: str) -> Metadata[Any]:
    from tuf.api.metadata import Metadata
    from tuf.api.serialization import DeserializationError

    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
    except DeserializationError as error:
        raise untrusted(TrustReason.METADATA_MALFORMED, f"The {role} cannot be read: {error}.") from error
    if metadata.signed.type != role:
        raise untrusted(
            TrustReason.METADATA_MALFORMED, f"The {role} says that it is a {metadata.signed.type}."
        )
    return metadata


def _check_keys(root: Root, metadata: Metadata[Any], role: str) -> None:
    """As many keys as the role's threshold, counted by their bytes and not by their names, have signed."""
    from tuf.api.serialization import SerializationError

    from maestro.formats.tuf_keys import key_bytes

    try:
        found = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        distinct = {key_bytes(key) for key in found.signed.values()}
    except SerializationError as error:  # content that canonical JSON cannot hold, such as 1.5
        raise untrusted(TrustReason.METADATA_MALFORMED, f"The {role} cannot be judged: {error}.") from error
    if len(distinct) < found.threshold:
        raise untrusted(
            TrustReason.KEYS_TOO_FEW,
            f"The {role} is signed by {len(distinct)} of the {found.threshold} keys that it needs.",
        )


def _check_announced(meta: MetaFile, data: bytes, role: str) -> None:
    from tuf.api.exceptions import LengthOrHashMismatchError

    if meta.hashes is not None and not _HASHES.intersection(meta.hashes):
        raise untrusted(TrustReason.HASH_WEAK, f"The {role} is announced by {', '.join(meta.hashes)} only.")
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as error:
        raise untrusted(TrustReason.METADATA_MISMATCH, f"The {role} is not as announced: {error}.") from error


def _check_expiry(signed: Any, role: str, now: datetime) -> None:
    if now >= signed.expires:
        raise untrusted(TrustReason.METADATA_EXPIRED, f"The {role} expired at {signed.expires.isoformat()}.")


def _older(name: str, found: int, known: int) -> UntrustedError:
    return untrusted(
        TrustReason.METADATA_ROLLBACK, f"{name} is at version {found}, {known} was already seen."
    )
