"""The operations of the registry's API; each asks or tells the registry one thing.

Reading takes any token, registering the scope ``publisher`` or ``operator``, all else ``operator``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

from msgspec import UNSET

from maestro.formats.strict_json import convert, loads
from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.registry.changes import Change
from maestro.lake.contracts.registry.reasons import refused
from maestro.lake.contracts.registry.registry import EVERYBODY, LATEST, TYPES, Registry
from maestro.lake.contracts.registry.state import guid_of
from maestro_sidecar.context import Context
from maestro_sidecar.contracts.bodies import (
    Compatibility,
    RegisterRequest,
    SchemaRequest,
    named,
    schema_answer,
    version_answer,
)
from maestro_sidecar.contracts.endpoint import MEDIA_TYPE, registry_answer
from maestro_sidecar.messages import Answer, Request, is_json
from maestro_sidecar.refusals import RefusedError

__all__ = ["Call"]

T = TypeVar("T")
_MOST_FIELDS: Final = 32
_MOST_PAGE: Final = 2**31 - 1
_DEPTH: Final = 64
_SCHEMA_JSON = (MEDIA_TYPE.encode(), b"application/vnd.schemaregistry+json")


class Call:
    """One request, read leniently as the field's registry does: unknown parameters are ignored, names are unquoted."""

    def __init__(self, request: Request, context: Context) -> None:
        self.request, self.context = request, context
        self.pairs = _pairs(request.scope["query_string"])
        self._query = dict(self.pairs)

    def name(self, parameter: str) -> str:
        """A part of the path."""
        return unquote(self.request.path_parameters[parameter])

    @property
    def subject(self) -> str:
        """The subject that the path names, else everybody's."""
        return self.name("subject") if "subject" in self.request.path_parameters else EVERYBODY

    @property
    def number(self) -> int:
        """The version that the path names.

        Raises:
            BadInputError: ``bad_version``.
        """
        given = self.name("version")
        if given == "latest":
            return LATEST
        try:
            return int(given)
        except ValueError as error:
            raise refused("bad_version", f"Version {given[:40]!r} is none.") from error

    @property
    def schema_id(self) -> int:
        """The id that the path names.

        Raises:
            ConflictError: ``schema_not_found``.
        """
        given = self.name("id")
        if not given.isdecimal():
            raise refused("schema_not_found", f"Schema {given[:40]!r} is not there.")
        return int(given)

    def text(self, *names: str) -> str:
        """A parameter's value, under the first of its names that is there; empty when none is."""
        return next((self._query[name] for name in names if name in self._query), "")

    def flag(self, *names: str) -> bool:
        """Whether a parameter is true, in whatever case it is written."""
        return self.text(*names).lower() == "true"

    def page(self, found: list[T]) -> list[T]:
        """The part of a list that ``offset`` and ``limit`` ask for; a negative limit asks for all."""
        offset, limit = (self._whole(name, usual) for name, usual in (("offset", 0), ("limit", -1)))
        start = max(0, offset)
        return found[start : start + (limit if limit >= 0 else _MOST_PAGE)]

    def _whole(self, name: str, usual: int) -> int:
        given = self.text(name) or str(usual)
        try:
            return int(given)
        except ValueError as error:
            raise BadInputError("is no whole number.", field=name, value=given, remedy="Send one.") from error

    async def body(self, shape: type[T]) -> T:
        """The request's body, as the shape; fields that it does not know are ignored."""
        return convert(await self.raw_body(), shape)

    async def raw_body(self) -> Any:
        """The request's body as plain values."""
        body = await self.request.json_body(announced_as=_announced)
        return loads(body, limit=len(body), depth=_DEPTH)

    async def ask(self, question: Callable[[Registry], T]) -> T:
        """The registry's answer."""
        registry = self.context.contracts
        return await self.context.workers.run(lambda: registry.ask(question))

    async def do(self, deed: Callable[[Registry], tuple[T, Change | None]], *scopes: str) -> T:
        """What comes of a deed, for who may do it."""
        identity = self.request.identity
        identity.require(*scopes, "operator")
        registry = self.context.contracts
        return await self.context.workers.run(lambda: registry.do(deed, by=identity.name))


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BadInputError(
            f"has more than {_MOST_FIELDS} parameters.", field="query", remedy="Send fewer."
        ) from error


