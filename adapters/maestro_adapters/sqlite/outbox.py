"""Events in a SQLite file, in the transaction of what they tell."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro_adapters.sqlite.database import Database

__all__ = ["SqliteOutbox", "keep"]

_KEEP: Final = "INSERT INTO events (source, id, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_READ: Final = "SELECT position, body FROM events WHERE position > ? ORDER BY position LIMIT ?"
_ACKNOWLEDGE: Final = """
    INSERT INTO consumers VALUES (?, ?, ?) ON CONFLICT DO UPDATE
    SET position = excluded.position, state = excluded.state WHERE excluded.position >= position"""
_RESUME: Final = "SELECT position, state FROM consumers WHERE name = ?"
# Positions are row ids: were the newest row deleted, the next event would be given a position that was read before.
_FORGET: Final = "DELETE FROM events WHERE position = ? AND position < (SELECT max(position) FROM events)"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def keep(cursor: sqlite3.Cursor, event: Event) -> None:
    """Insert the event in the cursor's transaction, unless it is kept already."""
    cursor.execute(_KEEP, (event.source, event.id, _encoder.encode(event)))


class SqliteOutbox:
    """An event log in a SQLite file (``EventLog``), the one that ``SqliteLeases`` and ``SqliteDocuments`` write to.

    Args:
        path: the file, or the database that another store of this process has opened.
    """

    def __init__(self, path: str | os.PathLike[str] | Database) -> None:
        self._own = not isinstance(path, Database)
        self._database = path if isinstance(path, Database) else Database(path)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED})

    def append(self, events: Iterable[Event]) -> None:
        """Keep the events, all or none."""
        given = tuple(events)
        with self._database.writing() as cursor:
            for event in given:
                keep(cursor, event)

    def read(self, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        """Up to ``limit`` events with positions greater than ``after``."""
        with self._database.reading() as cursor:
            rows = cursor.execute(_READ, (after, max(0, limit))).fetchall()
        return [(position, _decoder.decode(body)) for position, body in rows]

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        """Remember how far the consumer has come; never moves backward."""
        with self._database.writing() as cursor:
            cursor.execute(_ACKNOWLEDGE, (consumer, position, state))

    def acknowledged(self, consumer: str) -> int:
        """The position the consumer last acknowledged."""
        return self.resume(consumer)[0]

    def resume(self, consumer: str) -> tuple[int, bytes | None]:
        """That position, and the state kept with it."""
        with self._database.reading() as cursor:
            row = cursor.execute(_RESUME, (consumer,)).fetchone()
        return (0, None) if row is None else (int(row[0]), row[1])

    def forget(self, positions: Sequence[int]) -> None:
        """Delete these events; the newest stays."""
        with self._database.writing() as cursor:
            cursor.executemany(_FORGET, [(position,) for position in positions])

    def close(self) -> None:
        """Close the file, unless its database was handed in."""
        if self._own:
            self._database.close()
