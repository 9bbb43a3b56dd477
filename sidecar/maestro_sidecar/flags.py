"""``/api/flags``: switches, as the settings have them and as operators set them since, for all sidecars on the store."""

from __future__ import annotations

import msgspec

from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.ports.documents import StoredDocument
from maestro.ports.flags import FlagSnapshot, flags_changed
from maestro_sidecar.context import Context
from maestro_sidecar.documents import Precondition
from maestro_sidecar.endpoint import Operation, Parameter
from maestro_sidecar.messages import Answer, Request, json_answer, quoted
from maestro_sidecar.stored_flags import KIND, TENANT

__all__ = ["OPERATIONS"]

_NO_STORE = (b"cache-control", b"no-store")


async def get(request: Request, context: Context) -> Answer:
    """The flags by name, as they are now."""
    request.identity.require("operator")
    request.query(())
    await context.workers.run(context.flags.refresh)
    return _told(context)


async def put(request: Request, context: Context) -> Answer:
    """Set flags; those not named are as the settings have them."""
    request.identity.require("operator")
    request.query(())
    wanted = Precondition(request)
    values = _checked(await request.json_body())
    documents = context.writing.documents

    def store() -> StoredDocument:
        stored = documents.put(
            KIND,
            TENANT,
            msgspec.json.encode(values, order="sorted"),
            expected=wanted.expected(documents, KIND, TENANT),
            changed_by=request.identity.name,
            changed_at=context.clock.now(),
            announce=flags_changed,
        )
        context.flags.refresh()
        return stored

    stored = await context.workers.run(store)
    context.log.info("flags_changed", flags=values, version=stored.version, by=stored.changed_by)
    await context.accounted()
    return _told(context)


def _told(context: Context) -> Answer:
    tag = (b"etag", quoted(context.flags.version))
    return json_answer(200, context.flags.snapshot().as_dict(), tag, _NO_STORE)


def _checked(body: bytes) -> dict[str, bool]:
    """The flags in a body. Raises BadInputError naming the flag."""
    given = strict_json.loads(body)
    if not isinstance(given, dict):
        raise BadInputError("is no object.", field="flags", remedy='Write {"run_windows_caps": false}.')
    for name, value in given.items():
        if not isinstance(value, bool):
            raise BadInputError(
                "is neither true nor false.",
                field=f"flags.{name}",
                value=repr(value),
                remedy="Write true or false, without quotes.",
                code="bad_field",
            )
    FlagSnapshot(given)
    return given


OPERATIONS = (
    Operation(
        "GET",
        "/api/flags",
        "flags",
        get,
        "The flags by name.",
        scopes="operator",
        answers={200: dict[str, bool]},
        tagged=True,
    ),
    Operation(
        "PUT",
        "/api/flags",
        "put-flags",
        put,
        "Set flags, for all sidecars on the store within a second; those not named are as the settings have them.",
        scopes="operator",
        body=dict[str, bool],
        parameters=(
            Parameter("If-Match", "header", "Change only this version, by its ETag."),
            Parameter("If-None-Match", "header", "`*`: only if none were ever set."),
        ),
        answers={200: dict[str, bool]},
        problems={412: ("version_conflict",)},
        tagged=True,
    ),
)
