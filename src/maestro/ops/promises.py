"""What an answer must be like, judged by the caller's own reckoning; each answers what is wrong, or nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from maestro.kernel.instants import parse_instant

__all__ = ["closed_fault", "unavailable_fault", "wait_fault"]


def closed_fault(status: int, retry_after: str | None, document: Any, opens: datetime) -> str:
    """Of a deny outside the run window: 429, the very instant of opening, and the whole seconds until then.

    Args:
        status: of HTTP.
        retry_after: the header.
        document: the body.
        opens: when the window opens, known to the caller who wrote it.
    """
    if status != 429:
        return f"outside its window it was answered {status} instead of 429"
    reasons = _reasons(document)
    if reasons != ["outside_run_window"]:
        return f"denied for {', '.join(reasons) or 'no reason'} instead of outside_run_window"
    if document.get("opensAt") is None or parse_instant(document["opensAt"], "opensAt") != opens:
        return f"opensAt is {document.get('opensAt')} instead of {opens.isoformat()}"
    judged = parse_instant(document["evaluatedAt"], "evaluatedAt")
    return wait_fault(retry_after, document, math.ceil((opens - judged).total_seconds()))


def wait_fault(retry_after: str | None, document: Mapping[str, Any], seconds: int) -> str:
    """Of a deny's advice: ``retryAfter`` in the body and ``Retry-After`` in the head both tell these seconds."""
    if document.get("retryAfter") != seconds:
        return f"retryAfter is {document.get('retryAfter')} instead of {seconds}"
    if retry_after != str(seconds):
        return f"Retry-After is {retry_after} instead of {seconds}"
    return ""


def unavailable_fault(status: int, retry_after: str | None, document: Any) -> str:
    """Of an answer while the store is lost: 503 ``limits_unavailable`` with a time to retry after."""
    if status != 503:
        return f"without a store it was answered {status} instead of 503"
    if _reasons(document) != ["limits_unavailable"]:
        return f"denied for {', '.join(_reasons(document)) or 'no reason'} instead of limits_unavailable"
    if retry_after is None or not retry_after.isdigit() or int(retry_after) < 1:
        return f"Retry-After is {retry_after}"
    return ""


def _reasons(document: Any) -> list[str]:
    return [deny["reason"] for deny in document.get("denies", ())] if isinstance(document, Mapping) else []
