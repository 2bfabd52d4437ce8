"""What the topics hold: the latest messages of each to be shown, and the latest value of the keys that are compared.

The law: memory is bounded, however long a topic is.
"""

from collections import deque
from collections.abc import Iterable

from headrace_demo.reader import Expected, Record

# The first run shows everything; a later one what a screen can hold.
SHOWN_MAX = 4


class History:
    """What was read so far.

    Args:
        compared: the messages whose keys are followed.
    """

    def __init__(self, compared: Iterable[Expected]) -> None:
        self._compared = list(compared)
        self._last: dict[tuple[str, bytes], bytes | None] = {(each.topic, each.key): None for each in self._compared}
        self._latest: dict[str, dict[int, deque[Record]]] = {}
        self._counts: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Take the next message of its partition."""
        partitions = self._latest.setdefault(record.topic, {})
        partitions.setdefault(record.partition, deque(maxlen=SHOWN_MAX)).append(record)
        self._counts[record.topic] = self.count(record.topic) + 1
        if (record.topic, record.key) in self._last:
            self._last[record.topic, record.key] = record.value

    def count(self, topic: str) -> int:
        """Return how many messages the topic had."""
        return self._counts.get(topic, 0)

    def latest(self, topic: str) -> list[Record]:
        """Return the latest messages of the topic in the order in which they were written."""
        records = [record for partition in self._latest.get(topic, {}).values() for record in partition]
        return sorted(records, key=lambda record: (record.written_ms, record.partition, record.offset))[-SHOWN_MAX:]

    def missing(self) -> list[Expected]:
        """Return the compared messages that are not the last of their key yet."""
        return [each for each in self._compared if self._last[each.topic, each.key] != each.value]
