"""The node's audit log in a running sidecar: what is entered, what is told of it, and that it proves what it says."""

import json
import os
import threading
from base64 import b64decode

import pytest

from maestro.audit import (
    InclusionProof,
    TreeHead,
    leaf_hash,
    open_checkpoint,
    parse_log_key,
    verify_consistency,
    verify_entry,
)
from maestro.kernel.errors import BadInputError, UntrustedError
from maestro_sidecar.audit_keys import KeptCheckpoint
from maestro_sidecar.settings import parse_settings
from maestro_sidecar.wiring import wire

LOG, ENTRIES = "/api/audit/log", "/api/audit/entries"
CHECKPOINT, INCLUSION, CONSISTENCY = (
    "/api/audit/checkpoint",
    "/api/audit/proofs/inclusion",
    "/api/audit/proofs/consistency",
)


def put(ask, number, tenant="acme"):
    body = {"tenant": tenant, "maxConcurrent": number}
    assert ask("PUT", "/api/limits/package-caps", body, token="op").status in {200, 201}


def get(ask, path):
    answer = ask("GET", path, token="op")
    assert answer.status == 200, answer.body
    return answer.json


def hashes(answer):
    return tuple(b64decode(one) for one in answer["hashes"])


def test_every_change_of_limits_is_entered_before_it_is_answered(ask):
    for number in (1, 2):
        put(ask, number)
    page = get(ask, ENTRIES)
    entries = [json.loads(one["entry"]) for one in page["entries"]]
    assert [one["action"] for one in entries] == ["mc.limits.default.declared"] + [
        "mc.limits.document.changed"
    ] * 2
    assert [one["data"]["document"]["maxConcurrent"] for one in entries[1:]] == [1, 2]
    assert [one["actor"] for one in entries[1:]] == ["op", "op"]
    assert {one["node"] for one in entries} == {page["origin"]} == {get(ask, LOG)["origin"]}


def test_what_is_told_proves_every_entry_and_that_nothing_older_changed(ask):
    older = []
    for number in range(5):
        put(ask, number)
        older.append(ask("GET", CHECKPOINT, token="op").body)
    status = get(ask, LOG)
    key = parse_log_key(status["publicKey"])
    newest = open_checkpoint(older[-1], key)
    assert (newest.size, newest.origin, status["up"]) == (status["size"], status["origin"], True)
    assert b64decode(status["rootHash"]) == newest.root
    for one in get(ask, ENTRIES)["entries"]:
        entry = one["entry"].encode()
        assert b64decode(one["leafHash"]) == leaf_hash(entry)
        proof = get(ask, f"{INCLUSION}?index={one['sequence']}")
        verify_entry(entry, InclusionProof(one["sequence"], hashes(proof), proof["checkpoint"].encode()), key)
    for note in older:
        old = open_checkpoint(note, key).head
        proof = get(ask, f"{CONSISTENCY}?first={old.size}")
        verify_consistency(old, newest.head, hashes(proof))
        assert open_checkpoint(proof["checkpoint"].encode(), key) == newest


def test_proofs_under_older_trees_bring_no_checkpoint(ask):
    for number in range(4):
        put(ask, number)
    proof = get(ask, f"{INCLUSION}?index=0&size=2")
    assert (proof["size"], len(proof["hashes"]), "checkpoint" in proof) == (2, 1, False)
    proof = get(ask, f"{CONSISTENCY}?first=2&second=3")
    assert (proof["second"], "checkpoint" in proof) == (3, False)


def test_entries_come_in_pages(ask):
    for number in range(4):
        put(ask, number)
    seen, path = [], f"{ENTRIES}?limit=2"
    while path:
        page = get(ask, path)
        seen += [one["sequence"] for one in page["entries"]]
        path = f"{ENTRIES}?limit=2&first={page['next']}" if "next" in page else None
    assert seen == list(range(5))
    assert get(ask, f"{ENTRIES}?first=99") == {"origin": page["origin"], "size": 5, "entries": []}


