"""The replay judges every admission again from the log alone."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro import BadInputError
from maestro.kernel.events import Event
from maestro.limits import events
from maestro.limits.documents import LimitsFile, encode_document, limits_from, split_limits
from maestro.limits.policy import compile_file
from maestro.limits.replay import Replay
from maestro.ports.documents import StoredDocument
from maestro.ports.leases import Lease

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)


def put(version=1, at=NOON, **limits):
    windows, caps = split_limits(limits_from({"tenant": "acme", **limits}))
    return [
        events.document_changed(StoredDocument(kind, "acme", version, encode_document(body), "ops", at))
        for kind, body in (("windows", windows), ("package-caps", caps))
    ]


def lease(run, token, *, store=0.0, package="ns/a", ttl=30.0, **more):
    return Lease("acme", run, package, token, ttl, ttl, NOON, counted_at=store, **more)


def admit(run, token, *, at=NOON, enforced=True, source="document", **more):
    return events.admitted(lease(run, token, **more), at, source, enforced=enforced)


def replayed(*log):
    replay = Replay()
    for event in log:
        # Through JSON, as it comes from a log.
        replay.feed(msgspec.json.decode(msgspec.json.encode(event), type=Event))
    return replay


def test_a_run_inside_the_rules_is_no_violation():
    replay = replayed(*put(maxConcurrent=1), admit("r-1", 1))
    assert (replay.admitted, replay.violated, replay.ratio) == (1, 0, 0.0)


def test_a_run_outside_its_window_is_named_with_why():
    replay = replayed(*put(allowedWindows=[{"start": "22:00", "end": "23:00"}]), admit("r-1", 1))
    [violation] = replay.violations
    assert (violation.tenant, violation.run, violation.token) == ("acme", "r-1", 1)
    assert violation.reasons == ("outside_run_window",)
    assert "outside its run windows" in violation.explanation
    assert replay.ratio == 1.0


def test_one_run_too_many_is_found_by_recounting():
    replay = replayed(*put(maxConcurrent=1), admit("r-1", 1), admit("r-2", 2))
    assert [violation.run for violation in replay.violations] == ["r-2"]


def test_a_released_slot_is_free():
    gone = events.released(lease("r-1", 1), NOON)
    assert replayed(*put(maxConcurrent=1), admit("r-1", 1), gone, admit("r-2", 2)).violated == 0


def test_a_stale_release_frees_nothing():
    stale = events.released(lease("r-1", 7), NOON)
    assert replayed(*put(maxConcurrent=1), admit("r-1", 1), stale, admit("r-2", 2)).violated == 1


def test_a_slot_runs_out_by_the_stores_clock_not_the_walls():
    a_year_on = NOON + timedelta(days=365)
    log = [*put(maxConcurrent=1), admit("r-1", 1)]
    assert replayed(*log, admit("r-2", 2, at=a_year_on, store=29.9)).violated == 1
    assert replayed(*log, admit("r-2", 2, at=NOON, store=30.0)).violated == 0


def test_a_renewed_slot_runs_out_later():
    again = events.renewed(lease("r-1", 1, store=20.0), NOON)
    log = [*put(maxConcurrent=1), admit("r-1", 1), again]
    assert replayed(*log, admit("r-2", 2, store=49.0)).violated == 1
    assert replayed(*log, admit("r-2", 2, store=50.0)).violated == 0


def test_a_stale_renewal_holds_nothing():
    stale = events.renewed(lease("r-1", 7, store=20.0), NOON)
    assert replayed(*put(maxConcurrent=1), admit("r-1", 1), stale, admit("r-2", 2, store=31.0)).violated == 0


def test_a_reboot_ends_every_holder():
    log = [*put(maxConcurrent=1), admit("r-1", 1, store=5000.0, ttl=60.0)]
    assert replayed(*log, admit("r-2", 2**20, store=3.0)).violated == 0


def test_the_documents_in_force_are_those_put_before():
    log = [*put(maxConcurrent=1), admit("r-1", 1), *put(2, maxConcurrent=2), admit("r-2", 2)]
    assert replayed(*log).violated == 0


def test_package_caps_are_recounted_by_package():
    log = [*put(packageCaps={"ns/*": 1}), admit("r-1", 1), admit("r-2", 2, package="ns/b")]
    assert replayed(*log).violated == 0
    assert replayed(*log, admit("r-3", 3, package="ns/b")).violated == 1


def test_expected_seconds_are_judged():
    windows = {"allowedWindows": [{"start": "12:00", "end": "13:00"}], "onWindowEnd": "must_fit"}
    assert replayed(*put(**windows), admit("r-1", 1, expected=3600.0)).violated == 0
    assert replayed(*put(**windows), admit("r-1", 1, expected=3601.0)).violated == 1


def test_what_a_flag_switched_off_is_counted_apart():
    log = put(allowedWindows=[], maxConcurrent=1)
    replay = replayed(*log, admit("r-1", 1, enforced=False))
    assert (replay.admitted, replay.shadow_denied, replay.violated) == (1, 1, 0)
    assert replayed(*log, admit("r-1", 1, enforced=False), admit("r-2", 2, enforced=False)).violated == 1


def test_a_tenant_without_documents_is_judged_by_the_declared_defaults():
    defaults = LimitsFile("default", max_concurrent=1)
    revision = compile_file(defaults, source="default").revision
    declared = events.default_declared(revision, encode_document(defaults), NOON)
    first = admit("r-1", 1, source="default", revision=revision)
    second = admit("r-2", 2, source="default", revision=revision)
    assert replayed(declared, first, second).violated == 1
    assert replayed(first, second).violated == 0, "undeclared defaults are the shipped ones: unrestricted"


def test_events_of_others_are_passed_over():
    assert replayed(Event("1", "/maestro/edge", "mc.incident.open", "x", NOON, {})).admitted == 0


def test_a_document_kind_of_later_days_is_passed_over():
    later = StoredDocument("colours", "acme", 1, b"{}", "ops", NOON)
    assert replayed(events.document_changed(later), admit("r-1", 1)).violated == 0


def test_only_one_document_may_be_there():
    windows, caps = put(allowedWindows=[], maxConcurrent=0)
    assert replayed(windows, admit("r-1", 1)).violations[0].reasons == ("outside_run_window",)
    assert replayed(caps, admit("r-1", 1)).violations[0].reasons == ("tenant_cap",)


@pytest.mark.parametrize(
    "data", [{}, {"tenant": "acme", "storeSeconds": "soon"}, {"tenant": ["acme"], "storeSeconds": 1}]
)
def test_an_altered_entry_is_refused_by_its_id(data):
    with pytest.raises(BadInputError, match="altered") as caught:
        Replay().feed(Event("9/admitted", events.SOURCE, events.RUN_ADMITTED, "acme/r", NOON, data))
    assert caught.value.value == "9/admitted"


def test_the_first_thousand_violations_are_kept_and_all_counted():
    replay = replayed(*put(maxConcurrent=0), *(admit(f"r-{n}", n) for n in range(1, 1102)))
    assert (replay.violated, len(replay.violations)) == (1101, 1000)


@given(
    cap=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from(["admit", "release"]), st.integers(0, 4), st.floats(0, 12))),
)
def test_it_agrees_with_a_plain_count(cap, steps):
    log, held, clock, violated = put(maxConcurrent=cap), {}, 0.0, 0
    for token, (what, run, passed) in enumerate(steps, start=1):
        clock += passed
        held = {name: (t, until) for name, (t, until) in held.items() if until > clock}
        if what == "admit" and run not in held:
            violated += len(held) >= cap
            held[run] = (token, clock + 10.0)
            log.append(admit(f"r-{run}", token, store=clock, ttl=10.0))
        elif what == "release" and run in held:
            log.append(events.released(lease(f"r-{run}", held.pop(run)[0], store=clock), NOON))
    assert replayed(*log).violated == violated
