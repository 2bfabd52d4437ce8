"""Why messages did not arrive. librdkafka tells it to each message by itself; a transaction that fails only says that
some were lost.
"""

from __future__ import annotations

import struct

from confluent_kafka import KafkaError, Message

from shared.adapters.kafka.clients import translate
from shared.errors import HeadraceError, OversizedRow

#: A key is shown as far as this.
_KEY_LENGTH_MAX = 200

#: The least size that any topic is likely to refuse.
_LARGE_BYTES = 65_536

#: The length of a value that is none.
_TOMBSTONE = 2**64 - 1

#: Consequences of another failure, or of our own giving up.
_CONSEQUENCES = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._STATE, KafkaError._FATAL})


class Undelivered:
    """What was said of the messages of one producer that failed, as far as it tells why."""

    def __init__(self) -> None:
        self._largest: tuple[int, str, bytes] | None = None
        self._first: tuple[KafkaError, str] | None = None
        self._suspect: tuple[int, str, bytes] | None = None

    def note(self, error: KafkaError, message: Message) -> None:
        """Keeps the first failure, and of all that were too large the largest: a broker refuses a batch as a whole."""
        topic, key = str(message.topic()), _bytes(message.key())
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            found = (len(key) + len(_bytes(message.value())), topic, key)
            self._largest = max(found, self._largest) if self._largest else found
        elif self._first is None and error.code() not in _CONSEQUENCES:
            self._first = (error, topic)

    def cause(self) -> HeadraceError | None:
        """The error of ours that says why; None when nothing was told."""
        if self._largest is not None:
            size, topic, key = self._largest
            return _oversized(topic, key, size, "Kafka's topic takes no message of that size", _topic_hint(topic, size))
        if self._first is not None:
            error, topic = self._first
            return translate(error, f"writing to topic {topic}", f"Write on topic {topic}")
        return None

    def enqueued(self, topic: str, data: bytes, lengths: bytes) -> None:
        """Keeps the largest change of those that native code enqueues, which gets no report: only its topic is told."""
        found = _largest(data, lengths)
        if found is not None:
            size, key = found
            self._suspect = max((size, topic, key), self._suspect) if self._suspect else (size, topic, key)

    def suspect(self) -> OversizedRow | None:
        """Of a transaction that failed because a message was too large, and nobody knows which: its largest one."""
        if self._suspect is None:
            return None
        size, topic, key = self._suspect
        return _oversized(topic, key, size, "Kafka's topic takes no message of that size", _topic_hint(topic, size))

    def forget(self) -> None:
        """The transaction is committed."""
        self._suspect = None


def too_large_for_us(topic: str, key: bytes, value: bytes | None) -> OversizedRow:
    """Of a message that our own client does not take."""
    hint = (
        "Raise HEADRACE_SINK_BUFFER_MB of the workers, and properties.message.max.bytes where the job sets it; then "
        "max.message.bytes of the topic. Afterwards resume the job; or shorten the row."
    )
    return _oversized(topic, key, len(key) + len(value or b""), "the Kafka client is told to send none so large", hint)


def change_at(data: bytes, lengths: bytes, number: int) -> tuple[bytes, bytes | None]:
    """One of the changes of `shared.model.change.Packed`."""
    sizes = struct.unpack(f"<{len(lengths) // 8}Q", lengths)
    start = sum(size for size in sizes[: 2 * number] if size != _TOMBSTONE)
    key_size, value_size = sizes[2 * number : 2 * number + 2]
    middle = start + key_size
    return data[start:middle], None if value_size == _TOMBSTONE else data[middle : middle + value_size]


def _largest(data: bytes, lengths: bytes) -> tuple[int, bytes] | None:
    """Size and key of the largest change, if it may be too large for any topic; a look at small ones costs next to nothing."""
    if len(data) < _LARGE_BYTES:
        return None
    high = lengths[10::16]  # not zero for values of 64 KiB and more, and for tombstones
    if high.count(0) == len(high):
        return None
    values = struct.unpack(f"<{len(lengths) // 8}Q", lengths)[1::2]
    size, number = max((0 if value == _TOMBSTONE else value, place) for place, value in enumerate(values))
    if size < _LARGE_BYTES:
        return None
    key, _ = change_at(data, lengths, number)
    return len(key) + size, key


def _topic_hint(topic: str, size: int) -> str:
    alter = (
        f"kafka-configs --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes={size * 2}"
    )
    return (
        f"Raise max.message.bytes of the topic ({alter}) and, where a broker sets them lower, its message.max.bytes and "
        "replica.fetch.max.bytes; then resume the job. Where even short rows are refused, lower properties.batch.size."
    )


def _oversized(topic: str, key: bytes, size: int, why: str, hint: str) -> OversizedRow:
    shown = key.decode("utf-8", "replace")
    shown = shown if len(shown) <= _KEY_LENGTH_MAX else shown[:_KEY_LENGTH_MAX] + "…"
    return OversizedRow(f"The row with the key {shown} has {size} bytes in topic {topic}, and {why}.", hint)


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
