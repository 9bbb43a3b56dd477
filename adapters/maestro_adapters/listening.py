"""A thread that listens until it is silenced: how the waiting rooms of stores hear that something freed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from maestro.kernel.errors import PortError

__all__ = ["HEARS_SECONDS", "listen"]

HEARS_SECONDS: Final = 0.5
"""How often a listener that waits for news sees whether it is to end."""
_AGAIN_SECONDS: Final = 1.0
"""Pause before a lost connection is opened again; waiters look by themselves meanwhile."""


def listen(until: Callable[[Event], None]) -> Callable[[], None]:
    """Call ``until(over)`` in a thread, and again after a PortError; it returns when ``over`` is set.

    Returns:
        A function that sets ``over`` and waits for the thread.
    """
    over = Event()

    def work() -> None:
        while not over.is_set():
            try:
                until(over)
            except PortError:
                over.wait(_AGAIN_SECONDS)

    thread = Thread(target=work, name="maestro-waiting", daemon=True)
    thread.start()

    def silence() -> None:
        over.set()
        thread.join()

    return silence
