"""What may happen to a registry, one record a change: the log that these make is the registry.

A store keeps the records in order, with who did it and when; the state is what they fold to.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "CHANGES",
    "Change",
    "ConfigChanged",
    "ConfigDropped",
    "ModeChanged",
    "ModeDropped",
    "Reference",
    "SchemaText",
    "SubjectDeleted",
    "VersionDeleted",
    "VersionRegistered",
    "decode_change",
    "encode_change",
]


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A schema that another one uses: by what name it is called there, and which version it is."""

    name: str
    subject: str
    version: int


class SchemaText(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A schema as it was registered.

    Attributes:
        schema: its text.
        schema_type: ``AVRO`` or ``JSON``, the field's names.
        references: schemas that it uses.
        metadata: tags, properties (``owner`` among them) and sensitive ones; kept, not interpreted.
        rule_set: rules of serializers; kept, not interpreted.
    """

    schema: str
    schema_type: str = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: dict[str, Any] | None = None
    rule_set: dict[str, Any] | None = None


class VersionRegistered(msgspec.Struct, frozen=True, tag="registered"):
    """A version came.

    Attributes:
        subject: whose.
        version: its number.
        id: of the schema; equal schemas share one.
        text: the schema; None when a schema of this id is there already.
        summary: what changed since the version before, for people.
    """

    subject: str
    version: int
    id: int
    text: SchemaText | None
    summary: tuple[str, ...] = ()


class VersionDeleted(msgspec.Struct, frozen=True, tag="version_deleted"):
    """A version went: softly, still readable by id, or for good."""

    subject: str
    version: int
    permanent: bool


class SubjectDeleted(msgspec.Struct, frozen=True, tag="subject_deleted"):
    """All versions of a subject went, and its configuration and mode with them."""

    subject: str
    permanent: bool


class ConfigChanged(msgspec.Struct, frozen=True, tag="config"):
    """The configuration of a subject, or of all (subject "")."""

    subject: str
    config: dict[str, Any]


class ConfigDropped(msgspec.Struct, frozen=True, tag="config_dropped"):
    """A subject has no configuration of its own any more."""

    subject: str


class ModeChanged(msgspec.Struct, frozen=True, tag="mode"):
    """The mode of a subject, or of all (subject "")."""

    subject: str
    mode: str


class ModeDropped(msgspec.Struct, frozen=True, tag="mode_dropped"):
    """A subject has no mode of its own any more."""

    subject: str


Change = (
    VersionRegistered
    | VersionDeleted
    | SubjectDeleted
    | ConfigChanged
    | ConfigDropped
    | ModeChanged
    | ModeDropped
)

CHANGES = (
    VersionRegistered,
    VersionDeleted,
    SubjectDeleted,
    ConfigChanged,
    ConfigDropped,
    ModeChanged,
    ModeDropped,
)

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Change)


def encode_change(change: Change) -> bytes:
    """The record's bytes."""
    return _ENCODER.encode(change)


def decode_change(body: bytes) -> Change:
    """The record of these bytes; ours, so they are right."""
    change: Change = _DECODER.decode(body)
    return change
