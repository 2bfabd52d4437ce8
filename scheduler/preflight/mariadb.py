"""Checks of a MariaDB's settings, each a pure function of its facts, as in `server`: what is else there than on MySQL.

Law of this file: as of `server`. MariaDB has no SET PERSIST, so every hint is a statement and the line of my.cnf.
"""

from __future__ import annotations

from scheduler.discovery import ServerFacts
from scheduler.preflight import server
from scheduler.preflight.findings import Finding, failed, passed, warned
from shared.job import spec
from shared.model.throttle import Limits

#: The series that this program is tried with.
VERSION_TRIED = (10, 11)


def check_mariadb(facts: ServerFacts, server_ids: spec.ServerIdRange, limits: Limits) -> list[Finding]:
    """All checks of the server."""
    return [
        version(facts),
        server.log_bin(facts),
        _wants(facts, "binlog_format", "ROW", "Statements cannot be turned into rows"),
        _wants(
            facts, "binlog_row_image", "FULL", "A change would reach Kafka without the columns that it did not touch"
        ),
        _wants(facts, "log_bin_compress", "OFF", "Compressed events are not read"),
        passed("gtid_mode", "MariaDB gives every transaction a GTID."),
        replication(facts),
        server.binlog_retention(facts),
        server_id(facts, server_ids),
        *server.throttle(facts, limits),
    ]


def version(facts: ServerFacts) -> Finding:
    """One that was tried."""
    if facts.version_tuple[:2] == VERSION_TRIED:
        return passed("version", f"MariaDB {facts.version}.")
    message = f"MariaDB {facts.version} was never tried; {'.'.join(map(str, VERSION_TRIED))} was."
    return warned("version", message, "Try it with `scheduler verify` before you rely on it.")


def replication(facts: ServerFacts) -> Finding:
    """A replica writes what it replicates into its own binlog."""
    if facts.is_replica is False:
        return passed("replication", "The server is not a replica.")
    if facts.is_replica is None:
        message = "Without SLAVE MONITOR nobody can tell whether the server is a replica."
        return warned("replication", message, "Give the privilege, then check again.")
    if facts.log_replica_updates == "ON":
        return passed("replication", "The server is a replica and writes a binlog of its own.")
    hint = "Set log_slave_updates=ON in the replica's my.cnf, and start it again."
    return failed("replication", "The server is a replica, and log_slave_updates is not ON.", hint)


def server_id(facts: ServerFacts, server_ids: spec.ServerIdRange) -> Finding:
    """As on MySQL, where another privilege tells."""
    found = server.server_id(facts, server_ids)
    if facts.replica_ids is not None or found.is_error:
        return found
    message = "Without REPLICATION MASTER ADMIN nobody can tell whether the range is free."
    return warned("server_id", message, "Give the privilege, then check again.", "source.server-id")


def _wants(facts: ServerFacts, subject: str, wanted: str, why: str) -> Finding:
    value = str(getattr(facts, subject))
    if value.upper() == wanted:
        return passed(subject, f"{subject} is {wanted}.")
    hint = (
        f"Run: SET GLOBAL {subject} = '{wanted}'; put {subject}={wanted} into my.cnf, and let every client connect again, "
        "for a connection keeps what it began with."
    )
    return failed(subject, f"{subject} is {value or 'unset'}, not {wanted}. {why}.", hint)
