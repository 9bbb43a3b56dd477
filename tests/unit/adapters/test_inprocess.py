"""What the conformance kit cannot see from outside: what is forgotten when, and what the outbox drops."""

from datetime import datetime

import pytest

from maestro.kernel.errors import BadInputError, PortError
from maestro.kernel.events import Event
from maestro.kernel.instants import EPOCH
from maestro.ports.capabilities import Capability
from maestro.ports.leases import MAX_SECONDS, Caps, Claim, Full, Lease, lease_nanoseconds
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox

NO_CAPS = Caps()


def claim(run, package="ns/a", tenant="acme", ttl=60.0, expected=None):
    return Claim(tenant, run, package, ttl, EPOCH, expected)


def records(store):
    return sum(len(book.runs) for book in store._books.values())


def event(number):
    return Event(f"{number}", "/s", "t", "", EPOCH, {})


def test_dead_leases_of_idle_tenants_are_forgotten(virtual):
    store = InProcessLeases(virtual)
    for number in range(20_000):
        store.acquire(claim("r", tenant=f"t-{number}", ttl=1.0), NO_CAPS)
        virtual.advance(0.01)
    assert records(store) < 2500
    assert len(store._books) == records(store)


def test_dead_leases_of_one_busy_tenant_are_forgotten(virtual):
    store = InProcessLeases(virtual)
    for number in range(20_000):
        store.acquire(claim(f"r-{number}", package=f"p-{number}", ttl=1.0), NO_CAPS)
        virtual.advance(0.01)
    assert records(store) < 2500
    assert len(store._books["acme"].packages) < 2500


def test_the_next_sweep_waits_until_the_store_could_have_doubled(virtual):
    store = InProcessLeases(virtual)
    swept = []
    sweep = store._sweep
    store._sweep = lambda now: (swept.append(records(store)), sweep(now))
    for number in range(10_000):
        store.acquire(claim(f"r-{number}"), NO_CAPS)
    assert swept == [1024, 2048, 4096, 8192]


def test_a_full_tenant_is_not_scanned_while_nothing_can_have_expired(virtual):
    store = InProcessLeases(virtual)
    for number in range(3):
        store.acquire(claim(f"r-{number}", ttl=10.0 + number), Caps(tenant=3))
    book = store._books["acme"]
    virtual.advance(9.0)
    assert isinstance(store.acquire(claim("r"), Caps(tenant=3)), Full)
    assert book.earliest == virtual.nanoseconds() + 10**9
    virtual.advance(1.0)
    assert isinstance(store.acquire(claim("r"), Caps(tenant=3)), Lease)
    assert len(book.runs) == 3
    assert book.earliest == virtual.nanoseconds() + 10**9


def test_counts_follow_the_leases_however_they_end(virtual):
    store = InProcessLeases(virtual)
    for turn in range(50):
        lease = store.acquire(claim(f"r-{turn}", ttl=1.0), Caps(2, 2))
        if isinstance(lease, Lease) and turn % 3 == 0:
            store.release("acme", lease.run, lease.token)
        virtual.advance(0.4)
    virtual.advance(1.0)
    usage = store.usage("acme", "ns/a")
    assert (usage.tenant, usage.package) == (0, 0)
    book = store._books["acme"]
    assert sum(len(runs) for runs in book.packages.values()) == len(book.runs) == 0


def test_estimates_follow_expected_ends_then_lateness_then_expiry(virtual):
    store = InProcessLeases(virtual)
    store.acquire(claim("r-1", "ns/a", expected=30.0), NO_CAPS)
    store.acquire(claim("r-2", "ns/b", expected=5.0), NO_CAPS)
    store.acquire(claim("r-3", "ns/c"), NO_CAPS)
    usage = store.usage("acme", "ns/a")
    assert (usage.tenant_frees_in, usage.package_frees_in) == (5.0, 30.0)
    assert store.usage("acme", "ns/c").package_frees_in == 60.0
    virtual.advance(8.0)
    usage = store.usage("acme", "ns/b")
    assert (usage.tenant_frees_in, usage.package_frees_in) == (3.0, 3.0)
    virtual.advance(51.0)
    assert store.usage("acme", "ns/b").package_frees_in == 1.0


