"""BlockingLimits: the door of an app, on real stores and a clock that the test turns."""

from datetime import UTC, datetime, timedelta

import pytest

from maestro import BadInputError, ConflictError, PortError
from maestro.limits.decision import Decision
from maestro.limits.documents import limits_from, parse_windows
from maestro.ports.capabilities import Capability
from maestro.ports.flags import FlagSnapshot
from maestro.ports.leases import Lease, Release
from maestro.runtime import BlockingLimits, Slot
from maestro.testing.clock import VirtualClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
NIGHT = [{"start": "22:00", "end": "06:00"}]


class Switches:
    """Flags that a test throws."""

    def __init__(self):
        self.values = {}

    def snapshot(self):
        return FlagSnapshot(self.values)


class Brittle:
    """A store in front of a real one, which a test can take down."""

    def __init__(self, store):
        self._store = store
        self.down = False

    def __getattr__(self, name):
        if self.down and name != "capabilities":
            raise PortError("The store is down.", retry_after=7)
        return getattr(self._store, name)


@pytest.fixture
def clock():
    return VirtualClock(NOON)


@pytest.fixture
def switches():
    return Switches()


@pytest.fixture
def outbox():
    return InProcessOutbox()


@pytest.fixture(params=["in process", "sqlite"])
def stores(request, clock, outbox, tmp_path):
    if request.param == "sqlite":
        leases = SqliteLeases(tmp_path / "limits.db", clock)
        documents = SqliteDocuments(tmp_path / "limits.db")
        yield Brittle(leases), Brittle(documents), leases.outbox
        documents.close()
        leases.close()
    else:
        yield Brittle(InProcessLeases(clock, outbox)), Brittle(InProcessDocuments(outbox)), outbox


@pytest.fixture
def limits(stores, clock, switches):
    with BlockingLimits(stores[0], clock, stores[1], flags=switches) as limits:
        yield limits


def acquire(limits, run="r-1", **more):
    return limits.acquire(**{"run": run, "tenant": "acme", "package": "ns/a", **more})


def kinds(stores):
    return [event.type.removeprefix("mc.limits.") for _, event in stores[2].read()]


class TestAdmission:
    def test_an_unknown_tenant_gets_the_defaults(self, limits):
        slot = acquire(limits)
        assert isinstance(slot, Slot)
        assert slot.decision.source == "default"
        assert slot.token == 1

    def test_defaults_are_the_settings_to_choose(self, stores, clock):
        defaults = limits_from({"tenant": "default", "maxConcurrent": 1})
        with BlockingLimits(stores[0], clock, stores[1], defaults=defaults) as limits:
            assert acquire(limits).allowed
            assert acquire(limits, "r-2").denies[0].reason == "tenant_cap"
            assert limits.declared_defaults().data["document"] == {"tenant": "default", "maxConcurrent": 1}

    def test_outside_a_window_a_decision_comes_back(self, limits):
        limits.put({"tenant": "acme", "allowedWindows": NIGHT, "maxConcurrent": 0}, by="ops")
        answer = acquire(limits)
        assert isinstance(answer, Decision)
        assert [str(deny.reason) for deny in answer.denies] == ["outside_run_window", "tenant_cap"]
        assert answer.policy_revision == "w1.c1"
        assert answer.source == "document"

    def test_a_decision_is_no_context_manager(self, limits):
        limits.put({"tenant": "acme", "maxConcurrent": 0}, by="ops")
        with pytest.raises(TypeError), acquire(limits):
            pytest.fail("a denied run must not start")

    def test_a_full_cap_tells_who_is_in_the_way(self, limits):
        limits.put({"tenant": "acme", "packageCaps": {"ns/*": 1}}, by="ops")
        assert acquire(limits, expected=12).allowed
        [deny] = acquire(limits, "r-2").denies
        assert (deny.reason, deny.package, deny.cap, deny.current) == ("package_cap", "ns/a", 1, 1)
        assert deny.retry_after == 12
        assert acquire(limits, "r-3", package="ns/b").allowed

    def test_the_same_run_again_gets_its_slot_even_when_a_new_one_would_not(self, limits, clock):
        limits.put({"tenant": "acme", "allowedWindows": [{"start": "12:00", "end": "13:00"}]}, by="ops")
        first = acquire(limits, ttl=timedelta(hours=2))
        clock.advance(3600)
        again = acquire(limits)
        assert again.token == first.token
        assert again.decision.allowed
        assert again.decision.explanation == "Run r-1 of acme already holds its slot."
        assert isinstance(acquire(limits, "r-2"), Decision)
        with pytest.raises(ConflictError, match="ns/a"):
            acquire(limits, package="ns/b")

    def test_the_same_run_again_at_a_full_cap(self, limits):
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        first, again = acquire(limits), acquire(limits)
        assert (again.token, again.lease.created) == (first.token, False)
        assert "already holds" in again.decision.explanation

    def test_another_package_for_a_held_run_is_a_conflict(self, limits):
        acquire(limits)
        with pytest.raises(ConflictError) as caught:
            acquire(limits, package="ns/b")
        assert caught.value.code == "run_package_conflict"

    def test_documents_change_what_is_decided_next(self, limits):
        assert acquire(limits).allowed
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        assert not acquire(limits, "r-2").allowed
        limits.put({"tenant": "acme", "maxConcurrent": 2}, by="ops")
        assert acquire(limits, "r-2").allowed

    @pytest.mark.parametrize(
        "bad",
        [{"run": "a/b"}, {"tenant": ""}, {"package": "*"}, {"ttl": 0}, {"ttl": 86_401}, {"expected": -1}],
    )
    def test_bad_input_is_named_and_takes_nothing(self, limits, stores, bad):
        with pytest.raises(BadInputError):
            acquire(limits, **bad)
        assert stores[0].held() == {}


