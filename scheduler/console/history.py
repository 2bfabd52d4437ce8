"""The messages of one key, read from the partition that the key belongs to, or else from all the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from scheduler.console.keys import same_key
from scheduler.console.store import Report
from shared.adapters.kafka.partitions import partition_of
from shared.adapters.kafka.snapshot import TopicMessage, TopicReader


@dataclass(slots=True)
class History:
    """What was found. `messages` are the latest ones, oldest first; `count` is how many there are in all.

    `expected` is the partition that the key belongs to, `read` those that were read.
    """

    key: bytes
    expected: int
    count: int = 0
    messages: deque[TopicMessage] = field(default_factory=deque)
    read: list[int] = field(default_factory=list)

    @property
    def last(self) -> TopicMessage | None:
        """The key's last message."""
        return self.messages[-1] if self.messages else None


#: Opens some partitions of the topic.
Opener = Callable[[Sequence[int]], TopicReader]


def history_of(key: bytes, partitions: Sequence[int], keep: int, open_partitions: Opener, report: Report) -> History:
    """Reads the key's history.

    Args:
        key: the key's bytes.
        partitions: all partitions of the topic.
        keep: how many messages are kept; older ones are only counted.
        open_partitions: opens some of them.
        report: takes what is done and what there is to do, in offsets.

    Raises:
        SinkRefused, Unavailable: the topic cannot be read.
    """
    expected = partition_of(key, len(partitions))
    found = History(key, expected, messages=deque(maxlen=keep))
    for part in _in_turn(expected, partitions):
        found.read += part
        reader = open_partitions(part)
        try:
            _read(reader, found, report)
        finally:
            reader.close()
        if found.count:
            break
    return found


def _in_turn(expected: int, partitions: Sequence[int]) -> Iterator[list[int]]:
    yield [expected]
    if others := [number for number in partitions if number != expected]:
        yield others  # another partitioner, more partitions than there were, or another spelling of the key


def _read(reader: TopicReader, found: History, report: Report) -> None:
    report(reader.done, reader.total)
    for batch in reader.to_end():
        for message in batch:
            if message.key == found.key or (
                message.key.startswith(b"{") and _is_other_spelling(message.key, found.key)
            ):
                found.count += 1
                found.messages.append(message)
        report(reader.done, reader.total)
    report(reader.total, reader.total)


def _is_other_spelling(key: bytes, wanted: bytes) -> bool:
    """Ours have no blanks; only keys with some are worth a closer look."""
    return (
        b" " in key and key.translate(None, b" \t\r\n") == wanted.translate(None, b" \t\r\n") and same_key(key, wanted)
    )
