"""Update metadata of a policy repository (TUF 1.0): what to write next, from what is there and who may sign.

Everything a publisher writes is a value here: paths and bytes in the order in which they must reach the disk. New files
come first, ``timestamp.json`` last; until it is there, clients see the old state, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from maestro.edge.trust import EPOCH_FIELD, key_epoch
from maestro.kernel.errors import BadInputError, UntrustedError

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer
    from tuf.api.metadata import Metadata, Root, TargetFile

__all__ = [
    "ROLES",
    "Lifetimes",
    "Present",
    "Roles",
    "Target",
    "Write",
    "next_metadata",
    "next_root",
    "versioned",
]

ROLES: Final = ("root", "targets", "snapshot", "timestamp")


@attrs.frozen
class Lifetimes:
    """How long each role's signature holds; shorter where it is made by a machine, longer where by people."""

    root: timedelta = timedelta(days=365)
    targets: timedelta = timedelta(days=90)
    snapshot: timedelta = timedelta(days=7)
    timestamp: timedelta = timedelta(days=1)


@attrs.frozen
class Roles:
    """Who may sign what from now on.

    Attributes:
        keys: the public keys of each of ``ROLES``.
        thresholds: how many of them must sign.
        epoch: counts replacements of keys that sign bundles or targets.
    """

    keys: Mapping[str, Sequence[Key]]
    thresholds: Mapping[str, int]
    epoch: int


@attrs.frozen
class Target:
    """A file that the repository offers, with its custom data."""

    name: str
    content: bytes = attrs.field(repr=False)
    custom: Mapping[str, Any]


@attrs.frozen
class Write:
    """One file to write, by its path below the repository."""

    path: str
    content: bytes = attrs.field(repr=False)


@attrs.frozen
class Present:
    """Metadata that a repository has now; all None before the first publication.

    ``root_before`` is the root before the present one: after a crash the other files may still be signed by its keys.
    """

    root: bytes | None = None
    timestamp: bytes | None = None
    snapshot: bytes | None = None
    targets: bytes | None = None
    root_before: bytes | None = None


SignerOf = Callable[[str], "Signer | None"]
"""The signer of a key id, or None where its private key is kept elsewhere."""


def next_root(
    present: bytes | None, roles: Roles, signer_of: SignerOf, now: datetime, lifetime: timedelta
) -> Write | None:
    """A new root where keys, thresholds or epoch changed, or the old one is past half of its life; else None.

    It is signed by the old root's keys and by its own, each to their threshold (5.3.4).

    Raises:
        BadInputError: ``keys_missing``: too few private keys are at hand.
    """
    from tuf.api.metadata import Metadata, Root

    old: Metadata[Root] | None = None if present is None else Metadata.from_bytes(present)
    if old is not None:
        _check_ours(old, "root", [old.signed])
    if old is not None and _is_as(old.signed, roles) and old.signed.expires - now > lifetime / 2:
        return None
    version = 1 if old is None else old.signed.version + 1
    root = Root(version=version, expires=_whole(now + lifetime), consistent_snapshot=True)
    root.unrecognized_fields[EPOCH_FIELD] = roles.epoch
    for role in ROLES:
        root.roles[role].threshold = roles.thresholds[role]
        for key in roles.keys[role]:
            root.add_key(key, role)
    signed = Metadata(root)
    before = () if old is None else old.signed.roles["root"].keyids
    _sign(signed, [*before, *root.roles["root"].keyids], signer_of)
    for judge in (root, *(() if old is None else (old.signed,))):
        _check_threshold(judge, signed, "root")
    return Write(versioned("root", version), signed.to_bytes())


