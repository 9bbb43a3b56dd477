from bisect import bisect_right
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from maestro.calendar.intervals import clip, first_of, subtract, union

RANGE = range(-1, 42)


def pieces():
    pair = st.tuples(st.integers(0, 32), st.integers(1, 8))
    return st.lists(pair.map(lambda pair: (pair[0], sum(pair))), max_size=6)


def members(intervals):
    return {instant for start, end in intervals for instant in range(start, end)}


def is_a_set(intervals):
    edges = [edge for interval in intervals for edge in interval]
    return isinstance(intervals, tuple) and all(a < b for a, b in pairwise(edges))


def test_touching_intervals_become_one():
    assert union([(5, 9), (0, 3), (3, 5), (20, 30), (22, 24)]) == ((0, 9), (20, 30))
    assert union([]) == ()


def test_one_hole_may_reach_over_several_intervals():
    assert subtract(((0, 10), (20, 30), (40, 50)), ((5, 25), (28, 29))) == (
        (0, 5),
        (25, 28),
        (29, 30),
        (40, 50),
    )
    assert subtract(((0, 10), (12, 20)), ((5, 14),)) == ((0, 5), (14, 20))
    assert subtract(((0, 10), (20, 30)), ((0, 10), (15, 18), (29, 30))) == ((20, 29),)


def test_clip_keeps_what_lies_within():
    assert clip(((0, 10), (20, 30), (40, 50)), 5, 40) == ((5, 10), (20, 30))
    assert clip(((0, 10),), 10, 20) == ()


@given(pieces(), pieces())
def test_the_algebra_is_that_of_sets_of_instants(some, others):
    left, right = union(some), union(others)
    assert members(left) == members(some)
    assert members(subtract(left, right)) == members(some) - members(others)
    assert members(clip(left, 7, 23)) == members(some) & set(range(7, 23))
    assert all(is_a_set(found) for found in (left, subtract(left, right), clip(left, 7, 23)))


@given(st.lists(pieces(), max_size=5))
def test_the_first_layer_owns(layers):
    edges, owners = first_of(layers)
    assert len(owners) == len(edges) + 1
    for instant in RANGE:
        first = next((number for number, layer in enumerate(layers) if instant in members(layer)), None)
        assert owners[bisect_right(edges, instant)] == first
