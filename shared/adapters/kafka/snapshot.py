"""Reads whole topics from their beginning, for those who want to know what a table is now, and follows them.

Law of this file: read_committed unless somebody asks for all, and memory does not grow with the topic.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shared.adapters.kafka.clients import FETCH_WAIT_MS, OWN_GROUP, ClientConfig, client_config, translate, translated
from shared.adapters.kafka.offsets import earliest_offsets, latest_offsets
from shared.errors import SinkRefused, Unavailable
from shared.model.label import PLAIN, Label

_REQUEST_SECONDS = 30.0

#: Longest wait for the next message before the topic's end.
_PATIENCE_SECONDS = 60.0

#: What the client may fetch ahead, in KiB; a single larger message still comes through.
_AHEAD_KBYTES = 16_384

_BATCH = 5_000


class TopicMessage(NamedTuple):
    """One committed message; `timestamp` is Kafka's, in milliseconds since 1970 (-1 where the message has none)."""

    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None


class TopicReader:
    """The messages of a topic, each partition's in its order.

    Args:
        config: the user's client options.
        topic: the topic.
        partitions: those to read; None for all.
        uncommitted: whether messages come that were never committed.
        label: of whose messages; in a topic that tables share no others come, and they come without it.

    `total` counts the offsets that there were to read when the reader was made, `done` those that have been passed; control
    records and gaps of compaction count as passed.

    Raises (every method): SinkRefused, also when the topic does not exist; Unavailable.
    """

    def __init__(
        self,
        config: ClientConfig,
        topic: str,
        partitions: Iterable[int] | None = None,
        *,
        uncommitted: bool = False,
        label: Label = PLAIN,
    ) -> None:
        self.topic = topic
        self._label = label
        self._admin = AdminClient(client_config(config))
        numbers = sorted(_numbers(self._admin, topic) if partitions is None else partitions)
        self._partitions = [TopicPartition(topic, number) for number in numbers]
        begins = earliest_offsets(self._admin, self._partitions)
        self._begins = {place.partition: offset for place, offset in begins.items()}
        self._passed = dict(self._begins)
        self._ends: dict[int, int] = {}
        self.refresh()
        self._consumer = _consumer(config, topic, "read_uncommitted" if uncommitted else "read_committed")
        with translated(f"reading topic {topic}"):
            self._consumer.assign([TopicPartition(topic, number, begin) for number, begin in self._begins.items()])

    def refresh(self, *, stable: bool = True) -> None:
        """Takes the topic's end of now as the one to read to: what was committed before the call lies before it.

        Args:
            stable: False to wait for transactions that are open now. One that spans several topics is not committed to all
                of them at the same moment: whoever has seen it in another topic will see it here only so.
        """
        isolation = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
        ends = latest_offsets(self._admin, self._partitions, isolation)
        self._ends = {place.partition: offset for place, offset in ends.items()}

    def grown(self) -> bool:
        """True when the topic has got partitions that this reader does not read."""
        return len(_numbers(self._admin, self.topic)) > len(self._partitions)

    @property
    def ends(self) -> dict[int, int]:
        """Up to where there is something to read, by partition."""
        return dict(self._ends)

    @property
    def total(self) -> int:
        """How many offsets there are to read."""
        return sum(self._ends[number] - begin for number, begin in self._begins.items())

    @property
    def done(self) -> int:
        """How many of them have been passed."""
        ends = self._ends
        return sum(min(self._passed[number], ends[number]) - begin for number, begin in self._begins.items())

    @property
    def at_end(self) -> bool:
        """True when everything up to the end has been handed out."""
        return all(self._passed[number] >= end for number, end in self._ends.items())

    def to_end(self) -> Iterator[list[TopicMessage]]:
        """Batches up to the end, and perhaps some messages behind it."""
        heard = time.monotonic()
        while not self.at_end:
            before = self.done
            if batch := self.poll(0.05):
                yield batch
            if batch or self.done > before:
                heard = time.monotonic()
            elif time.monotonic() - heard > _PATIENCE_SECONDS:
                raise Unavailable(
                    f"Topic {self.topic} could not be read to its end: nothing came for {_PATIENCE_SECONDS:.0f} s."
                )

    def poll(self, wait_seconds: float = 0.0) -> list[TopicMessage]:
        """What arrives within this time, at most 5,000 messages."""
        with translated(f"reading topic {self.topic}"):
            messages = self._consumer.consume(_BATCH, wait_seconds)
        return [taken for message in messages if (taken := self._take(message)) is not None]

    def close(self) -> None:
        """Frees the client."""
        self._consumer.close()

    def _take(self, message: Message) -> TopicMessage | None:
        error, number, offset = message.error(), message.partition() or 0, message.offset() or 0
        if error is None:
            self._passed[number] = offset + 1
            return _without(self._label, _taken(message))
        if error.code() != KafkaError._PARTITION_EOF:
            raise translate(error, f"reading topic {self.topic}", f"Read on topic {self.topic}")
        self._passed[number] = max(self._passed[number], offset)
        return None