def test_a_page_ends_when_it_is_large(ask):
    for _ in range(30):
        ask.context.audit.log.append(
            actor="edge", action="mc.edge.told", subject="s", data={"text": "x" * 250_000}
        )
    page = get(ask, f"{ENTRIES}?limit=1000")
    assert (len(page["entries"]), page["next"]) == (20, 20)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{ENTRIES}?first=x", 400, "bad_input"),
        (f"{ENTRIES}?limit=0", 400, "bad_input"),
        (f"{ENTRIES}?limit=1001", 400, "bad_input"),
        (f"{ENTRIES}?after=1", 400, "unknown_parameter"),
        (INCLUSION, 400, "bad_field"),
        (f"{INCLUSION}?index=1", 400, "bad_input"),
        (f"{INCLUSION}?index=0&size=2", 400, "bad_input"),
        (f"{INCLUSION}?index=0&size=0", 400, "bad_input"),
        (CONSISTENCY, 400, "bad_field"),
        (f"{CONSISTENCY}?first=0", 400, "bad_input"),
        (f"{CONSISTENCY}?first=2", 400, "bad_input"),
        (f"{CONSISTENCY}?first=1&second=2", 400, "bad_input"),
    ],
)
def test_bad_questions_are_told_what_is_wrong(ask, path, status, code):
    ask.context.audit.follow()  # one entry: the declared default
    answer = ask("GET", path, token="op")
    assert (answer.status, answer.code) == (status, code)


def test_an_empty_log_has_nothing_to_prove(ask):
    for path in (CHECKPOINT, f"{INCLUSION}?index=0", f"{CONSISTENCY}?first=1"):
        answer = ask("GET", path, token="op")
        assert (answer.status, answer.code) == (404, "log_empty")
    assert get(ask, LOG)["size"] == 0


@pytest.mark.parametrize("path", [LOG, ENTRIES, CHECKPOINT, f"{INCLUSION}?index=0", f"{CONSISTENCY}?first=1"])
def test_only_operators_read_it(ask, path):
    assert ask("GET", path).status == 401
    for token in ("acme", "run", "pub"):
        assert (ask("GET", path, token=token).status, ask("GET", path, token=token).code) == (
            403,
            "not_allowed",
        )


# ---- the key ------------------------------------------------------------------------------------------------


def settings(folder, **tables):
    raw = {"state": str(folder), "store": {"kind": "sqlite"}, **tables}
    return parse_settings(raw)


def wired(folder, **tables):
    lines = []
    context = wire(settings(folder, **tables), write_log=lines.append)
    return context, lines


def test_a_key_is_made_once_for_this_user_alone_and_its_public_part_lies_beside_it(tmp_path):
    keys = []
    for _ in range(2):
        context, _ = wired(tmp_path)
        keys.append(str(context.audit.log.key))
        context.close()
    path = tmp_path / "audit.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*{*keys}] == [(tmp_path / "audit.key.pub").read_text().strip()]
    assert sorted(one.name for one in tmp_path.iterdir() if "audit" in one.name) == [
        "audit.key",
        "audit.key.pub",
    ]


def test_a_log_is_named_as_the_settings_say(tmp_path):
    context, _ = wired(tmp_path, audit={"name": "example.org/node-1"})
    assert context.audit.log.origin == "example.org/node-1"
    context.close()
    with pytest.raises(BadInputError, match="is not the name of the key"):
        wired(tmp_path, audit={"name": "example.org/node-2"})
    with pytest.raises(BadInputError):
        settings(tmp_path, audit={"name": "no spaces"})


def test_a_key_of_ones_own_and_a_second_that_signs_too(tmp_path):
    from maestro.audit import Cosigner, LogSigner

    signer, second = LogSigner("example.org/own", b"1" * 32), Cosigner("example.org/second", b"2" * 32)
    for name, key in (("own.key", signer), ("second.key", second)):
        descriptor = os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.secret())
    context, _ = wired(
        tmp_path, audit={"key": str(tmp_path / "own.key"), "cosigner": str(tmp_path / "second.key")}
    )
    context.audit.follow()
    note = context.audit.log.checkpoint()
    assert open_checkpoint(note, signer.key, cosigners=[second.key]).size == 1
    context.close()


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(b"secret", 0o600, "bad_key"), (b"\xff", 0o600, "bad_input"), (b"secret", 0o644, "bad_input")],
)
def test_a_bad_key_is_refused_at_the_start_and_never_told(tmp_path, content, mode, why):
    path = tmp_path / "audit.key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(BadInputError) as caught:
        wired(tmp_path)
    assert caught.value.code == why
    assert "secret" not in str(caught.value)


