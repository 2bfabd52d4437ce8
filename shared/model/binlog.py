"""What a binlog says, event by event, once it is decoded: the codec's words to the leader.

Law of this file: plain records. Each carries `timestamp` (seconds since 1970 from the event's
header, 0 where the server made the event up) and `end_position` (the offset in the binlog file
behind the event; 64 bits, although the header has 32; of a compressed transaction the end of its
envelope). Made by `shared.codec`, read by `workers.binlog`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from shared.errors import HeadraceError
from shared.model.change import Change
from shared.model.schema import TableId


class Rotate(NamedTuple):
    """The events that follow come from `file`, from `position` on."""

    file: str
    position: int
    timestamp: int = 0
    end_position: int = 0


class TransactionBegin(NamedTuple):
    """A transaction (or a DDL statement) starts; or several of them, put together.

    `gtids` is the text of a GTID set: all transactions up to the next `TransactionEnd`, None when
    the server gave none (`places` may name them then). It names one, unless the decoder was asked to merge: then it may name
    several whole ones that stand next to each other in the binlog, and the other fields are those
    of the last one.
    `commit_microseconds` is the time of the commit on this server since 1970, `transaction_end`
    the offset behind the transaction, and `server_id` the server that executed it first; 0 where the server did not say.
    """

    gtids: str | None
    end_position: int = 0
    timestamp: int = 0
    commit_microseconds: int = 0
    transaction_end: int = 0
    server_id: int = 0

    @property
    def committed_microseconds(self) -> int:
        """When it was committed, in microseconds since 1970, by the seconds of its header where the server says no more."""
        return self.commit_microseconds or self.timestamp * 1_000_000


class RowChanges(NamedTuple):
    """Upserts and tombstones of one table, in the binlog's order; never empty.

    Those of one rows event, or of several in the same `TransactionBegin` to `TransactionEnd`: order
    counts between changes of one table only. `size` is the bytes of their keys and values, counted
    where it costs nothing.
    """

    table: TableId
    changes: Sequence[Change]
    timestamp: int = 0
    end_position: int = 0
    size: int = 0


class Unread(NamedTuple):
    """A rows event of a table that is not as the job knows it. What it changes is not known; `error`, `message` and `hint` are
    what there is to say if it should have been.
    """

    table: TableId
    error: type[HeadraceError]
    message: str
    hint: str
    timestamp: int = 0
    end_position: int = 0


class Statement(NamedTuple):
    """A statement that is no transaction plumbing: DDL, or a change logged as a statement.

    `database` is the statement's default database, which the tables that it names need not belong
    to.
    """

    database: str
    sql: str
    timestamp: int = 0
    end_position: int = 0


class TransactionEnd(NamedTuple):
    """What `TransactionBegin` named is committed; for a DDL statement this follows its `Statement` at once."""

    timestamp: int = 0
    end_position: int = 0


class Heartbeat(NamedTuple):
    """The server lives and has sent everything before `position` of `file` that we may see."""

    file: str
    position: int
    timestamp: int = 0
    end_position: int = 0


Event: TypeAlias = Rotate | TransactionBegin | RowChanges | Unread | Statement | TransactionEnd | Heartbeat
