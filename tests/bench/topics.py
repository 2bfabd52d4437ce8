"""What a read_committed consumer can see of topics, asked for without consuming."""

import time
from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

_TIMEOUT_SECONDS = 20
_SAMPLE_MESSAGES = 2000


class Topics:
    """The broker's topics."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(self, names: Iterable[str], partitions: int = -1) -> None:
        """Creates topics as headrace does: compacted, with the cluster's number of partitions."""
        new = [NewTopic(name, num_partitions=partitions, config={"cleanup.policy": "compact"}) for name in names]
        for start in range(0, len(new), 100):  # a request for more than 10,000 partitions is refused
            for done in self._admin.create_topics(new[start : start + 100]).values():
                done.result(_TIMEOUT_SECONDS)

    def wait_for(self, names: Iterable[str]) -> None:
        """Waits until every partition of new topics has a leader that answers."""
        missing = set(names)
        while missing:
            there = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
            asked = {
                TopicPartition(name, number): OffsetSpec.latest()
                for name in missing & there.keys()
                for number in there[name].partitions
            }
            silent = missing - there.keys()
            for partition, found in self._admin.list_offsets(asked).items() if asked else ():
                if found.exception(_TIMEOUT_SECONDS) is not None:
                    silent.add(partition.topic)
            missing = silent
            time.sleep(0.2)

    def delete(self, names: Iterable[str]) -> None:
        there = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        names = [name for name in names if name in there]
        if names:
            for done in self._admin.delete_topics(names).values():
                done.result(_TIMEOUT_SECONDS)

    def partitions(self, name: str) -> list[TopicPartition]:
        """Empty while the topic does not exist."""
        topic = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics.get(name)
        return [TopicPartition(name, number) for number in topic.partitions] if topic else []

    def sample_bytes(self, name: str) -> float:
        """Average size of a topic's messages, key and value, by the first few."""
        options = {"bootstrap.servers": self._bootstrap, "group.id": "bench", "enable.auto.commit": False}
        consumer = Consumer(options)
        consumer.assign([TopicPartition(name, one.partition, OFFSET_BEGINNING) for one in self.partitions(name)])
        messages = [one for one in consumer.consume(_SAMPLE_MESSAGES, 5) if one.error() is None]
        consumer.close()
        return sum(len(one.key() or b"") + len(one.value() or b"") for one in messages) / max(1, len(messages))

    def visible(self, partitions: list[TopicPartition]) -> int:
        """How many offsets lie before the last stable ones; one request."""
        asked = {partition: OffsetSpec.latest() for partition in partitions}
        found = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)
        try:
            return sum(future.result(_TIMEOUT_SECONDS).offset for future in found.values())
        except KafkaException:  # a topic that is just being made
            return 0


class Visible:
    """How many messages of a topic a read_committed consumer could have by now.

    Markers of transactions take an offset too, a few per commit, so the end of a span is not told by a number alone.
    """

    def __init__(self, topics: Topics, name: str) -> None:
        self._topics, self._name = topics, name
        self._partitions: list[TopicPartition] = []

    def offsets(self) -> int:
        if not self._partitions:
            self._partitions = self._topics.partitions(self._name)
        return self._topics.visible(self._partitions) if self._partitions else 0
