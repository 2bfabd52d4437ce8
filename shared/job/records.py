"""The job as the rest of headrace reads it: frozen, typed, with every default filled in.

Built by `JobFile.resolve` alone. The records hold resolved secrets, so they live in one process and show nothing of
themselves: `repr` names the record and no value.

Law of this file: no parsing and no defaults; `shared.job.options` has both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from shared.errors import InvalidJob
from shared.job.columns import ColumnPatterns
from shared.job.filters import RowFilters
from shared.job.patterns import TablePatterns, select
from shared.job.routing import RouteMode, RouteRule, route, shard_key
from shared.job.values import ServerIdRange
from shared.model.label import Header
from shared.model.mask import Constant, Hash, Mask, fingerprint
from shared.model.schema import TableId
from shared.model.startup import Startup
from shared.model.throttle import Address, Limits
from shared.model.tls import Tls


class FieldsInclude(StrEnum):
    """Which columns a message's value holds."""

    ALL = "ALL"
    EXCEPT_KEY = "EXCEPT_KEY"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __str__(self) -> str:
        return repr(self)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a resolved job holds secrets and stays in its process: send JobFile.to_text()")

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        return ()


class MasksSpec(_Record):
    """Columns whose values are replaced. It is called with a table and the name of a column; what hides more comes first."""

    null: ColumnPatterns | None = None
    constant: ColumnPatterns | None = None
    text: str = ""
    hashed: ColumnPatterns | None = None
    salt: SecretStr | None = None

    def __call__(self, table: TableId, column: str) -> Mask | None:
        """What stands in place of the column's values; None for a column that is no mask's."""
        if self.null is not None and self.null(table, column):
            return Constant(None)
        if self.constant is not None and self.constant(table, column):
            return Constant(self.text)
        if self.hashed is not None and self.hashed(table, column):
            return Hash(None if self.salt is None else self.salt.get_secret_value().encode())
        return None

    def fingerprint(self, job_id: str) -> str:
        """By what the salt of a job is known again; empty where nothing is hashed, or the salt was not looked up."""
        return "" if self.salt is None else fingerprint(self.salt.get_secret_value().encode(), job_id)

    @property
    def patterns(self) -> dict[str, ColumnPatterns]:
        """The lists of patterns, by their options."""
        every = {"null": self.null, "constant": self.constant, "hash": self.hashed}
        return {f"source.columns.mask.{name}": found for name, found in every.items() if found is not None}


class SourceSpec(_Record):
    """The MySQL server and the tables on it."""

    name: str
    hostname: str
    port: int
    username: str
    password: SecretStr
    tables: TablePatterns
    tables_exclude: TablePatterns | None = None
    server_ids: ServerIdRange
    chunk_rows: int
    treat_tinyint1_as_boolean: bool
    connect_timeout: timedelta
    throttle: Limits = Limits()
    joins_new_tables: bool = True
    startup: Startup = Startup()
    tls: Tls = Tls()
    snapshot_hosts: tuple[Address, ...] = ()
    excluded: ColumnPatterns | None = None
    masks: MasksSpec = MasksSpec()
    row_filters: RowFilters | None = None

    def condition(self, table: TableId) -> str | None:
        """Which rows of a table the snapshot copies; None for all. Case counts, as in the names that the catalog tells."""
        return None if self.row_filters is None else self.row_filters(table)


class AliyunSpec(_Record):
    """Access to the API of ApsaraMQ for Kafka, which creates topics there."""

    access_key_id: str
    access_key_secret: SecretStr
    instance_id: str
    endpoint: str
    region_id: str


class SinkSpec(_Record):
    """The Kafka cluster and the topics on it; None means the cluster's default."""

    name: str
    properties: dict[str, SecretStr]
    topic_partitions: int | None = None
    topic_replication_factor: int | None = None
    topic_config: dict[str, str]
    fields_include: FieldsInclude
    timestamp_format: Literal["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"]
    decimal_as_plain_number: bool
    ignore_null_fields: bool
    binary_encoding: Literal["base64", "hex"]
    json_columns: Literal["string", "object"]
    set_encoding: Literal["array", "string"]
    on_truncate: Literal["tombstones", "keep"]
    table_headers: bool = False
    custom_headers: tuple[Header, ...] = ()
    metadata_headers: tuple[str, ...] = ()
    aliyun: AliyunSpec | None = None

    def client_properties(self) -> dict[str, str]:
        """The `properties.*` in clear text, for the Kafka client alone; never log them."""
        return {name: value.get_secret_value() for name, value in self.properties.items()}


