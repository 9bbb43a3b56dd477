"""Kafka topics with Debezium's envelopes, as a source of changes (extra ``[kafka]``).

Offsets are committed to the group only after the lake's commit; where to begin is asked of the table, so a commit that
was lost, or one that ran ahead, costs nothing. While paused the client is still polled, so the group does not take the
partitions away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from maestro.kernel.errors import PortError
from maestro.lake.envelopes import Reader, Record
from maestro.ports.changes import Backlog, Polled, Recall
from maestro.ports.lake import Positions

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

__all__ = ["KafkaChanges"]

_PAUSED_POLL: Final = 16
"""Messages to ask for while paused: there should be none, and those that slip through are kept."""
_FATAL: Final = frozenset(
    {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART", "_AUTHENTICATION"}
)


class KafkaChanges:
    """The changes of one table from one topic.

    Args:
        servers: ``bootstrap.servers``.
        topic: the table's topic, for example ``spine.public.executions``.
        reader: reads its records; its ``source`` names this one.
        group: the consumer group; followers of one table share it and the topic's partitions.
        now: the wall clock, for how far a read that met the end tells the source.
        heartbeats: Debezium's heartbeat topic (``__debezium-heartbeat.PREFIX``). With it only a heartbeat proves that
            the source is silent rather than stuck; without it the end of the topic counts as proof.
        settings: further settings of librdkafka: ``security.protocol``, or ``group.instance.id``, which lets a follower
            that was killed take its partitions back at once instead of after the session's six seconds.

    Raises:
        PortError: confluent-kafka is missing, or the settings are not librdkafka's.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        reader: Reader,
        *,
        group: str,
        now: Callable[[], datetime],
        heartbeats: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        kafka = _driver()
        self._kafka, self._topic, self._reader, self._now, self._heartbeats = (
            kafka,
            topic,
            reader,
            now,
            heartbeats,
        )
        try:
            self._consumer: Consumer = kafka.Consumer(
                {
                    "bootstrap.servers": servers,
                    "group.id": group,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "earliest",
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    "partition.assignment.strategy": "cooperative-sticky",
                    # The reader never waits for the table, so a member that is silent for this long is gone.
                    "session.timeout.ms": 6000,
                    "heartbeat.interval.ms": 1500,
                    "queued.max.messages.kbytes": 16_384,
                    "error_cb": lambda _error: None,  # told by the next poll; the default writes to stderr,
                    "log_level": 0,  # and so does the log
                    **(settings or {}),
                }
            )
        except (kafka.KafkaException, ValueError, TypeError) as error:
            raise PortError(
                f"Kafka refuses the settings: {error}.", retry_after=None, code="store_unopened"
            ) from error
        self._recall: Recall = _nothing
        self._paused = False
        self._kept: list[Message] = []
        self._lanes = 0
        self._ends: set[int] = set()
        self._assigned: set[int] = set()

    @property
    def name(self) -> str:
        """The source's name."""
        return self._reader.source

    def start(self, recall: Recall) -> None:
        """Join the group; partitions begin where the table's position says."""
        self._recall = recall
        topics = [self._topic, *([self._heartbeats] if self._heartbeats else [])]
        self._consumer.subscribe(topics, on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def poll(self, events: int, size: int, wait: float) -> Polled:
        """Up to ``events`` records; ``size`` bounds them too, to the average size of the last poll."""
        if self._paused:
            self._kept += [
                message for message in self._consume(_PAUSED_POLL, wait) if message.error() is None
            ]
            return Polled()
        began = self._now()
        messages, self._kept = self._kept, []
        room = max(1, min(events, size // max(1, self._typical)))
        messages += self._consume(max(1, room - len(messages)), 0.0 if messages else wait)
        return self._read(messages, began)

    def acknowledge(self, positions: Positions) -> None:
        """Commit to the group, for those who watch its lag; where to begin is the table's to say."""
        offsets = [
            self._partition(lane, number)
            for lane, number in positions.items()
            if lane.startswith(f"{self.name}/")
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except self._kafka.KafkaException as error:
            raise self._failed(error.args[0]) from error

    def pause(self) -> None:
        """Stop fetching; what was fetched already is kept."""
        self._paused = True
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._paused = False
        self._consumer.resume(self._consumer.assignment())

    def backlog(self) -> Backlog:
        """Records between the last read and the topic's end, over the partitions assigned to this process."""
        waiting = 0
        try:
            if not self._lanes:
                topics = self._consumer.list_topics(self._topic, timeout=5.0).topics
                self._lanes = len(topics[self._topic].partitions)
            for at in self._consumer.position(self._table_partitions()):
                if at.partition in self._ends:
                    continue
                low, high = self._consumer.get_watermark_offsets(at, timeout=5.0, cached=True)
                if high >= 0:
                    waiting += max(0, high - max(at.offset, low))
        except self._kafka.KafkaException as error:
            raise self._failed(error.args[0]) from error
        return Backlog(events=waiting + len(self._kept), lanes=max(1, self._lanes))

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    _typical = 512
    """Bytes of a record, by the last poll."""

    def _consume(self, count: int, wait: float) -> list[Message]:
        try:
            return self._consumer.consume(count, max(0.0, wait))
        except (self._kafka.KafkaException, RuntimeError) as error:
            raise self._failed(error.args[0]) from error

    def _read(self, messages: Sequence[Message], began: datetime) -> Polled:
        records: list[Record] = []
        beats: list[Record] = []
        positions: dict[str, int] = {}
        for message in messages:
            if (error := message.error()) is not None:
                self._note(message, error)
                continue
            partition, offset = message.partition() or 0, message.offset() or 0
            lane = f"{self.name}/{partition}"
            record = Record(lane, offset, _bytes(message.key()), _bytes(message.value()))
            if message.topic() == self._topic:
                self._ends.discard(partition)
                positions[lane] = offset + 1
                records.append(record)
            else:
                beats.append(record)
        read = self._reader.read(records)
        size = sum(len(record.key or b"") + len(record.value or b"") for record in records)
        if records:
            self._typical = max(64, size // len(records))
        return Polled(read.batch, positions, read.poison, size, self._quiet(beats, began))

    def _quiet(self, beats: Sequence[Record], began: datetime) -> datetime | None:
        """The instant up to which all is told: of a heartbeat, or of the poll itself, that met every end."""
        if not self._assigned or self._ends < self._assigned:
            return None
        if not self._heartbeats:
            return began
        newest = self._reader.read(beats).heartbeat_us
        return None if newest is None else datetime.fromtimestamp(newest / 1_000_000, UTC)

    def _note(self, message: Message, error: Any) -> None:
        """An error that rides in place of a message: the end of a partition, or a fault."""
        if error.code() == self._kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 -- its public name
            if message.topic() == self._topic:
                self._ends.add(message.partition() or 0)
            return
        if error.fatal() or not error.retriable() or error.name() in _FATAL:
            raise self._failed(error)

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Partitions were given to us: begin where the table is, not where the group was; stay paused if we are."""
        mine = [partition for partition in partitions if partition.topic == self._topic]
        known = self._recall([f"{self.name}/{partition.partition}" for partition in mine])
        for partition in mine:
            self._assigned.add(partition.partition)
            number = known.get(f"{self.name}/{partition.partition}")
            if number is not None:
                partition.offset = number
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {partition.partition for partition in partitions if partition.topic == self._topic}
        self._assigned -= gone
        self._ends -= gone
        self._kept = [
            message
            for message in self._kept
            if (message.partition() not in gone or message.topic() != self._topic)
        ]
        consumer.incremental_unassign(partitions)

    def _table_partitions(self) -> list[TopicPartition]:
        return [self._kafka.TopicPartition(self._topic, number) for number in sorted(self._assigned)]

    def _partition(self, lane: str, number: int) -> TopicPartition:
        found: TopicPartition = self._kafka.TopicPartition(self._topic, int(lane.rpartition("/")[2]), number)
        return found

    def _failed(self, error: Any) -> PortError:
        text = error.str() if hasattr(error, "str") else str(error)
        retriable = not hasattr(error, "fatal") or not error.fatal()
        return PortError(
            f"Kafka topic {self._topic}: {text}.",
            retry_after=1.0 if retriable else None,
            code="store_unreachable",
        )


def _nothing(_lanes: Sequence[str]) -> Positions:
    return {}


def _bytes(part: str | bytes | None) -> bytes | None:
    return part.encode() if isinstance(part, str) else part


def _driver() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise PortError(
            "confluent-kafka is not installed.",
            retry_after=None,
            code="missing_extra",
            remedy="Run: pip install 'maestro-conductor[kafka]'",
        ) from error
    return confluent_kafka