class TestExplaining:
    def test_it_takes_nothing(self, limits, stores):
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        assert limits.decide(tenant="acme", package="ns/a").allowed
        assert stores[0].held() == {}
        acquire(limits)
        assert not limits.decide(tenant="acme", package="ns/a").allowed

    def test_another_instant_may_be_asked_about(self, limits):
        limits.put({"tenant": "acme", "allowedWindows": NIGHT}, by="ops")
        assert limits.decide(tenant="acme", package="ns/a", at=NOON + timedelta(hours=11)).allowed
        with pytest.raises(BadInputError, match="at"):
            limits.decide(tenant="acme", package="ns/a", at=datetime(2026, 3, 30))  # noqa: DTZ001 - naive on purpose
        with pytest.raises(BadInputError, match="1900"):
            limits.decide(tenant="acme", package="ns/a", at=datetime(1, 1, 1, tzinfo=UTC))


class TestHolding:
    def test_the_block_releases(self, limits, stores):
        with acquire(limits) as slot:
            assert stores[0].held() == {"acme": 1}
            assert not slot.lost
        assert stores[0].held() == {}
        assert slot.release() is Release.ABSENT
        assert kinds(stores) == ["run.admitted", "run.released"]

    def test_a_renewed_lease_lasts(self, limits, clock, stores):
        slot = acquire(limits, ttl=10)
        clock.advance(9)
        renewed = limits.renew(tenant="acme", run="r-1", token=slot.token, ttl=10)
        assert isinstance(renewed, Lease)
        clock.advance(9)
        assert stores[0].held() == {"acme": 1}
        assert kinds(stores) == ["run.admitted", "run.renewed"]

    def test_a_lease_that_ran_out_is_lost(self, limits, clock):
        slot = acquire(limits, ttl=10)
        clock.advance(10)
        assert limits.renew(tenant="acme", run="r-1", token=slot.token) is None

    def test_a_wall_clock_that_steps_ends_nothing(self, limits, clock, stores):
        acquire(limits, ttl=10)
        clock.step(timedelta(days=400))
        assert stores[0].held() == {"acme": 1}

    def test_runs_that_may_finish_are_renewed_past_the_window(self, limits, clock):
        limits.put({"tenant": "acme", "allowedWindows": [{"start": "12:00", "end": "13:00"}]}, by="ops")
        slot = acquire(limits, ttl=4000)
        clock.advance(3600)
        assert isinstance(limits.renew(tenant="acme", run="r-1", token=slot.token), Lease)

    def test_runs_that_must_fit_are_not(self, limits, clock, switches):
        window = {"allowedWindows": [{"start": "12:00", "end": "13:00"}], "onWindowEnd": "must_fit"}
        limits.put({"tenant": "acme", **window, "startCutoffSeconds": 60}, by="ops")
        slot = acquire(limits, ttl=4000)
        clock.advance(3599)
        assert isinstance(limits.renew(tenant="acme", run="r-1", token=slot.token, ttl=4000), Lease)
        clock.advance(1)
        answer = limits.renew(tenant="acme", run="r-1", token=slot.token)
        assert isinstance(answer, Decision)
        assert answer.denies[0].reason == "outside_run_window"
        assert limits.renew(tenant="acme", run="r-1", token=slot.token + 1) is None
        assert limits.renew(tenant="acme", run="r-9", token=1) is None
        switches.values = {"run_windows_caps": False}
        assert isinstance(limits.renew(tenant="acme", run="r-1", token=slot.token), Lease)


