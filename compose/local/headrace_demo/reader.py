"""One reader of many topics: from the beginning to what is there, and then on, as changes arrive.

The law: read_committed, so that what is shown is what any consumer of the topics may rely on.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from headrace_local.console import StackError

_REQUEST_TIMEOUT_S = 20.0
_READ_TIMEOUT_S = 60.0
_POLL_S = 0.1
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """A message; a value of None is a tombstone. `seen_at` is when we had it, in seconds of the monotonic clock."""

    topic: str
    partition: int
    offset: int
    written_ms: int
    key: bytes
    value: bytes | None
    seen_at: float


@dataclass(frozen=True, slots=True)
class Expected:
    """A message that must arrive."""

    topic: str
    key: bytes
    value: bytes | None

    def __str__(self) -> str:
        what = "a tombstone" if self.value is None else self.value.decode()
        return f"{self.topic}: {what} for the key {self.key.decode()}"


class Reader:
    """Reads all partitions of the topics, in one consumer."""

    def __init__(self, bootstrap: str, topics: Iterable[str]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "headrace-demo",  # asked for by the client, never joined
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                # By default a broker with nothing new keeps a request for half a second.
                "fetch.wait.max.ms": 50,
            }
        )
        self._partitions = [TopicPartition(*place, OFFSET_BEGINNING) for place in self._places(topics)]
        self._consumer.assign(self._partitions)

    def to_end(self) -> Iterator[Record]:
        """Yield everything that is there by now; call it first, and once."""
        left = {(partition.topic, partition.partition) for partition in self._partitions}
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while left:
            if time.monotonic() > deadline:
                raise StackError(
                    f"the topics could not be read to their end within {_READ_TIMEOUT_S:.0f} s",
                    "does somebody keep a transaction open? `scheduler status` shows what the jobs do",
                )
            for message in self._consumer.consume(_BATCH, _POLL_S):
                if message.error() is None:
                    yield _record(message)
                else:
                    left.discard(_ended(message))

    def await_all(self, expected: Iterable[Expected], timeout_s: float, hint: str) -> list[Record]:
        """Read on until each expected message has come, in the order of their arrival; others are passed over."""
        missing = list(expected)
        found: list[Record] = []
        deadline = time.monotonic() + timeout_s
        while missing:
            if time.monotonic() > deadline:
                lines = "\n".join(f"    {each}" for each in missing)
                raise StackError(f"not in Kafka within {timeout_s:.0f} s:\n{lines}", hint)
            message = self._consumer.poll(_POLL_S)
            if message is None:
                continue
            if message.error() is not None:
                _ended(message)
                continue
            record = _record(message)
            each = Expected(record.topic, record.key, record.value)
            if each in missing:
                missing.remove(each)
                found.append(record)
        return found

    def close(self) -> None:
        """Free the client."""
        self._consumer.close()

    def _places(self, topics: Iterable[str]) -> Iterator[tuple[str, int]]:
        known = self._consumer.list_topics(timeout=_REQUEST_TIMEOUT_S).topics
        for topic in topics:
            if topic not in known:
                raise StackError(
                    f"Kafka has no topic {topic}",
                    "`scheduler status JOB` shows a job's topics; if it was deleted by hand, `scheduler cancel` the job and begin again",
                )
            for number in known[topic].partitions:
                yield topic, number


@contextmanager
def reading(bootstrap: str, topics: Sequence[str]) -> Iterator[Reader]:
    """Give a reader, and tell Kafka's errors as what they are."""
    try:
        reader = Reader(bootstrap, topics)
        try:
            yield reader
        finally:
            reader.close()
    except KafkaException as error:
        raise StackError(f"kafka at {bootstrap}: {error.args[0].str()}", "`make up` starts it again") from error


def cleanup_policies(bootstrap: str, topics: Iterable[str]) -> Mapping[str, str]:
    """Return the cleanup.policy of each topic."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    futures = admin.describe_configs(resources, request_timeout=_REQUEST_TIMEOUT_S)
    return {resource.name: str(future.result()["cleanup.policy"].value) for resource, future in futures.items()}


def _record(message: Message) -> Record:
    seen_at = time.monotonic()
    key, value = message.key(), message.value()
    return Record(
        str(message.topic()),
        int(message.partition() or 0),
        int(message.offset() or 0),
        message.timestamp()[1],
        key if isinstance(key, bytes) else b"",
        value if isinstance(value, bytes) else None,
        seen_at,
    )


def _ended(message: Message) -> tuple[str, int]:
    """Return the partition whose end was reached; raise for any real error."""
    error = message.error()
    # The client repairs broken connections by itself; waiting for it is bounded by our own time-outs.
    if error is not None and error.code() != KafkaError._PARTITION_EOF and not error.retriable():
        raise KafkaException(error)
    at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
    return (str(message.topic()), int(message.partition() or 0)) if at_end else ("", -1)
