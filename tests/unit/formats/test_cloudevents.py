"""Events in the CloudEvents 1.0 JSON format."""

import json
from datetime import UTC, datetime

import pytest

from maestro import BadInputError
from maestro.formats.cloudevents import decode_event, encode_event
from maestro.kernel.events import Event

EVENT = Event("1/admitted", "/maestro/limits", "mc.limits.run.admitted", "acme/r-1", datetime(2026, 3, 30, tzinfo=UTC), {"a": 1})  # fmt: skip


def test_an_event_comes_back_as_it_went():
    assert decode_event(encode_event(EVENT)) == EVENT


def test_the_wire_form_is_cloudevents():
    assert json.loads(encode_event(EVENT)) == {
        "specversion": "1.0",
        "id": "1/admitted",
        "source": "/maestro/limits",
        "type": "mc.limits.run.admitted",
        "subject": "acme/r-1",
        "time": "2026-03-30T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {"a": 1},
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"type": 3}, "type"),
        ({"time": None}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"data": []}, "data"),
    ],
)
def test_what_is_no_event_is_named(change, field):
    with pytest.raises(BadInputError) as caught:
        decode_event(json.dumps(json.loads(encode_event(EVENT)) | change).encode())
    assert caught.value.field == field


def test_a_list_is_no_event():
    with pytest.raises(BadInputError, match="CloudEvents"):
        decode_event(b"[]")
