"""From a COMMIT's sending in MySQL to the moment when a read_committed consumer has the change."""

import re
import threading
import time
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.bench.changes import ROWS_A_TRANSACTION, Ticker
from tests.bench.span import NotMeasured
from tests.bench.topics import Topics

_NUMBER = re.compile(rb'"customer": ?(\d{7,})')
_LAST_SECONDS_MAX = 30


class Arrivals(threading.Thread):
    """A consumer that notes when each change of `hot` has arrived."""

    def __init__(self, bootstrap: str, topics: Topics, topic: str) -> None:
        super().__init__(name="arrivals", daemon=True)
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "bench",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
            }
        )
        partitions = topics.partitions(topic)
        if not partitions:
            raise NotMeasured(f"topic {topic} does not exist")
        # From the beginning: a change that comes before the consumer has found the end would be lost.
        self._consumer.assign([TopicPartition(topic, one.partition, OFFSET_BEGINNING) for one in partitions])
        #: When each row of each transaction was first seen.
        self.seen: dict[tuple[int, bytes], float] = {}
        #: Those that came again: a change is written at once, and the chunk that is read later may hold it as well.
        self.again: set[tuple[int, bytes]] = set()
        self._last = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            messages = self._consumer.consume(1000, 0.02)
            now = time.monotonic()
            for message in messages:
                found = None if message.error() else _NUMBER.search(message.value() or b"")
                if found:
                    self._note((int(found[1]), message.key() or b""), now)

    def _note(self, change: tuple[int, bytes], now: float) -> None:
        if change in self.seen:
            self.again.add(change)
        self.seen.setdefault(change, now)
        self._last = max(self._last, change[0])

    def end(self, number: int) -> None:
        """Waits for the last transaction that was sent; raises NotMeasured when it does not come."""
        deadline = time.monotonic() + _LAST_SECONDS_MAX
        while self._last < number and time.monotonic() < deadline:
            time.sleep(0.05)
        self._ended.set()
        self.join(10)
        self._consumer.close()
        if self._last < number:
            raise NotMeasured(f"changes are more than {_LAST_SECONDS_MAX} s late")


@dataclass(frozen=True, slots=True)
class Timed:
    """The changes that were sent in a span: seconds of each that arrived, ascending; how many were sent and came again."""

    seconds: list[float]
    sent: int
    again: int


def latencies(arrivals: Arrivals, ticker: Ticker, since: float, until: float) -> Timed:
    """Times the changes of a span.

    Fewer may arrive than were sent: while a chunk is copied, headrace keeps only the last change of a row. More of them, or
    one that comes before it was sent, would be an error of this harness.
    """
    chosen = {number for number, sent in ticker.sent.items() if since <= sent <= until}
    found = sorted(at - ticker.sent[number] for (number, _), at in arrivals.seen.items() if number in chosen)
    sent = len(chosen) * ROWS_A_TRANSACTION
    if not found:
        raise NotMeasured("no change was sent in the span")
    if found[0] < 0 or len(found) > sent:
        raise NotMeasured(f"{len(found)} changes arrived of {sent} sent, the first after {found[0]:.3f} s")
    return Timed(found, sent, sum(number in chosen for number, _ in arrivals.again))


def percentile(ascending: list[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]
