"""A lease store in one JSON file under a file lock: what an adapter needs, and no more."""

import fcntl
import os
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import msgspec

from maestro.kernel.errors import PortError
from maestro.kernel.instants import require_aware
from maestro.ports import leases
from maestro.ports.capabilities import Capability, refuse
from maestro.ports.leases import Claim, Full, Lease, Release, Usage


class Row(msgspec.Struct):
    """One lease in the file; ``expires`` and ``ends`` are readings of the boot clock."""

    claim: Claim
    token: int
    ttl: float
    expires: int
    ends: int


class State(msgspec.Struct):
    """The file."""

    boot: str = ""
    token: int = 0
    rows: list[Row] = []


class FileLeases:
    """Slot leases in ``leases.json`` of a folder, for the processes of one machine. It keeps no events."""

    capabilities = frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED})

    def __init__(self, clock, folder):
        self.path, self.clock = Path(folder) / "leases.json", clock

    def acquire(self, claim, caps, announce=None):
        require_aware(claim.at, "at")
        lasts = leases.lease_nanoseconds(claim.ttl, "ttl")
        takes = leases.lease_nanoseconds(claim.expected, "expected") if claim.expected else 0
        with self.locked(announce) as (state, now):
            if row := self.row(state, claim.tenant, claim.run):
                if row.claim.package != claim.package:
                    raise leases.run_package_conflict(self.lease(row, now), claim.package)
                return self.lease(row, now)
            usage = self.count(state, claim.tenant, claim.package, now)
            if reached(usage.tenant, caps.tenant) or reached(usage.package, caps.package):
                return Full(usage)
            state.token += 1
            ends = now + takes if takes else 0
            state.rows.append(row := Row(claim, state.token, claim.ttl, now + lasts, ends))
            self.save(state)
            return self.lease(row, now, created=True)

    def renew(self, tenant, run, token, ttl, announce=None):
        lasts = leases.lease_nanoseconds(ttl, "ttl")
        with self.locked(announce) as (state, now):
            row = self.row(state, tenant, run)
            if row is None or row.token != token:
                return None
            row.ttl, row.expires = ttl, now + lasts
            self.save(state)
            return self.lease(row, now)

    def release(self, tenant, run, token, announce=None):
        with self.locked(announce) as (state, _):
            row = self.row(state, tenant, run)
            if row is None:
                return Release.ABSENT
            if row.token != token:
                return Release.STALE
            state.rows.remove(row)
            self.save(state)
            return Release.RELEASED

    def find(self, tenant, run):
        with self.locked() as (state, now):
            row = self.row(state, tenant, run)
            return row and self.lease(row, now)

    def usage(self, tenant, package):
        with self.locked() as (state, now):
            return self.count(state, tenant, package, now)

    def held(self):
        with self.locked() as (state, _):
            tenants = [row.claim.tenant for row in state.rows]
            return {tenant: tenants.count(tenant) for tenant in tenants}

    def close(self):
        pass

    @contextmanager
    def locked(self, announce=None):
        """The unexpired leases of this boot and the clock, read under the lock that all processes share."""
        if announce is not None:
            raise refuse(Capability.EVENTS, self)
        try:
            with self.path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, also by kill -9
                state = self.load()
                now, boot = self.clock.nanoseconds(), self.clock.boot_id()
                if state.boot != boot:  # the machine restarted, so every holder is dead
                    state.boot, state.rows = boot, []
                state.rows = [row for row in state.rows if row.expires > now]
                yield state, now
        except (OSError, msgspec.MsgspecError) as error:
            raise PortError(f"{self.path}: {error}.", remedy="Check the file and its folder.") from error

    def load(self):
        return msgspec.json.decode(self.path.read_bytes(), type=State) if self.path.exists() else State()

    def save(self, state):
        """Write all or nothing, and to the disk: a token given out must never come again."""
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def row(self, state, tenant, run):
        return next((row for row in state.rows if (row.claim.tenant, row.claim.run) == (tenant, run)), None)

    def count(self, state, tenant, package, now):
        mine = [row for row in state.rows if row.claim.tenant == tenant]
        same = [row for row in mine if row.claim.package == package]
        return Usage(len(mine), len(same), frees_in(mine, now), frees_in(same, now))

    def lease(self, row, now, *, created=False):
        claim, at, left = row.claim, row.claim.at.astimezone(UTC), (row.expires - now) / 1e9
        named = (claim.tenant, claim.run, claim.package, row.token, row.ttl, left, at)
        return Lease(*named, claim.expected, claim.revision, created, now / 1e9)


def reached(count, cap):
    return cap is not None and count >= cap


def frees_in(rows, now):
    moments = [leases.frees_at(now, row.expires, row.ends) for row in rows]
    return (min(moments) - now) / 1e9 if moments else None
