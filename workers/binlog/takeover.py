"""How a tenure begins (DESIGN rules 7 and 8): fence the predecessor, read the state, fence its readers, read again.

The first reading must not wait for the end of the state topic: a reader that died between its done-mark and its commit
hides everything behind the done-mark until somebody fences it, and that is us. So claims behind the last stable offset
are looked up uncommitted; fencing one that was never granted harms nobody. (The simulation found this.)

Written as a generator that pauses at every step, so that the simulation can let the world go on in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from shared.errors import NeedsOperator, Unavailable
from shared.machines.ledger import (
    ChunkRecord,
    PositionRecord,
    Record,
    StoredState,
    TableRecord,
    decode_record,
    encode_record,
)
from shared.model.position import GtidSet

#: Polls that bring nothing before a takeover starts over; a poll of the real log waits 0.1 s.
_FRUITLESS_POLLS = 300


class OpeningSink(Protocol):
    """The leader's producer before its first transaction."""

    def open(self) -> None:
        """Fences every older leader of the job."""

    def commit(self, records: Iterable[Record]) -> None:
        """Writes state records and commits."""


class OpeningLog(Protocol):
    """The state topic, read committed from its beginning."""

    @property
    def position(self) -> int:
        """The offset up to which everything committed was handed out."""

    def poll(self) -> list[Record]:
        """The committed records that have arrived."""

    def stable_end(self) -> int:
        """The last stable offset: what is before it is committed or aborted."""

    def high_watermark(self) -> int:
        """The end of the topic, open transactions included."""

    def uncommitted(self) -> list[Record]:
        """All records from `position` to the end, whatever becomes of their transactions; `position` stays."""


def take_over(
    sink: OpeningSink, log: OpeningLog, fence: Callable[[list[str]], None]
) -> Generator[None, None, StoredState]:
    """Returns the state as of after every older leader and every open claim was fenced.

    Args:
        fence: ends these attempts for good before it returns.

    Raises:
        HeadraceError: something did not answer; nothing was concluded, so try again from the start.
    """
    sink.open()
    yield
    state = StoredState()
    yield from _read_to(log.stable_end(), log, state)
    with understood():
        hidden = [decode_record(key, value) for key, value in log.uncommitted()]
    claims = [*state.open_claims(), *(record for record in hidden if isinstance(record, ChunkRecord))]
    fence(sorted({claim.attempt for claim in claims if claim.attempt is not None}))
    yield
    # Only the end as of after the fences says whether a done-mark came in time.
    yield from _read_to(log.high_watermark(), log, state)
    return state


def _read_to(end: int, log: OpeningLog, state: StoredState) -> Generator[None, None, None]:
    fruitless = 0
    while log.position < end:
        before = log.position
        records = log.poll()
        with understood():
            for key, value in records:
                state.fold(key, value)
        fruitless = fruitless + 1 if log.position == before else 0
        if fruitless > _FRUITLESS_POLLS:
            # A still newer leader may have died in its transaction: only opening the id again ends that.
            raise Unavailable("The state topic cannot be read to its end: a transaction stays open in it.")
        yield


@contextmanager
def understood() -> Iterator[None]:
    """Around the reading of state records.

    Raises:
        NeedsOperator: one of them is none of ours, or of a newer headrace. To go on without it would be a guess.
    """
    try:
        yield
    except ValueError as error:
        raise NeedsOperator(
            f"The job's state topic is not readable: {error}.",
            "A newer headrace may have written it: update headrace on this machine. Nobody else may write there.",
        ) from None


def first_records(executed: GtidSet, server_uuid: str, tables: Iterable[TableRecord]) -> StoredState:
    """The state of a job that nobody has led yet: R is what the server had executed before anything was read."""
    return StoredState(PositionRecord(executed, 0, server_uuid), {record.table.id: record for record in tables})


def records_of(state: StoredState) -> list[Record]:
    """A first state, as it is committed before any row is written: a leader that dies in its first transaction of rows leaves
    topics that are not empty, and its successor must know that they are the job's.
    """
    records: list[Record] = [encode_record(record) for record in state.tables.values()]
    if state.position is not None:
        records.append(encode_record(state.position))
    return records
