"""``/api/limits/windows`` and ``/api/limits/package-caps``: a tenant's documents, versioned, by ETag."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec

from maestro.kernel.errors import BadInputError, ConflictError
from maestro.kernel.names import require_tenant
from maestro.limits.documents import PackageCapsDocument, WindowsDocument, parse_package_caps, parse_windows
from maestro.ports.documents import DocumentStore, StoredDocument
from maestro_sidecar.context import Context
from maestro_sidecar.endpoint import Operation, Parameter
from maestro_sidecar.messages import Answer, Request, entity_tags, json_answer, quoted
from maestro_sidecar.refusals import RefusedError

__all__ = ["OPERATIONS", "Precondition"]

_NUMBER = re.compile(r"[1-9]\d{0,14}", re.ASCII)
_PARSERS: Mapping[str, Callable[[bytes], WindowsDocument | PackageCapsDocument]] = {
    "windows": parse_windows,
    "package-caps": parse_package_caps,
}


class Version(msgspec.Struct, rename="camel", frozen=True):
    """One version of a document, with who wrote it and when."""

    version: int
    changed_by: str
    changed_at: datetime
    document: msgspec.Raw


class History(msgspec.Struct, rename="camel", frozen=True):
    """The newest versions of a document, the newest first, at most a hundred."""

    tenant: str
    kind: str
    versions: list[Version]


async def put(request: Request, context: Context, *, kind: str) -> Answer:
    """Store the next version, if the preconditions hold."""
    request.identity.require("operator")
    request.query(())
    wanted = Precondition(request)
    document = _PARSERS[kind](await request.json_body())

    def store() -> StoredDocument:
        expected = wanted.expected(context.writing.documents, kind, document.tenant)
        return context.writing.put_document(kind, document, by=request.identity.name, expected=expected)

    stored = await context.workers.run(store)
    context.log.info(
        "document_changed",
        request=request.request_id.decode(),
        kind=kind,
        tenant=stored.tenant,
        version=stored.version,
        by=stored.changed_by,
    )
    await context.accounted()
    return json_answer(201 if stored.version == 1 else 200, stored.body, (b"etag", quoted(stored.version)))


async def get(request: Request, context: Context, *, kind: str) -> Answer:
    """The newest version, the one asked for, or the history."""
    query = request.query(("tenant", "version", "history"))
    if "tenant" not in query:
        raise BadInputError("is missing.", field="tenant", remedy="Add ?tenant=NAME.", code="bad_field")
    tenant = require_tenant(query["tenant"])
    request.identity.require_tenant(tenant, "operator")
    if _truth(query.get("history", "false"), "history"):
        if "version" in query:
            raise BadInputError("cannot be combined with history.", field="version", remedy="Ask for one.")
        return await _history(context, kind, tenant)
    version = _version(query["version"]) if "version" in query else None
    unless = request.text_header(b"if-none-match")
    known = entity_tags(unless, "If-None-Match") if unless is not None else frozenset[str]()
    stored = await context.workers.run(partial(context.writing.documents.get, kind, tenant, version))
    if stored is None:
        which = kind if version is None else f"{kind} version {version}"
        raise RefusedError("no_such_document", f"{tenant} has no {which} document.")
    headers = ((b"etag", quoted(stored.version)), (b"cache-control", b"no-cache"))
    if known is None or str(stored.version) in known:
        return Answer(304, headers=headers)
    return json_answer(200, stored.body, *headers)


async def _history(context: Context, kind: str, tenant: str) -> Answer:
    stored = await context.workers.run(partial(context.writing.documents.history, kind, tenant))
    versions = [Version(one.version, one.changed_by, one.changed_at, msgspec.Raw(one.body)) for one in stored]
    return json_answer(200, History(tenant, kind, versions), (b"cache-control", b"no-cache"))


class Precondition:
    """``If-Match`` and ``If-None-Match`` of a PUT, as the version that must be the newest."""

    def __init__(self, request: Request) -> None:
        match, unless = request.text_header(b"if-match"), request.text_header(b"if-none-match")
        if match is not None and unless is not None:
            raise BadInputError(
                "cannot be combined with If-None-Match.", field="If-Match", remedy="Send one of them."
            )
        self._must_exist = self._must_be_new = False
        self._versions: frozenset[int] | None = None
        if unless is not None:
            if entity_tags(unless, "If-None-Match") is not None:
                raise BadInputError(
                    "names a version.",
                    field="If-None-Match",
                    value=unless,
                    remedy="Send * to create only, else If-Match.",
                )
            self._must_be_new = True
        if match is not None:
            tags = entity_tags(match, "If-Match")
            self._must_exist = tags is None
            if tags is not None:
                self._versions = frozenset(int(tag) for tag in tags if _NUMBER.fullmatch(tag))

    def expected(self, documents: DocumentStore, kind: str, tenant: str) -> int | None:
        """What ``DocumentStore.put`` is to expect; the store judges it again, in its own transaction.

        Raises:
            ConflictError: ``version_conflict``, no version could match.
        """
        if self._must_be_new:
            return 0
        if self._versions is None and not self._must_exist:
            return None
        stored = documents.get(kind, tenant)
        newest = stored.version if stored is not None else 0
        if newest and (self._versions is None or newest in self._versions):
            return newest if self._versions is not None else None
        stands = f"is at version {newest}" if newest else "is not there"
        raise ConflictError(
            f"The {kind} document of {tenant} {stands}; If-Match names another.",
            code="version_conflict",
            remedy="GET it, merge, PUT with the new ETag.",
        )


def _version(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise BadInputError(
            "is not a version.", field="version", value=text, remedy="Use a number such as 3."
        )
    return int(text)


def _truth(text: str, field: str) -> bool:
    if text not in {"true", "false"}:
        raise BadInputError(
            "is neither true nor false.", field=field, value=text, remedy="Write true or false."
        )
    return text == "true"


_TENANT = Parameter("tenant", "query", "Whose document.", required=True)
_PRECONDITIONS = (
    Parameter("If-Match", "header", "Change only this version, by its ETag."),
    Parameter(
        "If-None-Match", "header", "`*`: create only.", shape=Annotated[str, msgspec.Meta(pattern=r"^\*$")]
    ),
)


def _operations(kind: str, shape: type[WindowsDocument | PackageCapsDocument]) -> tuple[Operation, ...]:
    path = f"/api/limits/{kind}"
    return (
        Operation(
            "GET",
            path,
            f"get-{kind}",
            partial(get, kind=kind),
            f"A tenant's {kind} document, one of its versions, or its history.",
            scopes="tenant:<id> of the tenant, operator",
            parameters=(
                _TENANT,
                Parameter("version", "query", "This version instead of the newest.", shape=int),
                Parameter(
                    "history", "query", "All versions with who and when, the newest first.", shape=bool
                ),
                Parameter("If-None-Match", "header", "Answer 304 when the newest is still this ETag."),
            ),
            answers={200: shape | History, 304: None},
            problems={404: ("no_such_document",)},
            tagged=True,
        ),
        Operation(
            "PUT",
            path,
            f"put-{kind}",
            partial(put, kind=kind),
            f"Store the next version of the {kind} document of the tenant in the body.",
            scopes="operator",
            body=shape,
            parameters=_PRECONDITIONS,
            answers={200: shape, 201: shape},
            problems={412: ("version_conflict",)},
            tagged=True,
        ),
    )


OPERATIONS = (*_operations("windows", WindowsDocument), *_operations("package-caps", PackageCapsDocument))
