"""Spans of constant offset against the transitions as they stand in tzdata's files, read here byte by byte."""

import struct
from importlib.resources import files
from itertools import pairwise

import pytest

from maestro.calendar import DAY, offset_spans, zone, zone_names
from maestro.calendar.zones import _PROBE

ODD = (
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Africa/Tunis",
    "America/Juneau",
    "America/New_York",
    "America/Recife",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Manila",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Simferopol",
    "Europe/Vienna",
    "Pacific/Apia",
    "Pacific/Kwajalein",
)


def changes(name):
    """``(instant, offset)`` of every change in the file's 64-bit block (RFC 9636), those of the footer left out."""
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    is_ut, is_std, leaps, times, types, chars = struct.unpack(">6l", data[20:44])
    at = 44 + times * 5 + types * 6 + chars + leaps * 8 + is_std + is_ut
    times, types = struct.unpack(">2l", data[at + 32 : at + 40])
    at += 44
    instants = struct.unpack(f">{times}q", data[at : at + times * 8])
    kinds = data[at + times * 8 : at + times * 9]
    at += times * 9
    offsets = [struct.unpack(">l", data[at + 6 * kind : at + 6 * kind + 4])[0] for kind in range(types)]
    found = [(None, offsets[0])]
    for instant, kind in zip(instants, kinds, strict=True):
        if offsets[kind] != found[-1][1]:
            found.append((instant, offsets[kind]))
    return found[1:]


def test_no_two_changes_are_so_near_that_probing_could_miss_them():
    nearest = min(
        later - earlier for name in zone_names() for (earlier, _), (later, _) in pairwise(changes(name))
    )
    assert nearest >= 3 * _PROBE


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_spans_are_those_of_the_file_from_local_mean_time_on(name):
    expected = changes(name)
    start, end = expected[0][0] - DAY, expected[-1][0] + 1
    spans = offset_spans(zone(name), start, end)
    assert [(begin, offset) for begin, _, offset in spans[1:]] == expected
    assert [until for _, until, _ in spans[:-1]] == [begin for begin, _, _ in spans[1:]]
    assert (spans[0][0], spans[-1][1]) == (start, end)
