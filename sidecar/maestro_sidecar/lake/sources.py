"""An address on the command line or in the settings to a change source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from maestro.kernel.errors import BadInputError
from maestro_adapters.clock import SystemClock

if TYPE_CHECKING:
    import pyarrow as pa

    from maestro.lake.envelopes import Reader
    from maestro.ports.changes import ChangeSource

__all__ = ["Opened", "SourceSettings", "extra_of", "open_source", "slot_name", "split_table"]

_EXTRAS: Final = {"kafka": "kafka", "postgresql": "postgres", "postgres": "postgres", "s3": "s3"}


class SourceSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Where changes come from.

    Attributes:
        address: ``kafka://HOST:PORT/TOPIC``, a ``postgresql://`` URL with ``?table=schema.name``, a folder, or
            ``s3://bucket/prefix``.
        name: ``_source`` of the rows; empty: the topic, or ``database.schema.table``.
        group: the consumer group; empty: ``maestro-NAME``.
        instance: this follower's name in the group, kept over restarts; empty: a new member each time.
        slot: the replication slot; empty: ``maestro_`` and the table's name.
        heartbeats: Debezium's heartbeat topic.
        versions: ``lsn`` or ``offset``: what orders the changes of a topic.
    """

    address: str
    name: str = ""
    group: str = ""
    instance: str = ""
    slot: str = ""
    heartbeats: str = ""
    versions: str = "lsn"


class Opened(msgspec.Struct, frozen=True):
    """A source, ready to start, with what it told of itself.

    Attributes:
        source: it.
        key: the source table's primary key, empty when it does not tell.
        columns: the source table's columns, None when it does not tell.
        lanes: how many followers could share it.
    """

    source: ChangeSource
    key: tuple[str, ...]
    columns: pa.Schema | None


def extra_of(address: str) -> str:
    """The extra that brings an address's driver."""
    return _EXTRAS.get(urlsplit(address).scheme, "delta")


def open_source(settings: SourceSettings, key: tuple[str, ...], columns: pa.Schema | None) -> Opened:
    """Open what an address names.

    Args:
        settings: where from.
        key: columns that name a row; empty: those the source tells.
        columns: the table's columns by contract or by the table itself; None: those the source tells.

    Raises:
        BadInputError: an address that is none, or a table without a key.
        PortError: the source cannot be reached.
    """
    scheme = urlsplit(settings.address).scheme
    if scheme == "kafka":
        return _kafka(settings, key, columns)
    if scheme in ("postgresql", "postgres"):
        return _slot(settings, key, columns)
    raise BadInputError(
        "is no source that can be followed.",
        field="SOURCE",
        value=settings.address,
        remedy="Write kafka://HOST:PORT/TOPIC or postgresql://…?table=schema.name.",
    )


def _kafka(settings: SourceSettings, key: tuple[str, ...], columns: pa.Schema | None) -> Opened:
    from maestro_adapters.kafka import KafkaChanges

    parts = urlsplit(settings.address)
    topic = parts.path.strip("/")
    if not parts.netloc or not topic or "/" in topic:
        raise BadInputError(
            "names no topic.",
            field="SOURCE",
            value=settings.address,
            remedy="Write kafka://HOST:PORT/TOPIC; several brokers: kafka://A:9092,B:9092/TOPIC.",
        )
    name = settings.name or topic
    reader = _reader(settings, name, _required(key), columns)
    source = KafkaChanges(
        parts.netloc,
        topic,
        reader,
        group=settings.group or f"maestro-{name}",
        now=SystemClock().now,
        heartbeats=settings.heartbeats,
        settings={"group.instance.id": settings.instance} if settings.instance else None,
    )
    return Opened(source, key, columns)


def _slot(settings: SourceSettings, key: tuple[str, ...], columns: pa.Schema | None) -> Opened:
    from maestro.lake.wire_columns import schema_of
    from maestro_adapters.postgres.slot import SlotChanges, shape_of

    conninfo, table = split_table(settings.address)
    shape = shape_of(conninfo, table)
    key = key or shape.key
    found = columns if columns is not None else schema_of(shape.types, key)
    name = settings.name or table
    reader = _reader(settings, name, _required(key), found, whole=True)
    slot = settings.slot or slot_name(table)
    return Opened(SlotChanges(conninfo, table, slot, reader), key, found)


def slot_name(table: str) -> str:
    """The slot that a table is followed by unless another is named: letters, digits and ``_``, as PostgreSQL wants."""
    plain = "".join(mark if mark.isascii() and mark.isalnum() else "_" for mark in table.lower())
    return f"maestro_{plain}"[:63]


def split_table(address: str) -> tuple[str, str]:
    """A PostgreSQL URL without its ``table`` parameter, and that table as ``schema.name``.

    Raises:
        BadInputError: it names no table.
    """
    parts = urlsplit(address)
    query = parse_qs(parts.query, keep_blank_values=True)
    table = (query.pop("table", None) or [""])[-1]
    if not table:
        raise BadInputError(
            "names no table.",
            field="SOURCE",
            value=address,
            remedy="Add ?table=schema.name to the URL.",
        )
    rest = "&".join(f"{name}={value}" for name, values in query.items() for value in values)
    return parts._replace(query=rest).geturl(), table if "." in table else f"public.{table}"


def _reader(
    settings: SourceSettings,
    name: str,
    key: tuple[str, ...],
    columns: pa.Schema | None,
    *,
    whole: bool = False,
) -> Reader:
    from maestro.lake.envelopes import Reader, Versions

    try:
        versions = Versions(settings.versions)
    except ValueError as error:
        raise BadInputError(
            "is neither lsn nor offset.", field="--version", value=settings.versions
        ) from error
    return Reader(name, key, columns, versions, whole=whole)


def _required(key: tuple[str, ...]) -> tuple[str, ...]:
    if not key:
        raise BadInputError(
            "is not told: the source's table has no primary key, or the source does not say.",
            field="--key",
            remedy="Name the columns that name a row: --key COLUMN[,COLUMN].",
        )
    return key
