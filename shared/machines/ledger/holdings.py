"""Which ranges are held now. A few at any time: claims are capped, and releases follow soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from shared.errors import Bug
from shared.machines.ledger.chunks import ChunkState, HeldChunk, HeldRange, HeldRanges
from shared.model.chunk import ChunkId
from shared.model.position import GtidSet
from shared.model.schema import TableId

_NONE: Mapping[int, HeldChunk] = {}


class Holdings:
    """The chunks from their claims to their releases, by table. A table of which nothing is held costs one look-up."""

    def __init__(self) -> None:
        self._chunks: dict[TableId, dict[int, HeldChunk]] = {}
        self._ranges: dict[TableId, HeldRanges] = {}

    def __iter__(self) -> Iterator[HeldChunk]:
        for chunks in self._chunks.values():
            yield from chunks.values()

    def get(self, chunk: ChunkId) -> HeldChunk | None:
        """The chunk of that name, None when it is not held."""
        return self.of(chunk.table).get(chunk.number)

    def of(self, table: TableId) -> Mapping[int, HeldChunk]:
        """A table's held chunks by number."""
        return self._chunks.get(table, _NONE)

    def ranges(self, table: TableId) -> HeldRanges | None:
        """A table's held ranges in their order, None when there is none."""
        held = self._chunks.get(table)
        if held is None:
            return None
        if table not in self._ranges:
            self._ranges[table] = HeldRanges(HeldRange(number, chunk.range) for number, chunk in held.items())
        return self._ranges[table]

    def puts(self, table: TableId, again: GtidSet | None) -> dict[int, Callable[[bytes, bytes | None], None]]:
        """How each hold of a table takes events, by the number of its chunk.

        Args:
            table: the table.
            again: the transactions of these events, where they are read again. Those that a hold's `since` covers were written
                before its claim. Only what is read again can be so old.
        """
        return {
            number: _drop if again is not None and chunk.since.covers(again) else chunk.hold.put
            for number, chunk in self.of(table).items()
        }

    def void(self, table: TableId, again: GtidSet | None) -> None:
        """All rows of a table are gone; see `puts`."""
        for chunk in self.of(table).values():
            if again is None or not chunk.since.covers(again):
                chunk.hold.void()

    def readers(self) -> set[str]:
        """The attempts that are reading."""
        return {chunk.attempt for chunk in self if chunk.state is ChunkState.CLAIMED}

    def full(self, attempt: str, parallelism: int) -> bool:
        """True when so many attempts read already, and this is none of them."""
        readers = self.readers()
        return attempt not in readers and len(readers) >= parallelism

    def ending(self) -> list[HeldChunk]:
        """The chunks that nobody reads any more, and whose holds still last."""
        return [chunk for chunk in self if chunk.state is not ChunkState.CLAIMED]

    def check_replay(self, gtids: GtidSet, processed: GtidSet) -> None:
        """What is read again together must be older than a hold, or newer. What is new is newer than all holds.

        Raises:
            Bug: R ends, or a hold began, between these transactions.
        """
        if not processed.covers(gtids):
            raise Bug(f"{gtids} were put together, but only some of them are new.")
        for chunk in self:
            if chunk.since.intersects(gtids) and not chunk.since.covers(gtids):
                raise Bug(f"{gtids} were put together, but the hold of {chunk.id} began between them.")

    def add(self, chunk: HeldChunk) -> None:
        """A hold begins."""
        self._chunks.setdefault(chunk.id.table, {})[chunk.id.number] = chunk
        self._ranges.pop(chunk.id.table, None)

    def drop(self, chunk: HeldChunk) -> None:
        """A hold is over: its events are written."""
        chunk.hold.close()
        table, number = chunk.id
        del self._chunks[table][number]
        self._ranges.pop(table, None)
        if not self._chunks[table]:
            del self._chunks[table]


def _drop(key: bytes, value: bytes | None) -> None:
    """What is not held, in place of a hold's `put`."""
