"""Reads some messages of any topic: bounded in number, bytes and time, whoever wrote it.

Only what is committed is read, and nothing is stored at the broker: no group's offsets change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from shared.adapters.kafka.clients import FETCH_WAIT_MS, OWN_GROUP, ClientConfig, client_config, translate, translated
from shared.adapters.kafka.offsets import latest_offsets
from shared.errors import InvalidJob
from shared.model.sampling import Mode, Sampled, Start

#: Of one topic.
BYTES_MAX = 64 * 1024 * 1024

_TIMEOUT_SECONDS = 30.0
_WAIT_SECONDS = 0.2

#: Part of a partition: first offset, offset behind the last, messages at most.
_Span = tuple[int, int, int]


class Sampler:
    """Reads samples of a cluster's topics, one topic at a time.

    Args:
        config: the client's options; may hold secrets.
        group: the consumer group of `group-offsets`.

    Raises (every method): SinkRefused, Unavailable.
    """

    def __init__(self, config: ClientConfig, group: str = "") -> None:
        self._admin = AdminClient(client_config(config))
        #: True when the last sample ended by its bytes or its time.
        self.cut_short = False
        with translated("connecting"):
            self._consumer = Consumer(
                client_config(
                    config,
                    group_id=group or OWN_GROUP,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level="read_committed",
                    enable_partition_eof=True,
                    # The end of a partition is told of only after this wait, and there is one in most samples.
                    fetch_wait_max_ms=FETCH_WAIT_MS,
                    # What waits in the client is memory as well.
                    queued_max_messages_kbytes=16_384,
                )
            )

    def read(self, topic: str, start: Start, records: int, seconds: float) -> Iterator[Sampled]:
        """At most so many messages, spread evenly over the partitions, within so many seconds.

        From `earliest-offset` on, half of them are the first and half the last ones; `latest-offset` means the last
        ones, since there is nothing behind them yet.

        Raises:
            InvalidJob: the group has no offset in a partition, or a partition does not exist.
        """
        self.cut_short = False
        deadline = time.monotonic() + seconds
        left = BYTES_MAX
        for spans in self._rounds(topic, start, records):
            for message in self._read(topic, spans, deadline):
                yield message
                left -= len(message.key or b"") + len(message.value or b"")
                if left <= 0:
                    self.cut_short = True
                    return

    def close(self) -> None:
        """Frees the client."""
        self._consumer.close()

    def __enter__(self) -> Sampler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rounds(self, topic: str, start: Start, records: int) -> Iterator[dict[int, _Span]]:
        """What to read of each partition, one after the other; no message is in two of them."""
        with translated(f"asking for the partitions of topic {topic}"):
            numbers = sorted(self._consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic].partitions)
        partitions = [TopicPartition(topic, number) for number in numbers]
        ends = {p.partition: o for p, o in self._ends(partitions).items()}
        begins = {p.partition: o for p, o in self._begins(partitions).items()}
        share = max(1, -(-records // max(1, len(numbers))))
        if start.mode is Mode.LATEST_OFFSET:
            yield {n: (max(begins[n], ends[n] - share), ends[n], share) for n in numbers}
        elif start.mode is Mode.EARLIEST_OFFSET:
            tails = {n: max(begins[n], ends[n] - share // 2) for n in numbers}
            yield {n: (begins[n], tails[n], share - share // 2) for n in numbers}
            yield {n: (tails[n], ends[n], share // 2) for n in numbers}
        else:
            firsts = self._firsts(partitions, start, begins, ends)
            yield {n: (max(begins[n], firsts[n]), ends[n], share) for n in numbers}

    def _firsts(
        self, partitions: list[TopicPartition], start: Start, begins: dict[int, int], ends: dict[int, int]
    ) -> dict[int, int]:
        topic = partitions[0].topic
        if start.mode is Mode.SPECIFIC_OFFSETS:
            strange = sorted(set(start.offsets) - set(begins))
            if strange:
                raise InvalidJob(f"Topic {topic} has no partition {strange[0]}.", "Correct the offsets.", "--option")
            return {number: start.offsets.get(number, begin) for number, begin in begins.items()}
        with translated(f"asking for offsets of topic {topic}"):
            if start.mode is Mode.TIMESTAMP:
                asked = [TopicPartition(topic, p.partition, start.timestamp_ms) for p in partitions]
                found = self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_SECONDS)
                # A negative offset: nothing is that young.
                return {p.partition: p.offset if p.offset >= 0 else ends[p.partition] for p in found}
            found = self._consumer.committed(partitions, timeout=_TIMEOUT_SECONDS)
        for partition in found:
            if partition.offset < 0:
                raise InvalidJob(
                    f"Group {start.group} has no offset in partition {partition.partition} of topic {topic}.",
                    "Use another group or another scan.startup.mode.",
                    "--option",
                )
        return {partition.partition: partition.offset for partition in found}

    def _ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return latest_offsets(self._admin, partitions, IsolationLevel.READ_COMMITTED)

    def _begins(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        asked = self._admin.list_offsets(
            {partition: OffsetSpec.earliest() for partition in partitions}, request_timeout=_TIMEOUT_SECONDS
        )
        found = {}
        for partition, future in asked.items():
            with translated(f"asking for the beginning of topic {partition.topic}"):
                found[partition] = future.result().offset
        return found

    def _read(self, topic: str, spans: dict[int, _Span], deadline: float) -> Iterator[Sampled]:
        left = {number: count for number, (first, end, count) in spans.items() if first < end and count > 0}
        if not left:
            return
        with translated(f"reading topic {topic}"):
            self._consumer.incremental_assign([TopicPartition(topic, number, spans[number][0]) for number in left])
        try:
            while left:
                if time.monotonic() > deadline:
                    self.cut_short = True
                    return
                with translated(f"reading topic {topic}"):
                    message = self._consumer.poll(_WAIT_SECONDS)
                if message is not None:
                    yield from self._take(topic, message, spans, left)
        finally:
            if left:
                self._consumer.incremental_unassign([TopicPartition(topic, number) for number in left])

    def _take(self, topic: str, message: Message, spans: dict[int, _Span], left: dict[int, int]) -> Iterator[Sampled]:
        error, number, offset = message.error(), message.partition() or 0, message.offset() or 0
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise translate(error, f"reading topic {topic}", f"Read on topic {topic}")
        if number not in left:
            return
        end = spans[number][1]
        if error is None and offset < end:
            _, moment = message.timestamp()
            yield Sampled(_bytes(message.key()), _bytes(message.value()), max(0, moment), number, offset)
            left[number] -= 1
        # Control records and what compaction took away leave gaps: the end may be passed without being met.
        if error is not None or offset >= end - 1 or left[number] == 0:
            del left[number]
            with translated(f"reading topic {topic}"):
                # Not `pause`, which would outlive this round.
                self._consumer.incremental_unassign([TopicPartition(topic, number)])


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