def test_an_outbox_that_fails_changes_nothing(virtual):
    class Broken(InProcessOutbox):
        def append(self, events):
            raise PortError("the disk is full.")

    store = InProcessLeases(virtual, Broken())
    with pytest.raises(PortError):
        store.acquire(claim("r"), NO_CAPS, lambda lease: event(1))
    assert store.held() == {}
    held = store.acquire(claim("r"), NO_CAPS)
    assert held.token == 1
    for change in (store.renew, store.release):
        arguments = (90.0,) if change == store.renew else ()
        with pytest.raises(PortError):
            change("acme", "r", held.token, *arguments, lambda lease: event(1))
    assert store.find("acme", "r").ttl == 60.0


def test_a_waiting_outbox_makes_a_waiting_store(virtual):
    class OnDisk(InProcessOutbox):
        @property
        def capabilities(self):
            return frozenset({Capability.BLOCKING, Capability.DURABLE})

    for store in (InProcessLeases(virtual, OnDisk()), InProcessDocuments(OnDisk())):
        assert Capability.IN_MEMORY not in store.capabilities
        assert Capability.EVENTS in store.capabilities
    assert Capability.IN_MEMORY in InProcessLeases(virtual).capabilities


def test_the_systems_clock_is_the_default():
    store = InProcessLeases()
    lease = store.acquire(claim("r", ttl=60.0), NO_CAPS)
    assert 59.0 < store.find("acme", "r").remaining <= 60.0
    assert store.renew("acme", "r", lease.token, 5.0).remaining == 5.0


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), MAX_SECONDS * 2])
def test_spans_out_of_range_are_refused(seconds):
    with pytest.raises(BadInputError, match="ttl: is out of range"):
        lease_nanoseconds(seconds, "ttl")


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [(1e-12, 1), (0.1, 10**8), (60, 60 * 10**9), (MAX_SECONDS, 31_536_000 * 10**9)],
)
def test_spans_are_whole_nanoseconds(seconds, nanoseconds):
    assert lease_nanoseconds(seconds, "ttl") == nanoseconds


def test_expected_out_of_range_is_refused(virtual):
    store = InProcessLeases(virtual)
    with pytest.raises(BadInputError, match="expected: is out of range"):
        store.acquire(claim("r", expected=-1.0), NO_CAPS)
    assert store.acquire(claim("r", expected=0.0), NO_CAPS).expected == 0.0


def test_a_full_outbox_drops_the_oldest():
    outbox = InProcessOutbox(keep=3)
    for number in range(5):
        outbox.append([event(number)])
    assert [(position, one.id) for position, one in outbox.read()] == [(3, "2"), (4, "3"), (5, "4")]
    assert [position for position, _ in outbox.read(3, 1)] == [4]
    assert outbox.read(9) == []
    outbox.append([event(4), event(0)])
    assert [one.id for _, one in outbox.read()] == ["3", "4", "0"]


def test_documents_answer_what_was_stored_only(virtual):
    store = InProcessDocuments()
    store.put("windows", "acme", b"1", expected=0, changed_by="ann", changed_at=virtual.now())
    assert store.get("windows", "acme", 0) is None
    assert store.get("windows", "acme", 2) is None
    assert store.get("windows", "other") is None
    assert store.history("windows", "acme", -1) == ()
    with pytest.raises(BadInputError, match="changed_at"):
        store.put(
            "windows",
            "acme",
            b"2",
            expected=1,
            changed_by="ann",
            changed_at=datetime(2026, 1, 1),  # noqa: DTZ001
        )
