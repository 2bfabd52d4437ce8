"""What a MySQL server is: its version, its variables, and who we are there.

Law of this file: three to six short queries, never an error for something that this server's version does not have
(an absent variable is the empty text) or does not let us see (None).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.adapters.mysql.session import RawRow, Session
from shared.errors import PreflightFailed

_VARIABLES = (
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "binlog_transaction_compression",
    "enforce_gtid_consistency",
    "expire_logs_days",
    "gtid_mode",
    "innodb_native_foreign_keys",
    "log_bin",
    "log_bin_compress",
    "log_replica_updates",
    "log_slave_updates",
    "lower_case_table_names",
    "max_connections",
    "partial_revokes",
    "replica_preserve_commit_order",
    "server_id",
    "server_uuid",
    "slave_preserve_commit_order",
    "version",
    "version_comment",
)

#: From here on the statements say REPLICA; since 8.4 the older words are gone.
_REPLICA_SINCE = (8, 0, 22)

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server's variables, by the names of MySQL 9 and as the server spells their values; absent ones are empty."""

    version: str
    version_comment: str
    server_uuid: str
    server_id: int
    log_bin: str
    log_bin_compress: str
    """MariaDB's."""
    binlog_format: str
    binlog_row_image: str
    binlog_row_metadata: str
    binlog_row_value_options: str
    binlog_transaction_compression: str
    gtid_mode: str
    enforce_gtid_consistency: str
    log_replica_updates: str
    replica_preserve_commit_order: str
    lower_case_table_names: str
    partial_revokes: str
    innodb_native_foreign_keys: str
    """OFF when the server itself cascades, with row events; absent or ON when InnoDB does, without."""
    max_connections: int
    binlog_expire_logs_seconds: int
    """For how long binlogs are kept; 0 is for ever."""
    user: str
    """The account that MySQL took us for, `user@host`."""
    grants: tuple[str, ...]
    """The lines of SHOW GRANTS, those of our active roles included."""
    is_replica: bool | None
    """Whether the server replicates from another one; None when we may not ask."""
    replica_ids: tuple[int, ...] | None
    """Server ids of the replicas that have registered at this server; None when we may not ask."""

    @property
    def is_mariadb(self) -> bool:
        """True for MariaDB, which speaks the same protocol and has other GTIDs."""
        return "mariadb" in f"{self.version} {self.version_comment}".lower()

    @property
    def has_gtids(self) -> bool:
        """True when every transaction has a GTID."""
        return self.is_mariadb or self.gtid_mode == "ON"

    @property
    def version_tuple(self) -> tuple[int, ...]:
        """The version as numbers, such as (9, 7, 4)."""
        return version_tuple(self.version)

    @property
    def ignores_case(self) -> bool:
        """True when the server's names of databases and tables have no case."""
        return self.lower_case_table_names in ("1", "2")


def read_facts(session: Session) -> ServerFacts:
    """The facts of the server that the session is connected to.

    Raises:
        Unavailable: the server broke the connection.
    """
    found = _variables(session)
    version = found["version"]
    return ServerFacts(
        version=version,
        version_comment=found["version_comment"],
        server_uuid=found["server_uuid"],
        server_id=_whole(found["server_id"]),
        log_bin=found["log_bin"],
        log_bin_compress=found["log_bin_compress"],
        binlog_format=found["binlog_format"],
        binlog_row_image=found["binlog_row_image"],
        binlog_row_metadata=found["binlog_row_metadata"],
        binlog_row_value_options=found["binlog_row_value_options"],
        binlog_transaction_compression=found["binlog_transaction_compression"],
        gtid_mode=found["gtid_mode"],
        enforce_gtid_consistency=found["enforce_gtid_consistency"],
        log_replica_updates=found["log_replica_updates"] or found["log_slave_updates"],
        replica_preserve_commit_order=found["replica_preserve_commit_order"] or found["slave_preserve_commit_order"],
        lower_case_table_names=found["lower_case_table_names"],
        partial_revokes=found["partial_revokes"],
        innodb_native_foreign_keys=found["innodb_native_foreign_keys"],
        max_connections=_whole(found["max_connections"]),
        binlog_expire_logs_seconds=_retention(found),
        user=session.scalar("SELECT CURRENT_USER()"),
        grants=tuple((row[0] or b"").decode() for row in session.query("SHOW GRANTS")),
        is_replica=_is_replica(session, version),
        replica_ids=_replica_ids(session, version),
    )


def version_tuple(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version, such as (8, 0, 36) of `8.0.36-28.1`."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _variables(session: Session) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in _VARIABLES)
    found = {row["variable_name"]: row["value"] for row in session.named(_SHOW_VARIABLES.format(names=names))}
    return dict.fromkeys(_VARIABLES, "") | found


_SHOW_VARIABLES = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"


def _retention(found: dict[str, str]) -> int:
    if found["binlog_expire_logs_auto_purge"] == "OFF":
        return 0
    seconds = _whole(found["binlog_expire_logs_seconds"])
    # MySQL 8.0 still has the older variable; it counts only where the newer one is 0. MariaDB has parts of days.
    return seconds or round(float(found["expire_logs_days"] or 0) * _SECONDS_A_DAY)


def _is_replica(session: Session, version: str) -> bool | None:
    older = "SHOW ALL SLAVES STATUS" if session.is_mariadb else "SHOW SLAVE STATUS"
    rows = _permitted(session, "SHOW REPLICA STATUS" if _says_replica(version) else older)
    return None if rows is None else bool(rows)


def _replica_ids(session: Session, version: str) -> tuple[int, ...] | None:
    rows = _permitted(session, "SHOW REPLICAS" if _says_replica(version) else "SHOW SLAVE HOSTS")
    return None if rows is None else tuple(sorted({int(row[0] or 0) for row in rows}))


def _says_replica(version: str) -> bool:
    return "mariadb" not in version.lower() and version_tuple(version) >= _REPLICA_SINCE


def _permitted(session: Session, sql: str) -> list[RawRow] | None:
    """The rows, or None when the user lacks the privilege to ask."""
    try:
        return session.query(sql)
    except PreflightFailed:
        return None


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0
