"""The lake: one micro-batch merged into tables of 1 to 8 million rows, ours beside the field's ways, in one run.

A table has a hundred thousand rows a day; a batch touches the last two days: 70 % updates, 25 % inserts, 5 % deletes,
a tenth of the events twice, shuffled. Keys rise with time, as execution ids do (ULID, UUIDv7). Each contender works on
a copy of the same table in a process of its own, which tells its peak memory; batches follow one another.
"""

import datetime as dt
import os
import random
import shutil
import subprocess
import sys
from json import dumps, loads
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter, process_time

from benchmarks.table import Table

DAY_ROWS = 100_000
FIRST = dt.date(2026, 1, 1)
AT = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
WARM = 1


def run(*, quick=False):
    """Tables of merges, of late keys, of the path to the reader."""
    sizes = (1, 2) if quick else (1, 2, 4, 8)
    folder = Path(mkdtemp(prefix="maestro-lake-", dir=os.environ.get("MAESTRO_BENCH_DIR")))
    try:
        return [
            _merges(folder, sizes, 20_000, 0.0, ("floor", "ours", "deltalake", "by key", "sail")),
            _merges(folder, sizes[1:2], 100_000, 0.0, ("floor", "ours", "deltalake", "by key", "sail")),
            _merges(folder, sizes[2:3] or sizes[-1:], 20_000, 0.02, ("ours", "deltalake")),
            _merges(folder, sizes[1:2], 20_000, 0.0, ("ours, no partition", "deltalake, no partition")),
            _visible(folder, sizes[1:2]),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _merges(folder, sizes, events, late, contenders):
    rows = []
    for millions in sizes:
        found = {name: _measured(folder, name, millions, events, late) for name in contenders}
        floor = found[contenders[0]]
        for name, one in found.items():
            rows.append(
                (
                    f"{millions} M rows: {name}",
                    f"{one['seconds']:.3f}",
                    f"{one['seconds'] / floor['seconds']:.2f}",
                    f"{one['cpu']:.3f}",
                    f"{one['cpu'] / floor['cpu']:.2f}",
                    f"{events / one['seconds']:,.0f}",
                    f"{one['peak'] / 2**20:,.0f}",
                    f"{one['bytes'] / 1e6:.1f}",
                )
            )
    what = "without partitions" if "no partition" in contenders[0] else f", {late:.0%} late keys"
    title = f"Lake: {events:,} events into a table {what}".replace(" ,", ",")
    columns = (
        "",
        "s / batch",
        f"÷ {contenders[0]}",
        "CPU s",
        f"÷ {contenders[0]}",
        "events/s",
        "peak MB",
        "MB written",
    )
    return Table(title, columns, rows, _NOTES)


_VISIBLE = (
    "20,000 events, 2 % late, ten batches; the live read is of all rows after the tenth, the plain scan of the table "
    "without the log. DuckLake is measured where MAESTRO_DUCKLAKE names it."
)
_NOTES = (
    "Floor: read the two days' files with pyarrow, drop the batch's keys, append its rows, write; no guard, no "
    "commit. deltalake: its merge with the day in the predicate; by key: without. "
    "sail: our Spark engine at Sail, which asks for the rows of the batch's keys, merges, then tells positions. CPU is of the process; on a machine "
    "that others use too it says more than seconds do. Peak memory is of the whole process."
)


def _visible(folder, sizes):
    rows = []
    for millions in sizes:
        for name in ("side log", "ducklake"):
            one = _measured(folder, name, millions, 20_000, 0.02)
            if one is None:
                continue
            rows.append(
                (
                    f"{millions} M rows: {name}",
                    f"{one['seconds']:.3f}",
                    f"{one['cpu']:.3f}",
                    f"{one['bytes'] / 1e6:.2f}",
                    f"{one['read']:.3f}",
                    f"{one['read'] / one['plain']:.2f}" if one["plain"] else "",
                    f"{one['fold']:.2f}" if one["fold"] else "",
                )
            )
    columns = ("", "s to visible", "CPU s", "MB written", "s live read", "÷ plain scan", "s fold of 10")
    return Table("Lake: from event to visible row", columns, rows, _VISIBLE)


def _measured(folder, name, millions, events, late):
    command = [
        sys.executable,
        "-m",
        "benchmarks.lake",
        str(folder),
        name,
        str(millions),
        str(events),
        str(late),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        return None
    if done.returncode != 0 and not done.stdout.strip():
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    return loads(done.stdout.strip().splitlines()[-1])


# ---- data


def key_of(day, number):
    return f"{day:05d}-{number * 2654435761 % 2**32:08x}-{number:06d}"


def base(millions):
    """Days of rows, as stored tables have them."""
    import pyarrow as pa

    days = millions * 1_000_000 // DAY_ROWS
    for day in range(days):
        yield day, pa.table(rows_of(day, range(DAY_ROWS), version=1))


def rows_of(day, numbers, version):
    import pyarrow as pa

    numbers = list(numbers)
    versions = [version] * len(numbers) if isinstance(version, int) else version
    return {
        "executionId": [key_of(day, number) for number in numbers],
        "day": pa.array([FIRST + dt.timedelta(days=day)] * len(numbers), pa.date32()),
        "tenant": [f"tenant-{number % 50}" for number in numbers],
        "status": [("queued", "running", "done")[number % 3] for number in numbers],
        "attempts": pa.array([number % 4 for number in numbers], pa.int64()),
        "cost": [(number % 1000) / 7 for number in numbers],
        "updated": pa.array([1_780_000_000_000_000 + one for one in versions], pa.timestamp("us", tz="UTC")),
        "detail": [
            f"run {number} of tenant {number % 50}, build {one % 977}"
            for number, one in zip(numbers, versions, strict=True)
        ],
    }


def batches(millions, events, late, count):
    """Batches of changes, one after the other; each: canonical Arrow."""
    import pyarrow as pa

    chance = random.Random(7)
    days = millions * 1_000_000 // DAY_ROWS
    version, fresh = 1000, DAY_ROWS
    for _ in range(count):
        chosen = []
        for _ in range(events * 9 // 10):
            version += 1
            lot = chance.random()
            day = days - 1 - chance.randrange(2)
            if late and chance.random() < late:
                day = chance.randrange(days - 2)
            if lot < 0.25 and day >= days - 2:
                fresh += 1
                chosen.append(("c", day, fresh, version))
            else:
                chosen.append(("d" if lot < 0.30 else "u", day, chance.randrange(DAY_ROWS), version))
        chosen += chance.sample(chosen, events - len(chosen))
        chance.shuffle(chosen)
        parts = []
        by_day = {}
        for op, day, number, at in chosen:
            by_day.setdefault(day, []).append((op, number, at))
        for day, of_day in by_day.items():
            part = rows_of(day, [number for _, number, _ in of_day], [at for _, _, at in of_day])
            part["_op"] = [op for op, _, _ in of_day]
            part["_version"] = [at for _, _, at in of_day]
            part["_event_time"] = pa.array([AT] * len(of_day), pa.timestamp("us", tz="UTC"))
            part["_source"] = ["bench"] * len(of_day)
            parts.append(pa.table(part))
        whole = pa.concat_tables(parts)
        yield whole.take(pa.array(chance.sample(range(len(whole)), len(whole))))


# ---- contenders, each in a process of its own


def main():
    folder, name, millions, events, late = (
        Path(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        int(sys.argv[4]),
        float(sys.argv[5]),
    )
    partitioned = "no partition" not in name
    origin = folder / f"base-{millions}-{partitioned}"
    if not origin.exists():
        subprocess.run(
            [sys.executable, "-m", "benchmarks.lake", "make", str(origin), str(millions), str(partitioned)],
            check=True,
        )
    place = folder / "copy"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(origin, place)
    contender = {
        "floor": floor,
        "ours": ours,
        "ours, no partition": ours,
        "deltalake": lambda *a: plain(*a, by_day=True),
        "by key": lambda *a: plain(*a, by_day=False),
        "deltalake, no partition": lambda *a: plain(*a, by_day=False),
        "sail": sail,
        "side log": side_log,
        "ducklake": ducklake,
    }[name]
    result = contender(place, millions, events, late)
    result.setdefault("peak", peak())
    print(dumps(result), flush=True)
    os._exit(0)


def peak():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make(place, millions, partitioned):
    import pyarrow as pa

    from maestro.lake.changes import change_schema
    from maestro.ports.lake import TableSpec
    from maestro_adapters.delta import DeltaLake

    lake = None
    for day, rows in base(millions):
        lake = lake or DeltaLake(
            place,
            TableSpec(partition_by="day" if partitioned else None),
            columns=rows.schema,
            bytes_per_event=float("inf"),
        )
        n = len(rows)
        ours = [
            ["c"] * n,
            pa.array([1] * n, pa.int64()),
            pa.array([AT] * n, pa.timestamp("us", tz="UTC")),
            ["base"] * n,
        ]
        batch = rows
        for column, values in zip(("_op", "_version", "_event_time", "_source"), ours, strict=True):
            batch = batch.append_column(column, pa.array(values) if isinstance(values, list) else values)
        lake.merge(batch.cast(change_schema(lake.schema())), {"base": day}, now=AT)
    os._exit(0)


def timed(place, count, step):
    """Median seconds and bytes written of batches after the first."""
    times, used, written = [], [], []
    for number, batch in enumerate(count):
        before = total(place)
        began, busy = perf_counter(), process_time()
        step(number, batch)
        times.append(perf_counter() - began)
        used.append(process_time() - busy)
        written.append(total(place) - before)
    return {"seconds": median(times[WARM:]), "cpu": median(used[WARM:]), "bytes": median(written[WARM:])}


def total(place):
    return sum(path.stat().st_size for path in Path(place).rglob("*.parquet"))


def ours(place, millions, events, late):
    from maestro_adapters.delta import DeltaLake

    lake = DeltaLake.open(place)
    return timed(
        place, batches(millions, events, late, 6), lambda n, batch: lake.merge(batch, {"bench": n}, now=AT)
    )


def floor(place, millions, events, late):
    """Rewrite the files of the batch's days; without a guard, a commit or statistics."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from maestro.lake.dedupe import latest

    files = {path.parent.name.split("=")[1]: path for path in Path(place).rglob("day=*/*.parquet")}

    def step(number, batch):
        batch = latest(batch, ("executionId",))
        for value in batch["day"].unique():
            day = str(value)
            mine = batch.filter(pc.equal(batch["day"], value))
            old = pq.read_table(files[day], partitioning=None)
            kept = old.filter(
                pc.invert(pc.is_in(old["executionId"], value_set=mine["executionId"].combine_chunks()))
            )
            new = (
                mine.filter(pc.not_equal(mine["_op"], "d")).append_column("_deleted", pa.array([False] * 0))
                if False
                else mine.filter(pc.not_equal(mine["_op"], "d"))
            )
            new = new.append_column("_deleted", pa.repeat(False, len(new))).select(old.column_names)
            target = files[day].with_name(f"floor-{number}.parquet")
            pq.write_table(pa.concat_tables([kept, new.cast(old.schema)]), target)
            files[day] = target

    return timed(place, batches(millions, events, late, 6), step)


def plain(place, millions, events, late, *, by_day):
    """The merge of deltalake, with our guard and tombstones, as its users write it."""
    import pyarrow.compute as pc
    from deltalake import DeltaTable

    from maestro.lake.dedupe import latest

    table = DeltaTable(str(place))

    def step(_number, batch):
        rows = latest(batch, ("executionId",))
        rows = rows.append_column("_deleted", pc.equal(rows["_op"], "d")).drop_columns(["_op", "_event_time"])
        predicate = "t.executionId = s.executionId"
        if by_day:
            days = ", ".join(f"DATE '{day}'" for day in rows["day"].unique().to_pylist())
            predicate = f"t.day in ({days}) AND t.day = s.day AND {predicate}"
        names = {name: f"s.{name}" for name in rows.column_names}
        (
            table.merge(rows, predicate, source_alias="s", target_alias="t")
            .when_matched_update(names, predicate="s._version > t._version")
            .when_not_matched_insert(names)
            .execute()
        )

    return timed(place, batches(millions, events, late, 6), step)


def sail(place, millions, events, late):
    """MERGE by Sail, a Spark Connect server, fed by Arrow."""
    from pysail.spark import SparkConnectServer

    from maestro.ports.lake import TableSpec
    from maestro_adapters.spark import SparkLake

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    lake = SparkLake(f"sc://127.0.0.1:{port}", place, TableSpec(partition_by="day"))
    try:
        return timed(
            place,
            batches(millions, events, late, 4),
            lambda n, batch: lake.merge(batch, {"bench": n}, now=AT),
        )
    finally:
        lake.close()


def side_log(place, millions, events, late):
    from deltalake import DeltaTable

    from maestro_adapters.delta import DeltaLake

    lake = DeltaLake.open(place)
    found = timed(
        place, batches(millions, events, late, 10), lambda n, batch: lake.append(batch, {"bench": n}, now=AT)
    )
    # Turn by turn, so that a drifting machine hits both alike; the plain scan is of the table without the log.
    table = DeltaTable(str(place))
    turns = [(_seconds(lake.read), _seconds(table.to_pyarrow_table)) for _ in range(6)][1:]
    found["read"], found["plain"] = (median(times) for times in zip(*turns, strict=True))
    found["fold"] = _seconds(lambda: lake.fold(now=AT))
    return found


def _seconds(call):
    began = perf_counter()
    call()
    return perf_counter() - began


def ducklake(place, millions, events, late):
    """DuckLake: merges on read, by delete files; two MERGEs in a transaction, for it takes one action each.

    MAESTRO_DUCKLAKE names a folder made by ``pip install --target FOLDER duckdb==1.5.5
    duckdb-extension-ducklake==1.5.5``: extensions fit one version of DuckDB only.
    """
    overlay = os.environ.get("MAESTRO_DUCKLAKE")
    if not overlay:
        os._exit(77)
    sys.path.insert(0, overlay)
    import duckdb

    from maestro.lake.dedupe import latest

    (extension,) = Path(overlay).glob("duckdb_extension_ducklake/extensions/*/ducklake.duckdb_extension")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension}'")
    home = Path(place).with_name("ducklake")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    connection.execute(f"ATTACH 'ducklake:{home}/catalog.db' AS dl (DATA_PATH '{home}/data')")
    first = True
    for _, rows in base(millions):
        connection.register("rows", rows)
        if first:
            connection.execute("CREATE TABLE dl.t AS SELECT *, 1::BIGINT AS _version FROM rows WHERE false")
            connection.execute("ALTER TABLE dl.t SET PARTITIONED BY (day)")
            first = False
        connection.execute("INSERT INTO dl.t SELECT *, 1 FROM rows")

    def step(_number, batch):
        rows = latest(batch, ("executionId",))
        names = [name for name in rows.column_names if name[0] != "_"] + ["_version"]
        connection.register("s", rows)
        days = ", ".join(f"DATE '{day}'" for day in rows["day"].unique().to_pylist())
        match = f"t.executionId = s.executionId AND t.day IN ({days})"
        sets = ", ".join(f"{name} = s.{name}" for name in names)
        connection.execute("BEGIN")
        connection.execute(
            f"MERGE INTO dl.t t USING (SELECT * FROM s WHERE _op = 'd') s ON {match} WHEN MATCHED AND s._version > t._version THEN DELETE"
        )
        connection.execute(
            f"MERGE INTO dl.t t USING (SELECT * FROM s WHERE _op <> 'd') s ON {match} WHEN MATCHED AND s._version > t._version THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join('s.' + n for n in names)})"
        )
        connection.execute("COMMIT")

    found = timed(home, batches(millions, events, late, 10), step)
    found["read"] = median(
        _seconds(lambda: connection.execute("SELECT * FROM dl.t").fetch_arrow_table()) for _ in range(5)
    )
    found["fold"] = 0.0
    found["plain"] = 0.0
    return found


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True")
    main()
