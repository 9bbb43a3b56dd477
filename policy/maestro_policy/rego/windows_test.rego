package mc.windows_test

import data.mc.windows

# 2026-03-30 is a Monday. Open 22:00-06:00, closed at first by a freeze until noon, compiled for two days; of the days
# after them, only a span longer than those before it is kept.
monday := 1774828800

hour := 3600

intervals := {"acme": {
	"from": monday,
	"until": monday + (48 * hour),
	"revision": "r1",
	"tzdata": "2026a",
	"windows": [
		[monday, monday + (6 * hour)],
		[monday + (22 * hour), monday + (30 * hour)],
		[monday + (46 * hour), monday + (48 * hour)],
	],
	"closures": [[monday + (3 * hour), monday + (12 * hour)]],
	"open": [
		[monday, monday + (3 * hour)],
		[monday + (22 * hour), monday + (30 * hour)],
		[monday + (46 * hour), monday + (54 * hour)],
		[monday + (96 * hour), monday + (144 * hour)],
	],
	"days": [
		{"windows": [0, 2], "closures": [0, 1], "open": [0, 2]},
		{"windows": [1, 3], "closures": [1, 1], "open": [1, 3]},
	],
}}

tenant := {"tenant": "acme", "startCutoffSeconds": 600, "onWindowEnd": "must_fit"}

asked(ts) := {"tenant": tenant, "request": {"tenant": "acme", "package": "ns/a", "ts": ts}}

taking(ts, seconds) := object.union(asked(ts), {"request": {"expectedSeconds": seconds}})

calendar(reason, opens_at, retry_after) := {"reason": reason, "opensAt": opens_at, "retryAfter": retry_after}

bad(field) := {"reason": "bad_input", "field": field, "retryAfter": null}

horizon := {"reason": "policy_horizon", "retryAfter": null}

test_inside if {
	windows.allow with input as asked("2026-03-30T00:00:00Z") with data.mc.intervals as intervals
	windows.deny == set() with input as asked("2026-03-30T00:00:00Z") with data.mc.intervals as intervals
}

test_outside_says_when if {
	windows.denies == [calendar("outside_run_window", "2026-03-30T22:00:00Z", 32400)] with input as asked("2026-03-30T13:00:00Z")
		with data.mc.intervals as intervals
	not windows.allow with input as asked("2026-03-30T13:00:00Z") with data.mc.intervals as intervals
}

test_offsets_of_the_request_count if {
	windows.allow with input as asked("2026-03-31T08:00:00+10:00") with data.mc.intervals as intervals
}

test_closure_beats_window if {
	windows.denies == [calendar("closure", "2026-03-30T22:00:00Z", 68400)] with input as asked("2026-03-30T03:00:00Z")
		with data.mc.intervals as intervals
}

test_closure_and_window_are_told_in_order if {
	expected := [
		calendar("closure", "2026-03-30T22:00:00Z", 54000),
		calendar("outside_run_window", "2026-03-30T22:00:00Z", 54000),
	]
	windows.denies == expected with input as asked("2026-03-30T07:00:00Z") with data.mc.intervals as intervals
	windows.deny == {one | some one in expected} with input as asked("2026-03-30T07:00:00Z") with data.mc.intervals as intervals
}

test_cutoff_counts_to_the_second if {
	windows.allow with input as asked("2026-03-30T02:49:59Z") with data.mc.intervals as intervals
	late := object.union(calendar("outside_run_window", "2026-03-30T22:00:00Z", 69000), {"cutoff": true})
	windows.denies == [late] with input as asked("2026-03-30T02:50:00Z") with data.mc.intervals as intervals
}

test_a_run_must_fit if {
	windows.allow with input as taking("2026-03-30T22:00:00Z", 28800) with data.mc.intervals as intervals
	short := calendar("window_too_short", "2026-04-03T00:00:00Z", 266400)
	windows.denies == [short] with input as taking("2026-03-30T22:00:00Z", 28800.5) with data.mc.intervals as intervals
}

test_a_run_that_starts_within_a_second_ends_within_one if {
	short := calendar("window_too_short", "2026-03-31T22:00:00Z", 86400)
	windows.denies == [short] with input as taking("2026-03-30T22:00:00.5Z", 28800) with data.mc.intervals as intervals
}

test_finish_lets_a_run_overstay if {
	input_ := object.union(taking("2026-03-30T22:00:00Z", 864000), {"tenant": {"onWindowEnd": "finish"}})
	windows.allow with input as input_ with data.mc.intervals as intervals
}

