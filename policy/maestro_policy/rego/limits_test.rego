package mc.limits_test

import data.mc.limits

# 2026-03-30, open in its first hour and from 12 on.
start := 1774828800

intervals := {"acme": {
	"from": start,
	"until": start + 86400,
	"revision": "r1",
	"tzdata": "2026a",
	"windows": [[start, start + 3600], [start + 43200, start + 86400]],
	"closures": [],
	"open": [[start, start + 3600], [start + 43200, start + 86400]],
	"days": [{"windows": [0, 2], "closures": [0, 0], "open": [0, 2]}],
}}

asked(ts, caps) := {
	"tenant": {"tenant": "acme", "packageCaps": caps, "packageUsage": {"ns/a": 1}},
	"request": {"package": "ns/a", "ts": ts},
}

test_allowed if {
	limits.decision == {
		"allowed": true,
		"denies": [],
		"retryAfter": null,
		"opensAt": null,
		"policyRevision": "r1",
		"tzdata": "2026a",
	} with input as asked("2026-03-30T00:00:00Z", {"ns/a": 2})
		with data.mc.intervals as intervals
}

test_the_greatest_advice_counts if {
	decision := limits.decision with input as asked("2026-03-30T11:59:59Z", {"ns/a": 1})
		with data.mc.intervals as intervals
	not decision.allowed
	[one.reason | some one in decision.denies] == ["outside_run_window", "package_cap"]
	decision.retryAfter == 30
	decision.opensAt == "2026-03-30T12:00:00Z"
	limits.deny == {one | some one in decision.denies} with input as asked("2026-03-30T11:59:59Z", {"ns/a": 1})
		with data.mc.intervals as intervals
}

test_without_advice_for_one_there_is_none if {
	decision := limits.decision with input as asked("2026-03-30T06:00:00Z", {"ns/a": 0})
		with data.mc.intervals as intervals
	decision.retryAfter == null
	decision.opensAt == "2026-03-30T12:00:00Z"
}

test_a_cap_alone_denies if {
	decision := limits.decision with input as asked("2026-03-30T00:00:00Z", {"*": 1}) with data.mc.intervals as intervals
	not decision.allowed
	decision.opensAt == null
	decision.retryAfter == 30
}

test_without_data_there_is_a_decision if {
	decision := limits.decision with input as asked("2026-03-30T00:00:00Z", {}) with data.mc.intervals as {}
	not decision.allowed
	decision.denies == [{"reason": "policy_horizon", "retryAfter": null}]
	decision.policyRevision == null
	decision.tzdata == null
}

test_without_input_there_is_a_decision if {
	decision := limits.decision with input as {} with data.mc.intervals as intervals
	not decision.allowed
	count(decision.denies) > 0
}