class RowsSpec(_Record):
    """How rows become messages; it holds no secret, but where it comes from a whole job the salt of its masks."""

    treat_tinyint1_as_boolean: bool
    fields_include: FieldsInclude
    timestamp_format: Literal["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"]
    decimal_as_plain_number: bool
    ignore_null_fields: bool
    binary_encoding: Literal["base64", "hex"]
    json_columns: Literal["string", "object"]
    set_encoding: Literal["array", "string"]
    excluded: ColumnPatterns | None = None
    masks: MasksSpec = MasksSpec()


class PipelineSpec(_Record):
    """What concerns the job as a whole; `name` is None when the file gives none."""

    name: str | None = None
    parallelism: int
    route_mode: RouteMode
    schema_change: Literal["EVOLVE", "TRY_EVOLVE", "LENIENT", "EXCEPTION"] = "LENIENT"

    @property
    def follows_schema(self) -> bool:
        """Whether a table whose columns change is copied again; else the job stops."""
        return self.schema_change != "EXCEPTION"


class JobSpec(_Record):
    """One job with all placeholders resolved; `lines` tells where in `file` each option stands."""

    source: SourceSpec
    sink: SinkSpec
    route: tuple[RouteRule, ...]
    pipeline: PipelineSpec
    file: str
    lines: dict[str, int]

    def select(self, tables: Sequence[TableId], *, ignore_case: bool = False) -> tuple[TableId, ...]:
        """The tables of the job out of those that the server has.

        Raises:
            InvalidJob: no table matches, or all are excluded.
        """
        try:
            return select(tables, self.source.tables, self.source.tables_exclude, ignore_case=ignore_case)
        except InvalidJob as error:
            raise located(error, self.file, self.lines) from None

    def copies(self, table: TableId, *, ignore_case: bool = False) -> bool:
        """True when `select` would take the table."""
        source = self.source
        excluded = source.tables_exclude is not None and source.tables_exclude.matches(table, ignore_case=ignore_case)
        return not excluded and source.tables.matches(table, ignore_case=ignore_case)

    def topics(self, tables: Sequence[TableId], *, ignore_case: bool = False) -> dict[TableId, str]:
        """The topic of each of the job's tables.

        Raises:
            InvalidJob: a rule matches nothing, or the tables do not get one valid topic each.
        """
        mode = self.pipeline.route_mode
        try:
            return route(tables, self.route, mode=mode, ignore_case=ignore_case)
        except InvalidJob as error:
            raise located(error, self.file, self.lines) from None

    def shard_key(self, table: TableId, *, ignore_case: bool = False) -> str:
        """The field that tells a table of the job from others in its topic; empty where the topic is its own."""
        return shard_key(table, self.route, ignore_case=ignore_case)

    @property
    def rows(self) -> RowsSpec:
        """How the job's rows become messages."""
        sink = {name: getattr(self.sink, name) for name in RowsSpec.model_fields if name in SinkSpec.model_fields}
        source = {name: getattr(self.source, name) for name in RowsSpec.model_fields if name in SourceSpec.model_fields}
        return RowsSpec(**source, **sink)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about patterns that are legal and rarely meant so, each with its option's path."""
        every = [self.source.tables, *(rule.source for rule in self.route)]
        if self.source.tables_exclude is not None:
            every.append(self.source.tables_exclude)
        return tuple(f"{p.path}: {warning}" for p in every for warning in p.warnings)


def located(error: InvalidJob, file: str, lines: dict[str, int]) -> InvalidJob:
    """The same error with the file and line of its path, as far as the file has that path."""
    line = lines.get(error.path)
    place = f"{file}:{line}" if line else file
    return InvalidJob(f"{error.message.removesuffix('.')} ({place}).", error.hint, error.path)
