"""The script in examples/ judges exports as `maestro audit verify` does, and imports nothing of ours."""

import ast
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest

from house.tree import ROOT
from maestro.audit import Cosigner, LogSigner
from maestro.runtime.audit import AuditLog
from maestro_adapters.sqlite.audit import SqliteAudit
from maestro_sidecar.cli import main

SCRIPT = ROOT / "examples" / "audit" / "verify_export.py"
SIGNER = LogSigner("example.org/node-1", bytes(range(32)))


class Clock:
    def now(self):
        return datetime(2026, 3, 30, tzinfo=UTC)


def made(folder, size, word="", cosigner=None):
    """An export of a log of that size, as lines, and its checkpoint."""
    with closing(SqliteAudit(folder / f"{word}.db", SIGNER.name)) as store:
        log = AuditLog(store, SIGNER, Clock(), cosigner=cosigner)
        notes = []
        for number in range(size):
            log.append(actor="ada", action="a.b", subject=f"s{word}{number}")
            notes.append(log.checkpoint())
    assert main(["audit", "export", str(folder / f"{word}.db"), str(folder / f"{word}.jsonl")]) == 0
    return (folder / f"{word}.jsonl").read_bytes().splitlines(keepends=True), notes


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return made(tmp_path_factory.mktemp("log"), 9, cosigner=Cosigner("example.org/w", bytes(32)))


@pytest.fixture
def judged(tmp_path):
    """Run the script on lines; its exit code and what it said. The command line must give the same verdict."""

    def run(lines, elsewhere=None, key=SIGNER.key):
        export, public, kept = tmp_path / "log.jsonl", tmp_path / "key.pub", tmp_path / "kept"
        export.write_bytes(b"".join(lines))
        public.write_text(f"{key}\n")
        more = []
        if elsewhere is not None:
            kept.write_bytes(elsewhere)
            more = [str(kept)]
        done = subprocess.run(
            [sys.executable, "-I", SCRIPT, export, public, *more], capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        options = ["--checkpoint", more[0]] if more else []
        assert main(["audit", "verify", str(export), "--key", str(public), *options]) == done.returncode
        return done.returncode, done.stdout

    return run


def test_it_is_short_and_knows_nothing_of_us():
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 100
    named = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert named - sys.stdlib_module_names == {"cryptography"}


def test_a_log_as_signed_is_ok(log, judged):
    lines, notes = log
    assert judged(lines) == (0, "OK: 9 entries are as they were signed\n")
    for size in (1, 4, 8, 9):
        assert judged(lines, notes[size - 1])[0] == 0


@pytest.mark.parametrize("at", [1, 5, 9])
def test_altered_moved_dropped_and_cut_entries_are_found(log, judged, at):
    lines, _ = log
    assert judged(replaced(lines, at, lines[at].replace(b"ada", b"eve"))) == (3, message(at - 1))
    if at < 9:
        assert judged([*lines[:at], *lines[at + 1 :]]) == (3, message(at - 1))
        assert judged([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]) == (3, message(at - 1))
        assert judged([*lines[:at], lines[at], *lines[at:]]) == (3, message(at))
    code, said = judged([*lines[:at], lines[at][:-9]])
    assert (code, said) == (3, f"NOT OK: entry {at - 1} is cut or is no record\n")


def replaced(lines, at, line):
    return [*lines[:at], line, *lines[at + 1 :]]


def message(entry):
    return f"NOT OK: entry {entry} was altered, or does not stand where it was signed\n"


def test_an_entry_altered_together_with_its_hash_is_found(log, judged):
    from maestro.audit import leaf_hash
    from maestro.audit.export import decode_entry, encode_entry

    lines, _ = log
    body = decode_entry(lines[4])[0].replace(b"ada", b"eve")
    code, said = judged(replaced(lines, 4, encode_entry(body, leaf_hash(body))))
    assert (code, said) == (3, "NOT OK: the 9 entries are not the 9 that were signed\n")


def test_the_end_and_another_history_need_a_checkpoint_kept_elsewhere(log, judged, tmp_path):
    lines, notes = log
    assert judged(lines[:-2])[0] == 3
    short, _ = made(tmp_path, 7)
    assert judged(short)[0] == 0
    assert judged(short, notes[8])[0] == 3
    _, others = made(tmp_path, 9, word="x")
    for note in (others[3], others[8]):
        assert judged(lines, note)[0] == 3


def test_false_keys_and_checkpoints_are_found(log, judged):
    lines, _ = log
    assert judged(lines, key=LogSigner(SIGNER.name, bytes(32)).key)[1].startswith(
        "NOT OK: the checkpoint is not signed"
    )
    assert judged(lines, key=LogSigner("example.org/b", bytes(32)).key)[0] == 3
    code, said = judged(replaced(lines, 0, lines[0].replace(b"\\n9\\n", b"\\n8\\n")))
    assert (code, said) == (3, "NOT OK: the signature of the checkpoint is false\n")
    assert judged([b'{"format":"maestro-audit/1","checkpoint":null}\n'])[0] == 3
