# METADATA
# title: What does the clock on the wall say?
# description: |
#   Windows and closures as they are written, judged by Rego's own zones, without compiled intervals. It cannot say
#   when a window opens, and its zones are those of the machine that OPA runs on; so it decides nothing, but it is
#   the judge of another hand for `data.mc.intervals`: `in_window` and `in_closure` must say what `mc.windows` says.
package mc.wallclock

default in_window := false

# No windows at all means that nothing is restricted; an empty list means never.
in_window if not input.tenant.allowedWindows

in_window if {
	some window in input.tenant.allowedWindows
	shown_by(window)
}

default in_closure := false

in_closure if {
	some closure in input.tenant.closures
	shown := time.format([now_ns, zone(closure), "2006-01-02T15:04:05"])
	shown >= whole(closure.start)
	shown < whole(closure.end)
}

now_ns := time.parse_rfc3339_ns(input.request.ts)

zone(item) := object.get(item, "timezone", object.get(input.tenant, "timezone", "UTC"))

# A window that started today: it ends later today, or it goes on over midnight.
shown_by(window) if {
	starts_on(window, 0, now_ns)
	second(window) >= second_of(window.start)
	second(window) < last_second(window)
}

# A window of yesterday that went on over midnight.
shown_by(window) if {
	starts_on(window, 6, now_ns)
	overnight(window)
	second(window) < second_of(window.end)
}

starts_on(window, days_on, ns) if {
	today := week[time.weekday([ns, zone(window)])]
	names[(today + days_on) % 7] in object.get(window, "days", names)
}

overnight(window) if second_of(window.end) <= second_of(window.start)

last_second(window) := 86400 if {
	overnight(window)
} else := second_of(window.end)

# The local second of the day.
second(window) := ((hour * 3600) + (minute * 60)) + part if {
	[hour, minute, part] := time.clock([now_ns, zone(window)])
}

second_of(text) := ((to_number(parts[0]) * 3600) + (to_number(parts[1]) * 60)) + to_number(parts[2]) if {
	parts := split(whole(text), ":")
}

# HH:MM is HH:MM:00, alone or after a date.
whole(text) := text if {
	count(split(text, ":")) == 3
} else := concat("", [text, ":00"])

names := ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

week := {
	"Monday": 0,
	"Tuesday": 1,
	"Wednesday": 2,
	"Thursday": 3,
	"Friday": 4,
	"Saturday": 5,
	"Sunday": 6,
}
