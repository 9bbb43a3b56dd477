"""Lake tables kept by a Spark Connect endpoint: MERGE runs there, not here.

Spark, or Sail, writes the Delta table; this side settles each batch against the rows of its keys, which it asks for,
and sends what is left. What Delta on Spark cannot do in one commit is done in two: positions follow their rows, into a
small table beside the main one. A process that dies in between merges a batch again, which the versions make harmless.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import MaestroError, PortError
from maestro.lake.applying import new_rows
from maestro.lake.changes import own_columns, table_schema
from maestro.lake.columns import plain
from maestro.lake.resolving import resolve
from maestro.ports.capabilities import Capability
from maestro.ports.lake import (
    Folded,
    Merged,
    Poison,
    Positions,
    TableSpec,
    TableStatus,
    Upkeep,
    check_positions,
)
from maestro_adapters.lake_batches import applied, prepared

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SparkLake"]

_ABSENT = ("no commit files", "not a delta table", "path_not_found", "path does not exist", "doesn't exist")


class SparkLake:
    """A Delta table behind Spark Connect (``LakeTable``); it has no side log, so ``append`` merges.

    Args:
        endpoint: ``sc://host:port``.
        address: the table's path or URI, as the endpoint sees it.
        spec: what is declared of it.
        columns: the table's own columns; None takes those of the first batch.

    Raises:
        PortError: the endpoint does not answer.
    """

    def __init__(
        self, endpoint: str, address: str | Path, spec: TableSpec, *, columns: pa.Schema | None = None
    ) -> None:
        self._endpoint, self._address, self._spec = endpoint, str(address).rstrip("/"), spec
        self._own = None if columns is None else plain(own_columns(columns))
        with self._asking():
            from pyspark.sql import SparkSession

            # A session of our own: a shared one would end with whoever ends first.
            self._spark: Any = SparkSession.builder.remote(endpoint).create()
            self._spark.conf.set("spark.sql.session.timeZone", "UTC")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Durable, and calls wait for the endpoint."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE})

    @property
    def spec(self) -> TableSpec:
        """What was declared."""
        return self._spec

    def schema(self) -> pa.Schema | None:
        """The table's own columns."""
        if self._own is None:
            found = self._rows(f"SELECT * FROM {_delta(self._address)} WHERE false")
            self._own = None if found is None else plain(own_columns(found.schema))
        return self._own

    def position(self, source: str) -> int | None:
        """How far the source has been applied."""
        return self._kept("position").get(source)

    def merge(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """Apply a batch; see ``LakeTable``."""
        check_positions(positions)
        told, own = prepared(batch, self.schema(), self._spec, now)
        if applied(self._kept("position"), positions):
            return Merged(applied=False)
        self.quarantine(told.sifted.poison, now=now)
        found = told.deduped(self._spec, self._kept("truncated"))
        changed = {
            name: at for name, at in found.truncated.items() if self._kept("truncated").get(name) != at
        }
        gone = sum(self._truncate(source, version) for source, version in changed.items())
        settled = resolve(found.changes, self._existing(found.changes, own), self._spec)
        self.quarantine(settled.poison, now=now)
        rows = new_rows(settled.changes, table_schema(own), self._keep)
        self._write(rows)
        self._own = own
        kept = self._kept("position")
        self._keep_numbers("truncated", changed)
        self._keep_numbers("position", {name: max(at, kept.get(name, 0)) for name, at in positions.items()})
        return Merged(
            applied=True,
            inserted=settled.counts.inserted,
            updated=settled.counts.updated,
            deleted=settled.counts.deleted + gone,
            stale=settled.counts.stale + found.stale,
            quarantined=len(told.sifted.poison) + len(settled.poison),
        )

    def append(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:
        """There is no side log: merge."""
        return self.merge(batch, positions, now=now)

    def fold(self, *, now: datetime) -> Folded:  # noqa: ARG002  # nothing waits
        """Nothing waits."""
        return Folded(Merged(applied=False))

    def quarantine(self, poison: Sequence[Poison], *, now: datetime) -> None:
        """Keep events aside."""
        import pyarrow as pa

        if poison:
            rows = [
                {"reason": one.reason, "detail": one.detail, "source": one.source, "position": one.position}
                | {"payload": one.payload, "quarantined_at": now}
                for one in poison
            ]
            self._append(pa.Table.from_pylist(rows, schema=_quarantine()), "quarantine")

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Live rows."""
        own = self.schema()
        if own is None:
            raise PortError(f"{self._address}: there is no table.", code="table_gone", retry_after=None)
        names = list(columns or own.names)
        listed = ", ".join(_quoted(name) for name in names)
        found = self._rows(f"SELECT {listed} FROM {_delta(self._address)} WHERE NOT `_deleted`")
        wanted = own.empty_table().select(names).schema
        return wanted.empty_table() if found is None else found.cast(wanted)

    def status(self) -> TableStatus:
        """What the endpoint tells."""
        counted = self._rows(f"SELECT count(*) AS n FROM {_delta(self._address)}")
        kept = self._rows(
            "SELECT count(*) AS n FROM (SELECT DISTINCT source, position, reason, payload "
            f"FROM {_delta(self._beside('quarantine'))})"
        )
        return TableStatus(
            table=self._address,
            engine="spark",
            version=0,
            rows=0 if counted is None else counted["n"][0].as_py(),
            files=0,
            bytes=0,
            quarantined=0 if kept is None else kept["n"][0].as_py(),
            positions=self._kept("position"),
        )

    def upkeep(self, *, now: datetime) -> Upkeep:  # noqa: ARG002  # whoever runs Spark runs its OPTIMIZE and VACUUM
        """The endpoint's own business."""
        return Upkeep()

    def close(self) -> None:
        """End the session."""
        with self._asking():
            self._spark.stop()

    @property
    def _keep(self) -> tuple[str, ...]:
        return (*self._spec.key, *([self._spec.partition_by] if self._spec.partition_by else []))

    def _existing(self, changes: pa.Table, own: pa.Schema) -> pa.Table:
        """Key, partition, version and deletedness of the rows that the table has of these keys."""
        wanted = [field for field in table_schema(own) if field.name in {*self._keep, "_deleted", "_version"}]
        import pyarrow as pa

        schema = pa.schema(wanted)
        if not len(changes):
            return schema.empty_table()
        self._view(changes.select(list(self._spec.key)), "asked")
        listed = ", ".join(f"t.{_quoted(name)}" for name in schema.names)
        on = " AND ".join(f"t.{_quoted(name)} = s.{_quoted(name)}" for name in self._spec.key)
        found = self._rows(f"SELECT {listed} FROM {_delta(self._address)} t INNER JOIN asked s ON {on}")
        return schema.empty_table() if found is None else found.cast(schema)

    def _write(self, rows: pa.Table) -> None:
        if not len(rows):
            return
        if self._rows(f"SELECT 1 FROM {_delta(self._address)} WHERE false") is None:
            with self._asking():
                writer = self._spark.createDataFrame(rows).write.format("delta").mode("append")
                (writer.partitionBy(self._spec.partition_by) if self._spec.partition_by else writer).save(
                    self._address
                )
            return
        self._view(rows, "changes")
        on = [f"t.{_quoted(name)} = s.{_quoted(name)}" for name in self._spec.key]
        if self._spec.partition_by:
            by = _quoted(self._spec.partition_by)
            on.append(f"t.{by} <=> s.{by}")
            values = rows[self._spec.partition_by].unique().to_pylist()
            if (
                None not in values
            ):  # a literal, so that other partitions are neither read nor in anybody's way
                on.insert(0, f"t.{by} IN ({', '.join(_literal(value) for value in values)})")
        with self._asking():
            self._spark.sql(
                f"MERGE INTO {_delta(self._address)} t USING changes s ON {' AND '.join(on)} "
                "WHEN MATCHED AND s.`_version` > t.`_version` THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
            ).collect()

    def _truncate(self, source: str, version: int) -> int:
        where = f"`_source` = {_literal(source)} AND `_version` < {version}"
        found = self._rows(f"SELECT count(*) AS n FROM {_delta(self._address)} WHERE {where}")
        count: int = 0 if found is None else found["n"][0].as_py()
        if count:
            with self._asking():
                self._spark.sql(f"DELETE FROM {_delta(self._address)} WHERE {where}").collect()
        return count

    def _kept(self, kind: str) -> dict[str, int]:
        found = self._rows(
            f"SELECT source, max(number) AS number FROM {_delta(self._beside('positions'))} "
            f"WHERE kind = '{kind}' GROUP BY source"
        )
        rows = [] if found is None else found.to_pylist()
        return {row["source"]: row["number"] for row in rows}

    def _keep_numbers(self, kind: str, numbers: Mapping[str, int]) -> None:
        import pyarrow as pa

        if numbers:
            rows = {"kind": [kind] * len(numbers), "source": list(numbers), "number": list(numbers.values())}
            self._append(pa.table(rows), "positions")

    def _append(self, rows: pa.Table, name: str) -> None:
        with self._asking():
            self._spark.createDataFrame(rows).write.format("delta").mode("append").save(self._beside(name))

    def _view(self, rows: pa.Table, name: str) -> None:
        with self._asking():
            self._spark.createDataFrame(rows).createOrReplaceTempView(name)

    def _rows(self, sql: str) -> pa.Table | None:
        """The answer; None where the table is not there yet."""
        try:
            with self._asking():
                return self._spark.sql(sql).toArrow()
        except PortError as error:
            if any(words in error.message.lower() for words in _ABSENT):
                return None
            raise

    def _beside(self, name: str) -> str:
        return f"{self._address}/_maestro/{name}"

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around calls of the endpoint: what they raise becomes a PortError."""
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", category=FutureWarning
            )  # of pyspark, about pandas that we do not use
            try:
                yield
            except (MaestroError, ImportError):
                raise
            except Exception as error:  # pyspark and gRPC raise from several unrelated families
                text = " ".join(str(error).split())[:400]
                raise PortError(f"{self._endpoint}: {text}.", code="store_failed") from error


def _quarantine() -> pa.Schema:
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


def _delta(address: str) -> str:
    return f"delta.{_quoted(address)}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(value: Any) -> str:
    if isinstance(value, bool | int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"DATE '{value.isoformat()}'" if hasattr(value, "isoformat") else f"'{text}'"