def _announced(media_type: bytes | None) -> bool:
    return is_json(media_type) or (media_type or b"").partition(b";")[0].strip().lower() in _SCHEMA_JSON


Handler = Callable[[Call], Awaitable[Any]]


def handled(handler: Handler) -> Callable[[Request, Context], Awaitable[Answer]]:
    """The handler as endpoints call it."""

    async def handle(request: Request, context: Context) -> Answer:
        return registry_answer(await handler(Call(request, context)))

    return handle


# ---- subjects ----


async def list_subjects(call: Call) -> list[str]:
    deleted, only = call.flag("deleted"), call.flag("deletedOnly", "deleted_only")
    prefix = call.text("subjectPrefix").removeprefix(":*:")

    def listed(registry: Registry) -> list[str]:
        live = set(registry.state.subjects())
        every = registry.state.subjects(deleted=deleted or only)
        return [name for name in every if name.startswith(prefix) and not (only and name in live)]

    return call.page(await call.ask(listed))


async def list_versions(call: Call) -> list[int]:
    only = call.flag("deletedOnly", "deleted_only")
    found = await call.ask(lambda it: it.versions(call.subject, deleted=call.flag("deleted") or only))
    return call.page([version.number for version in found if version.deleted or not only])


async def get_version(call: Call) -> Any:
    return await call.ask(
        lambda it: version_answer(
            it.state, it.version(call.subject, call.number, deleted=call.flag("deleted"))
        )
    )


async def get_version_schema(call: Call) -> Any:
    text = await call.ask(
        lambda it: it.text(it.version(call.subject, call.number, deleted=call.flag("deleted")).id)
    )
    return _raw(text.schema)


async def list_referrers(call: Call) -> list[int]:
    def referring(registry: Registry) -> list[int]:
        version = registry.version(call.subject, call.number, deleted=True)
        return sorted({each.id for each in registry.state.referrers(version.subject, version.number)})

    return call.page(await call.ask(referring))


async def find_by_metadata(call: Call) -> Any:
    """The newest version whose metadata has all of these properties."""
    keys, values = ([value for name, value in call.pairs if name == which] for which in ("key", "value"))
    wanted = dict(zip(keys, values, strict=False))

    def found(registry: Registry) -> Any:
        for version in reversed(registry.versions(call.subject, deleted=call.flag("deleted"))):
            properties = (registry.text(version.id).metadata or {}).get("properties") or {}
            if wanted.items() <= properties.items():
                return version_answer(registry.state, version)
        raise refused("schema_not_found", f"No version of {call.subject!r} has this metadata.")

    return await call.ask(found)


async def register(call: Call) -> Any:
    asked = await call.body(RegisterRequest)
    chosen = await call.do(
        lambda it: it.register(
            call.subject,
            asked.text(),
            normalize=call.flag("normalize"),
            schema_id=None if asked.id in (None, -1) else asked.id,
            number=None if asked.version in (None, 0, -1) else asked.version,
        ),
        "publisher",
    )

    def told(registry: Registry) -> Any:
        held = [each for each in registry.state.holders(chosen, deleted=True) if each.subject == call.subject]
        return version_answer(registry.state, held[-1])

    return await call.ask(told)


async def look_up(call: Call) -> Any:
    asked = await call.body(SchemaRequest)
    return await call.ask(
        lambda it: version_answer(
            it.state,
            it.find(
                call.subject, asked.text(), normalize=call.flag("normalize"), deleted=call.flag("deleted")
            ),
        )
    )


async def delete_subject(call: Call) -> list[int]:
    return await call.do(lambda it: it.delete_subject(call.subject, permanent=call.flag("permanent")))


async def delete_version(call: Call) -> int:
    number = call.number
    return await call.do(lambda it: it.delete_version(call.subject, number, permanent=call.flag("permanent")))


# ---- schemas ----


