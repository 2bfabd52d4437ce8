"""Positions of a server without GTIDs, as sets: a place in its binlog is the set of all bytes before it.

So that one algebra serves both: what is processed grows, covers and divides like a set of GTIDs, whatever names a transaction. Where
a GTID has the UUID of a server, a place has `UUID@basename`, as places compare only within one binlog of one server; where
it has a number, a place has `numbered`. A transaction is the run of bytes from the end of the one before it to its own end, so that
a position is one run, `UUID@binlog:1-3298534883485` (binlog.000003:157).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.errors import BinlogLost, NeedsOperator, UnsupportedEvent
from shared.model.binlog import Event, Heartbeat, Rotate, TransactionBegin, TransactionEnd
from shared.model.position import PLACE_MARK, Coordinates, GtidSet, file_number

#: An offset takes so many bits of a number, so files of up to a TiB; 23 are left for the file's.
_OFFSET_BITS = 40
_FILES_MAX = 1 << 23

#: GTIDs are named in about so many characters.
_SHOWN_LENGTH_MAX = 300

#: Where the first event of a binlog file begins.
FILE_BEGIN = 4


def numbered(place: Coordinates) -> int:
    """The place as a number that grows along the binlog.

    Raises:
        NeedsOperator: a file or offset beyond all that servers write.
    """
    number = file_number(place.file)
    if number >= _FILES_MAX or place.offset >> _OFFSET_BITS:
        raise NeedsOperator(
            f"Binlog place {place} is beyond file {_FILES_MAX - 1} or a TiB.",
            "Let the job read by GTIDs: gtid_mode=ON.",
        )
    return number << _OFFSET_BITS | place.offset


def all_before(server_uuid: str, place: Coordinates) -> GtidSet:
    """The position of who has processed the binlog up to there."""
    return GtidSet({_source(server_uuid, place.file): ((1, numbered(place)),)})


def next_file(file: str) -> str:
    """The file that the server writes after this one."""
    basename, _, _ = file.rpartition(".")
    return f"{basename}.{file_number(file) + 1:06}"


def is_place(position: GtidSet) -> bool:
    """True for a position of this kind; false for GTIDs, and for the empty set."""
    return any(PLACE_MARK in source for source in position.runs)


def place_of(position: GtidSet) -> Coordinates:
    """Where the position ends.

    Raises:
        ValueError: it is none of this kind.
    """
    ((source, runs),) = position.runs.items()
    _, mark, basename = source.partition(PLACE_MARK)
    if not mark:
        raise ValueError(f"{position} is no place in a binlog")
    number = runs[-1][1]
    return Coordinates(f"{basename}.{number >> _OFFSET_BITS:06}", number & (1 << _OFFSET_BITS) - 1)


def worded(position: GtidSet) -> str:
    """The position for people: a place as server, file and offset, GTIDs as they are."""
    if not is_place(position):
        return str(position)
    ((source, _),) = position.runs.items()
    return f"{source.partition(PLACE_MARK)[0]}{PLACE_MARK}{place_of(position)}"


def named(transactions: GtidSet) -> str:
    """The transactions, in a bounded number of words."""
    if is_place(transactions):
        ((source, runs),) = transactions.runs.items()
        first, end = (place_of(GtidSet({source: ((1, number),)})) for number in (max(1, runs[0][0] - 1), runs[-1][1]))
        return f"the bytes from {first} to {end} of server {source.partition(PLACE_MARK)[0]}"
    count, text = transactions.count(), str(transactions)
    shown = text if len(text) <= _SHOWN_LENGTH_MAX else text[:_SHOWN_LENGTH_MAX].rpartition(":")[0] + ":…"
    return f"{count} transaction{'s' * (count != 1)} ({shown})"


class Placed:
    """Names transactions by their places: what comes out of `name` has them where a server with GTIDs has those.

    Args:
        position: where the stream begins; the end of a transaction, or of a file.
    """

    def __init__(self, position: GtidSet) -> None:
        ((self._source, runs),) = position.runs.items()
        self._at = runs[-1][1]
        self._file = place_of(position).file

    def name(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events, with names. A new file is an empty transaction, so that who has processed a file to its end does not miss
        it when it is deleted.

        Raises:
            BinlogLost: the binlog goes back.
            UnsupportedEvent: a transaction does not tell its length, or another one than it has.
        """
        for event in events:
            if isinstance(event, TransactionBegin):
                if not event.transaction_end:
                    raise UnsupportedEvent(
                        f"A transaction before {self._file}:{event.end_position} does not tell its length.",
                        "Upgrade the source to MySQL 8.0.2 or later, or set gtid_mode=ON.",
                    )
                run = self._until(Coordinates(self._file, event.transaction_end))
                yield event._replace(gtids=run)
                continue
            if isinstance(event, TransactionEnd) and event.end_position:
                self._check(Coordinates(self._file, event.end_position))
            yield event
            if isinstance(event, Rotate | Heartbeat) and event.file != self._file:
                yield from self._new_file(event)

    def _new_file(self, event: Rotate | Heartbeat) -> Iterator[Event]:
        self._file = event.file
        yield TransactionBegin(self._until(Coordinates(event.file, FILE_BEGIN)), timestamp=event.timestamp)
        yield TransactionEnd(timestamp=event.timestamp)

    def _check(self, end: Coordinates) -> None:
        if numbered(end) != self._at:
            raise UnsupportedEvent(
                f"A transaction ends at {end}, and not where it had told.",
                "Set gtid_mode=ON, and report the server's version.",
            )

    def _until(self, place: Coordinates) -> str:
        source, end = _source(self._source.partition(PLACE_MARK)[0], place.file), numbered(place)
        if source != self._source or end <= self._at:
            raise BinlogLost(
                f"The binlog goes on at {place}, which is not behind {place_of(GtidSet({self._source: ((1, self._at),)}))}.",
                "It began anew. To copy its tables again into the same topics: scheduler resume JOB --resync.",
            )
        begin, self._at = self._at + 1, end
        return f"{source}:{begin}-{end}"


def _source(server_uuid: str, file: str) -> str:
    return f"{server_uuid}{PLACE_MARK}{file.rpartition('.')[0]}"
