"""Event types by number: what `events` decodes, what it passes over by name, and what it refuses. Numbers: MySQL's source,
`libs/mysql/binlog/event/binlog_event.h`; from 160 on MariaDB's, sql/log_event.h.
"""

QUERY, ROTATE, FORMAT, XID, EXECUTE_LOAD_QUERY = 2, 4, 15, 16, 18
TABLE_MAP, INCIDENT, HEARTBEAT, WRITE, UPDATE, DELETE = 19, 26, 27, 30, 31, 32
#: Rows events of the first version, which MariaDB writes: without room for data of partitions. This much lower in number.
WRITE_V1, UPDATE_V1, DELETE_V1, V1_LOWER = 23, 24, 25, 7
GTID, ANONYMOUS_GTID, XA_PREPARE, PARTIAL_UPDATE = 33, 34, 38, 39
PAYLOAD, HEARTBEAT_2, TAGGED_GTID, DOMAIN_GTID = 40, 41, 42, 162

#: Events that say nothing that we need.
PASSED_OVER = {
    3: "STOP",
    5: "INTVAR",
    9: "APPEND_BLOCK",
    11: "DELETE_FILE",
    13: "RAND",
    14: "USER_VAR",
    17: "BEGIN_LOAD_QUERY",
    28: "IGNORABLE",
    29: "ROWS_QUERY",
    35: "PREVIOUS_GTIDS",
    36: "TRANSACTION_CONTEXT",
    37: "VIEW_CHANGE",
    # MariaDB's.
    160: "ANNOTATE_ROWS",
    161: "BINLOG_CHECKPOINT",
    163: "GTID_LIST",
    164: "START_ENCRYPTION",
}

#: Events that we know and refuse: name and hint.
REFUSED = {
    **dict.fromkeys(
        (20, 21, 22),
        ("a rows event of an old version", "Upgrade the source to MySQL 5.7 or later."),
    ),
    INCIDENT: (
        "INCIDENT: the source lost events",
        "The binlog has a gap: copy all tables again with a new job.",
    ),
    **dict.fromkeys(range(165, 172), ("a compressed event", "Set log_bin_compress=OFF on the source.")),
}
