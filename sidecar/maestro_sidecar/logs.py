"""Structured logs: one JSON object a line on standard error. Nothing that came in a header is ever written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from maestro.kernel.instants import format_instant

__all__ = ["LEVELS", "Log", "ServerLogs"]

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class Log:
    """Writes lines.

    Args:
        write: takes one line with its newline.
        now: the wall clock.
        level: the least that is written.
    """

    def __init__(
        self, write: Callable[[str], object], now: Callable[[], datetime], level: str = "info"
    ) -> None:
        self._write = write
        self._now = now
        self._least = LEVELS[level]

    def wants(self, level: str) -> bool:
        """Whether lines of the level are written."""
        return LEVELS[level] >= self._least

    def debug(self, event: str, **fields: object) -> None:
        """What only a developer wants to know."""
        self._line("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """What an operator wants to read afterwards."""
        self._line("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """What may need a hand."""
        self._line("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """What needs a hand."""
        self._line("error", event, fields)

    def _line(self, level: str, event: str, fields: dict[str, object]) -> None:
        if LEVELS[level] >= self._least:
            line = {"time": format_instant(self._now()), "level": level, "event": event, **fields}
            self._write(_ENCODER.encode(line).decode() + "\n")


class ServerLogs(logging.Handler):
    """Brings what the HTTP server's own loggers say into the same form."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record of the server."""
        fields: dict[str, object] = {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = repr(record.exc_info[1])
        (self._log.error if record.levelno >= logging.ERROR else self._log.warning)("http_server", **fields)
