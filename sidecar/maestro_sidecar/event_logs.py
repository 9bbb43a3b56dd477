"""Event logs as files: the outbox in a SQLite store, or CloudEvents as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from maestro.formats.cloudevents import decode_event
from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event

__all__ = ["events_in", "is_sqlite"]

_SQLITE_MAGIC = b"SQLite format 3\0"


def is_sqlite(log: Path) -> bool:
    """Whether the file is a SQLite database, by its first bytes. Raises OSError when it cannot be read."""
    with log.open("rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


def events_in(log: Path) -> Iterator[Event]:
    """The log's events in order, read piece by piece; nothing is written, so it may be on a read-only medium.

    Raises:
        OSError: the file cannot be read.
        PortError: the store cannot be used.
        BadInputError: a line is no CloudEvent; a note names it.
    """
    return _stored(log) if is_sqlite(log) else _lines(log)


def _stored(log: Path) -> Iterator[Event]:
    from maestro_adapters.sqlite.evidence import SqliteEventsFile

    with SqliteEventsFile(log) as file:
        yield from file.events()


def _lines(log: Path) -> Iterator[Event]:
    with log.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                event = decode_event(line)
            except BadInputError as error:
                error.add_note(f"{log}, line {number}")
                raise
            yield event
