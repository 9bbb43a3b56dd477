"""Faults of a store: how each is put in, how it is proved, how it is taken away."""

from __future__ import annotations

import resource
from typing import Any, Protocol

from maestro.kernel.errors import BadInputError
from maestro_sidecar.gameday.proxy import FaultProxy

__all__ = ["Cut", "DiskFull", "Fault", "require_disk_fault"]


class Fault(Protocol):
    """A fault that can be put in and taken away again; doing either twice is harmless."""

    label: str
    """For the picture."""

    def inject(self) -> None:
        """Put it in."""

    def proof(self) -> dict[str, Any]:
        """What shows, from outside, whether it is there: ``injected`` and what was looked at."""

    def lift(self) -> None:
        """Take it away."""


class DiskFull:
    """The process cannot make any file longer: what a full disk is to it, and to no other process.

    The kernel refuses its writes (RLIMIT_FSIZE of another process, set by prlimit), so SQLite gets a real error from a
    real file. It needs neither root nor a disk to fill, and is gone the moment the limit is lifted.

    Args:
        pid: of the process.
    """

    label = "disk full"

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def inject(self) -> None:
        """Allow it no more bytes."""
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (0, self._before[1]))

    def proof(self) -> dict[str, Any]:
        """The limit of the process, as the kernel tells it now."""
        (soft, _) = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
        return {"injected": soft == 0, "fileSizeLimit": soft}

    def lift(self) -> None:
        """As it was."""
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._before)


def require_disk_fault() -> None:
    """Raises BadInputError where one process cannot limit another."""
    if not hasattr(resource, "prlimit"):
        raise BadInputError(
            "needs Linux when the store is a file.",
            field="store-loss",
            remedy="Run it with --set store=redis and MAESTRO_REDIS.",
        )


class Cut:
    """The server cannot be reached: every connection to it is reset, and every new one."""

    label = "server cut off"

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy

    def inject(self) -> None:
        """Cut."""
        self._proxy.down()

    def proof(self) -> dict[str, Any]:
        """What the proxy counted."""
        cut, refused = self._proxy.cut, self._proxy.refused
        return {"injected": cut > 0 and refused > 0, "cut": cut, "refused": refused}

    def lift(self) -> None:
        """Let through again."""
        self._proxy.up()
