"""Whether topics are still those that a job fills: not deleted, not made again, with as many partitions as then.

A key goes to a partition by the number of partitions there are (murmur2). librdkafka learns of more partitions by
itself, at any moment, and from then on sends some keys elsewhere: compaction would keep both of their versions, and
readers would see them in any order. Of a topic that is made again (by a broker with auto.create.topics.enable, for one)
it says nothing at all. So each transaction is looked after just before its commit, when all its messages have arrived:
partitions are only ever added, and where there are none too many behind the last message, there were none too many
before it.

Law of this file: it only looks.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from shared.adapters.kafka.clients import ClientConfig, client_config, translated
from shared.errors import TopicChanged, Unavailable
from shared.model.topic import Placing

#: The client puts the question to the cluster's controller as it knows it. That may be a broker that has just died, and then
#: it waits for that one: so it waits shortly, and a new client asks again.
_REQUEST_SECONDS = 3.0
_ASKING_SECONDS_MAX = 30.0

#: Topics in one question.
_PER_REQUEST = 500

#: A broker that has just started, or a topic that was just made, may need a moment to be told rightly.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.2

_HINT = "Never delete or alter a topic of a job. Cancel the job with --delete-topics and submit it again."


class TopicWatch:
    """Looks at topics of one cluster, over a connection of its own.

    Raises (every method): SinkRefused, Unavailable.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._admin = AdminClient(client_config(config))

    def placings(self, topics: Collection[str]) -> dict[str, Placing]:
        """Those of the topics that exist."""
        deadline = time.monotonic() + _ASKING_SECONDS_MAX
        while True:
            try:
                return self._described(topics)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                self._admin = AdminClient(client_config(self._config))

    def _described(self, topics: Collection[str]) -> dict[str, Placing]:
        found: dict[str, Placing] = {}
        for some in _batches(sorted(topics)):
            asked = self._admin.describe_topics(TopicCollection(some), request_timeout=_REQUEST_SECONDS)
            for topic, future in asked.items():
                with translated(f"looking at topic {topic}", f"Describe on topic {topic}"):
                    try:
                        described = future.result()
                    except KafkaException as error:
                        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                            raise
                        continue
                found[topic] = Placing(str(described.topic_id), len(described.partitions))
        return found

    def first(self, topics: Collection[str]) -> dict[str, Placing]:
        """What topics are that must be there.

        Raises:
            TopicChanged: one of them is not.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = self.placings(topics)
            missing = sorted(set(topics) - found.keys())
            if not missing:
                return found
            if time.monotonic() > deadline:
                raise _deleted(missing[0])
            time.sleep(_PAUSE_SECONDS)

    def require(self, topics: Mapping[str, Placing]) -> None:
        """Checks that the topics are what they were.

        Raises:
            TopicChanged: one of them is not.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while topics:
            found = self.placings(topics)
            changed = {topic: was for topic, was in topics.items() if found.get(topic) != was}
            if not changed:
                return
            if time.monotonic() > deadline:
                topic, was = next(iter(changed.items()))
                raise _changed(topic, was, found.get(topic))
            time.sleep(_PAUSE_SECONDS)


def _changed(topic: str, was: Placing, now: Placing | None) -> TopicChanged:
    if now is None:
        return _deleted(topic)
    if now.id != was.id:
        return TopicChanged(f"Topic {topic} was deleted under the job and made again, without its rows.", _HINT)
    return TopicChanged(
        f"Topic {topic} has {now.partitions} partitions now, and had {was.partitions} when the job began: equal keys would "
        "stand in two of them.",
        f"{_HINT} Give sink.topic.partitions from the start.",
    )


def _deleted(topic: str) -> TopicChanged:
    return TopicChanged(f"Topic {topic} was deleted under the job.", _HINT)


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _PER_REQUEST):
        yield names[start : start + _PER_REQUEST]
