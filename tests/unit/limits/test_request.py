"""Decision requests: the fast reading and the strict one give the same answer."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from maestro import BadInputError
from maestro.formats import strict_json
from maestro.limits.request import DecisionRequest, parse_request


def test_a_full_request():
    request = parse_request(
        b'{"tenant":"acme","package":"ns/a","run":"r-1","ts":"2026-03-30T10:00:00-06:00","expectedSeconds":900}'
    )
    assert request == DecisionRequest("acme", "ns/a", "r-1", datetime(2026, 3, 30, 16, tzinfo=UTC), 900)
    assert request.ts.tzinfo is UTC


def test_all_but_tenant_and_package_may_be_absent():
    request = parse_request(b'{"tenant":"acme","package":"ns/a"}')
    assert (request.run, request.ts, request.expected_seconds) == (UNSET, UNSET, UNSET)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"tenant":"acme","package":"a","package":"b"}', "package"),
        (b'{"tenant":"acme","package":"a","run":"x","run":"x"}', "run"),
        (b'{"tenant":"acme","package":"a","expectedSeconds":1,"expectedSeconds":2}', "expectedSeconds"),
        (b'{"tenant":"acme","package":"a","package":"b","run":"r\\u0031"}', "package"),
        (b'{"tenant":"acme"}', "package"),
        (b'{"tenant":"acme","package":"*"}', "package"),
        (b'{"tenant":"a b","package":"a"}', "tenant"),
        (b'{"tenant":"acme","package":"a","run":""}', "run"),
        (b'{"tenant":"acme","package":"a","run":null}', "run"),
        (b'{"tenant":"acme","package":"a","ts":"2026-03-30T10:00:00"}', "ts"),
        (b'{"tenant":"acme","package":"a","ts":"1850-01-01T00:00:00Z"}', "ts"),
        (b'{"tenant":"acme","package":"a","ts":"9999-12-31T23:59:59-10:00"}', "ts"),
        (b'{"tenant":"acme","package":"a","expectedSeconds":-1}', "expectedSeconds"),
        (b'{"tenant":"acme","package":"a","expectedSeconds":1e30}', "expectedSeconds"),
        (b'{"tenant":"acme","package":"a","user":"x"}', "user"),
        (b"[" * 50_000, ""),
        (b"\xff", ""),
        (b" " * 70_000 + b'{"tenant":"acme","package":"a"}', ""),
    ],
)
def test_a_fault_is_named(body, field):
    with pytest.raises(BadInputError) as caught:
        parse_request(body)
    assert caught.value.field == field


def outcome(read):
    try:
        return read()
    except BadInputError as error:
        return error.code


names = st.sampled_from(["acme", "ns/a", "r-1", "a\\u0062c", "é"])
pairs = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["tenant", "package", "run"]), names.map(lambda text: f'"{text}"')),
        st.tuples(st.just("ts"), st.sampled_from(['"2026-03-30T10:00:00Z"', '"2026"', "1"])),
        st.tuples(st.just("expectedSeconds"), st.sampled_from(["1", "0.5", "20.0", '"1"', "NaN"])),
    ),
    max_size=6,
)


@given(pairs)
@example([("tenant", '"a"'), ("package", '"b"'), ("package", '"b"')])
def test_the_fast_reader_takes_no_more_than_the_strict_one(fields):
    body = ("{" + ",".join(f'"{name}": {value}' for name, value in fields) + "}").encode()
    strict = outcome(lambda: strict_json.decode(body, DecisionRequest))
    fast = outcome(lambda: parse_request(body))
    if isinstance(fast, DecisionRequest):
        assert fast == strict
        assert len(json.loads(body, object_pairs_hook=list)) == len({name for name, _ in fields})


def test_an_instant_in_utc_is_taken_as_it_is():
    assert parse_request(b'{"tenant":"a","package":"p","ts":"2026-03-30T16:00:00Z"}').ts.tzinfo is UTC


def test_an_instant_of_another_century_is_judged_as_it_is():
    for ts in ("1950-01-01T00:00:00Z", "2400-01-01T00:00:00Z"):
        asked = parse_request(b'{"tenant":"acme","package":"a","ts":"%s"}' % ts.encode())
        assert asked.ts.isoformat() == ts.replace("Z", "+00:00")
