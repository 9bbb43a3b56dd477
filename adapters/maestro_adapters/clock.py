"""The system's clocks: the only module of the project that reads them."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from maestro.kernel.errors import PortError

__all__ = ["SystemClock"]

_LINUX_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MACOS_BOOT_ID = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")


class SystemClock:
    """The wall clock and the boot clock of this machine (``Clock`` and ``BootClock``).

    The boot clock is ``CLOCK_BOOTTIME`` on Linux and ``CLOCK_MONOTONIC_RAW`` (continuous time) on macOS: both
    count while the machine sleeps. Elsewhere it is Python's monotonic clock, good within one process; there
    ``boot_id`` refuses, and so do the stores that outlive a process.
    """

    __slots__ = ()

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def boot_id(self) -> str:
        """Names this boot of the machine.

        Raises:
            PortError: this system does not tell its boots apart, or does not say.
        """
        try:
            text = _read_boot_id()
        except (OSError, subprocess.SubprocessError) as error:
            raise _no_boot_id(f"cannot be read: {error}.") from error
        if not text:
            raise _no_boot_id(f"is not told by '{sys.platform}'.")
        return text

    if sys.platform == "linux":
        # Nanoseconds since the boot, sleep included. Read twice a lease, so without a frame of its own.
        nanoseconds = staticmethod(partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME))

    elif sys.platform == "darwin":

        @staticmethod
        def nanoseconds() -> int:
            """Nanoseconds since the boot, sleep included."""
            return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    else:

        @staticmethod
        def nanoseconds() -> int:
            """Nanoseconds since some instant before this process asked first."""
            return time.monotonic_ns()


def _read_boot_id() -> str:
    if sys.platform == "linux":
        return _LINUX_BOOT_ID.read_text("ascii").strip()
    if sys.platform == "darwin":
        done = subprocess.run(_MACOS_BOOT_ID, capture_output=True, check=True, text=True, timeout=10)  # noqa: S603  # a constant command
        return done.stdout.strip()
    return ""


def _no_boot_id(why: str) -> PortError:
    return PortError(
        f"The id of this machine's boot {why}",
        code="no_boot_id",
        retry_after=None,
        remedy="Use the in-process store, or a store on a server.",
    )
