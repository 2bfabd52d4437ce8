"""Whether chunks can be read from replicas: they answer, count by the source's GTIDs, and let us read.

Law of this file: like `source`, it ends with findings, whatever a replica does.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.discovery import ServerFacts
from scheduler.preflight.findings import Finding, failed, failure_of, passed
from shared.adapters.mysql import progress
from shared.adapters.mysql.ranges import full_name
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.errors import NeedsOperator, Transient
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.model.throttle import Address

_SUBJECT, _PATH = "snapshot_replicas", "source.snapshot.hostname"


def needs_gtids(facts: ServerFacts) -> Finding:
    """Of a source without GTIDs, or with MariaDB's: a place in its binlog means nothing on a replica."""
    if facts.is_mariadb:
        return failed(
            _SUBJECT, "`snapshot.hostname` is for MySQL; with MariaDB it is not built.", "Remove the line.", _PATH
        )
    return failed(
        _SUBJECT,
        "`snapshot.hostname` needs a server with GTIDs: a replica tells only by them how far it has got.",
        "Turn GTIDs on (gtid_mode=ON), or remove the line.",
        _PATH,
    )


def check_replica(target: MysqlTarget, host: Address, executed: GtidSet, tables: Sequence[TableId]) -> Finding:
    """One replica.

    Args:
        target: how it is reached.
        host: its address.
        executed: what the source had executed.
        tables: those of the job; the first is tried.
    """
    try:
        with Session(target, "preflight") as session:
            if not progress.has_gtids(session):
                return failed(_SUBJECT, f"Replica {host} has no GTIDs.", "Set gtid_mode=ON there as well.", _PATH)
            has = progress.executed(session, by_place=False)
            if executed and not executed.intersects(has):
                message = f"{host} has executed no transaction of the source: it is not its replica."
                return failed(_SUBJECT, message, "Name replicas of source.hostname.", _PATH)
            missing = executed.minus(has).count()
            if not missing:
                session.query(f"SELECT 1 FROM {full_name(tables[0])} LIMIT 0")
    except (Transient, NeedsOperator) as error:
        return failure_of(_SUBJECT, error, f"Check {_PATH}, and that the user of source.username may read there.")
    lag = f"lacks {missing:,} transactions, which readers will wait for" if missing else "is up to date"
    return passed(_SUBJECT, f"Replica {host} {lag}.")
