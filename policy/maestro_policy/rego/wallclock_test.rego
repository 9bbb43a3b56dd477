package mc.wallclock_test

import data.mc.wallclock

asked(ts, tenant) := {"tenant": tenant, "request": {"ts": ts}}

nights := {"timezone": "Europe/Berlin", "allowedWindows": [{
	"days": ["mon", "fri"],
	"start": "22:00",
	"end": "06:00",
}]}

test_no_windows_and_none_at_all if {
	wallclock.in_window with input as asked("2026-03-30T00:00:00Z", {})
	not wallclock.in_window with input as asked("2026-03-30T00:00:00Z", {"allowedWindows": []})
}

test_a_night_belongs_to_its_first_day if {
	every case in [
		{"ts": "2026-03-30T21:59:59+02:00", "inside": false},
		{"ts": "2026-03-30T22:00:00+02:00", "inside": true},
		{"ts": "2026-03-31T05:59:59+02:00", "inside": true},
		{"ts": "2026-03-31T06:00:00+02:00", "inside": false},
		{"ts": "2026-03-31T22:00:00+02:00", "inside": false},
	] {
		wallclock.in_window == case.inside with input as asked(case.ts, nights)
	}
}

test_hours_within_a_day if {
	days := {"allowedWindows": [{"start": "08:09:09", "end": "24:00", "timezone": "America/New_York"}]}
	wallclock.in_window with input as asked("2026-03-30T08:09:09-04:00", days)
	not wallclock.in_window with input as asked("2026-03-30T08:09:08-04:00", days)
	wallclock.in_window with input as asked("2026-03-30T23:59:59-04:00", days)
	not wallclock.in_window with input as asked("2026-03-31T00:00:00-04:00", days)
}

test_24_hours if {
	whole := {"allowedWindows": [{"days": ["mon"], "start": "12:00", "end": "12:00"}]}
	not wallclock.in_window with input as asked("2026-03-30T11:59:59Z", whole)
	wallclock.in_window with input as asked("2026-03-30T12:00:00Z", whole)
	wallclock.in_window with input as asked("2026-03-31T11:59:59Z", whole)
	not wallclock.in_window with input as asked("2026-03-31T12:00:00Z", whole)
}

# New York, 2026-03-08: 02:00 becomes 03:00, so half of this window is never shown.
test_a_gap if {
	early := {"timezone": "America/New_York", "allowedWindows": [{"start": "02:30", "end": "03:30"}]}
	not wallclock.in_window with input as asked("2026-03-08T06:59:59Z", early)
	wallclock.in_window with input as asked("2026-03-08T07:00:00Z", early)
	wallclock.in_window with input as asked("2026-03-08T07:29:59Z", early)
	not wallclock.in_window with input as asked("2026-03-08T07:30:00Z", early)
}

test_closures if {
	holidays := {"timezone": "Europe/Berlin", "closures": [
		{"start": "2026-12-24T00:00", "end": "2026-12-27T00:00:01"},
		{"start": "2026-01-01T00:00", "end": "2026-01-02T00:00", "timezone": "UTC"},
	]}
	every case in [
		{"ts": "2026-12-23T22:59:59Z", "inside": false},
		{"ts": "2026-12-23T23:00:00Z", "inside": true},
		{"ts": "2026-12-26T23:00:00Z", "inside": true},
		{"ts": "2026-12-26T23:00:01Z", "inside": false},
		{"ts": "2025-12-31T23:59:59Z", "inside": false},
		{"ts": "2026-01-01T00:00:00Z", "inside": true},
	] {
		wallclock.in_closure == case.inside with input as asked(case.ts, holidays)
	}
}
