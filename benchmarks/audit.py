"""The audit log: appends a second beside a bare INSERT, and what proofs cost at a million entries."""

import json
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.table import Table, interleaved, microseconds, per_second
from maestro.audit import (
    Cosigner,
    Draft,
    InclusionProof,
    Judge,
    LogSigner,
    consistency_proof,
    encode_proof,
    inclusion_proof,
    open_checkpoint,
    verify_consistency,
    verify_entry,
)
from maestro.runtime.audit import AuditLog
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite.audit import SqliteAudit

SIGNER, WITNESS = LogSigner("bench.example/node-1", bytes(range(32))), Cosigner("bench.example/w", bytes(32))
AT = datetime(2026, 3, 30, tzinfo=UTC)
DATA = {
    "tenant": "acme",
    "kind": "windows",
    "version": 7,
    "document": {"allowedWindows": [{"start": "22:00", "end": "06:00"}]},
}
BATCH = 100
MEMORY = Path("/dev/shm")


def run(*, quick=False):
    """Appends by store and disk, then proofs."""
    seconds, rounds = (0.2, 1) if quick else (2.0, 3)
    tables = []
    for place, disk in (("on a disk", None), ("in memory", MEMORY if MEMORY.is_dir() else None)):
        if place == "in memory" and disk is None:
            continue
        with TemporaryDirectory(dir=disk) as folder:
            tables.append(_appends(place, Path(folder), seconds, rounds))
    with TemporaryDirectory() as folder:
        tables.append(_proofs(Path(folder), 10_000 if quick else 1_000_000))
    return tables


def draft():
    return Draft(AT, "ada", "mc.limits.document.changed", "acme/windows", DATA)


def _appends(place, folder, seconds, rounds):
    def log(name, cosigner=None):
        return AuditLog(SqliteAudit(folder / name, SIGNER.name), SIGNER, SystemClock(), cosigner=cosigner)

    signed, cosigned, batched = log("signed.db"), log("cosigned.db", WITNESS), log("batched.db")
    many = [draft()] * BATCH
    contenders = {
        "bare INSERT": (bare(folder / "bare.db", 1), 1),
        "AuditLog, signed": (lambda _: signed.extend([draft()]), 1),
        "AuditLog, signed and cosigned": (lambda _: cosigned.extend([draft()]), 1),
        f"bare INSERT, {BATCH} a transaction": (bare(folder / "many.db", BATCH), BATCH),
        f"AuditLog, signed, {BATCH} an append": (lambda _: batched.extend(many), BATCH),
    }
    rates = interleaved(contenders, rounds, lambda one: per_second(one[0], seconds) * one[1])
    rows = []
    for name, rate in rates.items():
        floor = rates["bare INSERT" if contenders[name][1] == 1 else f"bare INSERT, {BATCH} a transaction"]
        rows.append((name, f"{rate:,.0f}", f"{floor / rate:.2f}"))
    note = "Every transaction waits for the disk (synchronous = FULL), the bare one too; it keeps the same bytes."
    return Table(f"Audit log: appends on SQLite {place}", ("", "entries/s", "bare ÷ it"), rows, note)


def bare(path, count):
    """The bytes of an entry in a row, in a durable transaction; no tree, no signature."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE entries (sequence INTEGER PRIMARY KEY, body BLOB)",
    ):
        connection.execute(statement)
    body = json.dumps(
        {"time": AT.isoformat(), "actor": "ada", "action": "mc.limits.document.changed", "data": DATA}
    ).encode()

    def insert(_):
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(count):
            connection.execute("INSERT INTO entries (body) VALUES (?)", (body,))
        connection.execute("COMMIT")

    return insert


def _proofs(folder, size):
    path = folder / "log.db"
    store = SqliteAudit(path, SIGNER.name)
    log = AuditLog(store, SIGNER, SystemClock())
    began = perf_counter()
    for _ in range(size // 1000):
        log.extend([draft()] * 1000)
    grown = perf_counter() - began
    note, chance = log.checkpoint(), random.Random(7)
    head = open_checkpoint(note, log.key).head
    at = size * 2 // 3 + 1
    (entry,) = store.read(at, 1)
    proof = InclusionProof(at, inclusion_proof(store.hashes, at, size), note)
    old = size // 2 + 77
    consistency = consistency_proof(store.hashes, old, size)
    # The old root is the one that the proof itself leads to: what is measured is the work, not the trust.
    older = _head_at(store, old)
    began = perf_counter()
    _judge(store, note, log.key)
    judged = perf_counter() - began
    rows = [
        _row(
            "inclusion proof, made",
            lambda: inclusion_proof(store.hashes, chance.randrange(size), size),
            len(encode_proof(proof)),
        ),
        _row(
            "inclusion proof, verified with its checkpoint",
            lambda: verify_entry(entry.body, proof, log.key),
            "",
        ),
        _row(
            "consistency proof, made",
            lambda: consistency_proof(store.hashes, chance.randrange(1, size), size),
            len(consistency) * 32,
        ),
        _row("consistency proof, verified", lambda: verify_consistency(older, head, consistency), ""),
    ]
    told = (
        f"{size:,} entries were appended in {grown:.1f} s (1,000 an append), take {path.stat().st_size / size:,.0f} bytes each "
        f"with their hashes, and are all verified in {judged:.1f} s ({size / judged:,.0f}/s). An inclusion proof has "
        f"{len(proof.hashes)} hashes; its bytes are those of the whole tlog-proof with the checkpoint."
    )
    return Table(
        f"Audit log: proofs at {size:,} entries on SQLite", ("", "p50 µs", "p95 µs", "bytes"), rows, told
    )


def _row(name, call, size):
    median, p95 = microseconds(call, 500)
    return name, f"{median:,.0f}", f"{p95:,.0f}", f"{size:,}" if size else ""


def _head_at(store, size):
    from maestro.audit import CompactRange
    from maestro.audit.tree import subtrees

    return CompactRange(size, store.hashes(subtrees(0, size))).head()


def _judge(store, note, key):
    judge, first = Judge(key, note), 0
    while page := store.read(first, 1000):
        for entry in page:
            judge.feed(entry.body, entry.hashes)
        first = page[-1].sequence + 1
    verdict = judge.verdict()
    if not verdict.ok:
        raise SystemExit(f"the benchmark's own log does not verify: {verdict}")
