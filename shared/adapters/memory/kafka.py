"""Kafka in memory: one partition a topic, transactions, fencing, read_committed with its last stable offset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from shared.errors import Superseded, Unavailable
from shared.model.change import Change
from shared.model.label import Origin


class Fate(Enum):
    """What became of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of one producer."""

    producer: str
    fate: Fate = Fate.OPEN


@dataclass(frozen=True, slots=True)
class Message:
    """A message in a topic; its offset is its index."""

    key: bytes
    value: bytes | None
    transaction: Transaction


@dataclass(slots=True)
class Cluster:
    """The topics and the producers' epochs."""

    topics: dict[str, list[Message]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    open: dict[str, Transaction] = field(default_factory=dict)
    _stable: dict[str, int] = field(default_factory=dict)

    def init(self, producer: str) -> int:
        """init_transactions: the new epoch; what the predecessor left open is aborted."""
        self.epochs[producer] = self.epochs.get(producer, 0) + 1
        left = self.open.pop(producer, None)
        if left is not None:
            left.fate = Fate.ABORTED
        return self.epochs[producer]

    def end(self, topic: str) -> int:
        """The high watermark."""
        return len(self.topics.get(topic, ()))

    def stable_end(self, topic: str) -> int:
        """The last stable offset: no committed reader gets past an open transaction."""
        messages = self.topics.get(topic, [])
        offset = self._stable.get(topic, 0)  # it only grows: no transaction is opened again
        while offset < len(messages) and messages[offset].transaction.fate is not Fate.OPEN:
            offset += 1
        self._stable[topic] = offset
        return offset

    def committed(self, topic: str) -> list[Message]:
        """What a read_committed reader sees from the beginning."""
        seen = self.topics.get(topic, [])[: self.stable_end(topic)]
        return [message for message in seen if message.transaction.fate is Fate.COMMITTED]


class MemorySink:
    """Twin of `shared.adapters.kafka.sink.UpsertSink`.

    Args:
        lost: called at each commit; returns "before" or "after" when its answer is to be lost before or after the
            commit took effect, else "".
    """

    def __init__(self, cluster: Cluster, transactional_id: str, state_topic: str, lost: Callable[[], str]) -> None:
        self.transactional_id = transactional_id
        self._cluster = cluster
        self._state_topic = state_topic
        self._lost = lost
        self._epoch = 0

    def open(self) -> None:
        """Fences older producers of this id."""
        self._epoch = self._cluster.init(self.transactional_id)

    @property
    def pending(self) -> bool:
        """True when a transaction is open."""
        return self.transactional_id in self._cluster.open

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin | None = None) -> None:  # noqa: ARG002 - all topics are of one table
        """Produces in the open transaction."""
        self._fenced()
        transaction = self._cluster.open.setdefault(self.transactional_id, Transaction(self.transactional_id))
        self._cluster.topics.setdefault(topic, []).extend(Message(*change, transaction) for change in changes)

    def commit(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Writes the records and commits, or loses the answer."""
        state = list(records)
        if state:
            self.write_all(self._state_topic, state)
        self._fenced()
        lost = self._lost()
        if lost == "before":
            raise Unavailable("the commit's outcome is not known")
        transaction = self._cluster.open.pop(self.transactional_id, None)
        if transaction is not None:
            transaction.fate = Fate.COMMITTED
        if lost:
            raise Unavailable("the commit's outcome is not known")

    def _fenced(self) -> None:
        if self._cluster.epochs.get(self.transactional_id) != self._epoch:
            raise Superseded(f"{self.transactional_id} was fenced")


class MemoryLog:
    """Twin of `shared.adapters.kafka.log.TopicLog`."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.topic = topic
        self.position = 0
        self._cluster = cluster

    def poll(self) -> list[tuple[bytes, bytes | None]]:
        """The committed records up to the last stable offset."""
        end = self._cluster.stable_end(self.topic)
        messages = self._cluster.topics.get(self.topic, [])[self.position : end]
        self.position = end
        return [(m.key, m.value) for m in messages if m.transaction.fate is Fate.COMMITTED]

    def stable_end(self) -> int:
        """The last stable offset."""
        return self._cluster.stable_end(self.topic)

    def high_watermark(self) -> int:
        """The end, open transactions included."""
        return self._cluster.end(self.topic)

    def uncommitted(self) -> list[tuple[bytes, bytes | None]]:
        """All records from `position` to the end."""
        return [(m.key, m.value) for m in self._cluster.topics.get(self.topic, [])[self.position :]]