test_nothing_opens if {
	never := object.union(intervals, {"acme": {"open": [], "windows": []}})
	windows.denies == [{"reason": "outside_run_window", "retryAfter": null}] with input as asked("2026-03-30T13:00:00Z")
		with data.mc.intervals as never
}

test_an_opening_is_sought_400_days_ahead if {
	first := monday + (13 * hour)
	far := [[first + 34560000, first + 34570000]]
	found := object.union(intervals, {"acme": {"open": far, "windows": []}})
	[one] = windows.denies with input as asked("2026-03-30T13:00:00Z") with data.mc.intervals as found
	one.retryAfter == 34560000
	[other] = windows.denies with input as asked("2026-03-30T12:59:59Z") with data.mc.intervals as found
	other.retryAfter == null
}

test_an_opening_behind_many_short_spans if {
	short := [[start, start + 60] | some number in numbers.range(1, 20); start := monday + (number * hour)]
	open := array.concat(short, [[monday + (30 * hour), monday + (40 * hour)]])
	many := object.union(intervals, {"acme": {"open": open, "windows": [], "days": [{"windows": [0, 0], "closures": [0, 0], "open": [0, 20]}]}})
	windows.opens_at == monday + (30 * hour) with input as asked("2026-03-30T00:00:00Z") with data.mc.intervals as many
}

test_outside_of_the_horizon if {
	every ts in ["2026-03-29T23:59:59.999Z", "2026-04-01T00:00:00Z"] {
		windows.denies == [horizon] with input as asked(ts) with data.mc.intervals as intervals
		not windows.allow with input as asked(ts) with data.mc.intervals as intervals
	}
	windows.allow with input as asked("2026-03-31T23:59:59Z") with data.mc.intervals as intervals
}

test_nothing_compiled if {
	windows.denies == [horizon] with input as asked("2026-03-30T00:00:00Z") with data.mc.intervals as {}
	not windows.allow with input as asked("2026-03-30T00:00:00Z") with data.mc.intervals as {}
}

test_of_another_revision if {
	same := object.union(asked("2026-03-30T00:00:00Z"), {"tenant": {"policyRevision": "r1"}})
	windows.allow with input as same with data.mc.intervals as intervals
	other := object.union(asked("2026-03-30T00:00:00Z"), {"tenant": {"policyRevision": "r2"}})
	windows.denies == [horizon] with input as other with data.mc.intervals as intervals
}

test_without_ts_it_is_now if {
	now := {"tenant": tenant, "request": {"tenant": "acme", "package": "ns/a"}}
	at := ((monday + (22 * hour)) * 1000000000) + 1
	windows.allow with input as now with data.mc.intervals as intervals with time.now_ns as at
	later := (monday + (40 * hour)) * 1000000000
	not windows.allow with input as now with data.mc.intervals as intervals with time.now_ns as later
}

test_what_cannot_be_judged_is_denied if {
	every patch in [
		{"field": "request.ts", "input": {"request": {"ts": "yesterday"}}},
		{"field": "request.ts", "input": {"request": {"ts": null}}},
		{"field": "request.tenant", "input": {"request": {"tenant": "globex"}}},
		{"field": "request.expectedSeconds", "input": {"request": {"expectedSeconds": "900"}}},
		{"field": "request.expectedSeconds", "input": {"request": {"expectedSeconds": -1}}},
		{"field": "request.expectedSeconds", "input": {"request": {"expectedSeconds": 34560001}}},
		{"field": "tenant.startCutoffSeconds", "input": {"tenant": {"startCutoffSeconds": "600"}}},
		{"field": "tenant.startCutoffSeconds", "input": {"tenant": {"startCutoffSeconds": 604801}}},
		{"field": "tenant.onWindowEnd", "input": {"tenant": {"onWindowEnd": "mustFit"}}},
	] {
		wrong := object.union(asked("2026-03-30T00:00:00Z"), patch.input)
		windows.denies == [bad(patch.field)] with input as wrong with data.mc.intervals as intervals
		not windows.allow with input as wrong with data.mc.intervals as intervals
	}
}

test_no_input_at_all if {
	not windows.allow with input as {} with data.mc.intervals as intervals
	windows.denies == [bad("request.ts"), bad("tenant.tenant")] with input as {} with data.mc.intervals as intervals
}

test_broken_data_is_denied if {
	broken := object.union(intervals, {"acme": {"days": []}})
	windows.denies == [{"reason": "bad_input", "retryAfter": null}] with input as asked("2026-03-30T13:00:00Z")
		with data.mc.intervals as broken
	not windows.allow with input as asked("2026-03-30T13:00:00Z") with data.mc.intervals as broken
}
