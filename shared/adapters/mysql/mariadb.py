"""How far a MariaDB has got, and waiting until a SELECT shows it (DESIGN rule 11).

What it tells of its GTIDs is what its binlog has, which may be ahead of what a SELECT shows. But a consistent snapshot tells its own place in
the binlog, and whoever reads later sees all that it saw.
"""

from __future__ import annotations

from shared.adapters.mysql.session import Session
from shared.errors import NeedsOperator
from shared.model.domains import parse
from shared.model.position import Coordinates, GtidSet

#: Names the server, which has no UUID: its id, which no other server of the topology has, and where it runs.
NAME_SQL = "SELECT CONCAT_WS(':', @@GLOBAL.server_id, @@hostname, @@port)"

STATUS = "SHOW MASTER STATUS"

#: Among so many events at the beginning of a file stands what came before it.
_FIRST_EVENTS = 5


def executed(session: Session) -> GtidSet:
    """All that its binlog has; a SELECT may show it a moment later."""
    return parse(session.scalar("SELECT @@GLOBAL.gtid_binlog_state"))


def before_file(session: Session, file: str) -> GtidSet:
    """What came before a binlog file.

    Raises:
        NeedsOperator: the file does not tell.
    """
    for row in session.named(f"SHOW BINLOG EVENTS IN '{file}' LIMIT {_FIRST_EVENTS}"):
        if row["event_type"] == "Gtid_list":
            return parse(row["info"].strip("[]"))
    raise NeedsOperator(
        f"Binlog file {file} does not tell which GTIDs came before it.",
        "Check the server's binlogs, or purge this one.",
    )


def received(channel: dict[str, str]) -> GtidSet:
    """What a replica has received, by a row of its status."""
    return parse(channel.get("gtid_io_pos", ""))


def snapshot_place(session: Session) -> Coordinates:
    """How much of the binlog a SELECT on this connection shows from now on."""
    session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    found = {
        row["variable_name"].lower(): row["value"] for row in session.named("SHOW STATUS LIKE 'binlog_snapshot_%'")
    }
    session.query("COMMIT")
    return Coordinates(found["binlog_snapshot_file"], int(found["binlog_snapshot_position"]))
