"""`maestro audit`: the verdicts, the documents and what bad input is told."""

import base64
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from maestro.audit import leaf_hash, parse_log_key, parse_proof, verify_entry
from maestro.kernel.events import Event
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteOutbox, evidence
from maestro_adapters.sqlite.audit import SqliteAudit
from maestro_sidecar.cli import main

EVENTS = 12


@pytest.fixture
def maestro(capsys):
    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture
def document(maestro):
    """Run with --json: the exit code, and the one document on stdout."""

    def run(*arguments):
        code, out, err = maestro(*arguments, "--json")
        assert err == ""
        return code, json.loads(out)

    return run


def tell(store, numbers):
    with closing(SqliteOutbox(store)) as events:
        now = SystemClock().now()
        kind = "mc.limits.document.changed"
        events.append(
            Event(f"{n}", "/maestro/limits", kind, "acme/windows", now, {"changedBy": "ada"}) for n in numbers
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store with a cosigned log of 12 entries, its keys, and its checkpoint of 8 and of 12."""
    folder = tmp_path_factory.mktemp("template")
    store = folder / "node.db"
    for name, more in [("log", []), ("witness", ["--cosigner"])]:
        assert main(["audit", "keygen", f"example.org/{name}", "--out", f"{folder / name}.key", *more]) == 0
    for size, numbers in [(8, range(8)), (EVENTS, range(8, EVENTS))]:
        tell(store, numbers)
        keys = ["--key", f"{folder / 'log.key'}", "--cosigner", f"{folder / 'witness.key'}"]
        assert main(["audit", "record", str(store), *keys]) == 0
        with closing(SqliteAudit(store, "example.org/log")) as log:
            (folder / f"kept-{size}").write_bytes(log.checkpoint())
    return folder


@pytest.fixture
def node(template, tmp_path):
    """A copy of it."""
    return shutil.copytree(template, tmp_path / "node")


def alter(node, statement):
    with closing(sqlite3.connect(node / "node.db")) as connection, connection:
        connection.executescript(statement)


@pytest.fixture
def verify(node, document):
    def run(*more, log="node.db"):
        return document("audit", "verify", node / log, "--key", node / "log.key.pub", *more)

    return run


def test_a_log_as_signed(node, verify, maestro):
    code, answer = verify()
    assert code == 0
    assert answer.items() >= {"ok": True, "size": EVENTS, "notChecked": ["truncation"], "reasons": []}.items()
    assert "firstBad" not in answer
    assert answer["provedSize"] == EVENTS
    note = (node / "kept-12").read_text()
    assert answer["rootHash"] == note.split("\n")[2]
    assert answer["origin"] == note.split("\n")[0] == "example.org/log"
    for kept in ("kept-8", "kept-12"):
        code, answer = verify("--checkpoint", node / kept, "--cosigner", node / "witness.key.pub")
        assert (code, answer["ok"], answer["notChecked"]) == (0, True, [])
    code, out, _ = maestro(
        "audit", "verify", node / "node.db", "--key", (node / "log.key.pub").read_text().strip()
    )
    assert (code, out.splitlines()[0]) == (
        0,
        "OK: all 12 entries of example.org/log are as they were signed.",
    )


SWAP = """
UPDATE audit_entries SET sequence = 100 WHERE sequence = 3;
UPDATE audit_entries SET sequence = 3 WHERE sequence = 6;
UPDATE audit_entries SET sequence = 6 WHERE sequence = 100;
"""
MANGLED = "UPDATE audit_entries SET body = CAST(replace(CAST(body AS TEXT), 'ada', 'eve') AS BLOB)"


@pytest.mark.parametrize(
    ("statement", "reason", "first"),
    [
        (f"{MANGLED} WHERE sequence = 5", "entry_altered", 5),
        (SWAP, "entry_out_of_place", 3),
        ("DELETE FROM audit_entries WHERE sequence = 4", "entry_out_of_place", 4),
        (
            "DELETE FROM audit_entries WHERE sequence = 4; UPDATE audit_entries SET sequence = sequence - 1 WHERE sequence > 4",
            "entry_out_of_place",
            4,
        ),
        ("DELETE FROM audit_entries WHERE sequence > 8", "entries_missing", 9),
        ("UPDATE audit_entries SET hashes = zeroblob(length(hashes)) WHERE sequence = 7", "entry_altered", 7),
        ("DELETE FROM audit_checkpoints", "no_checkpoint", None),
        ("UPDATE audit_checkpoints SET size = 1, note = x'00'", "bad_note", None),
        ("UPDATE audit_logs SET origin = 'example.org/other'", "other_log", None),
        (
            "DELETE FROM audit_entries; DELETE FROM audit_checkpoints; DELETE FROM audit_logs",
            "no_checkpoint",
            None,
        ),
    ],
)
def test_whatever_is_altered_in_the_store_is_found(node, verify, maestro, statement, reason, first):
    alter(node, statement)
    code, answer = verify()
    assert (code, answer["ok"], answer.get("firstBad")) == (3, False, first)
    assert reason in answer["reasons"]
    code, out, _ = maestro("audit", "verify", node / "node.db", "--key", node / "log.key.pub")
    assert (code, out.startswith("NOT OK: "), reason in out) == (3, True, True)


def test_a_rewritten_log_is_found_though_every_hash_fits(node, verify):
    with closing(sqlite3.connect(node / "node.db")) as connection, connection:
        (body,) = connection.execute("SELECT body FROM audit_entries WHERE sequence = 10").fetchone()
        forged = body.replace(b"ada", b"eve")
        connection.execute(
            "UPDATE audit_entries SET body = ?, hashes = ? WHERE sequence = 10", (forged, leaf_hash(forged))
        )
    code, answer = verify()
    assert (code, answer["firstBad"]) == (3, 10)


def test_entries_gone_from_the_end_need_a_checkpoint_kept_elsewhere(node, verify):
    tell(node / "node.db", [20])
    alter(
        node,
        "DELETE FROM audit_entries WHERE sequence >= 8; DELETE FROM audit_checkpoints;",
    )
    with closing(sqlite3.connect(node / "node.db")) as connection, connection:
        connection.execute(
            "INSERT INTO audit_checkpoints VALUES (1, 8, ?)", ((node / "kept-8").read_bytes(),)
        )
    assert verify()[1]["notChecked"] == ["truncation"]
    assert verify()[0] == 0
    code, answer = verify("--checkpoint", node / "kept-12")
    assert (code, answer["reasons"], answer["firstBad"], answer["notChecked"]) == (3, ["truncated"], 8, [])


def test_another_history_under_the_same_key_is_a_fork(node, verify, maestro, tmp_path):
    other = tmp_path / "other.db"
    tell(other, range(50, 59))
    _, out, _ = maestro("audit", "record", other, "--key", node / "log.key", "--json")
    (node / "forked").write_text(json.loads(out)["checkpoint"])
    code, answer = verify("--checkpoint", node / "forked")
    assert (code, answer["reasons"]) == (3, ["forked"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--cosigner", "{stranger}"], "not_cosigned"),
        (["--checkpoint", "{of_stranger}"], "wrong_log"),
        (["--checkpoint", "{junk}"], "bad_note"),
    ],
)
def test_wrong_cosigners_and_checkpoints_are_told_with_a_remedy(node, verify, maestro, options, reason):
    maestro("audit", "keygen", "example.org/stranger", "--out", node / "stranger.key")
    tell(node / "theirs.db", range(3))
    _, out, _ = maestro("audit", "record", node / "theirs.db", "--key", node / "stranger.key", "--json")
    (node / "theirs").write_text(json.loads(out)["checkpoint"])
    (node / "junk").write_text("junk")
    names = {"stranger": node / "stranger.key.pub", "of_stranger": node / "theirs", "junk": node / "junk"}
    code, answer = verify(*(option.format(**names) for option in options))
    assert (code, answer["reasons"]) == (3, [reason])
    assert answer["findings"][0]["remedy"]


def test_a_wrong_key_is_told_with_a_remedy(node, document, maestro):
    maestro("audit", "keygen", "example.org/log", "--out", node / "new.key")
    code, answer = document("audit", "verify", node / "node.db", "--key", node / "new.key.pub")
    assert (code, answer["reasons"], answer["size"]) == (3, ["wrong_key"], EVENTS)
    assert "public key" in answer["findings"][0]["remedy"]


@pytest.mark.parametrize("part", [0.1, 0.4, 0.7, 0.99])
def test_a_store_cut_in_the_middle_is_not_ok(node, verify, document, part):
    tell(node / "node.db", range(100, 400))
    assert document("audit", "record", node / "node.db", "--key", node / "log.key")[0] == 0
    with closing(sqlite3.connect(node / "node.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = (node / "node.db").read_bytes()
    (node / "cut.db").write_bytes(whole[: int(len(whole) * part)])
    code, answer = verify(log="cut.db")
    assert (code, answer["ok"]) == (3, False)
    (remedy,) = (each["remedy"] for each in answer["findings"] if each["reason"] == "log_damaged")
    assert "Restore it from a backup" in remedy


@pytest.fixture
def export(node, maestro):
    assert maestro("audit", "export", node / "node.db", node / "out.jsonl")[0] == 0
    return node / "out.jsonl"


def test_an_export_verifies_as_its_store(node, export, verify, document):
    answers = [verify(log=name) for name in ("node.db", "out.jsonl")]
    assert answers[0] == answers[1]
    assert answers[0][0] == 0
    code, answer = document("audit", "export", node / "node.db", node / "again.jsonl")
    assert (code, answer["size"], answer["origin"]) == (0, EVENTS, "example.org/log")
    assert (node / "again.jsonl").read_bytes() == export.read_bytes()
    assert not list(node.glob("*.partial"))


@pytest.mark.parametrize(
    ("change", "reason", "first"),
    [
        (lambda lines: [*lines[:6], lines[6].replace(b"ada", b"eve"), *lines[7:]], "entry_altered", 5),
        (lambda lines: [*lines[:6], *lines[7:]], "entry_out_of_place", 5),
        (lambda lines: [*lines[:6], lines[7], lines[6], *lines[8:]], "entry_out_of_place", 5),
        (lambda lines: lines[:6], "entries_missing", 5),
        (lambda lines: [*lines[:6], lines[6][:-20]], "log_cut", 5),
        (lambda lines: [*lines[:6], b"junk\n", *lines[7:]], "log_damaged", 5),
        (lambda lines: lines + lines[-1:], "entry_out_of_place", 12),
    ],
)
def test_whatever_is_altered_in_an_export_is_found(export, verify, change, reason, first):
    lines = export.read_bytes().splitlines(keepends=True)
    export.write_bytes(b"".join(change(lines)))
    code, answer = verify(log="out.jsonl")
    assert (code, reason in answer["reasons"], answer["firstBad"]) == (3, True, first)


def test_one_entry_is_proved_without_its_log(node, maestro, document):
    key = parse_log_key((node / "log.key.pub").read_text())
    code, answer = document("audit", "prove", node / "node.db", 5)
    assert (code, answer["index"], answer["size"]) == (0, 5, EVENTS)
    assert [len(base64.b64decode(each)) for each in answer["hashes"]] == [32] * 4
    code, out, _ = maestro("audit", "prove", node / "node.db", 5)
    assert verify_entry(answer["entry"].encode(), parse_proof(out.encode()), key).size == EVENTS


def test_recording_again_enters_nothing(node, document):
    code, answer = document("audit", "record", node / "node.db", "--key", node / "log.key")
    assert (code, answer["entered"], answer["size"]) == (0, 0, EVENTS)


def test_private_keys_are_for_their_owner_alone(node, maestro, document):
    assert stat.S_IMODE((node / "log.key").stat().st_mode) == 0o600
    before = (node / "log.key").read_bytes()
    code, problem = document("audit", "keygen", "a", "--out", node / "log.key")
    assert (code, "File exists" in problem["detail"]) == (2, True)
    assert (node / "log.key").read_bytes() == before
    code, answer = document("audit", "keygen", "example.org/new", "--out", node / "new.key")
    assert (code, answer["publicKey"], answer["name"]) == (
        0,
        (node / "new.key.pub").read_text().strip(),
        "example.org/new",
    )
    (node / "half.key.pub").touch()
    assert document("audit", "keygen", "a", "--out", node / "half.key")[0] == 2
    assert not (node / "half.key").exists()


BAD = [
    (["verify", "{node}/none.db", "--key", "{node}/log.key.pub"], "No such file"),
    (["verify", "{node}", "--key", "{node}/log.key.pub"], "Is a directory"),
    (["verify", "{node}/log.key", "--key", "{node}/log.key.pub"], "neither a SQLite store nor an export"),
    (["verify", "{node}/foreign.db", "--key", "{node}/log.key.pub"], "another application"),
    (["verify", "{node}/node.db", "--key", "{node}/none.pub"], "No such file"),
    (["verify", "{node}/node.db", "--key", "{node}/log.key"], "no public key"),
    (["verify", "{node}/node.db", "--key", "{node}/witness.key.pub"], "no Ed25519 key of a log"),
    (["verify", "{node}/node.db", "--key", "a+b+c"], "public key"),
    (
        ["verify", "{node}/node.db", "--key", "{node}/log.key.pub", "--checkpoint", "{node}/none"],
        "No such file",
    ),
    (["record", "{node}/none.db", "--key", "{node}/log.key"], "No such file"),
    (["record", "{node}/foreign.db", "--key", "{node}/log.key"], "another application"),
    (["record", "{node}/node.db", "--key", "{node}/log.key.pub"], "no private key"),
    (["prove", "{node}/node.db", "12"], "is not an entry"),
    (["prove", "{node}/node.db", "one"], "invalid int"),
    (["export", "{node}/node.db", "{node}/none/out"], "No such file"),
    (["export", "{node}/node.db", "{node}/out", "--origin", "example.org/none"], "is no log"),
    (["export", "{node}/none.db", "{node}/out"], "none.db"),
    (["keygen", "a b", "--out", "{node}/x.key"], "cannot name a key"),
    (["keygen", "a", "--out", "{node}/none/x.key"], "No such file"),
]


@pytest.mark.parametrize(
    ("arguments", "why"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_told(node, maestro, document, arguments, why):
    with closing(sqlite3.connect(node / "foreign.db")) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    arguments = [each.format(node=node) for each in arguments]
    code, out, err = maestro("audit", *arguments)
    assert (code, out, len(err.splitlines()), why in err) == (2, "", 1, True), err
    code, problem = document("audit", *arguments)
    assert (code, why in f"{problem}") == (2, True)


def test_no_private_key_is_ever_printed(node, maestro):
    secret = (node / "log.key").read_text().strip().split("+", 4)[4]  # base64 has plus signs of its own
    for command in (
        ["verify", node / "node.db", "--key", node / "log.key"],
        ["record", node / "node.db", "--key", f"{(node / 'log.key').read_text().strip()}x"],
    ):
        _, out, err = maestro("audit", *command)
        assert secret not in out + err


def test_a_store_of_before_is_told_to_hold_no_audit_log(node, document):
    with closing(sqlite3.connect(node / "old.db")) as connection, connection:
        connection.execute("PRAGMA application_id = 0x4D434F4E")
        connection.execute("CREATE TABLE leases (x)")
    code, problem = document("audit", "verify", node / "old.db", "--key", node / "log.key.pub")
    assert (code, problem["code"], "holds no audit log" in problem["detail"]) == (2, "no_such_log", True)


def test_long_work_says_how_far_it_is(node, maestro, monkeypatch):
    monkeypatch.setattr("maestro_sidecar.cli.audit._NOTE_EVERY", 5)
    code, _, err = maestro("audit", "verify", node / "node.db", "--key", node / "log.key.pub")
    assert (code, err.splitlines()) == (0, ["5 entries", "10 entries"])


def test_a_store_with_several_logs_asks_which(node, document):
    with closing(sqlite3.connect(node / "node.db")) as connection, connection:
        connection.execute("INSERT INTO audit_logs (origin) VALUES ('example.org/b')")
    code, problem = document("audit", "prove", node / "node.db", 0)
    assert (code, "example.org/b, example.org/log" in problem["remedy"]) == (2, True)
    assert document("audit", "prove", node / "node.db", 0, "--origin", "example.org/log")[0] == 0


def test_a_folder_that_takes_no_new_file_is_no_obstacle(node, verify, monkeypatch):
    with closing(sqlite3.connect(node / "node.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connected = evidence._connected

    def as_in_a_read_only_folder(uri):  # which would not stop root
        if not uri.endswith("&immutable=1"):
            raise sqlite3.OperationalError("unable to open database file")
        return connected(uri)

    monkeypatch.setattr(evidence, "_connected", as_in_a_read_only_folder)
    assert verify()[0] == 0


def test_the_examples_of_the_helps_work(maestro, tmp_path):
    # They build on one another. The demo before them, which takes seconds, the example of `limits replay` runs too.
    tell(tmp_path / "demo.db", range(3))
    done = ["  maestro demo --runs 20 --store demo.db"]
    script = []
    for command in ["keygen", "record", "verify", "export", "prove"]:
        lines = maestro("audit", command, "--help")[1].split("example:\n")[1].splitlines()
        script += [line for line in lines if line not in done]
        done += lines
    assert len(script) == 5
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "OK: all 3 entries" in ran.stdout
