"""What is known of the transaction that wrote a change, for headers; also of changes that are held for a while.

Pure. A hold keeps keys and values, so the stamp of a held change stands before its value until it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from shared.model.binlog import TransactionBegin
from shared.model.change import Change
from shared.model.domains import is_domains, last_of_domains
from shared.model.label import Stamp
from shared.model.places import is_place
from shared.model.position import GtidSet

_UPSERT, _TOMBSTONE = b"=", b"-"


class Stamps:
    """Of one tenure. `now` is that of the present transaction, as far as stamps are wanted.

    Args:
        wanted: whether anybody asked for them; else nothing is stamped, and changes stay what they are.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.now: Stamp | None = None

    def begin(self, event: TransactionBegin, gtids: GtidSet) -> None:
        """A transaction begins.

        Args:
            event: its beginning; of one, not of several put together.
            gtids: its name as the job counts.
        """
        if self.wanted:
            self.now = Stamp(event.committed_microseconds, _gtid(gtids), event.server_id)

    def on(self, changes: Sequence[Change]) -> Sequence[Change]:
        """The changes with the present stamp in their values."""
        if self.now is None:
            return changes
        head = "{} {} {}\n".format(*self.now).encode()
        return [(key, head + (_TOMBSTONE if value is None else _UPSERT + value)) for key, value in changes]

    def off(self, changes: Sequence[Change]) -> Iterator[tuple[Stamp | None, Sequence[Change]]]:
        """The changes as they were, by their stamps. What a statement made a tombstone meanwhile has none."""
        if not self.wanted:
            yield None, changes
            return
        taken = ((_head(value), key, value) for key, value in changes)
        for head, group in groupby(taken, key=lambda one: one[0]):
            yield _stamp(head), [(key, _value(head, value)) for _, key, value in group]


def _gtid(gtids: GtidSet) -> str:
    """As its server writes it; empty where transactions have none."""
    if is_place(gtids):
        return ""
    return last_of_domains(gtids) if is_domains(gtids) else str(gtids)


def _head(value: bytes | None) -> bytes:
    return b"" if value is None else value[: value.index(b"\n") + 1]


def _stamp(head: bytes) -> Stamp | None:
    if not head:
        return None
    microseconds, gtid, server_id = head.decode().rstrip("\n").split(" ")
    return Stamp(int(microseconds), gtid, int(server_id))


def _value(head: bytes, value: bytes | None) -> bytes | None:
    if value is None or value[len(head) : len(head) + 1] == _TOMBSTONE:
        return None
    return value[len(head) + 1 :]
