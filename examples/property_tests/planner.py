"""A toy app: books jobs one after another, each wholly within the time that a schedule leaves open."""

from collections.abc import Iterable

from attrs import frozen

from maestro.calendar import Schedule


@frozen
class Booking:
    """A job's time, in seconds since the epoch; the end is exclusive."""

    start: int
    end: int


def plan(schedule: Schedule, seconds: Iterable[int], now: int) -> list[Booking | None]:
    """Book jobs of these lengths in order, each as early as it may start; None for one that never fits."""
    booked: list[Booking | None] = []
    free = now
    for length in seconds:
        start = schedule.next_opening(free, fit=length)
        if start is None:
            booked.append(None)
            continue
        free = start + length
        booked.append(Booking(start, free))
    return booked
