"""The ``mc.limits.*`` events: what limits tell, and what a replay reads."""

from __future__ import annotations

import json
from datetime import datetime

from maestro.kernel.events import Event
from maestro.limits.decision import Source
from maestro.ports.documents import StoredDocument
from maestro.ports.leases import Lease

__all__ = [
    "DEFAULT_DECLARED",
    "DOCUMENT_CHANGED",
    "RUN_ADMITTED",
    "RUN_RELEASED",
    "RUN_RENEWED",
    "SOURCE",
    "admitted",
    "default_declared",
    "document_changed",
    "released",
    "renewed",
]

SOURCE = "/maestro/limits"
DOCUMENT_CHANGED = "mc.limits.document.changed"
DEFAULT_DECLARED = "mc.limits.default.declared"
RUN_ADMITTED = "mc.limits.run.admitted"
RUN_RENEWED = "mc.limits.run.renewed"
RUN_RELEASED = "mc.limits.run.released"


def document_changed(stored: StoredDocument) -> Event:
    """A tenant's document has a new version."""
    return Event(
        id=f"document/{stored.kind}/{stored.tenant}/{stored.version}",
        source=SOURCE,
        type=DOCUMENT_CHANGED,
        subject=f"{stored.tenant}/{stored.kind}",
        time=stored.changed_at,
        data={
            "tenant": stored.tenant,
            "kind": stored.kind,
            "version": stored.version,
            "changedBy": stored.changed_by,
            "document": json.loads(stored.body),
        },
    )


def default_declared(revision: str, document: bytes, at: datetime) -> Event:
    """The limits that tenants without documents get; told once for each revision."""
    return Event(
        id=f"default/{revision}",
        source=SOURCE,
        type=DEFAULT_DECLARED,
        subject="default",
        time=at,
        data={"revision": revision, "document": json.loads(document)},
    )


def admitted(lease: Lease, at: datetime, source: Source, *, enforced: bool) -> Event:
    """A run holds a slot. ``enforced``: flag ``run_windows_caps`` at that moment."""
    data = {
        "tenant": lease.tenant,
        "run": lease.run,
        "package": lease.package,
        "token": lease.token,
        "ttlSeconds": lease.ttl,
        "policyRevision": lease.revision,
        "source": source,
        "enforced": enforced,
        "storeSeconds": lease.counted_at,
    }
    if lease.expected is not None:
        data["expectedSeconds"] = lease.expected
    return _of_run("admitted", lease, at, data, RUN_ADMITTED)


def renewed(lease: Lease, at: datetime) -> Event:
    """A run holds its slot for another ttl."""
    data = {
        "tenant": lease.tenant,
        "run": lease.run,
        "token": lease.token,
        "ttlSeconds": lease.ttl,
        "storeSeconds": lease.counted_at,
    }
    return _of_run(f"renewed/{lease.counted_at!r}", lease, at, data, RUN_RENEWED)


def released(lease: Lease, at: datetime) -> Event:
    """A run gave its slot back."""
    data = {"tenant": lease.tenant, "run": lease.run, "token": lease.token, "storeSeconds": lease.counted_at}
    return _of_run("released", lease, at, data, RUN_RELEASED)


def _of_run(what: str, lease: Lease, at: datetime, data: dict[str, object], kind: str) -> Event:
    """The fencing token is unique in a store, so it makes the id, and telling twice is seen."""
    return Event(f"{lease.token}/{what}", SOURCE, kind, f"{lease.tenant}/{lease.run}", at, data)