class TestFlagOff:
    def test_windows_and_package_caps_are_only_told(self, limits, switches):
        switches.values = {"run_windows_caps": False}
        limits.put(
            {"tenant": "acme", "allowedWindows": NIGHT, "packageCaps": {"*": 1}, "maxConcurrent": 2}, by="o"
        )
        assert acquire(limits).allowed
        second = acquire(limits, "r-2")
        assert [str(deny.reason) for deny in second.decision.shadow_denies] == [
            "outside_run_window",
            "package_cap",
        ]
        third = acquire(limits, "r-3")
        assert [str(deny.reason) for deny in third.denies] == ["tenant_cap"]
        assert limits.decide(tenant="other", package="x").shadow_denies == ()


class TestStoreDown:
    def test_nothing_is_admitted(self, limits, stores):
        stores[0].down = stores[1].down = True
        answer = acquire(limits)
        assert answer.denies[0].reason == "limits_unavailable"
        assert answer.retry_after == 7
        assert not limits.decide(tenant="acme", package="ns/a").allowed

    @pytest.mark.parametrize("down", [0, 1])
    def test_a_tenant_without_caps_may_choose_its_last_known_document(self, limits, stores, down):
        limits.put({"tenant": "acme", "allowedWindows": NIGHT, "onUnavailable": "open"}, by="ops")
        limits.decide(tenant="acme", package="ns/a")
        stores[down].down = True
        answer = acquire(limits)
        assert [str(deny.reason) for deny in answer.denies] == ["outside_run_window"]
        assert answer.source == "cached" if down else "document"

    def test_admitted_by_the_cached_document_there_is_no_lease(self, limits, stores):
        limits.put({"tenant": "acme", "onUnavailable": "open"}, by="ops")
        limits.decide(tenant="acme", package="ns/a")
        stores[0].down = True
        with acquire(limits) as slot:
            assert slot.decision.source == "cached"
            assert (slot.lease, slot.token) == (None, None)
        assert slot.release() is Release.ABSENT

    def test_a_tenant_with_caps_may_not(self, limits, stores):
        limits.put({"tenant": "acme", "maxConcurrent": 5, "onUnavailable": "open"}, by="ops")
        assert acquire(limits).allowed
        stores[0].down = True
        assert acquire(limits, "r-2").denies[0].reason == "limits_unavailable"


class TestDocuments:
    def test_versions_are_kept_with_who_and_when(self, limits, stores, clock):
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ann")
        clock.advance(60)
        limits.put({"tenant": "acme", "maxConcurrent": 2}, by="bob")
        newest, first = stores[1].history("package-caps", "acme")
        assert (newest.version, newest.changed_by, newest.changed_at) == (
            2,
            "bob",
            NOON + timedelta(minutes=1),
        )
        assert (first.version, first.changed_by, first.changed_at) == (1, "ann", NOON)
        assert (
            kinds(stores) == ["document.changed"] * 4 if Capability.EVENTS in stores[1].capabilities else []
        )

    def test_a_stale_writer_is_told_and_changes_nothing(self, limits, stores):
        document = parse_windows(b'{"tenant":"acme","allowedWindows":[]}')
        limits.put_document("windows", document, by="ann", expected=0)
        with pytest.raises(ConflictError) as caught:
            limits.put_document("windows", document, by="bob", expected=0)
        assert caught.value.code == "version_conflict"
        assert stores[1].get("windows", "acme").changed_by == "ann"

    def test_a_bad_document_is_not_stored(self, limits, stores):
        with pytest.raises(BadInputError, match="25:00"):
            limits.put({"tenant": "acme", "allowedWindows": [{"start": "25:00", "end": "01:00"}]}, by="ops")
        with pytest.raises(BadInputError, match="Mars"):
            limits.put_document("windows", parse_windows(b'{"tenant":"acme","timezone":"Mars"}'), by="ops")
        assert stores[1].get("windows", "acme") is None
        assert stores[1].get("package-caps", "acme") is None


def test_stores_without_events_work_too(clock):
    with BlockingLimits(InProcessLeases(clock), clock, InProcessDocuments()) as limits:
        limits.put({"tenant": "acme", "maxConcurrent": 1}, by="ops")
        slot = acquire(limits)
        assert isinstance(limits.renew(tenant="acme", run="r-1", token=slot.token), Lease)
        assert slot.release() is Release.RELEASED


def test_policies_of_many_tenants_are_kept_within_bounds(clock, monkeypatch):
    monkeypatch.setattr("maestro.runtime.policies.MOST_TENANTS", 2)
    with BlockingLimits(InProcessLeases(clock), clock, InProcessDocuments()) as limits:
        for tenant in ("a", "b", "c", "a", "b"):
            assert limits.decide(tenant=tenant, package="p").allowed


def test_a_name_that_is_no_door_is_not_there():
    import maestro.runtime

    with pytest.raises(AttributeError, match="no_such_door"):
        maestro.runtime.no_such_door  # noqa: B018
