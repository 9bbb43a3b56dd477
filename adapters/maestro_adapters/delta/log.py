"""One Delta table's log: its snapshot, its files, its transactions, and the one way to commit.

Every commit is a comparison and swap on the table's version: it names the version it was made from and fails if there
is a newer one. Then what it touched is compared with what is there now; only if that differs has anything to be done
again. deltalake's own checks are not asked: measured (ADR-1119), they refuse disjoint changes made with explicit
removes, and let two writers create the same partition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from maestro.kernel.errors import BadInputError, PortError
from maestro.lake.columns import plain
from maestro.lake.routing import DataFile
from maestro_adapters.delta.errors import storage_errors
from maestro_adapters.delta.files import Files, partition_text

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

__all__ = ["Added", "Change", "ContendedError", "DeltaLog"]

_PREFIX = "maestro/"
"""Before the names of our application transactions, so that they meet nobody else's."""

_SOURCES = "maestroSources"
_HISTORY = 100


class ContendedError(Exception):
    """Another writer committed first; look again."""


@attrs.frozen
class Added:
    """A file that was written and waits for its commit."""

    path: str
    size: int
    statistics: str
    partition: Any = None


@attrs.frozen
class Change:
    """What one commit does.

    Attributes:
        added: new files.
        removed: files that are replaced.
        transactions: application transactions, by name without our prefix.
        data_change: False for compaction, which changes no row.
    """

    added: Sequence[Added] = ()
    removed: Sequence[DataFile] = ()
    transactions: Mapping[str, int] = {}
    data_change: bool = True


