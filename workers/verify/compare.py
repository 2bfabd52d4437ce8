"""The comparison of one range of a table with its topic, without I/O: a generator that pauses wherever it waits or has done a
step, so that the process runs it straight through and tests let the world go on in between.

1. The topic is folded up to its end. Then MySQL is waited for, until it has executed everything that the topic may show: what
   is read from now on is no older than what was folded.
2. The table is read, piece by piece, and each row compared with the fold. What is equal is settled; most keys are.
3. What differs may only have changed meanwhile. So the job is waited for, until it has published everything that MySQL had
   executed when it was read, and the topic is read on. A key is settled when something that MySQL had is a version that the
   topic has shown since the fold. What is left is read again, some times, after growing pauses.

Why 3 is right. Let w be the last version of a key in the fold, and v what MySQL had when it was read later; by 1 v is w or newer.
The topic of a job that works shows a key's versions in MySQL's order, so v stands at w's place or behind it, and once the job
has published what MySQL had executed, v was written. So a key whose v does not appear there is wrong, and no waiting mends it. And
one whose v does appear was right at v: whatever the topic showed wrongly before is overwritten. That MySQL and the topic may
both be further by then does not matter, so a row that changes without a pause is settled like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

from shared.errors import TableGone, Unavailable
from shared.model.change import EncodedRow
from shared.model.position import GtidSet
from shared.model.verify import Difference, Open, Stage, Version, digest_of, in_sample
from workers.verify.ports import Job, Message, Rows, Step, Store, Topic, Verdict

#: Before what differs is read again: one pause each time, in seconds. By the argument above one look is enough; but MySQL shows a
#: commit a moment before it says that it has executed it, and then the next look, which knows both values, settles the key.
PAUSES = (1.0, 2.0, 4.0)

#: Differences of one range that are shown with their values, and how large all of these may be together.
SHOWN_MAX = 1000
SHOWN_BYTES_MAX = 8_000_000

#: Gives the messages at some partitions and offsets, as far as they are still there.
Fetch = Callable[[Iterable[tuple[int, int]]], Iterable[Message]]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which keys are compared.

    Args:
        holds: true for the keys of the range; the same on both sides, for every key in exactly one range.
        sample: percent of the keys.
    """

    holds: Callable[[bytes], bool]
    sample: float

    def versions(self, batch: Sequence[Message]) -> list[Version]:
        """The messages of these keys, as the store wants them."""
        holds, sample = self.holds, self.sample
        return [
            Version(m.key, m.partition, m.offset, m.timestamp, digest_of(m.value))
            for m in batch
            if in_sample(m.key, sample) and holds(m.key)
        ]

    def rows(self, batch: Sequence[EncodedRow]) -> Sequence[EncodedRow]:
        """The rows of these keys; all of them lie in the range."""
        return batch if self.sample >= 100 else [row for row in batch if in_sample(row[0], self.sample)]


def compare(
    scope: Scope, topic: Topic, rows: Rows, job: Job, store: Store, fetch: Fetch, pauses: Sequence[float] = PAUSES
) -> Generator[Step, None, Verdict]:
    """Compares.

    Args:
        scope: which keys.
        topic: the topic, at its beginning.
        rows: the range of the table.
        job: the job that writes the topic.
        store: an empty one; afterwards it holds the keys that differ.
        fetch: gives single messages.
        pauses: how long to wait before each time that what differs is read again.

    Raises:
        HeadraceError: it could not be compared.
    """
    job.require(rows.now())
    for batch in topic.to_end():
        store.fold(scope.versions(batch))
        yield Step(Stage.FOLDING, topic.done, topic.total)
    yield from _until_executed(rows, job.shown(), topic)
    compared = yield from _read(scope, rows, store)
    for turn, pause in enumerate((0.0, *pauses)):
        if not store.open():
            break
        if turn:
            yield Step(Stage.CHECKING, compared, compared, rest=pause)
            yield from _read_again(rows, store, turn, compared)
        yield from _until_published(rows, job, compared)
        yield from _read_on(scope, topic, store, compared)
    if topic.grown():
        raise Unavailable(
            "The topic has got more partitions while it was compared with its table.", "Compare them again."
        )
    return Verdict(store.count(compared), tuple(_shown(store, rows, fetch)))


