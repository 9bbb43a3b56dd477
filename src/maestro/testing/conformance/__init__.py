"""The conformance kit: one suite a port, run against every adapter, ours and yours.

With pytest, subclass a suite and say how your store is made; without, ``run_conformance(factory)`` or the command
``maestro conformance MODULE:FACTORY``. ``docs/howto/adapter.md`` leads the way. Needs the extra ``[testing]``.
"""

from maestro.testing.conformance.documents import DocumentStoreConformance
from maestro.testing.conformance.events import EventLogConformance
from maestro.testing.conformance.lake import LakeTableConformance
from maestro.testing.conformance.leases import LeaseStoreConformance
from maestro.testing.conformance.report import Factory, Failure, Report, run_conformance

__all__ = [
    "DocumentStoreConformance",
    "EventLogConformance",
    "Factory",
    "Failure",
    "LakeTableConformance",
    "LeaseStoreConformance",
    "Report",
    "run_conformance",
]
