"""Every option that a job file can hold, and every option of Flink CDC that it cannot, with the reason.

An option is supported (it has a `field` in `shared.job.records`), accepted without effect (no field: copying goes right
without it), or refused (it asks for something that headrace does not do, and leaving it out in silence would change
what is copied). A name that ends in `.*` is a family: any name with that beginning.

Law of this file: it is the only list of option names; docs/job-file.md is tested against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from shared.job.values import (
    Reader,
    addresses,
    binlog_file,
    cleanup_policy,
    columns,
    duration,
    filled,
    flag,
    gtid_set,
    headers,
    host,
    one_of,
    pem_file,
    row_filters,
    server_ids,
    size,
    some_of,
    text,
    whole,
)
from shared.model.label import STAMP_HEADERS
from shared.model.startup import StartMode
from shared.model.tls import TlsMode

_INT_MAX = 2**31 - 1
_SECRET = re.compile(
    r"(password|passphrase|secret|token|jaas\.config|oauthbearer\.config|key\.pem|keystore\.key"
    r"|user\.info|accessKeySecret|mask\.salt)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Option:
    """One option, or one family of options, of one block.

    `field` is where the value goes in the block's record (`group.key` inside a group); empty when it has no effect.
    `default` is the text that stands in for a missing option. `refusal` is the reason and the way out of a refused one.
    """

    name: str
    read: Reader = text
    field: str = ""
    default: str | None = None
    required: bool = False
    refusal: tuple[str, str] | None = None

    @property
    def is_family(self) -> bool:
        """True for a name such as `properties.*`."""
        return self.name.endswith(".*")

    def covers(self, name: str) -> bool:
        """True when this is the option, or the family, of that name."""
        if self.is_family:
            return name.startswith(self.name[:-1]) and len(name) >= len(self.name)
        return name == self.name


def is_secret(name: str) -> bool:
    """True for an option whose value must be a placeholder, since the file as written is stored in Kafka."""
    return _SECRET.search(name) is not None


def find(block: str, name: str) -> Option | None:
    """The option of that name in a block; an exact name comes before a family, a long family before a short one."""
    hits = [option for option in OPTIONS[block] if option.covers(name)]
    return max(hits, key=lambda option: (not option.is_family, len(option.name)), default=None)


def _supported(
    name: str,
    field: str,
    read: Reader = filled,
    default: str | None = None,
    *,
    required: bool = False,
) -> Option:
    return Option(name, read, field, default, required)


def _accepted(*names: str, read: Reader = text) -> Iterable[Option]:
    return (Option(name, read) for name in names)


def _refused(reason: str, hint: str, *names: str) -> Iterable[Option]:
    return (Option(name, refusal=(reason, hint)) for name in names)


_LATER = "It is not supported yet"
_REMOVE = "Remove the line."
_ONLY_FALSE = one_of("false", reason="`true` is not supported yet: remove the line.")
_MODES = "There are no other modes."
_MILLISECOND, _DAY = timedelta(milliseconds=1), timedelta(days=1)

#: Limits on what the snapshot takes of MySQL; `scheduler throttle` changes them while the job runs.
THROTTLE = (
    _supported("throttle.rows-per-second", "throttle.rows_per_second", whole(1, 10**9)),
    _supported("throttle.bytes-per-second", "throttle.bytes_per_second", size(1024, 2**40)),
    _supported("throttle.max-threads-running", "throttle.max_threads_running", whole(1, 100_000)),
    _supported("throttle.max-replica-lag", "throttle.max_replica_lag", duration(timedelta(seconds=1), _DAY)),
    _supported("throttle.replicas", "throttle.replicas", addresses(3306)),
)

_SOURCE = (
    Option("type", one_of("mysql", reason="MySQL is the only source."), required=True),
    _supported("name", "name", default="MySQL Source"),
    _supported("hostname", "hostname", host, required=True),
    _supported("port", "port", whole(1, 65535), "3306"),
    _supported("username", "username", required=True),
    _supported("password", "password", text, required=True),
    _supported("tables", "tables", required=True),
    _supported("tables.exclude", "tables_exclude"),
    _supported("columns.exclude", "excluded", columns),
    _supported("columns.mask.null", "masks.null", columns),
    _supported("columns.mask.constant", "masks.constant", columns),
    _supported("columns.mask.constant.value", "masks.text", text, "***"),
    _supported("columns.mask.hash", "masks.hashed", columns),
    _supported("columns.mask.salt", "masks.salt"),
    # Flink takes a random id from these bounds; the binlog worker leases a free one.
    _supported("server-id", "server_ids", server_ids, "5400-6400"),
    _supported("scan.incremental.snapshot.chunk.size", "chunk_rows", whole(1, 100_000_000), "200000"),
    _supported("treat-tinyint1-as-boolean.enabled", "treat_tinyint1_as_boolean", flag, "true"),
    # The lower bound is Flink's (FLINK-35297); beyond an hour a dead server would look like a slow one.
    _supported(
        "connect.timeout",
        "connect_timeout",
        duration(250 * _MILLISECOND, timedelta(hours=1)),
        "30s",
    ),
    *THROTTLE,
    _supported("snapshot.hostname", "snapshot_hosts", addresses(3306)),
    _supported(
        "ssl.mode", "tls.mode", one_of(*TlsMode, reason="These are the modes of MySQL's own clients."), "preferred"
    ),
    _supported("ssl.ca", "tls.ca", pem_file),
    _supported("ssl.cert", "tls.cert", pem_file),
    _supported("ssl.key", "tls.key", pem_file),
    *_accepted("connect.max-retries", read=whole(1, 1_000_000)),
    *_accepted("heartbeat.interval", read=duration(timedelta(0), _DAY)),
    _supported("scan.snapshot.filters", "row_filters", row_filters),
    _supported("scan.startup.mode", "startup.mode", one_of(*StartMode, reason=_MODES), "initial"),
    _supported("scan.startup.specific-offset.gtid-set", "startup.gtid_set", gtid_set),
    _supported("scan.startup.specific-offset.file", "startup.file", binlog_file),
    _supported("scan.startup.specific-offset.pos", "startup.offset", whole(4, 2**40 - 1)),
    _supported("scan.startup.timestamp-millis", "startup.timestamp_millis", whole(0, 2**53)),
    *_accepted(
        "scan.startup.specific-offset.skip-events",
        "scan.startup.specific-offset.skip-rows",
        read=one_of("0", reason="A position lies between transactions: remove the line."),
    ),
    *_accepted("server-time-zone"),
    *_accepted("schema-change.enabled", "include-comments.enabled", read=flag),
    *_accepted("use.legacy.json.format", "scan.incremental.snapshot.backfill.skip", read=flag),
    *_accepted("scan.incremental.close-idle-reader.enabled", read=flag),
    *_accepted("scan.incremental.snapshot.unbounded-chunk-first.enabled", read=flag),
    *_accepted("scan.only.deserialize.captured.tables.changelog.enabled", read=flag),
    *_accepted("scan.parallel-deserialize-changelog.enabled", read=flag),
    *_accepted("scan.snapshot.fetch.size", "chunk-meta.group.size", read=whole(1, _INT_MAX)),
    *_accepted("connection.pool.size", read=whole(1, _INT_MAX)),
    *_accepted("scan.incremental.snapshot.chunk.key-column"),
    *_accepted(
        "chunk-key.even-distribution.factor.upper-bound",
        "chunk-key.even-distribution.factor.lower-bound",
        "split-key.even-distribution.factor.upper-bound",
        "split-key.even-distribution.factor.lower-bound",
    ),
    _supported("scan.newly-added-table.enabled", "joins_new_tables", flag, "true"),
    *_accepted("scan.binlog.newly-added-table.enabled", read=_ONLY_FALSE),
    *_accepted("scan.parse.online.schema.changes.enabled", read=_ONLY_FALSE),
    *_accepted("scan.read-changelog-as-append-only.enabled", read=_ONLY_FALSE),
    *_refused(_LATER + ": a value holds the columns of the row", _REMOVE, "metadata.list"),
    *_refused(_LATER + ": binlogs are read from the server itself", _REMOVE, "rds.*"),
    *_refused("headrace has no JDBC driver", _REMOVE, "jdbc.properties.*"),
    *_refused("headrace reads the binlog itself, without Debezium", _REMOVE, "debezium.*"),
)

_OWN_TRANSACTIONS = "headrace names its transactions itself, for exactly-once rests on them"
_OWN_PARTITIONS = "Keys go to partitions as Kafka's Java clients send them"
_OWN_FORMAT = "Keys and values are plain JSON"
_ROUTE_INSTEAD = "Use `route` with `sink-table` to name topics."

_SINK = (
    Option(
        "type",
        one_of("upsert-kafka", reason="`type: kafka` of Flink CDC has another message format."),
        required=True,
    ),
    _supported("name", "name", default="upsert-kafka Sink"),
    _supported("properties.bootstrap.servers", "properties.bootstrap.servers", required=True),
    _supported("properties.*", "properties.*", text),
    Option(
        "properties.acks",
        one_of("all", "-1", reason="Transactions need `all`."),
        "properties.acks",
    ),
    Option(
        "properties.enable.idempotence",
        one_of("true", reason="Transactions need `true`."),
        "properties.enable.idempotence",
    ),
    _supported("sink.topic.partitions", "topic_partitions", whole(1, 1_000_000)),
    _supported("sink.topic.replication-factor", "topic_replication_factor", whole(1, 32767)),
    _supported("sink.topic.config.*", "topic_config.*", text),
    _supported("sink.topic.config.cleanup.policy", "topic_config.cleanup.policy", cleanup_policy, "compact"),
    _supported("value.fields-include", "fields_include", one_of("ALL", "EXCEPT_KEY"), "ALL"),
    _supported(
        "json.timestamp-format.standard", "timestamp_format", one_of("SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"), "SQL"
    ),
    # Flink's default is false, which spells small numbers with an exponent.
    _supported("json.encode.decimal-as-plain-number", "decimal_as_plain_number", flag, "true"),
    _supported("json.encode.ignore-null-fields", "ignore_null_fields", flag, "false"),
    _supported("binary.encoding", "binary_encoding", one_of("base64", "hex"), "base64"),
    _supported("json.columns", "json_columns", one_of("string", "object"), "string"),
    _supported("set.encoding", "set_encoding", one_of("array", "string"), "array"),
    _supported("sink.add-tableId-to-header-enabled", "table_headers", flag, "false"),
    _supported("sink.custom-header", "custom_headers", headers, ""),
    _supported("sink.metadata-headers", "metadata_headers", some_of(*STAMP_HEADERS), ""),
    _supported("sink.on-truncate", "on_truncate", one_of("tombstones", "keep"), "tombstones"),
    *(
        _supported(f"aliyun.kafka.{key}", f"aliyun.{field}")
        for key, field in (
            ("accessKeyId", "access_key_id"),
            ("accessKeySecret", "access_key_secret"),
            ("instanceId", "instance_id"),
            ("endpoint", "endpoint"),
            ("regionId", "region_id"),
        )
    ),
    *_accepted(
        "sink.delivery-guarantee",
        read=one_of(
            "exactly-once",
            "at-least-once",
            reason="headrace never loses a change: remove the line.",
        ),
    ),
    *_accepted("partition.strategy", read=one_of("hash-by-key", reason=_OWN_PARTITIONS + ".")),
    *_accepted("key.format", "value.format", read=one_of("json", reason=_OWN_FORMAT + ".")),
    *_accepted("json.map-null-key.mode", read=one_of("FAIL", "DROP", "LITERAL")),
    *_accepted("json.map-null-key.literal"),
    *_accepted("json.fail-on-missing-field", "json.ignore-parse-errors", read=flag),
    *_accepted("sink.parallelism", read=whole(1, _INT_MAX)),
    *_accepted("sink.buffer-flush.max-rows", "sink.buffer-flush.interval"),
    *_accepted("sink.transactional-id-prefix", "sink.transaction-naming-strategy"),
    *_refused(_OWN_TRANSACTIONS, _REMOVE, "properties.transactional.id"),
    *_refused(_OWN_PARTITIONS, _REMOVE, "properties.partitioner", "properties.partitioner.class"),
    *_refused(_OWN_FORMAT, _REMOVE, "properties.key.serializer", "properties.value.serializer"),
    *_refused(
        "Topics are named by `route`, with a `shard-key` for many tables", _ROUTE_INSTEAD, "topic", "topic-pattern"
    ),
    *_refused("Topics are named by `route`", _ROUTE_INSTEAD, "sink.tableId-to-topic.mapping"),
    *_refused(_LATER, _REMOVE, "key.fields-prefix"),
    *_refused(_LATER, _REMOVE, "include.schema.changes", "exclude.schema.changes"),
    *_refused(_OWN_FORMAT, _REMOVE, "debezium-json.*", "canal-json.*", "csv.*"),
)

_PIPELINE = (
    _supported("name", "name"),
    _supported("parallelism", "parallelism", whole(1, 1024), "4"),
    _supported("route-mode", "route_mode", one_of("ALL_MATCH", "FIRST_MATCH"), "ALL_MATCH"),
    *_accepted(
        "execution.runtime-mode",
        read=one_of("STREAMING", reason="A job that ends after the snapshot is not supported yet."),
    ),
    _supported(
        "schema.change.behavior",
        "schema_change",
        one_of("LENIENT", "EVOLVE", "TRY_EVOLVE", "EXCEPTION", reason="A row is written with the columns that it has."),
        "LENIENT",
    ),
    *_accepted("local-time-zone", "schema.operator.uid", "operator.uid.prefix"),
    *_accepted("schema-operator.rpc-timeout", "sink.partitioning.strategy"),
    *_accepted("transform.decimal.precision.mode"),
    *_refused(_LATER + ": there is no `transform`", _REMOVE, "user-defined-function", "model"),
)

_ROUTE = (
    _supported("source-table", "source_table", required=True),
    _supported("sink-table", "sink_table", required=True),
    _supported("replace-symbol", "replace_symbol"),
    _supported("description", "description", text, ""),
    _supported("shard-key", "shard_key"),
)

#: The options by block, in the order of the documentation.
OPTIONS: dict[str, tuple[Option, ...]] = {
    "source": _SOURCE,
    "sink": _SINK,
    "route": _ROUTE,
    "pipeline": _PIPELINE,
}
