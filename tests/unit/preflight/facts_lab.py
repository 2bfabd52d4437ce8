"""A server that is set up right, to be bent by tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scheduler.discovery import ServerFacts

GOOD = ServerFacts(
    version="9.7.4",
    version_comment="MySQL Community Server",
    server_uuid="5a93e9a9-e6a9-11f1-9dec-02fc00000001",
    server_id=1,
    log_bin="ON",
    log_bin_compress="",
    binlog_format="ROW",
    binlog_row_image="FULL",
    binlog_row_metadata="MINIMAL",
    binlog_row_value_options="",
    binlog_transaction_compression="OFF",
    gtid_mode="ON",
    enforce_gtid_consistency="ON",
    log_replica_updates="ON",
    replica_preserve_commit_order="ON",
    lower_case_table_names="0",
    partial_revokes="OFF",
    innodb_native_foreign_keys="OFF",
    max_connections=151,
    binlog_expire_logs_seconds=2_592_000,
    user="headrace@%",
    grants=("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `headrace`@`%`",),
    is_replica=False,
    replica_ids=(),
)


def server(**bent: Any) -> ServerFacts:
    """The good server with other facts."""
    return replace(GOOD, **bent)
