"""The documents that say what a tenant may run, when and how much, as JSON spells them.

A tenant has two, ``windows`` and ``package-caps``, each versioned by itself; a limits *file* is both in one object
with the usage that ``maestro limits explain`` cannot ask a lease store for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.names import require_package, require_package_pattern, require_tenant

__all__ = [
    "DOCUMENT_KINDS",
    "ClosureItem",
    "LimitsFile",
    "PackageCapsDocument",
    "WindowItem",
    "WindowsDocument",
    "encode_document",
    "limits_from",
    "parse_limits_file",
    "parse_package_caps",
    "parse_windows",
    "split_limits",
]

Days = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Cap = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Zone = Annotated[str, Meta(description="IANA zone name", examples=["Europe/Berlin"])]
TimeOfDay = Annotated[str, Meta(description="HH:MM or HH:MM:SS by the wall clock; 24:00 as an end")]
LocalTime = Annotated[str, Meta(description="YYYY-MM-DDTHH:MM[:SS] by the wall clock, no offset")]
OnWindowEnd = Literal["finish", "must_fit"]
OnUnavailable = Literal["closed", "open"]

WEEK = 7 * 24 * 3600
MOST_WINDOWS = 64
MOST_CLOSURES = 512


class WindowItem(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """One entry of ``allowedWindows``. ``days`` are the local days on which the window starts; absent: all."""

    start: TimeOfDay
    end: TimeOfDay
    days: Annotated[list[Days], Meta(extra_json_schema={"minItems": 1, "uniqueItems": True})] | UnsetType = (
        UNSET
    )
    timezone: Zone | UnsetType = UNSET


class ClosureItem(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """One entry of ``closures``: from start to end, by the wall clock of its zone."""

    start: LocalTime
    end: LocalTime
    timezone: Zone | UnsetType = UNSET
    reason: Annotated[str, Meta(max_length=200)] = ""


class WindowsDocument(Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """When a tenant's runs may start. ``allowedWindows`` absent: at any time; ``[]``: never."""

    tenant: str
    timezone: Zone = "UTC"
    allowed_windows: Annotated[list[WindowItem], Meta(max_length=MOST_WINDOWS)] | UnsetType = UNSET
    closures: Annotated[list[ClosureItem], Meta(max_length=MOST_CLOSURES)] = []
    start_cutoff_seconds: Annotated[int, Meta(ge=0, le=WEEK)] = 0
    on_window_end: OnWindowEnd = "finish"
    on_unavailable: OnUnavailable = "closed"


class PackageCapsDocument(
    Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, frozen=True
):
    """How many runs a tenant may have at once, in all and of each package."""

    tenant: str
    max_concurrent: Cap | UnsetType = UNSET
    package_caps: dict[str, Cap] = {}


class LimitsFile(Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """Both documents in one, and the usage to assume where no lease store can be asked."""

    tenant: str
    timezone: Zone = "UTC"
    allowed_windows: Annotated[list[WindowItem], Meta(max_length=MOST_WINDOWS)] | UnsetType = UNSET
    closures: Annotated[list[ClosureItem], Meta(max_length=MOST_CLOSURES)] = []
    start_cutoff_seconds: Annotated[int, Meta(ge=0, le=WEEK)] = 0
    on_window_end: OnWindowEnd = "finish"
    on_unavailable: OnUnavailable = "closed"
    max_concurrent: Cap | UnsetType = UNSET
    package_caps: dict[str, Cap] = {}
    package_usage: dict[str, Cap] = {}
    running_total: Cap = 0


D = TypeVar("D", WindowsDocument, PackageCapsDocument, LimitsFile)

DOCUMENT_KINDS: Mapping[str, type[WindowsDocument | PackageCapsDocument]] = {
    "windows": WindowsDocument,
    "package-caps": PackageCapsDocument,
}


def parse_windows(body: bytes) -> WindowsDocument:
    """Read a windows document's shape; ``policy.compile_windows`` judges its times and zones.

    Raises:
        BadInputError: names the field, the value and the remedy.
    """
    return _parse(body, WindowsDocument)


def parse_package_caps(body: bytes) -> PackageCapsDocument:
    """Read a package-caps document, or raise BadInputError naming the field, the value and the remedy."""
    return _parse(body, PackageCapsDocument)


def parse_limits_file(body: bytes) -> LimitsFile:
    """Read a limits file, or raise BadInputError naming the field, the value and the remedy."""
    return _parse(body, LimitsFile)


def split_limits(limits: LimitsFile) -> tuple[WindowsDocument, PackageCapsDocument]:
    """The two documents that a limits file holds."""
    windows = WindowsDocument(
        limits.tenant,
        limits.timezone,
        limits.allowed_windows,
        limits.closures,
        limits.start_cutoff_seconds,
        limits.on_window_end,
        limits.on_unavailable,
    )
    return windows, PackageCapsDocument(limits.tenant, limits.max_concurrent, limits.package_caps)


def encode_document(document: WindowsDocument | PackageCapsDocument | LimitsFile) -> bytes:
    """Canonical JSON of a document: fields in their declared order, defaults left out."""
    return msgspec.json.encode(document)


def _parse(body: bytes, shape: type[D]) -> D:
    return _convert(strict_json.loads(body), shape)


def limits_from(raw: Mapping[str, Any]) -> LimitsFile:
    """A limits file given as Python values, or raise BadInputError naming the field, the value and the remedy."""
    return _convert(dict(raw), LimitsFile)


def _convert(raw: Any, shape: type[D]) -> D:
    if isinstance(raw, dict):
        _check_caps(raw, "packageCaps")
        _check_caps(raw, "packageUsage")
    document = strict_json.convert(raw, shape)
    require_tenant(document.tenant)
    return document


def _check_caps(raw: dict[str, Any], field: str) -> None:
    """Judge each entry by itself, because a decoder's message would not name its key."""
    entries = raw.get(field)
    if not isinstance(entries, dict):
        return
    for name, count in entries.items():
        where = f'{field}["{name}"]'
        if field == "packageCaps":
            require_package_pattern(name, where)
        else:
            require_package(name, where)
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 1_000_000_000:
            raise BadInputError(
                "must be a whole number from 0 to 1000000000.",
                field=where,
                value=repr(count),
                remedy="0 forbids the package; leave the entry out for no cap.",
                code="bad_field",
            )
