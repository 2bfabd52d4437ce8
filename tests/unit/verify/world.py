"""A MySQL table, the job that follows it and its topic, which all move on whenever a comparison pauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from shared.adapters.kafka.snapshot import TopicMessage
from shared.model.change import EncodedRow
from shared.model.chunk import KeyRange
from shared.model.position import GtidSet
from shared.model.verify import Stage
from workers.verify.ports import Step

SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

Row = tuple[bytes, bytes | None]


def executed(count: int) -> GtidSet:
    return GtidSet({SERVER: ((1, count),)} if count else {})


@dataclass
class World:
    """Commits are numbered from 1; `commits[n - 1]` is what number n did.

    MySQL has written the first `logged` into its binlog, shows `visible` of them, and says that it has executed `done`:
    done <= visible <= logged, and without a `gap` done is visible. The job has published `published` of the logged ones. Of the topic's messages the last
    `unstable` are in a transaction whose end has not arrived there, though the job's state shows it already.
    """

    random: Random
    keys: list[bytes]
    busy: float = 1.0
    gap: bool = True
    commits: list[Row] = field(default_factory=list)
    visible: int = 0
    done: int = 0
    published: int = 0
    unstable: int = 0
    messages: list[TopicMessage] = field(default_factory=list)
    corrupted: dict[bytes, int] = field(default_factory=dict)

    # What happens.

    def commit(self, key: bytes | None = None) -> None:
        key = key or self.random.choice(self.keys)
        value = None if self.random.random() < 0.3 else b"v%d" % self.random.randrange(4)
        self.commits.append((key, value))

    def produce(self, key: bytes, value: bytes | None) -> None:
        self.messages.append(TopicMessage(0, 3 * len(self.messages), len(self.messages), key, value))

    def publish(self, count: int) -> None:
        for key, value in self.commits[self.published : self.published + count]:
            self.produce(key, value)
        self.published = min(len(self.commits), self.published + count)

    def settle(self) -> None:
        """Everything catches up."""
        self.visible = self.done = len(self.commits)
        self.publish(len(self.commits))
        self.unstable = 0

    def corrupt(self, key: bytes) -> None:
        """Somebody else writes to the topic: what MySQL does not have."""
        truth = self.table(len(self.commits)).get(key)
        self.produce(key, None if truth is not None and self.random.random() < 0.5 else b"foreign")
        self.corrupted[key] = len(self.commits)

    def compact(self) -> None:
        """The log cleaner goes by; some tombstones stay, as they do for a day."""
        last = {message.key: message for message in self.messages}
        kept = self.random.random() < 0.5
        self.messages = [m for m in self.messages if last[m.key] is m and (m.value is not None or kept)]

    def move(self, step: Step) -> None:
        """A moment goes by."""
        rolls = self.random.random
        while rolls() < self.busy * 0.7:
            self.commit()
        # A commit that a reader may see is marked as executed within the pause before the next look.
        self.done = self.visible if step.rest or rolls() < 0.5 else self.done
        self.visible = self.random.randint(self.visible, len(self.commits))
        if rolls() < 0.5:
            self.done = self.random.randint(self.done, self.visible)
        before = len(self.messages)
        behind = len(self.commits) - self.published
        self.publish(self.random.randint(step.stage is Stage.WAITING, 3 + behind // 3))
        if step.waits or not self.gap:
            self.done = self.visible = max(self.visible, self.published)
        new = len(self.messages) - before
        self.unstable = self.random.randint(0, new) if rolls() < 0.5 else 0

    # What is true.

    def table(self, count: int) -> dict[bytes, bytes]:
        rows = dict(self.commits[:count])
        return {key: value for key, value in rows.items() if value is not None}

    def shown(self) -> dict[bytes, bytes]:
        rows = {message.key: message.value for message in self.messages}
        return {key: value for key, value in rows.items() if value is not None}

    def healed(self, key: bytes) -> bool:
        """True when the job has written a key since it was corrupted."""
        return any(changed == key for changed, _ in self.commits[self.corrupted[key] :])


@dataclass
class FakeTopic:
    """The topic's reader."""

    world: World
    next: int = 0
    end: int = 0
    partitions_added: bool = False

    def __post_init__(self) -> None:
        self.refresh()

    @property
    def done(self) -> int:
        return self.next

    @property
    def total(self) -> int:
        return self.end

    def refresh(self, *, stable: bool = True) -> None:
        hidden = self.world.unstable if stable else 0
        self.end = len(self.world.messages) - hidden

    def to_end(self) -> Iterator[Sequence[TopicMessage]]:
        if self.next < self.end:
            # Reading to behind an open transaction waits for its end.
            self.world.unstable = min(self.world.unstable, len(self.world.messages) - self.end)
        while self.next < self.end:
            random = self.world.random
            behind = len(self.world.messages) - self.world.unstable
            stop = min(random.choice([self.end, behind]), self.next + random.randint(1, 4))
            batch = self.world.messages[self.next : stop]
            self.next = max(stop, self.next)
            yield batch

    def grown(self) -> bool:
        return self.partitions_added


@dataclass
class FakeRows:
    """The table's reader; a piece is one consistent read of some keys."""

    world: World
    pauses: int = 0
    left: int = 0

    def executed(self, gtids: GtidSet) -> bool:
        return executed(self.world.done).covers(gtids)

    def now(self) -> GtidSet:
        return executed(self.world.done)

    def pieces(self) -> Iterator[KeyRange]:
        keys = sorted(self.world.keys)
        cut = self.world.random.randint(1, len(keys))
        ends = [None, *((key,) for key in keys[cut:][:1]), None]
        for lower, upper in pairwise(ends):
            yield KeyRange(lower, upper)

    def rest(self) -> float:
        self.pauses -= 1
        return 0.5 if self.pauses >= 0 else 0.0

    def read(self, piece: KeyRange) -> Iterator[list[EncodedRow]]:
        rows = self.world.table(self.world.visible)
        inside = [row for row in sorted(rows.items()) if piece.holds((row[0],))]
        while inside:
            batch, inside = inside[:2], inside[2:]
            yield batch

    def again(self, keys: Iterable[Sequence[bytes]]) -> Iterator[list[EncodedRow]]:
        for found in keys:
            rows = self.world.table(self.world.visible)
            wanted = set(found) | set(self.world.random.sample(self.world.keys, 1))  # and others
            yield [row for row in rows.items() if row[0] in wanted]

    def leave(self) -> None:
        self.left += 1


@dataclass
class FakeJob:
    """The job; `honest` is False for one that says at once that it has published everything."""

    world: World
    honest: bool = True

    def shown(self) -> GtidSet:
        return executed(self.world.published)

    def covers(self, gtids: GtidSet) -> bool:
        return not self.honest or executed(self.world.published).covers(gtids)

    def require(self, gtids: GtidSet) -> None: ...
