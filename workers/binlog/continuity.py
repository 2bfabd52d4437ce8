"""Whether a server can go on where the job stands. Pure: what the server tells of its history in, an error or none out.

GTIDs name transactions wherever they were executed, so another server may take a job over (a failover) as long as

    it has executed all that the job has processed, or else the topics hold rows that it never had;
    its binlogs still hold all that the job has not processed, or else changes would be left out in silence.

MySQL itself looks at the second alone, and of the first only at its own transactions.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import BinlogLost, Unavailable
from shared.model.places import named
from shared.model.position import Coordinates, GtidSet

ANEW = "To copy its tables again into the same topics: scheduler resume JOB --resync."
ANEW_FOR_GAP = "To copy its tables again into the same topics: scheduler resume JOB --on-gap resync."


@dataclass(frozen=True, slots=True)
class History:
    """What a server says of its past.

    `executed` and `purged` are its own sets of those names; `purged` is what its binlogs no longer hold. `owned` is what
    it is about to commit, asked for before `executed`. `coming` is what it, as a replica, has received and not yet
    executed; None when it is a replica that still hears from its source, so that anything may come.
    """

    server_uuid: str
    executed: GtidSet
    purged: GtidSet
    owned: GtidSet
    coming: GtidSet | None


def require(processed: GtidSet, stream_from: GtidSet, known_uuid: str, history: History, at: str) -> None:
    """Checks that nothing is missing.

    Args:
        processed: R, all that the job has processed.
        stream_from: from where its binlog is read; a part of `processed`.
        known_uuid: the server that the job has read from so far.
        history: of the server that it is to read from now.
        at: its address, for errors.

    Raises:
        Unavailable: something is missing that is on its way.
        BinlogLost: something is missing for good.
    """
    who = f"MySQL at {at}"
    if history.server_uuid != known_uuid:
        who += f" (another server than before: {history.server_uuid}, not {known_uuid})"
    lacks = processed.minus(history.executed).minus(history.owned)
    if lacks:
        message = f"{who} has not executed {named(lacks)}, which the job has processed."
        if history.coming is None or history.coming.covers(lacks):
            raise Unavailable(message, "It is a replica that lags behind; the job goes on when it has caught up.")
        raise BinlogLost(message, _lost_hint(history.server_uuid == known_uuid))
    gone = history.purged.minus(stream_from)
    if gone:
        raise BinlogLost(
            f"{who} has deleted the binlogs with {named(gone)}, which the job has not processed.",
            f"Raise binlog_expire_logs_seconds on the server. {ANEW_FOR_GAP}",
        )


def require_new(gtids: GtidSet, processed: GtidSet, reached: Coordinates) -> None:
    """Checks a transaction that the server sends: it was asked for what the job lacks.

    Raises:
        BinlogLost: the job has it already. To take it for the same one would leave out its changes in silence.
    """
    if processed.intersects(gtids):
        raise BinlogLost(
            f"The binlog has {named(gtids.intersection(processed))} a second time behind {reached}: the server's GTIDs "
            "began anew.",
            ANEW,
        )


def _lost_hint(same: bool) -> str:
    cause = (
        "It was reset, restored from a backup, or lost transactions in a crash (sync_binlog=1 prevents that)."
        if same
        else "Let it catch up first if it can still receive them (or let source.hostname lead to a server that has "
        "them), then resume the job. If they are lost, the topics hold rows that this server never had."
    )
    return f"{cause} {ANEW_FOR_GAP}"