def messages_at(
    config: ClientConfig, topic: str, label: Label, places: Iterable[tuple[int, int]]
) -> Iterator[TopicMessage]:
    """The messages of a label at these partitions and offsets; those that compaction has removed since are left out.

    Raises:
        SinkRefused, Unavailable: the topic cannot be read.
    """
    consumer = _consumer(config, topic)
    try:
        for number, offset in places:
            message = _first_from(consumer, TopicPartition(topic, number, offset))
            if message is not None and message.offset == offset and (ours := _without(label, message)) is not None:
                yield ours
    finally:
        consumer.close()


def _consumer(config: ClientConfig, topic: str, isolation: str = "read_committed") -> Consumer:
    with translated(f"reading topic {topic}"):
        return Consumer(
            client_config(
                config,
                group_id=OWN_GROUP,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level=isolation,
                enable_partition_eof=True,
                fetch_wait_max_ms=FETCH_WAIT_MS,
                queued_max_messages_kbytes=_AHEAD_KBYTES,
            )
        )


def _first_from(consumer: Consumer, place: TopicPartition) -> TopicMessage | None:
    """The first committed message from this place on; None when there is none."""
    with translated(f"reading topic {place.topic}"):
        consumer.assign([place])
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with translated(f"reading topic {place.topic}"):
            message = consumer.poll(1.0)
        if message is None or message.partition() != place.partition:
            continue
        error = message.error()
        if error is None:
            return _taken(message)
        if error.code() == KafkaError._PARTITION_EOF:
            return None
        raise translate(error, f"reading topic {place.topic}", f"Read on topic {place.topic}")
    raise Unavailable(f"Topic {place.topic} gave no message for {_PATIENCE_SECONDS:.0f} s.")


def _without(label: Label, message: TopicMessage) -> TopicMessage | None:
    """The message as its table has it; None if it is of another one."""
    if not label.key:
        return message
    if not label.has(message.key):
        return None
    key, value = label.off(message.key, message.value)
    return message._replace(key=key, value=value)


def _taken(message: Message) -> TopicMessage:
    return TopicMessage(
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        _bytes(message.key()) or b"",
        _bytes(message.value()),
    )


def partitions_of(config: ClientConfig, topic: str) -> Sequence[int]:
    """The partitions of a topic.

    Raises:
        SinkRefused: there is no such topic.
        Unavailable: the brokers did not tell.
    """
    return _numbers(AdminClient(client_config(config)), topic)


def _numbers(admin: AdminClient, topic: str) -> Sequence[int]:
    with translated(f"asking for topic {topic}"):
        found = admin.list_topics(timeout=_REQUEST_SECONDS).topics.get(topic)
    if found is None or found.error is not None:
        raise SinkRefused(
            f"There is no topic {topic} on this Kafka cluster.", "Check the topic's name and the cluster."
        )
    return sorted(found.partitions)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
