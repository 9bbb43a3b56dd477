"""The evidence of a drill as files: the journal, the report, the pictures. Nothing in them names the machine."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from maestro.kernel.errors import BadInputError
from maestro.ops.drills import Report
from maestro.ops.markdown import report_text
from maestro.ops.pictures import series_picture, timeline_picture

__all__ = ["environment", "open_folder", "scrubbed", "write"]

_NAMES_THE_MACHINE = ("node", "platform")
"""Members of the journal that are left out; ``environment`` stands in their place."""


def open_folder(name: str) -> Path:
    """The folder for the evidence, made when missing.

    Raises:
        BadInputError: it cannot be written.
    """
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "journal.json"
        with probe.open("a", encoding="utf-8"):
            pass
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"cannot be written: {getattr(error, 'strerror', None) or error}.",
            field="--evidence",
            value=name,
            remedy="Name a folder that this user may write.",
        ) from error
    return folder


def environment() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    return {
        "maestro": version("maestro-conductor"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "chaostoolkit-lib": version("chaostoolkit-lib"),
        "sqlite": sqlite3.sqlite_version,
        "tzdata": version("tzdata"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }


def scrubbed(journal: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The journal without what names the machine: host, kernel, folders, addresses; tracebacks to their last line."""
    plain = {name: value for name, value in journal.items() if name not in _NAMES_THE_MACHINE}
    hidden = {sys.prefix: "<python>", str(Path.cwd()): "<here>", str(Path.home()): "<home>"} | dict(secrets)
    text = json.dumps(_cut(plain), indent=1, default=str)
    for secret in sorted(hidden, key=len, reverse=True):
        # A root that is the file system's own would take every slash with it.
        if len(secret) > 1:
            text = text.replace(json.dumps(secret)[1:-1], hidden[secret])
    cleaned: dict[str, Any] = json.loads(text)
    return cleaned


def write(folder: Path, report: Report, journal: Mapping[str, Any]) -> None:
    """Write all files."""
    pictures = {"timeline.svg": timeline_picture(f"{report.name}: {report.verdict.outcome}", report.timeline)}
    for series in report.timeline.series:
        name = f"{series.label.replace(' ', '-')}.svg"
        pictures[name] = series_picture(f"{report.name}: {series.label}", report.timeline, series)
    told = dict(journal) | {"environment": dict(report.environment)}
    (folder / "journal.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(report_text(report, list(pictures)), encoding="utf-8")
    for name, text in pictures.items():
        (folder / name).write_text(text, encoding="utf-8")


def _cut(value: Any) -> Any:
    """The same with every ``exception`` cut to its last line."""
    if isinstance(value, dict):
        return {
            name: "".join(each).strip().splitlines()[-1:] if name == "exception" else _cut(each)
            for name, each in value.items()
        }
    return [_cut(each) for each in value] if isinstance(value, list) else value
