"""Each setting of the server is wanted for a reason, and its finding says how to mend it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scheduler.preflight.findings import Finding, Severity
from scheduler.preflight.server import check_server
from shared.job.spec import ServerIdRange
from shared.model.throttle import Address, Limits
from tests.unit.preflight.facts_lab import GOOD, server

IDS = ServerIdRange(28601, 28604)


def wrong(**bent: Any) -> list[Finding]:
    return [finding for finding in check_server(server(**bent), IDS, Limits()) if not finding.ok]


def test_a_good_server_passes_every_check() -> None:
    findings = check_server(GOOD, IDS, Limits())
    assert all(finding.ok and not finding.hint for finding in findings)
    assert [finding.subject for finding in findings] == [
        "version",
        "log_bin",
        "binlog_format",
        "binlog_row_image",
        "binlog_row_value_options",
        "gtid_mode",
        "replication",
        "binlog_retention",
        "server_id",
    ]


@pytest.mark.parametrize(
    ("bent", "subject", "told", "hint"),
    [
        ({"log_bin": "OFF"}, "log_bin", "no binlog", "my.cnf"),
        ({"binlog_format": "STATEMENT"}, "binlog_format", "STATEMENT, not ROW", "SET PERSIST binlog_format = 'ROW'"),
        ({"binlog_format": "MIXED"}, "binlog_format", "MIXED, not ROW", "SET PERSIST"),
        ({"binlog_row_image": "MINIMAL"}, "binlog_row_image", "MINIMAL, not FULL", "binlog_row_image = 'FULL'"),
        ({"binlog_row_image": "NOBLOB"}, "binlog_row_image", "NOBLOB, not FULL", "binlog_row_image = 'FULL'"),
        (
            {"binlog_row_value_options": "PARTIAL_JSON"},
            "binlog_row_value_options",
            "PARTIAL_JSON, not empty",
            "binlog_row_value_options = ''",
        ),
        (
            {"is_replica": True, "log_replica_updates": "OFF"},
            "replication",
            "log_replica_updates is",
            "log_replica_updates=ON",
        ),
        (
            {"is_replica": True, "replica_preserve_commit_order": "OFF"},
            "replication",
            "replica_preserve_commit_order is",
            "replica_preserve_commit_order=ON",
        ),
        ({"binlog_expire_logs_seconds": 3599}, "binlog_retention", "3599 s", "binlog_expire_logs_seconds = 604800"),
        ({"server_id": 28602}, "server_id", "the id of the server itself", "without it"),
        ({"replica_ids": (7, 28601, 28604)}, "server_id", "28601, 28604", "without them"),
    ],
)
def test_one_wrong_setting_is_one_error(bent: dict[str, Any], subject: str, told: str, hint: str) -> None:
    (finding,) = wrong(**bent)
    assert (finding.subject, finding.is_error) == (subject, True)
    assert told in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    ("bent", "subject"),
    [
        ({"binlog_expire_logs_seconds": 3600}, "binlog_retention"),
        ({"binlog_expire_logs_seconds": 86_399}, "binlog_retention"),
        ({"is_replica": None}, "replication"),
        ({"replica_ids": None}, "server_id"),
        ({"version": "5.7.44-log"}, "version"),
    ],
)
def test_what_does_not_stop_the_job_is_a_warning(bent: dict[str, Any], subject: str) -> None:
    (finding,) = wrong(**bent)
    assert (finding.subject, finding.severity) == (subject, Severity.WARNING)


@pytest.mark.parametrize(
    ("mode", "told", "hint"),
    [
        ("OFF", "OFF, not ON", "SET PERSIST gtid_mode = OFF_PERMISSIVE;"),
        ("", "OFF, not ON", "SET PERSIST gtid_mode = OFF_PERMISSIVE;"),
        ("ON_PERMISSIVE", "ON_PERMISSIVE, not ON", "in this order: SET PERSIST gtid_mode = ON;"),
    ],
)
def test_a_server_without_gtids_is_a_warning_that_says_what_it_costs(mode: str, told: str, hint: str) -> None:
    (finding,) = wrong(gtid_mode=mode)
    assert (finding.subject, finding.severity) == ("gtid_mode", Severity.WARNING)
    assert told in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    "bent",
    [
        {"binlog_expire_logs_seconds": 0},
        {"binlog_expire_logs_seconds": 86_400},
        {"log_replica_updates": "OFF"},  # without a source there is nothing to write on
        {"is_replica": True},
        {"replica_ids": (7, 28600, 28605)},
        {"version": "8.0.12", "lower_case_table_names": "1"},
    ],
)
def test_what_is_all_right_is_not_mentioned(bent: dict[str, Any]) -> None:
    assert wrong(**bent) == []


def test_every_setting_is_told_at_once() -> None:
    found = wrong(log_bin="OFF", binlog_format="MIXED", gtid_mode="OFF")
    assert [finding.subject for finding in found] == ["log_bin", "binlog_format", "gtid_mode"]


@pytest.mark.parametrize(
    ("is_replica", "replicas", "refused"),
    [(False, (), True), (True, (), False), (False, (Address("r1", 3306),), False)],
)
def test_a_lag_that_no_server_has_is_refused(is_replica: bool, replicas: tuple[Address, ...], refused: bool) -> None:
    limits = Limits(max_replica_lag=timedelta(seconds=5), replicas=replicas)
    found = [one for one in check_server(server(is_replica=is_replica), IDS, limits) if one.subject == "throttle"]
    assert [one.ok for one in found] == ([False] if refused else [])
    assert all("throttle.replicas" in one.hint for one in found)
