"""Drills: what a run of one showed, whether that is what was promised, and how it is told. Pure values and text."""

from maestro.ops.drills import Report, Step, Timeline, document_of
from maestro.ops.verdict import Outcome, Verdict, judge

__all__ = ["Outcome", "Report", "Step", "Timeline", "Verdict", "document_of", "judge"]
