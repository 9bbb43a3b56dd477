"""Data files: reading them, and writing them with the statistics that Delta's log wants.

Statistics come from the Parquet footer that was written anyway. The key's column is not dictionary-encoded: its values
are nearly all different, and trying costs more than half of the time of writing (ADR-1119).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from uuid import uuid4

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs

__all__ = ["Files", "partition_text"]

_SAMPLE = 1024
_LONG_TEXT = 256
_ROW_GROUP = 1 << 20


class Files:
    """The files of one table.

    Args:
        root: the table's folder within the file system.
        system: local disk or object store.
    """

    def __init__(self, root: str, system: fs.FileSystem, *, local: bool) -> None:
        self._root = root.rstrip("/")
        self._system = system
        self._local = local

    def read(
        self, path: str, columns: Sequence[str] | None, schema: pa.Schema, partition: tuple[str, Any] | None
    ) -> pa.Table:
        """Rows of a file in the table's schema; the partition column, which files do not hold, is put in.

        Args:
            path: as the log names it.
            columns: those wanted, or None for all.
            schema: the table's, as stored.
            partition: name and value of the partition column.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = [field for field in schema if columns is None or field.name in columns]
        name = partition[0] if partition else None
        inside = [field.name for field in wanted if field.name != name]
        at = self._at(unquote(path))
        source = at if self._local else self._system.open_input_file(at)
        with pq.ParquetFile(source, memory_map=self._local) as file:
            there = set(file.schema_arrow.names)
            found = file.read([name for name in inside if name in there])
        arrays = []
        for field in wanted:
            if partition is not None and field.name == name:
                arrays.append(pa.repeat(pa.scalar(partition[1], field.type), found.num_rows))
            elif field.name in found.column_names:
                arrays.append(found[field.name].cast(field.type))
            else:  # the column is younger than the file
                arrays.append(pa.nulls(found.num_rows, field.type))
        return pa.table(arrays, schema=pa.schema(wanted))

    def write(
        self, rows: pa.Table, key: Sequence[str], partition: tuple[str, Any] | None, folder: str = ""
    ) -> tuple[str, int, str]:
        """Write rows into a new file.

        Returns:
            Its path as the log names it, its size, its statistics as Delta's JSON.
        """
        import pyarrow.parquet as pq

        if partition is not None:
            rows = rows.drop_columns([partition[0]])
            folder = _folder(partition)
        name = f"{folder}part-{uuid4()}.snappy.parquet"
        if self._local and folder:
            Path(self._at(folder)).mkdir(exist_ok=True)
        footers: list[Any] = []
        with self._system.open_output_stream(self._at(name)) as sink:
            pq.write_table(
                rows,
                sink,
                row_group_size=_ROW_GROUP,
                use_dictionary=[
                    name for name in rows.column_names if name not in key and _repeats(rows[name])
                ],
                store_schema=False,
                metadata_collector=footers,
            )
            size = sink.tell()
        return quote(name, safe="/=.-_"), size, json.dumps(_statistics(footers[0], rows.schema))

    def address(self, path: str) -> str:
        """Where a file is, for other engines."""
        return self._at(unquote(path))

    def size(self, path: str) -> int:
        """Bytes of a file; 0 if it is gone."""
        found: int | None = self._system.get_file_info(self._at(unquote(path))).size
        return found or 0

    def text(self, path: str) -> bytes | None:
        """A small file's content; None if there is none."""
        try:
            with self._system.open_input_stream(self._at(path)) as file:
                return bytes(file.read())
        except OSError:
            return None

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files that no commit names; what is gone already is no fault."""
        for path in paths:
            try:
                self._system.delete_file(self._at(unquote(path)))
            except OSError:
                continue

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def partition_text(value: Any) -> str | None:
    """A partition value as Delta's log writes it (Delta protocol, "Partition Value Serialization")."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (
            value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.tzinfo else value.isoformat(" ")
        )
    return value.isoformat() if isinstance(value, date) else str(value)


def _folder(partition: tuple[str, Any]) -> str:
    """Where files of a partition stand: readable where the value is plain, and never two levels deep."""
    text = partition_text(partition[1])
    value = "__HIVE_DEFAULT_PARTITION__" if text is None else quote(text, safe="").replace("%", "_")[:80]
    return f"{quote(partition[0], safe='').replace('%', '_')}={value}/"


def _repeats(column: Any) -> bool:
    """Whether a dictionary pays for a column, judged by some rows of its middle."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind):
        return False
    sample = column.slice(max(0, len(column) - _SAMPLE) // 2, _SAMPLE)
    return bool(pc.count_distinct(sample).as_py() * 2 <= len(sample))


def _statistics(footer: Any, schema: pa.Schema) -> dict[str, Any]:
    """Rows, least and greatest values and nulls of the flat columns."""
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    blind: set[str] = set()
    for group in range(footer.num_row_groups):
        of_group = footer.row_group(group)
        for place in range(of_group.num_columns):
            column = of_group.column(place)
            name, found = column.path_in_schema, column.statistics
            if name not in schema.names:
                continue
            if found is None:
                blind.add(name)
                continue
            nulls[name] = nulls.get(name, 0) + (found.null_count or 0)
            if found.has_min_max:
                low, high = found.min, found.max
                least[name] = min(least[name], low) if name in least else low
                greatest[name] = max(greatest[name], high) if name in greatest else high
            elif found.null_count != column.num_values + (found.null_count or 0):
                blind.add(name)
    known = {name for name in least if name not in blind and _is_told(least[name], greatest[name])}
    return {
        "numRecords": footer.num_rows,
        "minValues": {name: _told(least[name]) for name in known},
        "maxValues": {name: _told(greatest[name], up=True) for name in known},
        "nullCount": {name: count for name, count in nulls.items() if name not in blind},
    }


def _is_told(low: Any, high: Any) -> bool:
    """Whether Delta's JSON can say these exactly: no bytes, decimals or NaN, no text too long to be worth it."""
    for value in (low, high):
        if not isinstance(value, bool | int | float | str | date):
            return False
        if isinstance(value, float) and not isfinite(value):
            return False
        if isinstance(value, str) and len(value) > _LONG_TEXT:
            return False
    return True


def _told(value: Any, *, up: bool = False) -> Any:
    """A statistic as the log writes it; instants to the millisecond, the greatest rounded up."""
    if isinstance(value, datetime):
        below = value.microsecond % 1000
        value += timedelta(microseconds=(1000 - below if up and below else -below))
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