def next_metadata(
    present: Present,
    root: bytes,
    targets: Iterable[Target | TargetFile] | None,
    signer_of: SignerOf,
    now: datetime,
    lifetimes: Lifetimes,
) -> list[Write]:
    """Targets, snapshot and timestamp as far as they change; always a new timestamp.

    Args:
        present: what is there now.
        root: the root that clients will have.
        targets: all that is offered from now on, new or as it was listed; None keeps what is offered.
        signer_of: the private keys at hand.
        now: the instant of publication.
        lifetimes: of the new signatures.

    Raises:
        BadInputError: ``keys_missing``.
    """
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

    trusted: Root = Metadata[Root].from_bytes(root).signed
    _check_present(present)
    writes: list[Write] = []

    def renewed(
        role: str, old: bytes | None, make: Callable[[int, datetime], Any], *, changed: bool
    ) -> bytes:
        """The role's file: the old one while it says what is to be said, is trusted and not past half its life."""
        lifetime: timedelta = getattr(lifetimes, role)
        before = None if old is None else Metadata.from_bytes(old)
        if before is not None and not changed and _holds(trusted, before, role, now + lifetime / 2):
            return old or b""
        version = 1 if before is None else before.signed.version + 1
        metadata: Metadata[Any] = Metadata(make(version, _whole(now + lifetime)))
        _sign(metadata, trusted.roles[role].keyids, signer_of)
        _check_threshold(trusted, metadata, role)
        data = metadata.to_bytes()
        writes.append(
            Write("metadata/timestamp.json" if role == "timestamp" else versioned(role, version), data)
        )
        return data

    offered = _offered(present.targets, targets)
    new_targets = renewed(
        "targets",
        present.targets,
        lambda version, expires: Targets(version, expires=expires, targets=offered),
        changed=targets is not None and _files(present.targets) != offered,
    )
    meta = {"targets.json": MetaFile.from_data(_version(new_targets), new_targets, ["sha256"])}
    new_snapshot = renewed(
        "snapshot",
        present.snapshot,
        lambda version, expires: Snapshot(version, expires=expires, meta=meta),
        changed=new_targets != present.targets,
    )
    announced = MetaFile.from_data(_version(new_snapshot), new_snapshot, ["sha256"])
    renewed(
        "timestamp",
        present.timestamp,
        lambda version, expires: Timestamp(version, expires=expires, snapshot_meta=announced),
        changed=True,
    )
    return writes


def versioned(role: str, version: int) -> str:
    """Where a version of a role's file stands, with consistent snapshots."""
    return f"metadata/{version}.{role}.json"


def _is_as(root: Root, roles: Roles) -> bool:
    return key_epoch(root) == roles.epoch and all(
        set(root.roles[role].keyids) == {key.keyid for key in roles.keys[role]}
        and root.roles[role].threshold == roles.thresholds[role]
        for role in ROLES
    )


def _holds(root: Root, metadata: Metadata[Any], role: str, until: datetime) -> bool:
    try:
        _check_threshold(root, metadata, role)
    except BadInputError:
        return False
    return bool(metadata.signed.expires > until)


def _offered(present: bytes | None, targets: Iterable[Target | TargetFile] | None) -> dict[str, Any]:
    from tuf.api.metadata import TargetFile

    if targets is None:
        return _files(present)
    found: dict[str, Any] = {}
    for target in targets:
        if isinstance(target, TargetFile):
            found[target.path] = target
            continue
        file = TargetFile.from_data(target.name, target.content, ["sha256"])
        file.unrecognized_fields["custom"] = dict(target.custom)
        found[target.name] = file
    return found


def _files(present: bytes | None) -> dict[str, Any]:
    from tuf.api.metadata import Metadata, Targets

    return {} if present is None else Metadata[Targets].from_bytes(present).signed.targets


def _version(data: bytes) -> int:
    from tuf.api.metadata import Metadata

    version: int = Metadata.from_bytes(data).signed.version
    return version


def _sign(metadata: Metadata[Any], key_ids: Iterable[str], signer_of: SignerOf) -> None:
    for key_id in dict.fromkeys(key_ids):
        signer = signer_of(key_id)
        if signer is not None:
            metadata.sign(signer, append=True)


def _check_threshold(root: Root, metadata: Metadata[Any], role: str) -> None:
    result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if not result.verified:
        raise BadInputError(
            f"needs {result.threshold} signatures, {len(result.signed)} of its keys are at hand.",
            field=f"the key of the role {role}",
            remedy="Bring the private keys into the folder of keys for this one publication.",
            code="keys_missing",
        )


def _check_present(present: Present) -> None:
    """What is signed anew must be what its owners signed before, or a changed file would become a trusted one."""
    from tuf.api.metadata import Metadata, Root

    roots = [Metadata[Root].from_bytes(root).signed for root in (present.root, present.root_before) if root]
    for role in ROLES[1:]:
        data: bytes | None = getattr(present, role)
        if data is not None:
            _check_ours(Metadata.from_bytes(data), role, roots)


def _check_ours(metadata: Metadata[Any], role: str, roots: Sequence[Root]) -> None:
    results = [
        root.get_verification_result(role, metadata.signed_bytes, metadata.signatures) for root in roots
    ]
    if not any(result.verified for result in results):
        raise UntrustedError(
            f"The repository's {role} is not signed by its keys; nothing is built on it.",
            code="keys_too_few",
            remedy="Somebody changed the repository: restore it from a copy, or publish into a new folder.",
        )


def _whole(instant: datetime) -> datetime:
    """TUF's times have whole seconds."""
    return instant.replace(microsecond=0)
