"""The ``.manifest`` of an OPA bundle: revision, roots, metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from maestro.formats.opa_structured import parse_json, parse_number
from maestro.formats.reasons import BundleReason, refused
from maestro.kernel.errors import UntrustedError

__all__ = ["MANIFEST", "Manifest", "check_spelling", "parse_manifest"]

MANIFEST = ".manifest"
_FIELDS = ("revision", "roots", "wasm", "metadata", "rego_version", "file_rego_versions")


@attrs.frozen
class Manifest:
    """What a bundle says of itself.

    Attributes:
        revision: its publisher's name for this content.
        roots: paths below ``data`` that the bundle owns, without slashes at either end; ``("",)`` owns all.
        metadata: whatever the publisher added.
        raw: the file's bytes.
    """

    revision: str
    roots: tuple[str, ...]
    metadata: Mapping[str, Any]
    raw: bytes

    def covers(self, path: Sequence[str]) -> bool:
        """Whether the path below ``data`` is owned by the bundle."""
        return any(tuple(path[: len(root)]) == root for root in self._split())

    def leads_to_root(self, path: Sequence[str]) -> bool:
        """Whether an owned path lies further down."""
        return any(root[: len(path)] == tuple(path) for root in self._split())

    def _split(self) -> list[tuple[str, ...]]:
        return [tuple(root.split("/")) if root else () for root in self.roots]


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        UntrustedError: ``manifest_malformed``, ``roots_overlap``.
    """
    try:
        value = parse_json(raw, MANIFEST, parse_number)
    except UntrustedError as error:
        raise refused(BundleReason.MANIFEST_MALFORMED, error.message) from error
    if not isinstance(value, dict):
        raise refused(BundleReason.MANIFEST_MALFORMED, "The manifest is no JSON object.")
    wrong = check_spelling(value, _FIELDS)
    roots = value.get("roots")
    roots = [""] if roots is None else roots
    metadata = value.get("metadata")
    if (
        wrong
        or not isinstance(value.get("revision"), str)
        or not (isinstance(roots, list) and all(isinstance(root, str) for root in roots))
        or not isinstance(metadata, dict | None)
    ):
        raise refused(
            BundleReason.MANIFEST_MALFORMED,
            f"The manifest has the field {wrong!r}."
            if wrong
            else "The manifest needs a revision (text) and may have roots (texts) and metadata (an object).",
        )
    clean = tuple(root.strip("/") for root in roots)
    _check_overlap(clean)
    return Manifest(value["revision"], clean, metadata or {}, raw)


def check_spelling(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """A key that Go's decoder takes for one of these names though it is spelled otherwise, or None.

    ``encoding/json`` matches keys without regard to case, so ``Revision`` beside ``revision`` has two readings.
    """
    return next((key for key in value if key not in names and key.casefold() in names), None)


def _check_overlap(roots: tuple[str, ...]) -> None:
    for at, root in enumerate(roots):
        for other in roots[at + 1 :]:
            short, long = sorted((root, other), key=len)
            if not short or long == short or long.startswith(f"{short}/"):
                raise refused(BundleReason.ROOTS_OVERLAP, f"The roots {root!r} and {other!r} overlap.")
