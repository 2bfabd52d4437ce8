"""From a resolved job file to what the adapters take. Secrets pass through here and nowhere else."""

from __future__ import annotations

from shared.adapters.kafka.properties import to_client_config
from shared.adapters.mysql.session import MysqlTarget
from shared.codec import FormatOptions
from shared.job.placeholders import Resolver
from shared.job.spec import FieldsInclude, JobSpec, RowsSpec, parse
from shared.model.job import Wanted
from shared.settings import Settings


def resolve(wanted: Wanted, environment: dict[str, str]) -> JobSpec:
    """The job with its placeholders resolved from this process's environment.

    Raises:
        MissingSecret, InvalidJob: a placeholder has no value here, or one that cannot be.
    """
    return parse(wanted.text, wanted.file).resolve(Resolver.from_environment({}, environment))


def mysql_target(spec: JobSpec) -> MysqlTarget:
    """The job's server."""
    source = spec.source
    return MysqlTarget(
        source.hostname,
        source.port,
        source.username,
        source.password.get_secret_value(),
        source.connect_timeout.total_seconds(),
    )


def sink_config(spec: JobSpec) -> dict[str, str]:
    """Client options of the job's sink."""
    return to_client_config(spec.sink.client_properties())


def registry_config(settings: Settings) -> dict[str, str]:
    """Client options of the registry's cluster."""
    return to_client_config(settings.kafka_options())


def format_options(spec: JobSpec | RowsSpec) -> FormatOptions:
    """How the job's rows are written."""
    rows = spec.rows if isinstance(spec, JobSpec) else spec
    return FormatOptions(
        treat_tinyint1_as_boolean=rows.treat_tinyint1_as_boolean,
        fields_include="ALL" if rows.fields_include is FieldsInclude.ALL else "EXCEPT_KEY",
        timestamp_format=rows.timestamp_format,
        decimal_as_plain_number=rows.decimal_as_plain_number,
        ignore_null_fields=rows.ignore_null_fields,
        binary_encoding=rows.binary_encoding,
        json_columns=rows.json_columns,
        set_encoding=rows.set_encoding,
    )
