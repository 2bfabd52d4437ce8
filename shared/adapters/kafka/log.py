"""Reads a compacted one-partition topic of ours (state, registry) from its beginning and follows it."""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shared.adapters.kafka.clients import FETCH_WAIT_MS, OWN_GROUP, ClientConfig, client_config, translate, translated
from shared.adapters.kafka.offsets import latest_offsets
from shared.errors import Unavailable

#: Longest wait for a topic's end before Kafka counts as unavailable.
_READ_SECONDS = 60.0

_BATCH = 10_000


class TopicLog:
    """The committed records of partition 0 of a topic, in offset order.

    `position` is the offset up to which everything committed has been handed out; control records and aborted
    messages count as handed out.
    """

    def __init__(
        self, config: ClientConfig, topic: str, *, start: int = 0, isolation_level: str = "read_committed"
    ) -> None:
        self.topic = topic
        self.position = start
        self._config = config
        with translated(f"reading topic {topic}"):
            self._consumer = Consumer(
                client_config(
                    config,
                    group_id=OWN_GROUP,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level=isolation_level,
                    enable_partition_eof=True,
                    fetch_wait_max_ms=FETCH_WAIT_MS,
                )
            )
            # Offset 0, or the earliest that is left: asking for the beginning by name costs half a second.
            self._consumer.assign([TopicPartition(topic, 0, start)])

    def poll(self, wait_seconds: float = 0.0) -> list[tuple[bytes, bytes | None]]:
        """The next committed records, as many as have arrived; waits only for the first.

        Raises:
            SinkRefused, Unavailable: the topic cannot be read.
        """
        with translated(f"reading topic {self.topic}"):
            messages = self._consumer.consume(_BATCH, wait_seconds)
        records: list[tuple[bytes, bytes | None]] = []
        for message in messages:
            self._take(message, records)
        return records

    def read_to(self, offset: int) -> list[tuple[bytes, bytes | None]]:
        """All committed records before that offset that have not been handed out yet (and perhaps some behind it).

        Raises:
            Unavailable: the offset was not reached, as long as somebody keeps a transaction open before it.
        """
        records: list[tuple[bytes, bytes | None]] = []
        waited = 0.0
        while self.position < offset:
            if waited >= _READ_SECONDS:
                raise Unavailable(f"Topic {self.topic} could not be read up to offset {offset} in {waited:.0f} s.")
            records += self.poll(0.1)
            waited += 0.1
        return records

    def stable_end(self) -> int:
        """The last stable offset: what is before it is committed or aborted."""
        return end_offset(self._config, self.topic, IsolationLevel.READ_COMMITTED)

    def high_watermark(self) -> int:
        """The end of the topic, open transactions included; not the last stable offset."""
        return end_offset(self._config, self.topic, IsolationLevel.READ_UNCOMMITTED)

    def uncommitted(self) -> list[tuple[bytes, bytes | None]]:
        """All records from `position` to the end, whatever becomes of their transactions; `position` stays."""
        end = self.high_watermark()
        if end <= self.position:
            return []
        with TopicLog(self._config, self.topic, start=self.position, isolation_level="read_uncommitted") as log:
            return log.read_to(end)

    def close(self) -> None:
        """Frees the client."""
        self._consumer.close()

    def __enter__(self) -> TopicLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, message: Message, records: list[tuple[bytes, bytes | None]]) -> None:
        error = message.error()
        offset = message.offset()
        if error is None:
            records.append((_bytes(message.key()) or b"", _bytes(message.value())))
            self.position = (offset or 0) + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self.position = max(self.position, offset or 0)
        else:
            raise translate(error, f"reading topic {self.topic}", f"Read on topic {self.topic}")


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def end_offset(config: ClientConfig, topic: str, isolation: IsolationLevel) -> int:
    """The end offset of partition 0, as a reader of that isolation level may know it.

    Raises:
        SinkRefused, Unavailable: the broker did not tell.
    """
    partition = TopicPartition(topic, 0)
    return latest_offsets(AdminClient(client_config(config)), [partition], isolation)[partition]