class DeltaLog:
    """A handle on one table.

    Args:
        address: path or URI.
        partition_by: its partition column, if it has one.
        key: the first key column, for the files' ranges; None if it has none.
        storage_options: as deltalake takes them.
    """

    def __init__(
        self,
        address: str,
        *,
        partition_by: str | None,
        key: str | None,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self.address = address
        self.partition_by = partition_by
        self._key = key
        self._options = dict(storage_options or {})
        self._table: DeltaTable | None = None
        self._files: tuple[int, list[DataFile]] | None = None
        self._schema: tuple[int, pa.Schema] | None = None
        self._data: Files | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's disk."""
        return "://" not in self.address

    def exists(self) -> bool:
        """Whether there is a table; looks once and remembers that there is."""
        from deltalake import DeltaTable

        if self._table is None:
            with storage_errors(self.address):
                if not DeltaTable.is_deltatable(self.address, self._options):
                    return False
                self._table = DeltaTable(self.address, storage_options=self._options)
                self._check_partition()
        return True

    def create(
        self, schema: pa.Schema, configuration: Mapping[str, str], description: str | None = None
    ) -> None:
        """Make the table unless another did; then its schema is whatever that one gave it."""
        from deltalake import DeltaTable

        with storage_errors(self.address):
            if self.is_local:
                Path(self.address).mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                self.address,
                schema,
                mode="ignore",
                partition_by=[self.partition_by] if self.partition_by else None,
                configuration=dict(configuration),
                description=description,
                storage_options=self._options,
            )
        self._table = None
        self.exists()

    def add_columns(self, fields: Sequence[pa.Field]) -> None:
        """Add columns, null in the rows that are there."""
        import pyarrow as pa
        from deltalake import Schema

        with storage_errors(self.address):
            self.table.alter.add_columns(Schema.from_arrow(pa.schema(fields)).fields)
            self.refresh()

    def refresh(self) -> None:
        """Look for newer versions."""
        if not self.exists():
            raise _gone(self.address)
        with storage_errors(self.address):
            before = self.table.version()
            if self.is_local and not Path(self.address, "_delta_log").is_dir():
                self._table = None
                raise _gone(self.address)
            self.table.update_incremental()
            if self.table.version() != before:
                self._files = None

    @property
    def table(self) -> DeltaTable:
        """The handle of deltalake."""
        if self._table is None:
            raise _gone(self.address)
        return self._table

    @property
    def version(self) -> int:
        """The version that was last looked at."""
        return self.table.version()

    @property
    def schema(self) -> pa.Schema:
        """The stored schema, plain."""
        import pyarrow as pa

        if self._schema is None or self._schema[0] != self.version:
            self._schema = self.version, plain(pa.schema(self.table.schema().to_arrow()))
        return self._schema[1]

    @property
    def data(self) -> Files:
        """Its data files."""
        if self._data is None:
            from pyarrow import fs

            if self.is_local:
                self._data = Files(str(Path(self.address).absolute()), fs.LocalFileSystem(), local=True)
            else:
                from deltalake.fs import DeltaStorageHandler

                handler = DeltaStorageHandler(self.address, self._options)
                self._data = Files("", fs.PyFileSystem(handler), local=False)
        return self._data

    def files(self) -> list[DataFile]:
        """The live files."""
        if self._files is None or self._files[0] != self.version:
            with storage_errors(self.address):
                self._files = self.version, self._list()
        return self._files[1]

    def paths_at(self, version: int) -> set[str]:
        """The files that were live at a version; none where its log is gone."""
        import pyarrow as pa
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            old = DeltaTable(self.address, version=version, storage_options=self._options)
        except DeltaError:
            return set()
        return set(pa.table(old.get_add_actions(flatten=True))["path"].to_pylist())

    def transaction(self, name: str) -> int | None:
        """The newest version of an application transaction of ours."""
        found: int | None = self.table.transaction_version(_PREFIX + name)
        return found

    def commit(self, change: Change, *, now: datetime) -> None:
        """Commit on top of the version last looked at.

        Raises:
            ContendedError: there is a newer version.
            PortError: the storage failed.
        """
        from deltalake import CommitProperties, PostCommitHookProperties, Transaction
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import AddAction, RemoveAction

        at = int(now.timestamp() * 1000)
        actions: list[Any] = [
            RemoveAction(
                file.path, change.data_change, at, file.bytes, self._partition_values(file.partition)
            )
            for file in change.removed
        ]
        actions += [
            AddAction(
                one.path,
                one.size,
                self._partition_values(one.partition),
                at,
                change.data_change,
                one.statistics,
            )
            for one in change.added
        ]
        sources = [
            name.removeprefix("position/") for name in change.transactions if name.startswith("position/")
        ]
        before = self.version
        with storage_errors(self.address):
            try:
                self.table.create_write_transaction(
                    actions,
                    mode="append",
                    schema=self.table.schema(),
                    partition_by=[self.partition_by] if self.partition_by else [],
                    commit_properties=CommitProperties(
                        custom_metadata={_SOURCES: sources} if sources else None,
                        max_commit_retries=0,
                        app_transactions=[
                            Transaction(_PREFIX + name, at) for name, at in change.transactions.items()
                        ],
                    ),
                    post_commithook_properties=PostCommitHookProperties(
                        create_checkpoint=True, cleanup_expired_logs=False
                    ),
                )
            except CommitFailedError as error:
                self.refresh()
                if self.version > before:
                    raise ContendedError from error
                raise
            self.refresh()

    def positions(self) -> dict[str, int]:
        """How far each source has been applied that was heard of in the last hundred commits."""
        heard: set[str] = set()
        with storage_errors(self.address):
            for commit in self.table.history(_HISTORY):
                heard.update(commit.get(_SOURCES, ()))
        found = {source: self.transaction(f"position/{source}") for source in sorted(heard)}
        return {source: at for source, at in found.items() if at is not None}

    def committed_at(self) -> datetime | None:
        """When the newest version was committed."""
        for commit in self.table.history(1):
            return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
        return None

    def commits_since_checkpoint(self) -> int:
        """How many commits a reader has to replay."""
        told = self.data.text("_delta_log/_last_checkpoint")
        return self.version - (msgspec.json.decode(told)["version"] if told else -1)

    def vacuum(self, retention: timedelta) -> dict[str, int]:
        """Delete files that no version of that age needs, those of killed writers too; answers their sizes."""
        hours = max(int(retention.total_seconds() // 3600), 0)
        options: dict[str, Any] = {
            "retention_hours": hours,
            "enforce_retention_duration": False,
            "full": True,
        }
        sizes = {path: self.data.size(path) for path in self.table.vacuum(dry_run=True, **options)}
        if sizes:
            self.table.vacuum(dry_run=False, **options)
            self.refresh()
        return sizes

    def partition(self, value: Any) -> tuple[str, Any] | None:
        """The partition column with a value, as ``Files`` takes it."""
        return None if self.partition_by is None else (self.partition_by, value)

    def _partition_values(self, value: Any) -> dict[str, str | None]:
        return {} if self.partition_by is None else {self.partition_by: partition_text(value)}

    def _list(self) -> list[DataFile]:
        import pyarrow as pa

        listed = pa.table(self.table.get_add_actions(flatten=True))
        names = set(listed.column_names)

        def column(name: str, default: Any = None) -> list[Any]:
            found: list[Any] = listed[name].to_pylist() if name in names else [default] * len(listed)
            return found

        by = f"partition.{self.partition_by}"
        return [
            DataFile(path, partition, rows or 0, size, low, high, tombstones is not False)
            for path, size, rows, partition, low, high, tombstones in zip(
                column("path"),
                column("size_bytes"),
                column("num_records"),
                column(by) if self.partition_by else [None] * len(listed),
                column(f"min.{self._key}"),
                column(f"max.{self._key}"),
                column("max._deleted"),
                strict=True,
            )
        ]

    def _check_partition(self) -> None:
        found = list(self.table.metadata().partition_columns)
        wanted = [self.partition_by] if self.partition_by else []
        if found != wanted:
            raise BadInputError(
                f"is not how the table is laid out, which is by {', '.join(found) or 'nothing'}.",
                field="partitionBy",
                value=self.partition_by or "nothing",
                remedy="Give the table's own column, or make another table.",
            )


def _gone(address: str) -> PortError:
    return PortError(
        f"{address}: there is no table.",
        code="table_gone",
        retry_after=None,
        remedy="It was removed, or never made; restore it, or name another one. No position was moved.",
    )
