"""Entries: canonical bytes that the strictest reader takes."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.audit import CompactRange, Draft, leaf_hash
from maestro.audit.entries import Growth, draft_of_event, entry_bytes, sequence_in
from maestro.formats import strict_json
from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event

AT = datetime(2026, 3, 30, 10, tzinfo=UTC)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def draft(data=None, **fields):
    return Draft(
        **{"time": AT, "actor": "ada", "action": "a.b", "subject": "s", "data": data or {}, **fields}
    )


def test_an_entry_is_one_canonical_line():
    body = entry_bytes("example.org/a", 7, draft({"z": 1, "a": "é"}, id="x#1"))
    assert body.decode() == (
        '{"action":"a.b","actor":"ada","data":{"a":"é","z":1},"id":"x#1","node":"example.org/a","sequence":7,'
        '"subject":"s","time":"2026-03-30T10:00:00Z"}'
    )
    assert sequence_in(body) == 7


def test_time_is_told_in_utc():
    there = AT.astimezone(timezone(timedelta(hours=-6)))
    assert entry_bytes("a", 0, draft(time=there)) == entry_bytes("a", 0, draft())


def test_without_an_id_there_is_none():
    assert b'"id"' not in entry_bytes("a", 0, draft())


@given(data=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_any_json_is_entered_whole_on_one_line(data):
    body = entry_bytes("a", 0, draft(data))
    assert b"\n" not in body
    assert json.loads(body)["data"] == data
    assert entry_bytes("a", 0, draft(dict(reversed(data.items())))) == body
    strict_json.loads(body, limit=len(body))


def looped():
    data = {}
    data["self"] = data
    return data


def deep(levels):
    return {} if not levels else {"a": deep(levels - 1)}


@pytest.mark.parametrize(
    "data",
    [
        {"a": float("nan")},
        {"a": b"bytes"},
        {"a": AT},
        looped(),
        deep(40),
        {1: "a", "1": "b"},
        {"a": "\ud800"},
    ],
    ids=["nan", "bytes", "time", "loop", "deep", "same key", "surrogate"],
)
def test_what_json_cannot_tell_is_refused(data):
    with pytest.raises(BadInputError):
        entry_bytes("a", 0, draft(data))


def test_an_entry_is_not_endless():
    with pytest.raises(BadInputError) as caught:
        entry_bytes("a", 0, draft({"a": "x" * (4 * 1024 * 1024)}))
    assert caught.value.code == "body_too_large"


def test_a_naive_time_is_refused():
    with pytest.raises(BadInputError, match="without a zone"):
        entry_bytes("a", 0, draft(time=datetime(2026, 3, 30)))  # noqa: DTZ001  # that is the point


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"sequence":"1"}', b"\xff", b'{"sequence":1', b'{"sequence":1.5}']
)
def test_what_is_no_entry_has_no_place(body):
    assert sequence_in(body) is None


def test_growth_numbers_and_hashes():
    growth = Growth("example.org/a", CompactRange())
    first, second = growth.add(draft(id="1")), growth.add(draft())
    assert (first.sequence, first.id, second.sequence, second.id) == (0, "1", 1, None)
    assert first.hashes == leaf_hash(first.body)
    assert second.hashes == leaf_hash(second.body) + growth.head().root
    assert growth.head().size == 2


@pytest.mark.parametrize(("data", "actor"), [({"changedBy": "ada"}, "ada"), ({}, "/maestro/limits")])
def test_an_event_is_entered_by_who_did_it(data, actor):
    event = Event(
        "document/windows/acme/1", "/maestro/limits", "mc.limits.document.changed", "acme/windows", AT, data
    )
    assert draft_of_event(event) == Draft(
        AT,
        actor,
        "mc.limits.document.changed",
        "acme/windows",
        data,
        "/maestro/limits#document/windows/acme/1",
    )
