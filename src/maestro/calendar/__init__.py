"""When something may run: windows and closures by the clock on the wall, and the next opening.

One rule decides everything here (ADR-1103): an instant is inside a window exactly if the local time that a
clock on the wall shows at it is. The room is pure: `now` is an argument, and all it reads is the zones of the
`tzdata` package.

Read it from below: `zones` (local time), `intervals` (sets of instants), `windows` and `closures` (the rule
for one of them), `schedule` (the rule for all of a tenant's, and when it opens).
"""

from maestro.calendar.closures import Closure, parse_local
from maestro.calendar.intervals import Interval
from maestro.calendar.schedule import FOREVER, HORIZON, Schedule
from maestro.calendar.windows import EVERY_DAY, Window, parse_days, parse_time_of_day
from maestro.calendar.zones import DAY, TZDATA_VERSION, offset_spans, wall_seconds, zone, zone_names

__all__ = [
    "DAY",
    "EVERY_DAY",
    "FOREVER",
    "HORIZON",
    "TZDATA_VERSION",
    "Closure",
    "Interval",
    "Schedule",
    "Window",
    "offset_spans",
    "parse_days",
    "parse_local",
    "parse_time_of_day",
    "wall_seconds",
    "zone",
    "zone_names",
]