def compare_mended(
    scope: Scope, topic: Topic, rows: Rows, job: Job, store: Store, turn: int = len(PAUSES) + 1
) -> Generator[Step, None, int]:
    """Compares once more what differed, after somebody has written it again; returns how many keys still differ.

    Args:
        scope: as in `compare`, and so are the others, after it.
        turn: greater than any before.
    """
    yield from _read_again(rows, store, turn, 0)
    yield from _until_published(rows, job, 0)
    yield from _read_on(scope, topic, store, 0)
    return store.open()


def _read_again(rows: Rows, store: Store, turn: int, compared: int) -> Generator[Step, None, None]:
    with suppress(TableGone):
        for again in rows.again(store.keys()):
            store.reread(again, turn)
            yield Step(Stage.CHECKING, compared, compared)
    store.gone(turn)


def _until_executed(rows: Rows, gtids: GtidSet, topic: Topic) -> Generator[Step, None, None]:
    while not rows.executed(gtids):
        yield Step(Stage.FOLDING, topic.done, topic.total, waits="MySQL to show what the topic has")


def _read(scope: Scope, rows: Rows, store: Store) -> Generator[Step, None, int]:
    """Compares all rows; returns how many. A table that was dropped has none, and so has its topic in the end."""
    # What is in the topic is the best guess at how much the table has.
    expected, compared = store.live_keys(), 0
    with suppress(TableGone):
        for piece in rows.pieces():
            while (rest := rows.rest()) > 0:
                yield Step(Stage.READING, compared, expected, rest=rest, waits="the limits of the job's throttle")
            for batch in rows.read(piece):
                taken = scope.rows(batch)
                store.compare(taken)
                compared += len(taken)
                yield Step(Stage.READING, compared, max(expected, compared))
    store.compared()
    return compared


def _until_published(rows: Rows, job: Job, compared: int) -> Generator[Step, None, None]:
    """Waits until the topic shows all that the rows have shown."""
    executed = rows.now()
    if job.covers(executed):
        return
    rows.leave()
    while not job.covers(executed):
        yield Step(Stage.WAITING, compared, compared, waits="the job to publish what MySQL had")


def _read_on(scope: Scope, topic: Topic, store: Store, compared: int) -> Generator[Step, None, None]:
    topic.refresh(stable=False)
    for batch in topic.to_end():
        store.follow(scope.versions(batch))
        yield Step(Stage.CHECKING, compared, compared)
    store.settle()


def _shown(store: Store, rows: Rows, fetch: Fetch) -> Iterable[Difference]:
    """The first differences with their values: those of MySQL as they are now, those of the topic from the messages that count."""
    found = list(islice(chain.from_iterable(store.differing()), SHOWN_MAX))
    if not found:
        return
    keys = [one.key for one in found]
    wanted = set(keys)
    mine: dict[bytes, bytes | None] = {}
    with suppress(TableGone):
        mine.update(row for batch in rows.again([keys]) for row in batch if row[0] in wanted)
    places = sorted(
        (one.partition, one.offset) for one in found if one.partition is not None and one.offset is not None
    )
    theirs = {(message.partition, message.offset): message.value for message in fetch(places)}
    room = SHOWN_BYTES_MAX
    for one in found:
        difference = _difference(one, mine.get(one.key), theirs)
        size = len(difference.mysql or b"") + len(difference.topic or b"")
        room -= size
        yield difference if room >= 0 else difference._replace(mysql=None, topic=None, shortened=True)


def _difference(one: Open, mysql: bytes | None, theirs: dict[tuple[int, int], bytes | None]) -> Difference:
    topic = None
    if one.partition is not None and one.offset is not None:
        topic = theirs.get((one.partition, one.offset))
    return Difference(one.kind, one.key, mysql, topic, one.partition, one.offset)
