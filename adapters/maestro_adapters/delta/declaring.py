"""What a table's owner declared, kept with the table; and whether columns can be held as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from maestro.kernel.errors import BadInputError
from maestro.lake.columns import plain
from maestro.ports.lake import TableSpec
from maestro_adapters.delta.errors import storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_columns", "declared", "described"]


def declared(address: str | Path, *, storage_options: Mapping[str, str] | None = None) -> TableSpec | None:
    """What was declared of a table when it was made; None if there is none.

    Raises:
        BadInputError: it is a Delta table that Maestro did not make.
    """
    from deltalake import DeltaTable

    options = dict(storage_options or {})
    with storage_errors(str(address)):
        if not DeltaTable.is_deltatable(str(address), options):
            return None
        found = DeltaTable(str(address), storage_options=options).metadata()
    spec = _declared(found.description, found.partition_columns)
    if spec is None:
        raise BadInputError(
            "is a Delta table that Maestro did not make.",
            field="TABLE",
            value=str(address),
            remedy="Name one that 'maestro lake merge' made, or a new place.",
        )
    return spec


def described(spec: TableSpec) -> str:
    """The declaration as the table's description: Delta takes no properties of strangers."""
    return msgspec.json.encode({"maestro": {"key": spec.key, "lateness": spec.lateness}}).decode()


def _declared(description: str | None, partition_columns: Sequence[str]) -> TableSpec | None:
    try:
        said = msgspec.json.decode(description or "null")
        found = said["maestro"]
        return TableSpec(tuple(found["key"]), next(iter(partition_columns), None), float(found["lateness"]))
    except (msgspec.DecodeError, TypeError, KeyError, ValueError):
        return None


def check_columns(columns: pa.Schema, spec: TableSpec) -> None:
    """What a new table's columns must be."""
    import pyarrow as pa
    from deltalake import Schema

    for name in (*spec.key, *([spec.partition_by] if spec.partition_by else [])):
        if name not in columns.names:
            raise BadInputError(
                "is no column of the batch.",
                field=name,
                code="schema_drift",
                remedy=f"Columns: {', '.join(columns.names)}.",
            )
    for field in columns:
        try:
            stored = plain(pa.schema(Schema.from_arrow(pa.schema([field])).to_arrow())).field(0).type
        except Exception as error:
            raise _unsupported(field, str(error)) from error
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            raise _unsupported(field, "nanoseconds are not in Delta's protocol")
        if stored != field.type:
            raise _unsupported(field, f"it would be stored as {stored}")


def _unsupported(field: Any, why: str) -> BadInputError:
    return BadInputError(
        f"has a type that Delta cannot hold: {why}.",
        field=field.name,
        value=str(field.type),
        code="schema_drift",
        remedy="Convert it at the source, instants to microseconds; a merge never casts.",
    )
