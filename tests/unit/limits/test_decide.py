"""The rule of the house, case by case (DESIGN section 3, Limits)."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from msgspec import UNSET

from limits_support.cases import MONDAY_10_UTC, policy_of, reasons, verdict
from maestro.calendar import TZDATA_VERSION
from maestro.limits.decide import caps_for, unavailable
from maestro.ports.leases import Caps, Usage

NIGHT = {"allowedWindows": [{"start": "22:00", "end": "06:00"}]}
DAY = {"allowedWindows": [{"start": "08:00", "end": "18:00"}]}
FREEZE = {"start": "2026-03-30T00:00", "end": "2026-03-31T00:00", "reason": "freeze"}


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestWindows:
    def test_absent_windows_restrict_nothing(self):
        decision = verdict({})
        assert decision.allowed
        assert (decision.retry_after, decision.opens_at) == (None, None)

    def test_an_empty_list_never_opens(self):
        decision = verdict({"allowedWindows": []})
        assert reasons(decision) == ["outside_run_window"]
        assert (decision.retry_after, decision.opens_at) == (None, None)
        assert "no opening is planned within the next 400 days" in decision.explanation

    def test_start_is_inclusive_and_end_exclusive(self):
        assert not verdict(NIGHT, at("2026-03-30 21:59:59")).allowed
        assert verdict(NIGHT, at("2026-03-30 22:00")).allowed
        assert verdict(NIGHT, at("2026-03-31 05:59:59")).allowed
        assert not verdict(NIGHT, at("2026-03-31 06:00")).allowed

    def test_a_deny_says_when_to_come_back(self):
        decision = verdict(NIGHT)
        [deny] = decision.denies
        assert decision.retry_after == deny.retry_after == 12 * 3600
        assert decision.opens_at == deny.opens_at == at("2026-03-30 22:00")
        assert (deny.window.start, deny.window.end, deny.timezone) == ("22:00", "06:00", "UTC")
        assert deny.estimate is UNSET

    def test_the_message_is_one_sentence_with_local_time_and_zone(self):
        limits = {"timezone": "Europe/Berlin", **NIGHT}
        assert verdict(limits).explanation == (
            "Runs of acme may not start outside its run windows; "
            "the next start is possible on Monday 30 March 2026 at 22:00 (Europe/Berlin)."
        )

    def test_a_window_may_have_its_own_zone(self):
        limits = {"allowedWindows": [{"start": "22:00", "end": "23:00", "timezone": "Europe/Berlin"}]}
        assert verdict(limits).opens_at == at("2026-03-30 20:00")

    def test_a_part_of_a_second_is_waited_for_whole(self):
        decision = verdict(NIGHT, at("2026-03-30 21:59:58.500000"))
        assert decision.retry_after == 2


class TestClosures:
    def test_a_closure_beats_a_window_and_gives_its_reason(self):
        decision = verdict({**DAY, "closures": [FREEZE]})
        assert reasons(decision) == ["closure"]
        assert decision.opens_at == at("2026-03-31 08:00")
        assert "closure (freeze)" in decision.explanation

    def test_outside_a_window_too_both_are_told_in_order(self):
        decision = verdict({**NIGHT, "closures": [FREEZE]})
        assert reasons(decision) == ["closure", "outside_run_window"]
        assert {deny.opens_at for deny in decision.denies} == {at("2026-03-31 00:00")}

    def test_closures_alone_restrict_too(self):
        decision = verdict({"closures": [{**FREEZE, "reason": ""}], "timezone": "Asia/Tokyo"})
        assert reasons(decision) == ["closure"]
        assert decision.opens_at == at("2026-03-30 15:00")
        [deny] = decision.denies
        assert deny.window is UNSET
        assert deny.timezone == "Asia/Tokyo"
        assert "by a closure; the next" in deny.message
        assert verdict({"closures": [FREEZE]}, at("2026-04-30 10:00")).allowed


class TestCutoffAndFit:
    def test_the_last_seconds_of_a_window_admit_nothing_new(self):
        limits = {**DAY, "startCutoffSeconds": 600}
        assert verdict(limits, at("2026-03-30 17:49:59")).allowed
        decision = verdict(limits, at("2026-03-30 17:50"))
        assert reasons(decision) == ["outside_run_window"]
        assert decision.denies[0].cutoff is True
        assert decision.opens_at == at("2026-03-31 08:00")
        assert "closes in 10 minutes" in decision.explanation

    def test_windows_that_meet_are_one_open_time(self):
        limits = {
            "allowedWindows": [{"start": "08:00", "end": "18:00"}, {"start": "18:00", "end": "20:00"}],
            "startCutoffSeconds": 600,
        }
        assert verdict(limits, at("2026-03-30 17:55")).allowed

    def test_a_run_that_must_fit_and_does_not(self):
        limits = {**DAY, "onWindowEnd": "must_fit"}
        assert verdict(limits, at("2026-03-30 17:45"), expected=900).allowed
        decision = verdict(limits, at("2026-03-30 17:45:01"), expected=900)
        assert reasons(decision) == ["window_too_short"]
        assert decision.opens_at == at("2026-03-31 08:00")
        assert "would take 15 minutes" in decision.explanation

    def test_a_part_of_a_second_does_not_fit(self):
        limits = {**DAY, "onWindowEnd": "must_fit"}
        assert not verdict(limits, at("2026-03-30 17:45:00.000001"), expected=900).allowed
        assert not verdict(limits, at("2026-03-30 17:45"), expected=900.5).allowed

    def test_a_run_longer_than_any_window_never_fits(self):
        decision = verdict({**DAY, "onWindowEnd": "must_fit"}, expected=11 * 3600)
        assert reasons(decision) == ["window_too_short"]
        assert decision.retry_after is None

    def test_runs_that_may_finish_need_not_fit(self):
        assert verdict(DAY, at("2026-03-30 17:59"), expected=9000).allowed

    def test_cutoff_and_fit_are_both_told(self):
        limits = {**DAY, "onWindowEnd": "must_fit", "startCutoffSeconds": 600}
        decision = verdict(limits, at("2026-03-30 17:55"), expected=900)
        assert reasons(decision) == ["outside_run_window", "window_too_short"]
        assert [deny.cutoff for deny in decision.denies] == [True, UNSET]

    def test_the_opening_found_admits_cutoff_and_fit(self):
        limits = {
            "allowedWindows": [
                {"days": ["tue"], "start": "08:00", "end": "08:20"},
                {"days": ["wed"], "start": "08:00", "end": "09:00"},
            ],
            "onWindowEnd": "must_fit",
        }
        decision = verdict(limits, expected=1800)
        assert reasons(decision) == ["outside_run_window"]
        assert decision.opens_at == at("2026-04-01 08:00")
        assert verdict(limits, decision.opens_at, expected=1800).allowed


class TestCaps:
    def test_a_cap_denies_when_reached(self):
        limits = {"maxConcurrent": 3}
        assert verdict(limits, usage=Usage(tenant=2)).allowed
        decision = verdict(limits, usage=Usage(tenant=3, tenant_frees_in=4.2))
        assert reasons(decision) == ["tenant_cap"]
        [deny] = decision.denies
        assert (deny.cap, deny.current, deny.retry_after, deny.estimate) == (3, 3, 5, True)
        assert decision.retry_after == 5
        assert deny.message == (
            "acme already has 3 runs going and may have 3; a slot is expected to free in about 5 seconds."
        )

    def test_a_package_cap_counts_the_package(self):
        limits = {"packageCaps": {"ns/*": 2}}
        assert verdict(limits, usage=Usage(tenant=9, package=1)).allowed
        decision = verdict(limits, usage=Usage(tenant=9, package=2, package_frees_in=0.0))
        [deny] = decision.denies
        assert (deny.reason, deny.package, deny.cap, deny.current) == ("package_cap", "ns/a", 2, 2)
        assert deny.retry_after == 1

    def test_advice_without_knowledge_is_half_a_minute(self):
        assert verdict({"maxConcurrent": 1}, usage=Usage(tenant=1)).retry_after == 30

    @pytest.mark.parametrize("limits", [{"maxConcurrent": 0}, {"packageCaps": {"ns/a": 0}}])
    def test_a_cap_of_0_forbids_and_nothing_frees_by_itself(self, limits):
        decision = verdict(limits, usage=Usage())
        assert not decision.allowed
        assert decision.retry_after is None
        assert decision.denies[0].estimate is UNSET
        assert "ask the operator" in decision.explanation

    def test_usage_above_a_lowered_cap_only_denies(self):
        assert verdict({"maxConcurrent": 1}, usage=Usage(tenant=5)).denies[0].current == 5

    def test_without_usage_caps_are_the_stores_to_judge(self):
        assert verdict({"maxConcurrent": 0}).allowed

    def test_what_the_store_must_hold(self):
        policy = policy_of(maxConcurrent=20, packageCaps={"ns/a": 2})
        assert caps_for(policy, "ns/a") == Caps(20, 2)
        assert caps_for(policy, "other") == Caps(20, None)
        assert caps_for(policy, "ns/a", enforce=False) == Caps(20, None)


class TestTogether:
    ALL: ClassVar = {
        **NIGHT,
        "closures": [FREEZE],
        "maxConcurrent": 1,
        "packageCaps": {"*": 1},
    }

    def test_every_deny_is_told_in_order_and_the_longest_wait_counts(self):
        decision = verdict(self.ALL, usage=Usage(1, 1, 5.0, 5.0))
        assert reasons(decision) == ["closure", "outside_run_window", "tenant_cap", "package_cap"]
        assert decision.retry_after == 14 * 3600
        assert decision.explanation == " ".join(deny.message for deny in decision.denies)

    def test_one_deny_that_never_lifts_leaves_no_advice(self):
        decision = verdict({**self.ALL, "maxConcurrent": 0}, usage=Usage(1, 1, 5.0, 5.0))
        assert decision.retry_after is None
        assert decision.opens_at == at("2026-03-31 00:00")

    def test_it_tells_what_it_was_judged_by(self):
        decision = verdict(self.ALL)
        assert decision.source == "file"
        assert decision.policy_revision.startswith("sha256:")
        assert decision.tzdata == TZDATA_VERSION
        assert decision.evaluated_at == MONDAY_10_UTC

    def test_an_allowed_run_is_explained_too(self):
        assert verdict({}, usage=Usage(tenant=1)).explanation == "acme may run ns/a at any time; 1 run going."
        limits = {**DAY, "maxConcurrent": 20}
        assert verdict(limits, usage=Usage(tenant=3)).explanation == (
            "acme may run ns/a inside its run windows; 3 of 20 runs going."
        )


class TestFlagOff:
    def test_windows_and_package_caps_are_told_but_not_enforced(self):
        decision = verdict(TestTogether.ALL, usage=Usage(0, 1), enforce=False)
        assert decision.allowed
        assert decision.denies == ()
        assert [str(deny.reason) for deny in decision.shadow_denies] == [
            "closure",
            "outside_run_window",
            "package_cap",
        ]
        assert decision.opens_at is None

    def test_the_tenant_cap_stays(self):
        decision = verdict(TestTogether.ALL, usage=Usage(1, 0), enforce=False)
        assert reasons(decision) == ["tenant_cap"]
        assert len(decision.shadow_denies) == 2


class TestUnavailable:
    def test_what_cannot_be_counted_is_not_admitted(self):
        decision = unavailable("acme", MONDAY_10_UTC, 0.2)
        assert reasons(decision) == ["limits_unavailable"]
        assert decision.retry_after == 1
        assert "try again in 1 second" in decision.explanation

    def test_without_hope_there_is_no_advice(self):
        decision = unavailable("acme", MONDAY_10_UTC + timedelta(hours=1), None)
        assert decision.retry_after is None
        assert "ask the operator" in decision.explanation
