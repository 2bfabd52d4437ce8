"""Checks of the MySQL server's settings, each a pure function of its facts.

Law of this file: one function a subject. Every hint is a statement to run, or the line of my.cnf where no statement
would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scheduler.discovery import ServerFacts
from scheduler.preflight.findings import Finding, failed, passed, warned
from shared.job import spec
from shared.model.throttle import Limits

#: The least that can be lived with: a takeover re-reads the binlog from the oldest hold, minutes back, and someone
#: must have the time to look when a job stands still.
RETENTION_SECONDS_MIN = 3600
#: From here on a job can stand still over a night.
RETENTION_SECONDS_SAFE = 86_400

#: The oldest series that this program is tried with.
VERSION_MIN = (8, 0)


def check_server(facts: ServerFacts, server_ids: spec.ServerIdRange, limits: Limits) -> list[Finding]:
    """All checks of a MySQL server; those of a MariaDB stand in `mariadb`."""
    return [*(check(facts) for check in _CHECKS), server_id(facts, server_ids), *throttle(facts, limits)]


def throttle(facts: ServerFacts, limits: Limits) -> list[Finding]:
    """A snapshot that waits for the source's own lag would wait for ever on a server that has none."""
    if limits.max_replica_lag is None or limits.replicas or facts.is_replica is not False:
        return []
    message = "throttle.max-replica-lag is given, but the server is no replica: the snapshot would never begin."
    hint = "Name the replicas whose lag counts in source.throttle.replicas, or remove the limit."
    return [failed("throttle", message, hint)]


def version(facts: ServerFacts) -> Finding:
    """MySQL 8.0 or later."""
    if facts.version_tuple < VERSION_MIN:
        message = f"MySQL {facts.version} is older than 8.0, the oldest series that headrace knows."
        return warned("version", message, "Upgrade MySQL.")
    return passed("version", f"MySQL {facts.version}.")


def log_bin(facts: ServerFacts) -> Finding:
    """The binlog is written."""
    if facts.log_bin == "ON":
        return passed("log_bin", "The binlog is on.")
    hint = "Start mysqld without skip-log-bin and with log_bin=binlog in my.cnf; it cannot be switched on at run time."
    return failed("log_bin", "The server writes no binlog, which changes are read from.", hint)


def binlog_format(facts: ServerFacts) -> Finding:
    """Changes are in the binlog as rows, not as statements."""
    hint = (
        "Run: SET PERSIST binlog_format = 'ROW'; then let every client connect again, for a connection keeps the "
        "format that it began with."
    )
    return _wants("binlog_format", facts.binlog_format, "ROW", "Statements cannot be turned into rows", hint)


def binlog_row_image(facts: ServerFacts) -> Finding:
    """A changed row is in the binlog with all of its columns."""
    hint = "Run: SET PERSIST binlog_row_image = 'FULL'; then let every client connect again."
    why = "A change would reach Kafka without the columns that it did not touch"
    return _wants("binlog_row_image", facts.binlog_row_image, "FULL", why, hint)


def binlog_row_value_options(facts: ServerFacts) -> Finding:
    """JSON columns are in the binlog as a whole."""
    hint = "Run: SET PERSIST binlog_row_value_options = ''; then let every client connect again."
    why = "Changes inside JSON columns would come without the rest of the document"
    return _wants("binlog_row_value_options", facts.binlog_row_value_options, "", why, hint)


def gtid_mode(facts: ServerFacts) -> Finding:
    """Every transaction has a GTID, by which a reader tells what it has seen, on whichever server."""
    if facts.has_gtids:
        return passed("gtid_mode", "gtid_mode is ON.")
    mode = facts.gtid_mode or "OFF"
    message = (
        f"gtid_mode is {mode}, not ON: the job counts by places in the binlog of this one server. It cannot go on at another one "
        "(failover), and each chunk waits, under a short read lock, for transactions that have its table open."
    )
    return warned("gtid_mode", message, f"Better turn GTIDs on. {_gtid_hint(mode)}")


_GTID_STEPS = ("OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")


