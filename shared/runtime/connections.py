"""From a resolved job file to what the adapters take. Secrets pass through here and nowhere else."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from shared.adapters.alikafka.account import Account, read_endpoint
from shared.adapters.alikafka.maker import AlikafkaTopics
from shared.adapters.kafka.properties import to_client_config
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.registry import Registry
from shared.adapters.mysql.session import MysqlTarget
from shared.codec import FormatOptions
from shared.errors import InvalidJob, SinkRefused, Unavailable
from shared.job.placeholders import Resolver
from shared.job.spec import AliyunSpec, FieldsInclude, JobSpec, RowsSpec, parse
from shared.model.job import Wanted
from shared.model.label import Label, Origin, label_of, stamp_headers, table_headers
from shared.model.tls import Tls, TlsMode
from shared.model.topic import TopicMaker
from shared.settings import Settings


def resolve(wanted: Wanted, environment: dict[str, str]) -> JobSpec:
    """The job with its placeholders resolved from this process's environment.

    Raises:
        MissingSecret, InvalidJob: a placeholder has no value here, or one that cannot be.
    """
    return parse(wanted.text, wanted.file).resolve(Resolver.from_environment({}, environment))


def mysql_target(spec: JobSpec) -> MysqlTarget:
    """The job's server.

    Raises:
        InvalidJob: options of TLS that have no effect.
    """
    source = spec.source
    _check_tls(source.tls, source.hostname)
    return MysqlTarget(
        source.hostname,
        source.port,
        source.username,
        source.password.get_secret_value(),
        source.connect_timeout.total_seconds(),
        source.tls,
    )


def snapshot_target(spec: JobSpec) -> MysqlTarget:
    """A server that chunks are read from: one of the replicas that the job names for it, else its own server."""
    target = mysql_target(spec)
    return target.at(secrets.choice(spec.source.snapshot_hosts)) if spec.source.snapshot_hosts else target


def _check_tls(tls: Tls, host: str) -> None:
    if host.startswith("/") and tls.mode not in (TlsMode.PREFERRED, TlsMode.DISABLED):
        raise InvalidJob(
            f"`ssl.mode: {tls.mode}` has no effect: {host} is a Unix socket, on which nothing is encrypted.",
            "Remove the line, or give a host name.",
            "source.ssl.mode",
        )
    if tls.ca is not None and not tls.mode.verifies:
        raise InvalidJob(
            f"`ssl.ca` has no effect with `ssl.mode: {tls.mode}`, which does not look at the server's certificate.",
            "Set ssl.mode to verify-ca or verify-identity, or remove the line.",
            "source.ssl.ca",
        )
    if tls.key is not None and tls.cert is None:
        raise InvalidJob("`ssl.key` needs `ssl.cert`.", "Give the certificate of this key as well.", "source.ssl.key")


def sink_config(spec: JobSpec) -> dict[str, str]:
    """Client options of the job's sink."""
    return to_client_config(spec.sink.client_properties())


def registry_config(settings: Settings) -> dict[str, str]:
    """Client options of the registry's cluster.

    Raises:
        InvalidJob: an option is unknown or wrong; the path is its variable.
    """
    try:
        return to_client_config(settings.kafka_options())
    except InvalidJob as error:
        raise InvalidJob(_of_registry(error.message), _of_registry(error.hint), _variable(error.path)) from None


def reach_registry(settings: Settings) -> None:
    """Fails soon, and for the right reason, where the registry's cluster does not answer or does not take us.

    Raises:
        InvalidJob: as `registry_config`.
        SinkRefused: the login is wrong, or the cluster's certificate is not trusted.
        Unavailable: nothing answers.
    """
    try:
        count_brokers(registry_config(settings))
    except (SinkRefused, Unavailable) as error:
        hint = _of_registry(error.hint).replace("Check ", "Of this process, check ", 1)
        raise type(error)(f"The jobs cannot be looked up. {error.message}", hint) from None


def _of_registry(text: str) -> str:
    """A sentence about options of a job file, for one whose options are variables."""
    return _PROPERTY.sub(lambda match: _variable(f"sink.{match[0]}"), text)


_PROPERTY = re.compile(r"\bproperties\.[a-z.]*[a-z*]")


def _variable(path: str) -> str:
    name = path.removeprefix("sink.properties").removeprefix(".")
    return f"HEADRACE_KAFKA_{name.upper().replace('.', '_')}" if name else "HEADRACE_KAFKA_*"


def topic_maker(aliyun: AliyunSpec | None) -> TopicMaker | None:
    """Who makes the topics of a job's sink; None for the cluster itself. Asks nobody yet.

    Raises:
        InvalidJob: the endpoint is none.
    """
    if aliyun is None:
        return None
    origin = "sink.aliyun.kafka."
    return AlikafkaTopics(
        Account(
            aliyun.access_key_id,
            aliyun.access_key_secret.get_secret_value(),
            aliyun.instance_id,
            read_endpoint(aliyun.endpoint, origin + "endpoint"),
            aliyun.region_id,
            origin,
        )
    )


def registry_maker(settings: Settings) -> TopicMaker | None:
    """Who makes the registry topic; None for its cluster itself. Asks nobody yet.

    Raises:
        InvalidJob: the endpoint is none.
    """
    if not settings.aliyun_instance_id:
        return None
    origin = "HEADRACE_ALIYUN_"
    return AlikafkaTopics(
        Account(
            settings.aliyun_access_key_id.get_secret_value(),
            settings.aliyun_access_key_secret.get_secret_value(),
            settings.aliyun_instance_id,
            read_endpoint(settings.aliyun_endpoint, origin + "ENDPOINT"),
            settings.aliyun_region_id,
            origin,
        )
    )


def open_registry(settings: Settings) -> Registry:
    """The registry; its topic is created when it is missing.

    Raises:
        SinkRefused, Unavailable, InvalidJob, ExtraMissing: it cannot be opened.
    """
    reach_registry(settings)
    return Registry(registry_config(settings), settings.registry_topic, registry_maker(settings))


def labels(spec: JobSpec) -> Callable[[Origin], Label]:
    """What the messages of a table have besides its rows."""
    sink = spec.sink

    def label(origin: Origin) -> Label:
        named = table_headers(origin.table) if sink.table_headers else ()
        stamped = stamp_headers(origin.stamp, sink.metadata_headers)
        in_value = sink.fields_include is FieldsInclude.ALL
        return label_of(origin, in_value=in_value, headers=(*named, *sink.custom_headers, *stamped))

    return label


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
        excluded=rows.excluded,
        masked=rows.masks if rows.masks.patterns else None,
    )
