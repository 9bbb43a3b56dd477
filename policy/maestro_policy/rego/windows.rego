# METADATA
# title: May a run start now, by the calendar?
# description: |
#   Closures, run windows, cutoff and fit, answered as `maestro.limits.decide` answers them. Rego has no way from
#   local time to an instant, so the windows come compiled: `data.mc.intervals[tenant]` holds, in seconds since the
#   epoch, the instants of `windows`, `closures` and `open` time, valid for `from` <= now < `until`. For each 24
#   hours after `from`, `days` says which of them to look at. Whatever cannot be judged is denied.
package mc.windows

# Nothing is allowed by silence.
default allow := false

allow if {
	denies == []
	current
}

deny contains one if some one in denies

# The same in the order in which people are told. Undefined would read as "no deny" to whoever asks.
default denies := [{"reason": "bad_input", "retryAfter": null}]

denies := [{"reason": "bad_input", "field": field, "retryAfter": null} | some field in malformed] if {
	count(malformed) > 0
} else := [{"reason": "policy_horizon", "retryAfter": null}] if {
	not current
} else := [] if {
	admitted
} else := array.concat(
	array.concat(closure_denies, window_denies),
	array.concat(cutoff_denies, fit_denies),
) if {
	day
}

# ---- what is asked ----

# Whose intervals. They are read leaf by leaf below: a rule that named the whole entry would copy all of it each time.
tenant := input.tenant.tenant

now := time.parse_rfc3339_ns(input.request.ts) / 1000000000 if {
	is_string(input.request.ts)
} else := time.now_ns() / 1000000000 if {
	not "ts" in object.keys(input.request)
}

at := floor(now)

# A run that starts within a second ends within one too.
begins := ceil(now)

cutoff := object.get(input.tenant, "startCutoffSeconds", 0)

# Whole seconds that must be left of the open time.
default fit := 0

fit := ceil(input.request.expectedSeconds) if input.tenant.onWindowEnd == "must_fit"

# The intervals were compiled for this instant and, if the input names one, from this revision of the document.
current if {
	data.mc.intervals[tenant].from <= at
	at < data.mc.intervals[tenant].until
	not other_revision
}

# What the intervals were compiled from, and by which release of the zone database.
default revision := null

revision := data.mc.intervals[tenant].revision

default tzdata := null

tzdata := data.mc.intervals[tenant].tzdata

other_revision if input.tenant.policyRevision != revision

# ---- what is found ----

# Numbers of the first interval that reaches into these 24 hours, and of the first after them.
day := data.mc.intervals[tenant].days[floor((at - data.mc.intervals[tenant].from) / 86400)]

in_window if {
	some number in numbers.range(day.windows[0], day.windows[1])
	[start, end] := data.mc.intervals[tenant].windows[number]
	start <= at
	at < end
}

in_closure if {
	some number in numbers.range(day.closures[0], day.closures[1])
	[start, end] := data.mc.intervals[tenant].closures[number]
	start <= at
	at < end
}

# The end of the open time: windows that meet are one span, closures cut it.
open_until := end if {
	some number in numbers.range(day.open[0], day.open[1])
	[start, end] := data.mc.intervals[tenant].open[number]
	start <= at
	at < end
}

admitted if {
	at < open_until - cutoff
	begins + fit <= open_until
}

closure_denies := [object.union({"reason": "closure"}, advice) | in_closure]

window_denies := [object.union({"reason": "outside_run_window"}, advice) | not in_window]

cutoff_denies := [object.union({"reason": "outside_run_window", "cutoff": true}, advice) |
	at >= open_until - cutoff
]

fit_denies := [object.union({"reason": "window_too_short"}, advice) | begins + fit > open_until]

# ---- when to come back ----

# The one instant that closures, windows, cutoff and fit admit together; all calendar denies say it.
default advice := {"retryAfter": null}

advice := {
	"opensAt": time.format([opens_at * 1000000000, "UTC", "RFC3339"]),
	"retryAfter": opens_at - at,
}

# It is sought 400 days ahead.
opens_at := candidate if {
	candidate := first_start
	candidate <= begins + 34560000
}

# The next spans first: most denies need no other.
first_start := near if {
	near := starts(day.open[0], day.open[0] + 3)[0]
} else := starts(day.open[0] + 4, count(data.mc.intervals[tenant].open))[0]

starts(first, last) := [start |
	some number in numbers.range(first, last)
	[opens, closes] := data.mc.intervals[tenant].open[number]
	start := max([opens, begins])
	closes - start >= needed
]

needed := max([cutoff + 1, fit])

# ---- what cannot be judged ----

# `not is_string(input.x)` is no test: with x absent neither it nor its opposite holds. A rule of its own is one.
malformed contains "tenant.tenant" if not for_tenant

for_tenant if is_string(input.tenant.tenant)

malformed contains "tenant.startCutoffSeconds" if not within(cutoff, 604800)

malformed contains "tenant.onWindowEnd" if {
	not object.get(input.tenant, "onWindowEnd", "finish") in {"finish", "must_fit"}
}

malformed contains "request.tenant" if input.request.tenant != input.tenant.tenant

malformed contains "request.ts" if not at

malformed contains "request.expectedSeconds" if not within(object.get(input.request, "expectedSeconds", 0), 34560000)

within(value, most) if {
	is_number(value)
	value >= 0
	value <= most
}
