"""Caches: bounded whatever comes, never past their end, and one fetch for all who miss at once."""

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from maestro.caching import BoundedCache, ExpiringCache, Flights, Found, Look

KEYS = st.integers(0, 30)


def zipf(count, keys, skew, seed=7):
    random = Random(seed)
    weights = [1 / (rank + 1) ** skew for rank in range(keys)]
    return random.choices(range(keys), weights, k=count)


def hit_ratio(cache, asked):
    hits = 0
    for key in asked:
        if cache.get(key) is None:
            cache.put(key, key)
        else:
            hits += 1
    return hits / len(asked)


@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from("gpd"), KEYS)))
def test_it_keeps_what_was_put_last_under_a_key_and_never_too_many(most, steps):
    cache, truth = BoundedCache(most), {}
    for number, (what, key) in enumerate(steps, 1):
        if what == "p":
            cache.put(key, number)
            truth[key] = number
        elif what == "d":
            cache.discard(key)
            truth.pop(key, None)
        else:
            assert cache.get(key) in {None, truth.get(key)}
        assert len(cache) <= most
    assert len(cache._ghosts) <= most


def test_what_was_put_is_there_at_once():
    cache = BoundedCache(2)
    for key in range(100):
        cache.put(key, key)
        assert cache.get(key) == key


def test_a_scan_does_not_drive_out_what_is_asked_for_often():
    cache = BoundedCache(100)
    for _ in range(3):
        for key in range(50):
            if cache.get(key) is None:
                cache.put(key, key)
    for key in range(1000, 11_000):
        cache.put(key, key)
    assert sum(cache.get(key) is not None for key in range(50)) == 50


def test_on_a_skewed_mix_it_is_better_than_least_recently_used():
    asked = zipf(40_000, 10_000, 0.9)

    class Lru(dict):
        def get(self, key):
            if key not in self:
                return None
            self[key] = self.pop(key)
            return self[key]

        def put(self, key, value):
            self[key] = value
            if len(self) > 500:
                del self[next(iter(self))]

    assert hit_ratio(BoundedCache(500), asked) > hit_ratio(Lru(), asked)


def test_what_is_remembered_comes_back_to_stay():
    cache = BoundedCache(10)
    for key in range(11):
        cache.put(key, key)
    cache.put(0, "again")
    for key in range(100, 200):
        cache.put(key, key)
    assert cache.get(0) == "again"


def test_cleared_it_keeps_nothing():
    cache = BoundedCache(10)
    cache.put(1, 1)
    cache.clear()
    assert (len(cache), cache.get(1)) == (0, None)


# ---- ends ------------------------------------------------------------------------------------------------


def test_fresh_then_stale_then_gone():
    cache = ExpiringCache(10)
    cache.keep("k", "v", fresh_until=10, stale_until=20)
    assert cache.look("k", 9) == Look(Found.FRESH, "v")
    assert cache.look("k", 10) == Look(Found.STALE, "v")
    assert cache.look("k", 20) == Look(Found.NOTHING)
    assert cache.look("other", 0) == Look(Found.NOTHING)


def test_without_leave_nothing_stale_is_used():
    cache = ExpiringCache(10)
    cache.keep("k", "v", fresh_until=10)
    cache.keep("m", "v", fresh_until=10, stale_until=5)
    assert cache.look("k", 10).found is Found.NOTHING
    assert cache.look("m", 10).found is Found.NOTHING


def test_none_and_false_are_values():
    cache = ExpiringCache(10)
    cache.keep("k", None, fresh_until=10)
    assert cache.look("k", 0) == Look(Found.FRESH, None)


def test_those_who_ask_for_what_does_not_exist_drive_out_nothing():
    cache = ExpiringCache(20, 2)
    cache.keep("k", "v", fresh_until=10)
    for number in range(1000):
        cache.keep(number, None, fresh_until=10, negative=True)
    assert cache.look("k", 0).value == "v"
    assert len(cache) == 3
    assert len(ExpiringCache(5)._negative._small) == 0


def test_what_did_not_exist_may_come_to_exist():
    cache = ExpiringCache(20)
    cache.keep("k", None, fresh_until=10, negative=True)
    cache.keep("k", "v", fresh_until=10)
    assert (cache.look("k", 0).value, len(cache)) == ("v", 1)
    cache.discard("k")
    assert cache.look("k", 0).found is Found.NOTHING
    cache.keep("k", "v", fresh_until=10)
    cache.clear()
    assert len(cache) == 0


@given(st.lists(st.tuples(KEYS, st.integers(0, 50), st.integers(0, 50), st.booleans())))
def test_nothing_is_ever_used_past_its_end(steps):
    cache, ends = ExpiringCache(8), {}
    for now, (key, fresh, stale, negative) in enumerate(steps):
        look = cache.look(key, now)
        if look.found is not Found.NOTHING:
            value, fresh_until, stale_until = ends[key]
            assert look.value == value
            assert now < (fresh_until if look.found is Found.FRESH else stale_until)
        cache.keep(key, now, fresh_until=now + fresh, stale_until=now + stale, negative=negative)
        ends[key] = (now, now + fresh, now + max(fresh, stale))


# ---- one fetch -------------------------------------------------------------------------------------------


def test_of_a_thousand_who_miss_at_once_one_fetches():
    flights, fetched, all_here, joined = Flights(), [], Future(), count(1)

    def ask(_):
        ticket, mine = flights.join("k", Future)
        if next(joined) == 1000:
            all_here.set_result(None)
        if not mine:
            return ticket.result(timeout=60)
        all_here.result(timeout=60)
        fetched.append(1)
        flights.land("k").set_result("v")
        return "v"

    with ThreadPoolExecutor(1000) as pool:
        answers = list(pool.map(ask, range(1000)))
    assert answers == ["v"] * 1000
    assert (len(flights), len(fetched)) == (0, 1)


def test_other_keys_do_not_wait():
    flights = Flights()
    assert flights.join("a", object)[1]
    assert flights.join("b", object)[1]
    assert not flights.join("a", object)[1]
    assert len(flights) == 2
