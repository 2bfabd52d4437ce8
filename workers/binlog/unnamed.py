"""Transactions without GTIDs that a job with GTIDs would never hear of. MySQL sends such a job its binlogs from the last file on before
which the job has all GTIDs. What was written meanwhile without GTIDs, by a `gtid_mode` that was switched off and on again, stands in
files before that one, and the server does not say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from shared.adapters.mysql import progress
from shared.adapters.mysql.session import Session
from shared.adapters.mysql.stream import BinlogStream
from shared.errors import BinlogLost
from shared.machines.ledger import FileRecord
from shared.model.places import FILE_BEGIN, all_before
from shared.model.position import Coordinates, GtidSet
from workers.binlog.beginning import seldom, transactions
from workers.binlog.continuity import ANEW_FOR_GAP


def require_named(
    session: Session,
    server_uuid: str,
    last: FileRecord | None,
    stream_from: GtidSet,
    open_stream: Callable[[GtidSet], BinlogStream],
    alive: Callable[[], None],
) -> None:
    """Checks that a job with GTIDs misses nothing that has none. One file with GTIDs is read at most, and those behind it that have
    none. Of another server than the one before, and of files that are deleted, nobody knows.

    Args:
        session: to the server.
        server_uuid: its name.
        last: where the job was.
        stream_from: from where its binlog is to be read.
        open_stream: reads the binlog from a place on, without rows.
        alive: called now and then; raises when somebody else has taken over.

    Raises:
        BinlogLost: there is something, or there will be.
    """
    if session.is_mariadb:
        return  # all that it writes has a GTID
    mode = progress.gtid_mode(session)
    if mode in ("OFF", "OFF_PERMISSIVE"):
        raise BinlogLost(
            f"The server writes transactions without GTIDs by now (gtid_mode={mode}), and the job counts by GTIDs.",
            f"Set gtid_mode=ON again, then resume the job. {ANEW_FOR_GAP} It counts by places then.",
        )
    if last is None or last.server_uuid != server_uuid:
        return
    files = list(progress.files(session))
    if last.file not in files:
        return
    at = Coordinates(last.file, FILE_BEGIN)
    begin = Coordinates(_first_sent(session, files[files.index(last.file) :], stream_from), FILE_BEGIN)
    if begin == at:
        return
    with closing(open_stream(all_before(server_uuid, at))) as stream:
        for found, end in transactions(stream, at, begin, seldom(alive)):
            if found.gtids is None:
                raise BinlogLost(
                    f"The binlog has a transaction without a GTID before {end}, which a job that counts by GTIDs is not sent.",
                    f"gtid_mode was switched off and on again. {ANEW_FOR_GAP}",
                )


def _first_sent(session: Session, files: Sequence[str], stream_from: GtidSet) -> str:
    """The file with which the server begins, as far as it is none before the first of these."""
    for file in reversed(files[1:]):
        if stream_from.covers(progress.before_file(session, file)):
            return file
    return files[0]