def _gtid_hint(mode: str) -> str:
    """The steps from this mode to ON, in the only order that MySQL allows, while it runs."""
    steps = _GTID_STEPS[_GTID_STEPS.index(mode) + 1 :] if mode in _GTID_STEPS else _GTID_STEPS[1:]
    statements = [f"SET PERSIST gtid_mode = {step};" for step in steps]
    if mode in ("OFF", "OFF_PERMISSIVE"):
        statements.insert(0, "SET PERSIST enforce_gtid_consistency = ON;")
    wait = " Before the last one wait until Ongoing_anonymous_transaction_count is 0 on all servers of the topology."
    return f"Run, in this order: {' '.join(statements)}{wait}"


def replication(facts: ServerFacts) -> Finding:
    """A replica writes what it replicates into its own binlog, in the order of its source."""
    if facts.is_replica is False:
        return passed("replication", "The server is not a replica.")
    settings = {
        "log_replica_updates": facts.log_replica_updates,
        "replica_preserve_commit_order": facts.replica_preserve_commit_order,
    }
    wrong = [name for name, value in settings.items() if value != "ON"]
    if facts.is_replica is None:
        message = "Without REPLICATION CLIENT nobody can tell whether the server is a replica."
        return warned("replication", message, "Give the privilege, then check again.")
    if not wrong:
        return passed("replication", "The server is a replica and writes a binlog of its own, in its source's order.")
    hint = "Set them in the replica's my.cnf, and start it again: " + ", ".join(f"{name}=ON" for name in wrong) + "."
    return failed("replication", f"The server is a replica, and {' and '.join(wrong)} is not ON.", hint)


def binlog_retention(facts: ServerFacts) -> Finding:
    """Binlogs are kept for longer than a job may have to stand still."""
    seconds = facts.binlog_expire_logs_seconds
    how = "SET GLOBAL" if facts.is_mariadb else "SET PERSIST"
    hint = f"Run: {how} binlog_expire_logs_seconds = {7 * RETENTION_SECONDS_SAFE};"
    if seconds == 0:
        return passed("binlog_retention", "Binlogs are never removed by age.")
    if seconds < RETENTION_SECONDS_MIN:
        message = f"Binlogs are removed after {seconds} s, less than an hour: a job that stops would soon be lost."
        return failed("binlog_retention", message, hint)
    if seconds < RETENTION_SECONDS_SAFE:
        message = f"Binlogs are removed after {seconds / 3600:.1f} hours: a job must not stand still for longer."
        return warned("binlog_retention", message, hint)
    return passed("binlog_retention", f"Binlogs are kept for {seconds / RETENTION_SECONDS_SAFE:.0f} days.")


def server_id(facts: ServerFacts, server_ids: spec.ServerIdRange) -> Finding:
    """Nobody else uses the ids that the job may show towards MySQL."""
    path = "source.server-id"
    if facts.server_id in server_ids.ids:
        message = f"The range {server_ids} holds {facts.server_id}, the id of the server itself."
        return failed("server_id", message, "Choose a range without it.", path)
    if facts.replica_ids is None:
        message = "Without REPLICATION SLAVE nobody can tell whether the range is free."
        return warned("server_id", message, "Give the privilege, then check again.", path)
    taken = [str(number) for number in facts.replica_ids if number in server_ids.ids]
    if taken:
        message = f"Of the range {server_ids}, replicas of this server use {', '.join(taken)}."
        hint = "Choose a range without them: MySQL ends the connection of the one that came first."
        return failed("server_id", message, hint, path)
    return passed("server_id", f"No registered replica uses an id of {server_ids}.")


def _wants(subject: str, value: str, wanted: str, why: str, hint: str) -> Finding:
    if value.upper() == wanted:
        return passed(subject, f"{subject} is {wanted or 'empty'}.")
    return failed(subject, f"{subject} is {value or 'unset'}, not {wanted or 'empty'}. {why}.", hint)


_CHECKS: Iterable[Callable[[ServerFacts], Finding]] = (
    version,
    log_bin,
    binlog_format,
    binlog_row_image,
    binlog_row_value_options,
    gtid_mode,
    replication,
    binlog_retention,
)