def test_a_state_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="MAESTRO_STATE"):
        wired(tmp_path / "file" / "state", store={"kind": "sqlite", "path": str(tmp_path / "m.db")})


def test_a_log_deleted_while_the_sidecar_was_down_is_not_begun_anew_under_the_same_key(tmp_path):
    context, _ = wired(tmp_path)
    context.audit.follow()
    context.close()
    for path in tmp_path.glob("maestro.db*"):
        path.unlink()
    context, lines = wired(tmp_path)
    for _ in range(2):
        context.audit.follow()
    told = [json.loads(line) for line in lines if "audit" in line]
    assert [(one["event"], one["code"]) for one in told] == [("audit_waits", "log_altered")]
    assert (context.audit.up, context.audit.store.size()) == (False, 0)
    assert "mc_audit_up 0.0" in context.metrics.exposition("")[0].decode()
    context.close()


def test_a_kept_checkpoint_of_somebody_else_is_refused(tmp_path):
    context, _ = wired(tmp_path)
    context.audit.follow()
    context.close()
    (kept,) = tmp_path.glob("audit-*.checkpoint")
    kept.write_bytes(kept.read_bytes().replace(b"1", b"2"))
    with pytest.raises(UntrustedError):
        wired(tmp_path)


def test_a_checkpoint_is_kept_whole_and_trouble_with_it_is_told_once(tmp_path):
    context, lines = wired(tmp_path)
    (kept,) = [one for one in vars(context.audit).values() if isinstance(one, KeptCheckpoint)]
    kept._path = tmp_path / "nowhere" / "checkpoint"
    for _ in range(2):
        context.audit.follow()
    kept._path = tmp_path / "checkpoint"
    context.audit.follow()
    assert (tmp_path / "checkpoint").read_bytes() == context.audit.log.checkpoint()
    told = [json.loads(line)["event"] for line in lines if "audit" in line]
    assert told == ["audit_waits", "audit_goes_on"]
    context.close()


def test_a_kept_checkpoint_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInputError, match="cannot be used"):
        KeptCheckpoint(tmp_path / "folder").read()


def test_metrics_tell_how_the_log_stands(ask):
    put(ask, 1)
    text = ask("GET", "/metrics", token="op").body.decode()
    assert "mc_audit_entries 2.0" in text
    assert "mc_audit_up 1.0" in text


def test_a_log_that_cannot_be_written_holds_up_no_change(ask):
    class Refusing:
        def catch_up(self):
            raise UntrustedError("altered", code="log_altered")

    working, ask.context.audit._follower = ask.context.audit._follower, Refusing()
    put(ask, 1)
    assert get(ask, LOG)["up"] is False
    ask.context.audit._follower = working
    put(ask, 2)
    assert (get(ask, LOG)["up"], get(ask, LOG)["size"]) == (True, 3)


def test_the_newer_tree_of_a_size_signed_before_must_be_the_same(ask):
    """A second history of equal length is refused, too."""
    from maestro.audit import LogSigner
    from maestro.runtime.audit import AuditLog
    from maestro_adapters.clock import SystemClock
    from maestro_adapters.inprocess_audit import InProcessAudit

    signer, notes = LogSigner("example.org/n", b"1" * 32), []
    for subject in ("one", "other"):
        log = AuditLog(InProcessAudit(signer.name), signer, SystemClock())
        log.append(actor="a", action="b", subject=subject)
        notes.append((log._store, log.checkpoint()))
    forked = AuditLog(notes[1][0], signer, SystemClock(), signed=notes[0][1])
    with pytest.raises(UntrustedError, match="signed last"):
        forked.append(actor="a", action="b", subject="c")
    assert TreeHead(1, open_checkpoint(notes[0][1], signer.key).root) != open_checkpoint(
        notes[1][1], signer.key
    )


def test_a_change_is_answered_though_its_entry_must_wait_its_turn(ask, monkeypatch):
    monkeypatch.setattr("maestro_sidecar.context._ENTERED_SECONDS", 0.01)
    go_on = threading.Event()
    monkeypatch.setattr(type(ask.context.audit), "follow", lambda _: go_on.wait(20))
    put(ask, 1)
    assert not go_on.is_set()
    go_on.set()
