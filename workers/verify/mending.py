"""Writes again what a topic lacks or has too much, by the protocol (DESIGN rule 10): keys that were found to differ, a whole table, the
rows of a condition, some keys, or what differs in the topic of a table that lost rows without a change of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain

from shared.adapters.kafka.snapshot import TopicMessage, TopicReader
from shared.adapters.sqlite.folds import FoldStore
from shared.errors import TableGone
from shared.model.chunk import KeyRange
from shared.model.position import GtidSet
from shared.model.verify import Version, digest_of
from workers.mend.mender import Mender, regrouped
from workers.mend.readers import RangeReader
from workers.verify.reading import TableRows


@dataclass(slots=True)
class Mending:
    """What mends one table.

    Args:
        rows: the table.
        mender: makes the attempts.
        open_topic: opens the topic at its beginning; `uncommitted=True` for all messages.
        rest: waits so many seconds, showing why; raises when nobody wants it any more.
    """

    rows: TableRows
    mender: Mender
    open_topic: Callable[..., TopicReader]
    rest: Callable[[float, str], None]

    def whole(self) -> None:
        """All rows, and tombstones for all keys that are gone: those that were not written again."""
        before = self._ends()
        for piece in self._pieces():
            self.mender.range(piece, RangeReader(self.rows))
        with FoldStore() as store:
            self._fold(store)
            self.mender.keys(self.rows, store.keys_before(before))

    def matching(self, condition: str) -> bool:
        """The rows of a condition, and tombstones for keys for which it holds and that are gone. False when the latter could not be
        looked for, since it does not speak of key columns alone.

        Raises:
            InvalidJob: it is no condition.
        """
        self.rows.check_condition(condition)
        before = self._ends()
        for keys in self.rows.keys_matching(condition):
            self.mender.keys(self.rows, [keys])
        with FoldStore() as store:
            self._fold(store)
            for keys in regrouped(store.keys_before(before)):
                found = self.rows.matching(condition, keys)
                if found is None:
                    return False
                self.mender.keys(self.rows, [found])
        return True

    def swept(self, low: GtidSet) -> None:
        """What differs between the topic and the table: its rows, or tombstones. A table that is not there has no rows.

        A key that the topic had at `low` and that no later event changes is read as it must be, and is written again if the
        topic shows it differently, to whichever reader. The stream brings all others, whether or not they are written here as well.

        Args:
            low: what the topic shows already; it is waited for in MySQL, which may show a statement a moment later.
        """
        with FoldStore() as store:
            self._doubt(store, self._fold(store))
            while not self.rows.executed(low):
                self.rest(0.0, "MySQL to execute what the topic shows")
            with suppress(TableGone):
                for piece in self._pieces():
                    for batch in self.rows.read(piece):
                        store.compare(batch)
                        self.rest(0.0, "")
            store.compared()
            self.mender.keys(self.rows, chain(store.keys(), store.doubtful()), gone_is_empty=True)

    def _pieces(self) -> Iterator[KeyRange]:
        for piece in self.rows.pieces():
            while (seconds := self.rows.rest()) > 0:
                self.rest(seconds, "the limits of the job's throttle")
            yield piece

    def _ends(self) -> dict[int, int]:
        """Where each partition ends now, open transactions included: what is written again stands behind."""
        with closing(self.open_topic()) as topic:
            topic.refresh(stable=False)
            return topic.ends

    def _fold(self, store: FoldStore) -> dict[int, int]:
        with closing(self.open_topic()) as topic:
            topic.refresh(stable=False)
            for batch in topic.to_end():
                store.fold([_version(m) for m in batch])
                self.rest(0.0, "")
            return topic.ends

    def _doubt(self, store: FoldStore, ends: dict[int, int]) -> None:
        """What a transaction wrote that was aborted stays in the topic, and a reader of all sees it: also of keys that have nothing
        else there, and that no change will reach any more.
        """
        with closing(self.open_topic(uncommitted=True)) as topic:
            topic.refresh(stable=False)
            for batch in topic.to_end():
                store.doubt([_version(m) for m in batch if m.offset < ends.get(m.partition, 0)])
                self.rest(0.0, "")


def _version(message: TopicMessage) -> Version:
    return Version(message.key, message.partition, message.offset, message.timestamp, digest_of(message.value))
