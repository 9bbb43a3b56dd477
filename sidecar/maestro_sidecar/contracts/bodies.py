"""What the field's clients send and are sent, in its own spelling."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from maestro.lake.contracts.registry.changes import Reference, SchemaText
from maestro.lake.contracts.registry.state import State, Version, guid_of

__all__ = [
    "Compatibility",
    "Config",
    "Fault",
    "Mode",
    "RegisterRequest",
    "Registered",
    "SchemaAnswer",
    "SchemaRequest",
    "VersionAnswer",
    "VersionName",
    "named",
    "schema_answer",
    "version_answer",
]


class Fault(msgspec.Struct, frozen=True):
    """What went wrong, as the field's registry says it."""

    error_code: Annotated[int, Meta(description="The HTTP status, or it and two digits more.")]
    message: str


class SchemaRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A schema to look up or to judge."""

    schema: Annotated[str, Meta(min_length=1)]
    schema_type: str | None = None
    references: tuple[Reference, ...] | None = None
    metadata: dict[str, Any] | None = None
    rule_set: dict[str, Any] | None = None

    def text(self) -> SchemaText:
        """The schema as the registry keeps it."""
        return SchemaText(
            self.schema, self.schema_type or "AVRO", self.references or (), self.metadata, self.rule_set
        )


class RegisterRequest(SchemaRequest, frozen=True, rename="camel"):
    """A schema to register; ``id`` and ``version`` are for mode IMPORT."""

    id: int | None = None
    version: int | None = None


class SchemaAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A schema. ``schemaType`` is left out for Avro, as the field does."""

    schema: str
    guid: str
    schema_type: str | UnsetType = UNSET
    references: tuple[Reference, ...] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    rule_set: dict[str, Any] | UnsetType = UNSET
    max_id: int | UnsetType = UNSET


class VersionAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A version of a subject with its schema."""

    subject: str
    version: int
    id: int
    guid: str
    schema: str
    schema_type: str | UnsetType = UNSET
    references: tuple[Reference, ...] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    rule_set: dict[str, Any] | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class Registered(msgspec.Struct, frozen=True, rename="camel"):
    """The schema's id, and the version that has it."""

    id: int
    version: int
    guid: str
    schema: str
    schema_type: str | UnsetType = UNSET
    references: tuple[Reference, ...] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    rule_set: dict[str, Any] | UnsetType = UNSET


class VersionName(msgspec.Struct, frozen=True):
    """A version by name."""

    subject: str
    version: int


class Compatibility(msgspec.Struct, frozen=True):
    """A verdict; ``messages`` when asked for with ``verbose=true``."""

    is_compatible: bool
    messages: list[str] | UnsetType = UNSET


class Config(msgspec.Struct, frozen=True, rename="camel"):
    """A configuration. Further fields of the field's (``normalize``, ``defaultMetadata`` …) are kept and given back."""

    compatibility_level: str | UnsetType = UNSET


class Mode(msgspec.Struct, frozen=True):
    """A mode: ``READWRITE``, ``READONLY``, ``READONLY_OVERRIDE`` or ``IMPORT``."""

    mode: str


def schema_answer(text: SchemaText, max_id: int | UnsetType = UNSET) -> SchemaAnswer:
    """The answer that tells a schema."""
    return SchemaAnswer(guid=guid_of(text), max_id=max_id, **_told(text))


def version_answer(state: State, version: Version) -> VersionAnswer:
    """The answer that tells a version."""
    text = state.texts[version.id]
    return VersionAnswer(
        subject=version.subject,
        version=version.number,
        id=version.id,
        guid=guid_of(text),
        deleted=True if version.deleted else UNSET,
        **_told(text),
    )


def named(versions: list[Version]) -> list[VersionName]:
    """Versions by name."""
    return [VersionName(each.subject, each.number) for each in versions]


def _told(text: SchemaText) -> dict[str, Any]:
    """The parts of a schema that are not what they usually are."""
    told: dict[str, Any] = {"schema": text.schema}
    if text.schema_type != "AVRO":
        told["schema_type"] = text.schema_type
    if text.references:
        told["references"] = text.references
    if text.metadata is not None:
        told["metadata"] = text.metadata
    if text.rule_set is not None:
        told["rule_set"] = text.rule_set
    return told
