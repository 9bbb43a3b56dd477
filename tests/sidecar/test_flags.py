"""Flags over HTTP: set for all sidecars on the store, versioned, audited."""

import json
from datetime import UTC, datetime

import pytest

from maestro.kernel.errors import PortError
from maestro_adapters.inprocess import InProcessDocuments
from maestro_sidecar.stored_flags import KIND, TENANT, StoredFlags

FLAGS = "/api/flags"
CLOSED = {"tenant": "acme", "allowedWindows": []}
ASKED = {"tenant": "acme", "package": "ns/a"}


def denied(ask):
    return not ask("POST", "/api/limits/decisions", ASKED, token="op").json["allowed"]


def test_a_flag_that_is_set_holds_at_once_and_is_told(ask):
    ask("PUT", "/api/limits/windows", CLOSED, token="op")
    assert denied(ask)
    set_ = ask("PUT", FLAGS, {"run_windows_caps": False}, token="op")
    assert (set_.status, set_.json["run_windows_caps"], set_.headers["etag"]) == (200, False, '"1"')
    assert not denied(ask)
    got = ask("GET", FLAGS, token="op")
    assert (got.json, got.headers["etag"]) == (set_.json, '"1"')
    assert ask.log("flags_changed")[0]["by"] == "op"


def test_flags_not_named_are_as_the_settings_have_them(sidecar):
    ask = sidecar(flags={"edge_policy_ga": False})
    before = ask("GET", FLAGS, token="op")
    assert (before.json["edge_policy_ga"], before.headers["etag"]) == (False, '"0"')
    ask("PUT", FLAGS, {"edge_policy_ga": True, "run_windows_caps": False}, token="op")
    assert ask("GET", FLAGS, token="op").json["edge_policy_ga"] is True
    ask("PUT", FLAGS, {}, token="op")
    assert ask("GET", FLAGS, token="op").json == before.json


def test_a_change_is_entered_in_the_audit_log(ask):
    ask("PUT", FLAGS, {"run_windows_caps": False}, token="op")
    entries = ask("GET", "/api/audit/entries", token="op").json["entries"]
    last = json.loads(entries[-1]["entry"])
    assert (last["action"], last["actor"], last["subject"]) == ("mc.flags.changed", "op", "flags")
    assert last["data"]["flags"] == {"run_windows_caps": False}


def test_stale_changes_are_refused(ask):
    assert (
        ask("PUT", FLAGS, {"run_windows_caps": False}, token="op", headers={"If-None-Match": "*"}).status
        == 200
    )
    for headers in ({"If-Match": '"7"'}, {"If-None-Match": "*"}):
        stale = ask("PUT", FLAGS, {}, token="op", headers=headers)
        assert (stale.status, stale.code) == (412, "version_conflict")
    assert ask("GET", FLAGS, token="op").json["run_windows_caps"] is False
    assert ask("PUT", FLAGS, {}, token="op", headers={"If-Match": '"1"'}).headers["etag"] == '"2"'


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"run_windows_caps": "off"}, "flags.run_windows_caps"),
        ({"no_such": True}, "flags.no_such"),
        ([], "flags"),
    ],
)
def test_bad_flags_are_named_and_change_nothing(ask, body, field):
    answer = ask("PUT", FLAGS, body, token="op")
    assert (answer.status, answer.json["field"]) == (400, field)
    assert ask("GET", FLAGS, token="op").headers["etag"] == '"0"'


@pytest.mark.parametrize("token", ["run", "acme", "pub"])
def test_only_operators_set_them(ask, token):
    assert ask("PUT", FLAGS, {}, token=token).status == 403


def test_what_another_sidecar_stored_holds_after_the_next_look():
    documents = InProcessDocuments()
    mine, theirs = (StoredFlags({"run_windows_caps": True}, documents) for _ in range(2))
    put = {"expected": None, "changed_by": "ann", "changed_at": datetime(2026, 3, 30, tzinfo=UTC)}
    documents.put(KIND, TENANT, b'{"run_windows_caps":false,"of_a_newer_release":true}', **put)
    assert mine.snapshot() is mine.snapshot()
    theirs.refresh()
    assert not theirs.snapshot().enabled("run_windows_caps")
    assert mine.snapshot().enabled("run_windows_caps")
    mine.refresh()
    assert (mine.version, mine.snapshot().enabled("run_windows_caps")) == (1, False)


def test_a_store_that_is_down_leaves_them_as_they_are():
    class Down(InProcessDocuments):
        def get(self, *_):
            raise PortError("down")

    flags = StoredFlags({"run_windows_caps": False}, Down())
    with pytest.raises(PortError):
        flags.refresh()
    assert not flags.snapshot().enabled("run_windows_caps")
