"""A PostgreSQL table read in chunks while it changes (``ChunkSource``)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from maestro.formats.connect_types import WireType
from maestro.kernel.errors import PortError
from maestro.ports.chunks import Chunk
from maestro_adapters.postgres.errors import failure

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["PostgresChunks"]

# The position first: who has written below it had a transaction number before the second was taken.
_MARK: Final = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
_NEXT: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_OLDEST: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_LOOK_SECONDS: Final = 0.05


class PostgresChunks:
    """Rows of one table, in the order of its key.

    Args:
        conninfo: of the database.
        table: ``schema.table``.
        key: the columns of its primary key.
        types: its columns.
        patience: seconds to wait for transactions that run when the watermark is set.

    Raises:
        PortError: the database cannot be reached.
    """

    def __init__(
        self,
        conninfo: str,
        table: str,
        key: tuple[str, ...],
        types: Mapping[str, WireType],
        *,
        patience: float = 600.0,
    ) -> None:
        import psycopg
        from psycopg import sql

        self._psycopg, self._patience = psycopg, patience
        self._key, self._names = key, tuple(types)
        # Types without their like in a table come as PostgreSQL's text of them, as they do from the slot.
        columns = [
            sql.SQL("{}::text").format(sql.Identifier("t", name))
            if wire.name == "string"
            else sql.Identifier("t", name)
            for name, wire in types.items()
        ]
        keys = sql.SQL(", ").join(sql.Identifier("t", name) for name in key)
        texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in key)
        self._parts = {
            "columns": sql.SQL(", ").join(columns),
            "texts": texts,
            "keys": keys,
            "table": sql.Identifier(*table.split(".", 1)),
        }
        self._select = sql.SQL("SELECT {columns}, {texts} FROM {table} AS t {where} ORDER BY {keys} LIMIT %s")
        try:
            self._connection: Connection[Any] = psycopg.connect(
                conninfo, autocommit=True, client_encoding="utf8", application_name="maestro backfill"
            )
            kinds = self._kinds(table)
        except psycopg.Error as error:
            raise failure(f"table {table}", error) from error
        marks = sql.SQL(", ").join(sql.SQL("%s::" + kinds[name]) for name in key)
        self._where = sql.SQL("WHERE ({keys}) > ({marks})").format(keys=keys, marks=marks)
        self._sql = sql

    def watermark(self) -> int:
        """The log's position once all who may have written below it are through."""
        with _told(self._psycopg):
            mark = int(self._one(_MARK))
            through = int(self._one(_NEXT))
            waited = threading.Event()
            looks = int(self._patience / _LOOK_SECONDS)
            while int(self._one(_OLDEST)) < through:
                looks -= 1
                if looks < 0:
                    raise PortError(
                        f"A transaction has been open for more than {self._patience:g} s, so no watermark can be set.",
                        retry_after=None,
                        code="store_busy",
                        remedy="Look for it in pg_stat_activity (backend_xid), end it, and run the backfill again.",
                    )
                waited.wait(_LOOK_SECONDS)
        # A record begins at the position itself, so its change is not below.
        return mark - 1

    def read(self, after: tuple[str, ...] | None, limit: int) -> Chunk:
        """Up to ``limit`` rows behind a key."""
        where = self._sql.SQL("") if after is None else self._where
        query = self._select.format(where=where, **self._parts)
        with _told(self._psycopg):
            found = self._connection.execute(query, (*(after or ()), limit)).fetchall()
        width = len(self._names)
        rows = [dict(zip(self._names, row[:width], strict=True)) for row in found]
        return Chunk(rows, tuple(found[-1][width:]) if len(found) == limit else None)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _one(self, query: str) -> Any:
        return self._connection.execute(query).fetchall()[0][0]

    def _kinds(self, table: str) -> dict[str, str]:
        rows = self._connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            (table,),
        ).fetchall()
        return dict(rows)


class _told:  # noqa: N801 -- reads as the statement it is
    """Around statements: the driver's errors as PortErrors."""

    def __init__(self, psycopg: Any) -> None:
        self._psycopg = psycopg

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._psycopg.Error):
            raise failure("the source's table", error) from error
