"""Asks where partitions end; a partition that has just been made may need a moment to answer."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from shared.adapters.kafka.clients import translated

_REQUEST_SECONDS = 30.0

#: How long a new partition may answer that it has no leader yet.
_PATIENCE_SECONDS = 10.0

_NOT_YET = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)


def latest_offsets(
    admin: AdminClient, partitions: Iterable[TopicPartition], isolation: IsolationLevel
) -> dict[TopicPartition, int]:
    """The end offset of each partition, as a reader of that isolation level may know it.

    Raises:
        SinkRefused, Unavailable: the brokers did not tell.
    """
    return _offsets(admin, partitions, isolation, OffsetSpec.latest())


def earliest_offsets(admin: AdminClient, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The first offset that each partition still has.

    Raises:
        SinkRefused, Unavailable: the brokers did not tell.
    """
    return _offsets(admin, partitions, IsolationLevel.READ_UNCOMMITTED, OffsetSpec.earliest())


def _offsets(
    admin: AdminClient, partitions: Iterable[TopicPartition], isolation: IsolationLevel, spec: OffsetSpec
) -> dict[TopicPartition, int]:
    left = list(partitions)
    ends: dict[TopicPartition, int] = {}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while left:
        futures = admin.list_offsets(
            dict.fromkeys(left, spec),
            isolation_level=isolation,
            request_timeout=_REQUEST_SECONDS,
        )
        left = []
        for partition, future in futures.items():
            with translated(
                f"asking for the offsets of topic {partition.topic}", f"Describe on topic {partition.topic}"
            ):
                try:
                    ends[partition] = future.result().offset
                except KafkaException as error:
                    if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                        raise
                    left.append(partition)
        if left:
            time.sleep(0.1)
    return ends
