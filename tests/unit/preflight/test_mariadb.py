"""Each setting of a MariaDB is wanted for a reason, and its finding says how to mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.preflight.findings import Finding, Severity
from scheduler.preflight.grants import REPLICATION_PRIVILEGES, parse_grants
from scheduler.preflight.mariadb import check_mariadb
from scheduler.preflight.replicas import needs_gtids
from scheduler.preflight.tables import check_lock_privileges, check_versioned
from shared.job.spec import ServerIdRange
from shared.model.schema import TableId
from shared.model.throttle import Limits
from tests.unit.preflight.facts_lab import GOOD

IDS = ServerIdRange(28601, 28604)
MARIADB = replace(
    GOOD,
    version="10.11.6-MariaDB-1",
    version_comment="Debian 12",
    server_uuid="",
    log_bin_compress="OFF",
    gtid_mode="",
    replica_preserve_commit_order="",
)


def wrong(**bent: Any) -> list[Finding]:
    return [finding for finding in check_mariadb(replace(MARIADB, **bent), IDS, Limits()) if not finding.ok]


def test_a_good_server_passes_every_check() -> None:
    assert wrong() == []
    assert wrong(is_replica=True) == []
    assert MARIADB.has_gtids
    assert check_lock_privileges(MARIADB, [TableId("d", "t")]) == []


@pytest.mark.parametrize(
    ("bent", "subject", "told", "hint"),
    [
        ({"log_bin": "OFF"}, "log_bin", "no binlog", "my.cnf"),
        ({"binlog_format": "MIXED"}, "binlog_format", "MIXED, not ROW", "SET GLOBAL binlog_format = 'ROW'"),
        ({"binlog_row_image": "NOBLOB"}, "binlog_row_image", "NOBLOB, not FULL", "binlog_row_image=FULL into my.cnf"),
        ({"log_bin_compress": "ON"}, "log_bin_compress", "ON, not OFF", "log_bin_compress=OFF"),
        (
            {"is_replica": True, "log_replica_updates": "OFF"},
            "replication",
            "log_slave_updates",
            "log_slave_updates=ON",
        ),
        ({"binlog_expire_logs_seconds": 3599}, "binlog_retention", "3599 s", "SET GLOBAL binlog_expire_logs_seconds"),
        ({"server_id": 28602}, "server_id", "the id of the server itself", "without it"),
        ({"server_id": 28602, "replica_ids": None}, "server_id", "the id of the server itself", "without it"),
        ({"replica_ids": (7, 28604)}, "server_id", "28604", "without them"),
    ],
)
def test_one_wrong_setting_is_one_error(bent: dict[str, Any], subject: str, told: str, hint: str) -> None:
    (finding,) = wrong(**bent)
    assert (finding.subject, finding.is_error) == (subject, True)
    assert told in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    ("bent", "subject", "told"),
    [
        ({"version": "11.4.2-MariaDB"}, "version", "never tried"),
        ({"version": "10.5.9", "version_comment": "mariadb.org binary distribution"}, "version", "never tried"),
        ({"is_replica": None}, "replication", "SLAVE MONITOR"),
        ({"replica_ids": None}, "server_id", "REPLICATION MASTER ADMIN"),
    ],
)
def test_what_does_not_stop_the_job_is_a_warning(bent: dict[str, Any], subject: str, told: str) -> None:
    (finding,) = wrong(**bent)
    assert (finding.subject, finding.severity) == (subject, Severity.WARNING)
    assert told in finding.message


def test_its_privileges_go_by_other_names() -> None:
    line = "GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*4A'"
    assert parse_grants([line]).missing(REPLICATION_PRIVILEGES) == []


def test_tables_that_keep_former_rows_are_refused() -> None:
    one, other = TableId("d", "t"), TableId("d", "u")
    assert check_versioned([one], [other]) == []
    (finding,) = check_versioned([one, other], [other])
    assert finding.is_error
    assert "d.u keep former versions" in finding.message


def test_chunks_are_not_read_from_its_replicas() -> None:
    assert "MariaDB" in needs_gtids(MARIADB).message
    assert "GTIDs" in needs_gtids(GOOD).message
