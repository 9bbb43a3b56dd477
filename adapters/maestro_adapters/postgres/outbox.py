"""Events on PostgreSQL, in the transaction of what they tell.

Positions are given when somebody reads, not when an event is written: then no reader can pass over an event whose
transaction was slower than a later one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro_adapters.postgres.database import Database, escape

__all__ = ["PostgresOutbox", "keep"]

_GIVEN_AT_ONCE: Final = 5000
"""Positions that ``give_positions()`` gives in one transaction."""

_BEGIN: Final = """
    SELECT pg_advisory_xact_lock_shared(hashtextextended(%s || ' events', 0)), {schema}.store_clock(NULL),
        nextval('{schema}.batches')"""
_KEEP: Final = """
    INSERT INTO {schema}.events (batch, ordinal, told, source, id, body) VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (source, id) DO NOTHING"""
_KEEP_ONE: Final = """
    INSERT INTO {schema}.events (batch, ordinal, told, source, id, body)
    VALUES (nextval('{schema}.batches'), 0, %s, %s, %s, %s) ON CONFLICT (source, id) DO NOTHING"""
_GIVE_POSITIONS: Final = "SELECT {schema}.give_positions()"
_READ: Final = "SELECT position, body FROM {schema}.events WHERE position > %s ORDER BY position LIMIT %s"
_ACKNOWLEDGE: Final = """
    INSERT INTO {schema}.consumers AS known VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE
    SET position = excluded.position, state = excluded.state WHERE excluded.position >= known.position"""
_RESUME: Final = "SELECT position, state FROM {schema}.consumers WHERE name = %s"
_FORGET: Final = """
    DELETE FROM {schema}.events
    WHERE position = ANY(%s::bigint[]) AND position < (SELECT max(position) FROM {schema}.events)"""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def keep(ask: Callable[[str, tuple[Any, ...]], object], schema: str, event: Event, told: int) -> None:
    """Insert the event by a statement of the transaction that tells it, unless it is kept already.

    The transaction holds the events' lock from before it read its clock, ``told`` (see the migrations).
    """
    ask(
        _KEEP_ONE.format(schema=schema),
        (str(told), escape(event.source), escape(event.id), _encoder.encode(event)),
    )


class PostgresOutbox:
    """An event log on PostgreSQL (``EventLog``), the one that ``PostgresLeases`` and ``PostgresDocuments`` write to.

    Args:
        database: where it is, or the database that another store of this process has opened.
    """

    def __init__(self, database: str | Database) -> None:
        self._own = isinstance(database, str)
        self._database = Database(database) if isinstance(database, str) else database
        self._statements = {
            text: text.format(schema=self._database.schema)
            for text in (_BEGIN, _KEEP, _GIVE_POSITIONS, _READ, _ACKNOWLEDGE, _RESUME, _FORGET)
        }

    @property
    def capabilities(self) -> frozenset[Capability]:
        """``BLOCKING``, ``DURABLE``, ``SHARED``."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE, Capability.SHARED})

    def append(self, events: Iterable[Event]) -> None:
        """Keep the events, all or none."""
        numbered = [
            (number, escape(event.source), escape(event.id), _encoder.encode(event))
            for number, event in enumerate(events)
        ]
        if not numbered:
            return
        # Two batches of the same events in another order would wait for one another: all write in the same order.
        numbered.sort(key=lambda one: one[1:3])
        with self._database.transaction() as transaction:
            _, told, batch = transaction.ask(self._statements[_BEGIN], (self._database.bare_schema,))
            transaction.ask_many(
                self._statements[_KEEP], [(batch, number, told, *rest) for number, *rest in numbered]
            )

    def read(self, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        """Up to ``limit`` events with positions greater than ``after``."""
        with self._database.connection() as connection:
            give = self._statements[_GIVE_POSITIONS]
            while connection.execute(give).fetchone()[0] == _GIVEN_AT_ONCE:  # type: ignore[index]  # one row
                pass
            rows = connection.execute(self._statements[_READ], (after, max(0, limit))).fetchall()
        return [(position, _decoder.decode(body)) for position, body in rows]

    def acknowledge(self, consumer: str, position: int, state: bytes | None = None) -> None:
        """Remember how far the consumer has come; never moves backward."""
        with self._database.connection() as connection:
            connection.execute(self._statements[_ACKNOWLEDGE], (escape(consumer), str(position), state))

    def acknowledged(self, consumer: str) -> int:
        """The position the consumer last acknowledged."""
        return self.resume(consumer)[0]

    def resume(self, consumer: str) -> tuple[int, bytes | None]:
        """That position, and the state kept with it."""
        with self._database.connection() as connection:
            row = connection.execute(self._statements[_RESUME], (escape(consumer),)).fetchone()
        return (0, None) if row is None else (int(row[0]), row[1])

    def forget(self, positions: Sequence[int]) -> None:
        """Delete these events; the newest stays."""
        with self._database.connection() as connection:
            connection.execute(self._statements[_FORGET], (list(positions),))

    def close(self) -> None:
        """Close the connections, unless the database was handed in."""
        if self._own:
            self._database.close()
