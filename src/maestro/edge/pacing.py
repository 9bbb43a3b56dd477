"""When to ask the source again: at an even pace, soon after a failure, never all edges at once."""

from __future__ import annotations

import attrs

__all__ = ["Pace"]

_MOST_DOUBLINGS = 16


@attrs.frozen
class Pace:
    """The times between polls, in seconds.

    Attributes:
        interval: between polls that found nothing wrong; each is drawn from 90 to 110 % of it.
        rapid: after a first failure; it doubles with each further one up to ``interval``, and is drawn from the
            whole of it (full jitter), so that a thousand edges do not come back in step.
        wait: that a server which can is asked to hold a request.
    """

    interval: float = 30.0
    rapid: float = 1.0
    wait: float = 0.0

    def pause(
        self, failures: int, draw: float, *, asked: float | None = None, long_poll: bool = False
    ) -> float:
        """Seconds until the next poll.

        Args:
            failures: in a row; 0 after a success.
            draw: random, from 0 to 1.
            asked: the least that the source asked for (``Retry-After``).
            long_poll: the source holds requests by itself, so there is nothing to wait for.
        """
        if failures == 0:
            return 0.0 if long_poll and self.wait else self.interval * (0.9 + 0.2 * draw)
        most = min(self.rapid * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), self.interval)
        return max(most * draw, asked or 0.0, self.rapid / 10)
