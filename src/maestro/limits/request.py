"""What is asked: may this run of this package start for this tenant (now, or at an instant)?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.names import require_package, require_run, require_tenant
from maestro.ports.leases import MAX_SECONDS

__all__ = ["DecisionRequest", "in_judged_years", "parse_request"]

MOST_EXPECTED = MAX_SECONDS
FIRST_YEAR, LAST_YEAR = 1900, 9000

Instant = Annotated[datetime, Meta(tz=True)]


class DecisionRequest(Struct, rename="camel", forbid_unknown_fields=True, frozen=True, gc=False):
    """A decision request.

    Attributes:
        tenant: whose run.
        package: what it runs.
        run: its id; optional.
        ts: the instant to judge; absent: now.
        expected_seconds: how long the run will take; optional.
    """

    tenant: str
    package: str
    run: str | UnsetType = UNSET
    ts: Instant | UnsetType = UNSET
    expected_seconds: Annotated[float, Meta(ge=0, le=MOST_EXPECTED)] | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(DecisionRequest)


def parse_request(body: bytes) -> DecisionRequest:
    """Read a decision request from strict JSON, its instant in UTC.

    The request is flat, so a body without a backslash has two quotes for each string: when their number is that of
    the fields read, no key stood twice, and the strict reader need not be asked. That keeps a decision in the
    microseconds.

    Raises:
        BadInputError: names the field, the value and the remedy.
    """
    try:
        request = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError):
        request = None
    if (
        request is None
        or b"\\" in body
        or body.count(b'"') != _quotes(request)
        or len(body) > strict_json.BODY_LIMIT
    ):
        request = strict_json.decode(body, DecisionRequest)
    require_tenant(request.tenant)
    require_package(request.package)
    if request.run is not UNSET:
        require_run(request.run)
    if request.ts is not UNSET and not (request.ts.tzinfo is UTC and 2000 <= request.ts.year < 2100):
        ts = in_judged_years(request.ts)
        if ts is not request.ts:
            request = msgspec.structs.replace(request, ts=ts)
    return request


def in_judged_years(instant: datetime, field: str = "ts") -> datetime:
    """The instant in UTC.

    Raises:
        BadInputError: outside the years 1900 to 9000, beyond which an opening cannot be sought 400 days ahead.
    """
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise BadInputError(
            f"is outside the years {FIRST_YEAR} to {LAST_YEAR}.",
            field=field,
            value=instant.isoformat(),
            remedy="Ask about an instant in these years.",
            code="bad_time",
        )
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


def _quotes(request: DecisionRequest) -> int:
    """Quotes of a body that holds each field once: two for a key, two for a string value."""
    return (
        8
        + (request.run is not UNSET) * 4
        + (request.ts is not UNSET) * 4
        + (request.expected_seconds is not UNSET) * 2
    )