async def list_types(_: Call) -> list[str]:
    return sorted(TYPES, reverse=True)


async def get_schema(call: Call) -> Any:
    """The schema of an id; under a subject, as that subject's version when it has one."""
    schema_id, subject = call.schema_id, call.text("subject")

    def found(registry: Registry) -> Any:
        text = registry.text(schema_id)
        held = [each for each in registry.state.holders(schema_id, deleted=True) if each.subject == subject]
        if held:
            return version_answer(registry.state, held[-1])
        newest = registry.state.next_id() - 1
        return schema_answer(text, newest if call.flag("fetchMaxId") else UNSET)

    return await call.ask(found)


async def get_raw_schema(call: Call) -> Any:
    schema_id = call.schema_id
    return _raw((await call.ask(lambda it: it.text(schema_id))).schema)


async def get_by_guid(call: Call) -> Any:
    guid = call.name("guid").lower()

    def found(registry: Registry) -> Any:
        for text in registry.state.texts.values():
            if guid_of(text) == guid:
                return schema_answer(text)
        raise refused("schema_not_found", f"Schema {guid[:40]!r} is not there.")

    return await call.ask(found)


async def list_holders(call: Call) -> Any:
    """The versions that have a schema."""
    schema_id, subject = call.schema_id, call.text("subject")

    def found(registry: Registry) -> Any:
        registry.text(schema_id)
        every = registry.state.holders(schema_id, deleted=call.flag("deleted"))
        return named([each for each in every if subject in ("", each.subject)])

    return call.page(await call.ask(found))


async def list_holding_subjects(call: Call) -> list[str]:
    return list(dict.fromkeys(each.subject for each in await list_holders(call)))


# ---- compatibility, configuration, mode ----


async def check(call: Call) -> Compatibility:
    asked = await call.body(SchemaRequest)
    number = call.number if "version" in call.request.path_parameters else None
    verdict = await call.ask(
        lambda it: it.check(call.subject, asked.text(), number, normalize=call.flag("normalize"))
    )
    if not call.flag("verbose"):
        return Compatibility(verdict.compatible)
    told = [f"{each.path}: {each.rule}: {each.message} {each.remedy}" for each in verdict.violations]
    return Compatibility(verdict.compatible, told)


async def get_config(call: Call) -> Mapping[str, Any]:
    return await call.ask(lambda it: it.config(call.subject, or_global=call.flag("defaultToGlobal")))


async def put_config(call: Call) -> Mapping[str, Any]:
    asked = await call.body(dict[str, Any])
    config = await call.do(lambda it: it.set_config(call.subject, asked))
    level = config.get("compatibilityLevel")
    told = {name: value for name, value in config.items() if name != "compatibilityLevel"}
    return told if level is None else {"compatibility": level} | told


async def delete_config(call: Call) -> Mapping[str, Any]:
    return await call.do(lambda it: it.drop_config(call.subject))


async def get_mode(call: Call) -> Mapping[str, str]:
    return {"mode": await call.ask(lambda it: it.mode(call.subject, or_global=call.flag("defaultToGlobal")))}


async def put_mode(call: Call) -> Mapping[str, str]:
    asked = await call.body(dict[str, Any])
    mode = str(asked.get("mode"))
    return {"mode": await call.do(lambda it: it.set_mode(call.subject, mode, force=call.flag("force")))}


async def delete_mode(call: Call) -> Mapping[str, str]:
    return {"mode": await call.do(lambda it: it.drop_mode(call.subject))}


async def not_there(_: Call) -> Any:
    """What the API has and we do not: associations, contexts and exporters."""
    raise RefusedError("not_implemented")


async def no_association(_: Call) -> Any:
    """None is kept. Serializers ask before they name a subject, and take this, unlike 501, as "use the usual name"."""
    raise RefusedError("not_found", "This registry keeps no associations.", remedy="Name subjects by topic.")


def _raw(schema: str) -> Any:
    try:
        return loads(schema.encode(), limit=len(schema) * 4, depth=_DEPTH * 2)
    except BadInputError:  # a bare name of one of Avro's primitive types
        return schema
