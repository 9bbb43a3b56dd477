"""The side log: changes that are seen at once and merged later, and the quarantine, both beside the table.

They stand under ``_maestro/`` in the table's folder, where names with an underscore are hidden from every Delta
reader and from vacuum. Each is a Delta table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from maestro.lake.changes import change_schema
from maestro.lake.routing import DataFile
from maestro.ports.lake import Poison
from maestro_adapters.delta.errors import storage_errors
from maestro_adapters.delta.log import Added, Change, ContendedError, DeltaLog

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LOGGED_AT", "Quarantine", "SideLog", "under"]

LOGGED_AT = "_logged_at"
"""When a change was put into the log, by the writer's clock."""

_CONFIGURATION = {"delta.checkpointInterval": "50"}
_TRIES = 50


def under(address: str, name: str) -> str:
    """The address of a table of ours beside a table."""
    return f"{address.rstrip('/')}/_maestro/{name}"


class SideLog:
    """Changes waiting for a fold."""

    def __init__(self, address: str, key: Sequence[str], storage_options: Mapping[str, str] | None) -> None:
        self.log = DeltaLog(
            under(address, "side_log"), partition_by=None, key=key[0], storage_options=storage_options
        )
        self._key = key

    def create(self, columns: pa.Schema) -> None:
        """Make it if it is missing, and give it the columns that the table has got meanwhile."""
        import pyarrow as pa

        if not self.log.exists():
            at = pa.field(LOGGED_AT, pa.timestamp("us", tz="UTC"))
            self.log.create(change_schema(columns).append(at), _CONFIGURATION)
        there = set(self.log.schema.names)
        if missing := [field for field in columns if field.name not in there]:
            self.log.add_columns(missing)

    def refresh(self) -> None:
        """Look for newer versions."""
        self.log.refresh()

    def write(self, changes: pa.Table, now: datetime) -> list[Added]:
        """Write changes into a file that waits for its commit."""
        import pyarrow as pa

        if not len(changes):
            return []
        at = self.log.schema.field(LOGGED_AT)
        if LOGGED_AT not in changes.column_names:
            changes = changes.append_column(at, pa.repeat(pa.scalar(now, at.type), len(changes)))
        return [Added(*self.log.data.write(changes, self._key, None))]

    def commit(self, change: Change, now: datetime) -> None:
        """Commit; appends and removals of other writers are no conflict, for files are only ever dropped whole."""
        for _ in range(_TRIES):
            live = {file.path for file in self.log.files()}
            removed = [file for file in change.removed if file.path in live]
            try:
                self.log.commit(Change(change.added, removed, change.transactions), now=now)
            except ContendedError:
                continue
            return
        raise ContendedError

    def files_since(self, version: int | None) -> tuple[list[DataFile], list[DataFile]]:
        """Live files that came after a version, and those that were there already."""
        files = self.log.files()
        if version is None:
            return files, []
        before = self.log.paths_at(version)
        return [file for file in files if file.path not in before], [
            file for file in files if file.path in before
        ]

    def rows(self, files: Iterable[DataFile] | None = None) -> pa.Table:
        """Changes in the files, or in all."""
        import pyarrow as pa

        schema = self.log.schema
        with storage_errors(self.log.address):
            listed = self.log.files() if files is None else files
            return pa.concat_tables(
                [
                    schema.empty_table(),
                    *(self.log.data.read(file.path, None, schema, None) for file in listed),
                ]
            )


class Quarantine:
    """Events kept aside with their reason."""

    def __init__(self, address: str, storage_options: Mapping[str, str] | None) -> None:
        self.log = DeltaLog(
            under(address, "quarantine"), partition_by=None, key=None, storage_options=storage_options
        )

    def add(self, poison: Sequence[Poison], now: datetime) -> None:
        """Keep them."""
        import pyarrow as pa

        if not poison:
            return
        if not self.log.exists():
            self.log.create(_quarantine_schema(), _CONFIGURATION)
        rows = [
            {name: getattr(one, name) for name in ("reason", "detail", "source", "position", "payload")}
            | {"quarantined_at": now}
            for one in poison
        ]
        table = pa.Table.from_pylist(rows, schema=_quarantine_schema())
        added = [Added(*self.log.data.write(table, (), None))]
        for _ in range(_TRIES):
            try:
                self.log.commit(Change(added), now=now)
            except ContendedError:
                continue
            return
        raise ContendedError

    def rows(self) -> pa.Table:
        """Distinct events in quarantine, the first of each."""
        import pyarrow as pa

        if not self.log.exists():
            return _quarantine_schema().empty_table()
        self.log.refresh()
        schema = self.log.schema
        rows = pa.concat_tables(
            [schema.empty_table()]
            + [self.log.data.read(file.path, None, schema, None) for file in self.log.files()]
        )
        names = ["reason", "source", "position", "payload", "detail"]
        found = rows.group_by(names, use_threads=False).aggregate([("quarantined_at", "min")])
        return found.rename_columns([*names, "quarantined_at"])


def _quarantine_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("source", pa.string()),
            ("position", pa.int64()),
            ("payload", pa.binary()),
            ("quarantined_at", pa.timestamp("us", tz="UTC")),
        ]
    )
