"""What an edge keeps comes back as it was; what it has to tell becomes audit entries and events."""

import pytest
from msgspec.structs import replace

from edge_support.cases import CONFIRMED, START, after, good, refused, run
from maestro import PortError
from maestro.edge.clock import ClockState
from maestro.edge.notes import clock_was_reset, drafts, events, without_notes
from maestro.edge.reasons import EdgeReason
from maestro.edge.record import Record, decode, encode

QUARANTINED = run((good(1), START), (refused(), after(minutes=1)))
BACK = run((CONFIRMED, after(minutes=2)), (CONFIRMED, after(minutes=3)), record=QUARANTINED)


def test_it_comes_back_as_it_was():
    record = replace(QUARANTINED, clock=ClockState(1, "boot", 2, 3), trust=b"\x00\xff", trial_until=START)
    assert decode(encode(record)) == record


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format":1}', b'{"format":2,"record":{}}', b"\xff"])
def test_what_is_damaged_is_said_to_be(data):
    with pytest.raises(PortError) as caught:
        decode(data)
    assert caught.value.code == "state_damaged"
    assert caught.value.retry_after is None


def test_every_happening_becomes_an_entry():
    entries = drafts(BACK.notes, "node-1")
    assert [entry.action for entry in entries] == [
        "mc.edge.swapped",
        "mc.edge.quarantined",
        "mc.edge.recovered",
    ]
    assert {entry.subject for entry in entries} == {"edge/node-1"}
    assert {entry.actor for entry in entries} == {"edge"}
    assert len({entry.id for entry in entries}) == 3
    assert entries[1].data["refused"] == {
        "revision": "99",
        "digest": "sha256:bad",
        "reasons": ["bad_signature"],
    }


def test_an_incident_is_told_when_it_opens_and_when_it_closes():
    opened, closed = events(BACK.notes, "node-1")
    assert (opened.type, closed.type) == ("mc.incident.open", "mc.incident.close")
    assert opened.source == closed.source == "/maestro/edge/node-1"
    assert opened.data["dedupeKey"] == closed.data["dedupeKey"]
    assert opened.data == {
        "type": "edge.bundle.stale",
        "reason": "bad_signature",
        "dedupeKey": opened.data["dedupeKey"],
        "servingRevision": "1",
        "refusedRevision": "99",
        "openedAt": "2026-03-30T10:01:00Z",
    }


def test_keys_of_two_nodes_differ():
    (one, _), (other, _) = events(BACK.notes, "a"), events(BACK.notes, "b")
    assert one.data["dedupeKey"] != other.data["dedupeKey"]


def test_an_incident_without_any_bundle_names_none():
    (opened,) = events(run((refused(), START)).notes, "n")
    assert opened.data["servingRevision"] == ""


def test_what_has_been_told_is_forgotten():
    assert [note.kind for note in without_notes(BACK, BACK.notes[:2]).notes] == ["mc.edge.recovered"]


def test_a_clock_reset_is_told():
    record = clock_was_reset(Record(), "ann", START, 3600.0)
    assert (record.notes[0].kind, record.notes[0].by) == ("mc.edge.clock-reset", "ann")
    assert record.next_note == 2


def test_mere_refusals_give_way_when_too_much_waits():
    record = run(*((refused(n), START) for n in range(1100)), record=run((good(1), START)))
    kinds = [note.kind for note in record.notes]
    assert len(kinds) == 1000
    assert kinds[:2] == ["mc.edge.swapped", "mc.edge.quarantined"]
    for _ in range(1001):
        record = clock_was_reset(record, "ann", START, 0)
    assert len(record.notes) == 1000


def test_every_reason_has_a_meaning_and_a_remedy():
    assert all(reason.meaning and reason.remedy for reason in EdgeReason)
