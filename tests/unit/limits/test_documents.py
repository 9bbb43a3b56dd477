"""Documents as tenants write them: what is read, what is refused, and how it is named."""

import json

import pytest

from maestro import BadInputError
from maestro.limits.documents import (
    encode_document,
    limits_from,
    parse_limits_file,
    parse_package_caps,
    parse_windows,
    split_limits,
)
from maestro.limits.policy import compile_file

FULL = {
    "tenant": "acme",
    "timezone": "America/Denver",
    "allowedWindows": [
        {"days": ["mon", "fri"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}
    ],
    "closures": [
        {"start": "2026-12-24T00:00", "end": "2026-12-27T00:00", "timezone": "UTC", "reason": "freeze"}
    ],
    "startCutoffSeconds": 600,
    "onWindowEnd": "must_fit",
    "maxConcurrent": 20,
    "packageCaps": {"ns/a": 2, "ns/*": 5},
}


def body(**changes):
    return json.dumps(FULL | changes).encode()


def test_a_whole_file_is_read_and_split_into_the_two_documents():
    windows, caps = split_limits(parse_limits_file(body(packageUsage={"ns/a": 1}, runningTotal=3)))
    assert json.loads(encode_document(windows)) | json.loads(encode_document(caps)) == FULL
    assert parse_windows(encode_document(windows)) == windows
    assert parse_package_caps(encode_document(caps)) == caps


def test_a_mapping_is_read_like_a_file():
    assert limits_from(FULL) == parse_limits_file(body())


def test_a_whole_number_may_be_written_with_a_fraction():
    assert parse_limits_file(body(maxConcurrent=20.0)).max_concurrent == 20


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tenant": "a/b"}, "tenant"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"allowedWindows": None}, "allowedWindows"),
        ({"allowedWindows": [{"start": "25:00", "end": "06:00"}]}, "allowedWindows[0].start"),
        ({"allowedWindows": [{"start": "24:00", "end": "06:00"}]}, "allowedWindows[0].start"),
        ({"allowedWindows": [{"start": "22:00", "end": "6:00"}]}, "allowedWindows[0].end"),
        ({"allowedWindows": [{"start": "22:00"}]}, "allowedWindows[0].end"),
        ({"allowedWindows": [{"start": "1:0", "end": "2", "day": "mon"}]}, "allowedWindows[0].day"),
        ({"allowedWindows": [{"days": ["mo"], "start": "1:0", "end": "2"}]}, "allowedWindows[0].days[0]"),
        ({"allowedWindows": [{"days": [], "start": "01:00", "end": "02:00"}]}, "allowedWindows[0].days"),
        (
            {"allowedWindows": [{"start": "01:00", "end": "02:00", "timezone": "Berlin"}]},
            "allowedWindows[0].timezone",
        ),
        ({"allowedWindows": [{"start": "01:00", "end": "02:00"}] * 65}, "allowedWindows"),
        ({"closures": [{"start": "2026-12-24", "end": "2026-12-27T00:00"}]}, "closures[0].start"),
        ({"closures": [{"start": "2026-12-24T00:00Z", "end": "2026-12-27T00:00"}]}, "closures[0].start"),
        ({"closures": [{"start": "2026-12-24T00:00", "end": "2026-12-24T00:00"}]}, "closures[0].end"),
        (
            {"closures": [{"start": "2026-12-24T00:00", "end": "2026-12-25T00:00", "timezone": "X"}]},
            "closures[0].timezone",
        ),
        ({"startCutoffSeconds": -1}, "startCutoffSeconds"),
        ({"startCutoffSeconds": 0.5}, "startCutoffSeconds"),
        ({"onWindowEnd": "kill"}, "onWindowEnd"),
        ({"onUnavailable": "maybe"}, "onUnavailable"),
        ({"maxConcurrent": -1}, "maxConcurrent"),
        ({"maxConcurrent": None}, "maxConcurrent"),
        ({"maxConcurrent": True}, "maxConcurrent"),
        ({"packageCaps": {"ns/a": -1}}, 'packageCaps["ns/a"]'),
        ({"packageCaps": {"ns/a": 1.5}}, 'packageCaps["ns/a"]'),
        ({"packageCaps": {"ns/a": False}}, 'packageCaps["ns/a"]'),
        ({"packageCaps": {"ns/a*": 1}}, 'packageCaps["ns/a*"]'),
        ({"packageCaps": [1]}, "packageCaps"),
        ({"packageUsage": {"ns/*": 1}}, 'packageUsage["ns/*"]'),
        ({"windows": []}, "windows"),
    ],
)
def test_a_fault_is_named_by_its_field_with_a_remedy(changes, field):
    with pytest.raises(BadInputError) as caught:
        compile_file(parse_limits_file(body(**changes)))
    assert caught.value.field == field
    assert caught.value.remedy


@pytest.mark.parametrize("text", [b"[]", b"null", b'"x"'])
def test_a_document_is_an_object(text):
    with pytest.raises(BadInputError, match="expected object"):
        parse_windows(text)
