"""What an attempt reads that writes some keys of a live table again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from shared.errors import NotFollowing, TableGone
from shared.model.change import Change, EncodedRow
from shared.model.chunk import KeyRange
from shared.model.orders import Granted
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId
from shared.model.throttle import Pace

#: Keys are read again from the source itself, never from a replica.
SOURCE = "MySQL"


class KeyedRows(Protocol):
    """A table's rows by their keys, on one connection."""

    @property
    def table(self) -> Table:
        """The table, with the columns that are read."""

    def executed(self, gtids: GtidSet) -> bool:
        """True once the server has executed all of it; waits a while for that."""

    def again(self, keys: Iterable[Sequence[bytes]]) -> Iterator[Sequence[EncodedRow]]:
        """The rows of these keys, as far as they are there, and perhaps others; a key may come twice."""


class RangedRows(Protocol):
    """A table's rows by ranges of its key, on one connection."""

    @property
    def table(self) -> Table:
        """The table, with the columns that are read."""

    def executed(self, gtids: GtidSet) -> bool:
        """True once the server has executed all of it; waits a while for that."""

    def read(self, piece: KeyRange) -> Iterator[Sequence[EncodedRow]]:
        """All rows of a piece in one consistent read."""


class RangeReader:
    """Implements `workers.snapshot.attempt.Reader` for a range: all its rows. What the topic has besides is for others to find.

    Args:
        rows: the table.
    """

    def __init__(self, rows: RangedRows) -> None:
        self._rows = rows
        self.place = SOURCE
        self.received = 0

    def executed(self, low: GtidSet, tables: Collection[TableId]) -> bool:  # noqa: ARG002 - the rows are of one table
        """True once the server has executed all of it; waits a while for that."""
        return self._rows.executed(low)

    def read(self, granted: Granted) -> Iterator[Sequence[Change]]:
        """The rows, in one consistent read.

        Raises:
            NotFollowing: see `_require_known`.
        """
        _require_known(self._rows.table, granted)
        yield from self._rows.read(granted.range)

    def rested(self, rows: int, pace: Pace) -> bool:  # noqa: ARG002 - who reads again rests between ranges
        """Always: no transaction stays open for the sake of the pace."""
        return True


class KeysReader:
    """Implements `workers.snapshot.attempt.Reader` for a list of keys: the rows of those that MySQL has, and tombstones of
    the others. It can be used for one attempt after another.

    A topic may hold a key in a spelling that no row has (written by others, or left from another collation): keys are told
    apart by their bytes, so that its row is written and it goes.

    Args:
        rows: the table.
        keys: as they stand in the topic.
        gone_is_empty: a table that MySQL does not have has no rows; else it is an error.
    """

    def __init__(self, rows: KeyedRows, keys: Sequence[bytes], *, gone_is_empty: bool = False) -> None:
        self._rows = rows
        self._keys = dict.fromkeys(keys)
        self._gone_is_empty = gone_is_empty
        self.place = SOURCE
        self.received = 0

    def executed(self, low: GtidSet, tables: Collection[TableId]) -> bool:  # noqa: ARG002 - the rows are of one table
        """True once the server has executed all of it; waits a while for that."""
        return self._rows.executed(low)

    def read(self, granted: Granted) -> Iterator[Sequence[Change]]:
        """The rows, then the tombstones. Each key is read behind P and under the hold, which is all that rule 10 asks for:
        the keys need not be read at one moment.

        Raises:
            NotFollowing: see `_require_known`.
        """
        _require_known(self._rows.table, granted)
        missing = set(self._keys)
        with suppress(*((TableGone,) if self._gone_is_empty else ())):
            for batch in self._rows.again([list(self._keys)]):
                found: list[Change] = []
                for row in batch:
                    if row[0] in missing:
                        missing.discard(row[0])
                        found.append(row)
                yield found
        if missing:
            yield [(key, None) for key in self._keys if key in missing]

    def rested(self, rows: int, pace: Pace) -> bool:  # noqa: ARG002 - few rows; the leader makes up for them
        """Always: some keys are read in a moment, and the leader counts them."""
        return True


def _require_known(table: Table, granted: Granted) -> None:
    """Checks that rows are read with the columns and the key that the job gives the table by now. Who reads again may have begun before
    they changed; its messages would look as before, with keys that nobody sweeps any more.

    Raises:
        NotFollowing: they are others.
    """
    if table != granted.table:
        raise NotFollowing(
            f"{table.id} has got other columns since this began.", "Try again when scheduler status shows it as live."
        )
