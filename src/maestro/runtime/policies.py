"""Compiled policies of tenants, kept while no document changes, and the last known ones for when the store is down."""

from __future__ import annotations

import threading
from collections import OrderedDict

from maestro.limits.documents import LimitsFile, parse_package_caps, parse_windows
from maestro.limits.policy import LimitsPolicy, compile_file, compile_policy
from maestro.limits.revision import revision_of
from maestro.ports.documents import DocumentStore

__all__ = ["Policies"]

MOST_TENANTS = 10_000


class Policies:
    """Answers a tenant's compiled policy. Thread-safe.

    A document store tells by ``generation`` that something changed; then every tenant is compiled anew when next
    asked for. Unknown tenants get the default.
    """

    def __init__(self, documents: DocumentStore, default: LimitsFile) -> None:
        self._documents = documents
        self._default = default
        self.default_revision = compile_file(default, source="default").revision
        self._generation: int | None = None
        self._fresh: dict[str, LimitsPolicy] = {}
        self._last_known: OrderedDict[str, LimitsPolicy] = OrderedDict()
        self._lock = threading.Lock()

    def current(self, tenant: str) -> LimitsPolicy:
        """The tenant's policy by its newest documents.

        Raises:
            PortError: the document store did not answer.
        """
        generation = self._documents.generation()
        if generation == self._generation:
            policy = self._fresh.get(tenant)
            if policy is not None:
                return policy
        policy = self._compile(tenant)
        with self._lock:
            # The generation was read before the documents: a change in between is noticed at the next call.
            if generation != self._generation or len(self._fresh) >= MOST_TENANTS:
                self._fresh = {}
                self._generation = generation
            self._fresh[tenant] = policy
            self._last_known[tenant] = policy
            self._last_known.move_to_end(tenant)
            if len(self._last_known) > MOST_TENANTS:
                self._last_known.popitem(last=False)
        return policy

    def last_known(self, tenant: str) -> LimitsPolicy | None:
        """What ``current`` last answered for the tenant, however old; None when it never did."""
        return self._last_known.get(tenant)

    def _compile(self, tenant: str) -> LimitsPolicy:
        windows = self._documents.get("windows", tenant)
        caps = self._documents.get("package-caps", tenant)
        if windows is None and caps is None:
            return compile_file(self._default, source="default", tenant=tenant)
        return compile_policy(
            tenant,
            None if windows is None else parse_windows(windows.body),
            None if caps is None else parse_package_caps(caps.body),
            source="document",
            revision=revision_of(windows.version if windows else None, caps.version if caps else None),
        )
