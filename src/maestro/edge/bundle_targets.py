"""The bundle that an update repository offers, and the deltas to it: targets with custom data (TUF 4.5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from maestro.edge.trust import Update, key_epoch, untrusted
from maestro.edge.trust_reasons import TrustReason
from maestro.edge.trust_state import Mark, TrustState
from maestro.edge.verify import decimal_revision

__all__ = [
    "BundleTarget",
    "Custom",
    "Previous",
    "TargetFile",
    "accepted",
    "check_mark",
    "offered",
    "target_file",
]

BUNDLE_SUFFIX = ".tar.gz"


class Previous(msgspec.Struct, rename="camel", frozen=True):
    """An earlier bundle: its revision, and where its file is below ``targets/``."""

    revision: str
    path: str


class Custom(msgspec.Struct, rename="camel", omit_defaults=True):
    """Custom data of a target of ours.

    Attributes:
        kind: ``bundle`` or ``delta``.
        revision: decimal, of what it yields.
        digest: of the canonical archive that it yields.
        key_epoch: the root's when it was signed.
        tzdata: version of the zone database that the publisher compiled with.
        base_digest: of a delta, what it starts from.
        previous: of a bundle, those before it that are still kept, newest first.
    """

    kind: str
    revision: str
    digest: str
    key_epoch: int
    tzdata: str = ""
    base_digest: str = ""
    previous: tuple[Previous, ...] = ()


@attrs.frozen
class TargetFile:
    """A file to fetch below the repository's ``targets/``.

    Attributes:
        name: by which it is listed.
        path: where it is, with its hash in the name where snapshots are consistent.
        length: its bytes, exactly.
        hashes: by Python's names.
    """

    name: str
    path: str
    length: int
    hashes: Mapping[str, str]

    def check(self, data: bytes) -> None:
        """Raise unless these are its bytes.

        Raises:
            UntrustedError: ``digest_mismatch``.
        """
        right = len(data) == self.length and all(
            hashlib.new(name, data).hexdigest() == value for name, value in self.hashes.items()
        )
        if not right:
            raise untrusted(TrustReason.DIGEST_MISMATCH, f"{self.name} is not the file that was announced.")


@attrs.frozen
class BundleTarget:
    """What is offered now.

    Attributes:
        file: the full snapshot.
        deltas: by digest of the base, each yielding the same archive.
    """

    file: TargetFile
    revision: int
    digest: str
    key_epoch: int
    tzdata: str
    deltas: Mapping[str, TargetFile]


def offered(update: Update, name: str = "bundle") -> BundleTarget:
    """The bundle of that name in a refresh that is at its end.

    Raises:
        UntrustedError: ``target_missing``, none of that name, or its custom data is not ours; ``hash_weak``.
    """
    _, _, targets = update.complete()
    listed = f"{name}{BUNDLE_SUFFIX}"
    found = targets.targets.get(listed)
    custom = None if found is None else custom_of(found)
    number = None if custom is None else decimal_revision(custom.revision)
    if custom is None or number is None or custom.kind != "bundle":
        raise untrusted(
            TrustReason.TARGET_MISSING, f"The repository offers no {listed} with revision and digest."
        )
    if custom.key_epoch != key_epoch(update.root):
        raise untrusted(TrustReason.METADATA_MISMATCH, f"{listed} is of key epoch {custom.key_epoch}.")
    deltas = {}
    for other, target in targets.targets.items():
        data = custom_of(target)
        if data is not None and data.kind == "delta" and data.digest == custom.digest:
            deltas[data.base_digest] = target_file(update, other)
    return BundleTarget(
        target_file(update, listed), number, custom.digest, custom.key_epoch, custom.tzdata, deltas
    )


def target_file(update: Update, name: str) -> TargetFile:
    """Where a listed target is.

    Raises:
        UntrustedError: ``target_missing``, ``hash_weak``.
    """
    _, _, targets = update.complete()
    target = targets.targets.get(name)
    if target is None:
        raise untrusted(TrustReason.TARGET_MISSING, f"The repository offers no {name}.")
    hashes = {kind: value for kind, value in target.hashes.items() if kind in ("sha256", "sha384", "sha512")}
    if not hashes:
        raise untrusted(TrustReason.HASH_WEAK, f"{name} is announced by {', '.join(target.hashes)} only.")
    folder, slash, base = name.rpartition("/")
    stored = (
        f"{folder}{slash}{next(iter(hashes.values()))}.{base}" if update.root.consistent_snapshot else name
    )
    return TargetFile(name, stored, target.length, hashes)


def check_mark(mark: Mark | None, target: BundleTarget) -> None:
    """Raise if the mark forbids the bundle that is offered. A mark of an older key epoch forbids nothing.

    Raises:
        UntrustedError: ``revision_rollback``, ``revision_content_mismatch``.
    """
    if mark is None or target.key_epoch > mark.epoch:
        return
    if target.revision < mark.revision or target.key_epoch < mark.epoch:
        raise untrusted(
            TrustReason.REVISION_ROLLBACK, f"Revision {target.revision} is older than {mark.revision}."
        )
    if target.revision == mark.revision and target.digest != mark.digest:
        raise untrusted(
            TrustReason.REVISION_CONTENT_MISMATCH,
            f"Revision {mark.revision} was already seen as {mark.digest}.",
        )


def accepted(state: TrustState, target: BundleTarget) -> TrustState:
    """The state after the bundle was activated."""
    return state.marked(target.key_epoch, target.revision, target.digest)


def custom_of(target: Any) -> Custom | None:
    """The custom data of python-tuf's target, or None where it is not ours."""
    try:
        return msgspec.convert(target.custom, Custom, strict=True)
    except msgspec.ValidationError:
        return None
