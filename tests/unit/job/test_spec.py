"""The job file as a whole: the reference jobs, every kind of mistake, and that secrets stay out of sight."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob, MissingSecret
from shared.job.options import OPTIONS, find, is_secret
from shared.job.placeholders import Resolver
from shared.job.records import AliyunSpec, MasksSpec, PipelineSpec, SinkSpec, SourceSpec
from shared.job.spec import FieldsInclude, JobSpec, RouteMode, ServerIdRange, job_name, parse
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import TableId
from shared.model.startup import StartMode, Startup
from shared.model.tls import Tls, TlsMode

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "docs" / "examples"
TABLES = [TableId("order_dw", name) for name in ("user", "order", "feedback")] + [TableId("mysql", "user")]
SECRET = "hunter2"
GTID_SET, FILE, POS = (f"scan.startup.specific-offset.{name}" for name in ("gtid-set", "file", "pos"))
GTIDS = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"

SOURCE = """\
source:
  type: mysql
  hostname: db
  username: app
  password: #{password}
  tables: shop.\\.*
"""
SINK = """\
sink:
  type: upsert-kafka
  properties.bootstrap.servers: broker:9092
"""
MINIMAL = SOURCE + SINK


def job(source: str = "", sink: str = "", rest: str = "") -> str:
    """The minimal job with further lines in its blocks."""

    def indent(lines: str) -> str:
        return "".join(f"  {line}\n" for line in lines.splitlines())

    return SOURCE + indent(source) + SINK + indent(sink) + rest


def resolve(text: str, **variables: str) -> JobSpec:
    return parse(text, "job.yaml").resolve(Resolver({"password": SECRET} | variables))


def refused(text: str, **variables: str) -> InvalidJob:
    with pytest.raises(InvalidJob) as caught:
        resolve(text, **variables)
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whole_database", ["order_dw.user", "order_dw.order", "order_dw.feedback"]),
        ("renamed", ["user1", "order2", "feedback3"]),
        ("pattern", ["topic_user", "topic_order", "topic_feedback"]),
    ],
)
def test_the_reference_jobs_give_their_topics(name: str, expected: list[str]) -> None:
    file = parse((HERE / f"reference_{name}.yaml").read_text(), "job.yaml")
    names = ("hostname", "username", "password", "ak", "sk", "instanceId", "endpoint", "regionId")
    assert file.placeholders() == names
    assert file.literal_secrets() == ()
    spec = file.resolve(Resolver({n: f"value-of-{n}" for n in names}))
    assert spec.source.hostname == "value-of-hostname"
    assert spec.source.password.get_secret_value() == "value-of-password"
    assert spec.source.server_ids == ServerIdRange(28601, 28604)
    assert spec.sink.client_properties() == {"bootstrap.servers": "broker:9092"}
    assert spec.sink.aliyun is not None
    assert spec.sink.aliyun.access_key_secret.get_secret_value() == "value-of-sk"
    assert spec.sink.aliyun.region_id == "value-of-regionId"
    assert list(spec.topics(spec.select(TABLES)).values()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whole-database", ["order_dw.user", "order_dw.order", "order_dw.feedback"]),
        ("renamed", ["user1", "order2", "feedback3"]),
        ("pattern", ["topic_user", "topic_order", "topic_feedback"]),
    ],
)
def test_the_examples_give_the_same_topics_on_the_local_stack(name: str, expected: list[str]) -> None:
    file = parse((EXAMPLES / f"{name}.yaml").read_text())
    values = {"hostname": "h", "port": "13306", "username": "u", "password": "p", "bootstrap": "b:1"}
    assert sorted(file.placeholders()) == sorted(values)
    spec = file.resolve(Resolver(values))
    assert file.name("x") == name
    assert spec.source.port == 13306
    assert list(spec.topics(spec.select(TABLES)).values()) == expected


def test_the_examples_share_no_server_id() -> None:
    values = dict.fromkeys(("hostname", "username", "password", "bootstrap"), "x") | {"port": "1"}
    files = sorted(EXAMPLES.glob("*.yaml"))
    ids = [i for f in files for i in parse(f.read_text()).resolve(Resolver(values)).source.server_ids.ids]
    assert len(files) == 3
    assert len(ids) == len(set(ids))


def test_defaults_are_filled_in() -> None:
    spec = resolve(MINIMAL)
    assert spec.source.name == "MySQL Source"
    assert spec.source.port == 3306
    assert spec.source.tables_exclude is None
    assert spec.source.server_ids == ServerIdRange(5400, 6400)
    assert spec.source.chunk_rows == 200000
    assert spec.source.treat_tinyint1_as_boolean is True
    assert spec.source.connect_timeout == timedelta(seconds=30)
    assert spec.sink.topic_partitions is None
    assert spec.sink.topic_replication_factor is None
    assert spec.sink.topic_config == {"cleanup.policy": "compact"}
    assert spec.sink.fields_include is FieldsInclude.ALL
    assert spec.sink.aliyun is None
    assert spec.route == ()
    assert spec.pipeline == PipelineSpec(parallelism=4, route_mode=RouteMode.ALL_MATCH)


def test_every_option_can_be_given() -> None:
    text = job(
        "port: 1\ntables.exclude: shop.tmp_\\.*\nserver-id: 7\nscan.incremental.snapshot.chunk.size: 10\n"
        "treat-tinyint1-as-boolean.enabled: false\nconnect.timeout: 1 min\nconnect.max-retries: 9\n"
        "heartbeat.interval: 0s\nscan.startup.mode: INITIAL\nserver-time-zone: UTC",
        "value.fields-include: except_key\nsink.topic.partitions: 3\nsink.topic.replication-factor: 2\n"
        "sink.topic.config.segment.ms: 1000\nsink.topic.config.cleanup.policy: compact,delete\n"
        "properties.sasl.password: #{kafka}\nproperties.acks: all\nsink.delivery-guarantee: EXACTLY_ONCE",
        "pipeline:\n  name: My Job\n  parallelism: 2\n  route-mode: first_match\n",
    )
    spec = resolve(text, kafka="k")
    assert spec.source.tables_exclude is not None
    assert spec.source.tables_exclude.matches(TableId("shop", "tmp_1"))
    assert spec.source.chunk_rows == 10
    assert spec.source.treat_tinyint1_as_boolean is False
    assert spec.sink.fields_include is FieldsInclude.EXCEPT_KEY
    assert spec.sink.topic_config == {"segment.ms": "1000", "cleanup.policy": "compact,delete"}
    assert spec.sink.client_properties() == {
        "bootstrap.servers": "broker:9092",
        "sasl.password": "k",
        "acks": "all",
    }
    assert spec.pipeline.route_mode is RouteMode.FIRST_MATCH


@pytest.mark.parametrize("word", ["exactly-once", "EXACTLY_ONCE", "exactly_once", "at-least-once", "AT_LEAST_ONCE"])
def test_delivery_guarantees_up_to_ours_are_accepted(word: str) -> None:
    resolve(job(sink=f"sink.delivery-guarantee: {word}"))


def test_dotted_and_nested_options_are_the_same() -> None:
    nested = SOURCE + "  connect: {timeout: 5s, max-retries: 4}\nsink:\n  type: upsert-kafka\n  properties:\n"
    nested += "    bootstrap.servers: broker:9092\n    sasl:\n      mechanism: PLAIN\n"
    dotted = job("connect.timeout: 5s\nconnect.max-retries: 4", "properties.sasl.mechanism: PLAIN")
    one, other = resolve(nested), resolve(dotted)
    assert one.sink == other.sink
    assert one.source.connect_timeout == other.source.connect_timeout == timedelta(seconds=5)


def test_where_a_job_begins() -> None:
    assert resolve(job()).source.startup == Startup(StartMode.INITIAL)
    assert resolve(job("scan.startup.mode: LATEST_OFFSET")).source.startup == Startup(StartMode.LATEST)
    given = job(f"scan.startup.mode: #{{mode}}\n{GTID_SET}: #{{gtids}}")
    assert resolve(given, mode="specific-offset", gtids=GTIDS).source.startup == Startup(
        StartMode.SPECIFIC, GtidSet.parse(GTIDS)
    )
    with pytest.raises(InvalidJob, match="no effect"):
        resolve(given, mode="initial", gtids=GTIDS)
    place = job(f"scan.startup.mode: specific-offset\n{FILE}: mysql-bin.000003\n{POS}: 1234")
    assert resolve(place).source.startup.place == Coordinates("mysql-bin.000003", 1234)
    moment = job("scan.startup.mode: timestamp\nscan.startup.timestamp-millis: 1700000000123")
    assert resolve(moment).source.startup == Startup(StartMode.TIMESTAMP, timestamp_millis=1_700_000_000_123)


def test_one_option_in_two_spellings_is_an_error() -> None:
    error = refused(job(sink="properties: {bootstrap.servers: other:9092}"))
    assert error.path == "sink.properties.bootstrap.servers"
    assert "line 9 already (job.yaml:10)" in error.message


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        (job("server_id: 7"), "source.server_id", "no option `server_id` in `source` (job.yaml:7)", "`server-id`"),
        (job("Port: 7"), "source.Port", "no option", "`port`"),
        (job(sink="value.field-include: ALL"), "sink.value.field-include", "no option", "`value.fields-include`"),
        (job("parallelism: 7"), "source.parallelism", "no option", "block `pipeline:`"),
        (job("zzz: 7"), "source.zzz", "no option", "job-file.md"),
        (job(rest="pipelines:\n  name: x\n"), "pipelines", "no block", "`pipeline`"),
        (job(rest="parallelism: 4\n"), "parallelism", "no block", "block `pipeline:`"),
        (job(rest="transform:\n- source-table: a.b\n"), "transform", "not supported yet", "Remove"),
        (SOURCE, "sink", "block `sink:` is missing", "sink"),
        (SINK, "source", "block `source:` is missing", "source"),
        (SOURCE + "sink:\n", "sink.type", "option `type` is missing (job.yaml:7)", "Add it"),
        (SOURCE.replace("  tables", "  #tables") + SINK, "source.tables", "is missing (job.yaml:1)", "Add it"),
        (job("port: abc"), "source.port", "1 to 65535, found `abc` (job.yaml:7)", "Correct"),
        (job("port: [1]"), "source.port", "Expected one value, found a list", "commas"),
        (job("port:"), "source.port", "has no value", "comment"),
        (job("port: #{ port }"), "source.port", "has no value", "#{name}"),
        (job("port: ''"), "source.port", "found an empty text", "Correct"),
        (job("port: {a: 1}"), "source.port.a", "no option", "`port`"),
        (job("server-id: 9-8"), "source.server-id", "found `9-8`", "lower one"),
        (job("scan.startup.mode: tomorrow"), "source.scan.startup.mode", "`initial`", "no other modes"),
        (
            job("scan.startup.mode: timestamp"),
            "source.scan.startup.mode",
            "needs `scan.startup.timestamp-millis`",
            "1970",
        ),
        (job("scan.startup.timestamp-millis: 5"), "source.scan.startup.timestamp-millis", "mode: timestamp`", "remove"),
        (job(f"scan.startup.mode: timestamp\n{FILE}: b.01"), f"source.{FILE}", "mode: specific-offset`", "remove"),
        (job(f"scan.startup.mode: specific-offset\n{FILE}: x"), f"source.{FILE}", "a binlog file", "SHOW BINARY LOGS"),
        (job(f"scan.startup.mode: specific-offset\n{FILE}: ./b.01"), f"source.{FILE}", "a binlog file", "folder"),
        (job(f"scan.startup.mode: specific-offset\n{FILE}: b.01"), f"source.{FILE}", f"needs `{GTID_SET}`, or", "Give"),
        (
            job(f"scan.startup.mode: specific-offset\n{POS}: 4"),
            f"source.{POS}",
            "`scan.startup.specific-offset.file` and",
            "Give",
        ),
        (job(f"scan.startup.mode: specific-offset\n{FILE}: b.01\n{POS}: 3"), f"source.{POS}", "4 to", "Correct"),
        (
            job(f"scan.startup.mode: specific-offset\n{FILE}: b.01\n{POS}: 4\n{GTID_SET}: {GTIDS}"),
            f"source.{GTID_SET}",
            "are two positions",
            "Remove one",
        ),
        (job("scan.startup.mode: specific-offset"), "source.scan.startup.mode", f"needs `{GTID_SET}`", "Give"),
        (
            job(f"scan.startup.mode: specific-offset\n{GTID_SET}: {GTIDS.partition(':')[0]}@binlog:1-5"),
            f"source.{GTID_SET}",
            "a GTID set",
            "Correct",
        ),
        (job(f"{GTID_SET}: {GTIDS}"), f"source.{GTID_SET}", "no effect without `scan.startup.mode", "Add that mode"),
        (job(f"scan.startup.mode: initial\n{GTID_SET}: {GTIDS}"), f"source.{GTID_SET}", "no effect", "remove"),
        (job(f"scan.startup.mode: specific-offset\n{GTID_SET}: 1-5"), f"source.{GTID_SET}", "a GTID set", "Correct"),
        (
            job("scan.startup.specific-offset.skip-rows: 3"),
            "source.scan.startup.specific-offset.skip-rows",
            "`0`",
            "lies between",
        ),
        (job("debezium: {a.b: 1}"), "source.debezium.a.b", "without Debezium", "Remove"),
        (job("jdbc.properties.useSSL: true"), "source.jdbc.properties.useSSL", "no JDBC driver", "Remove"),
        (job("metadata.list: op_ts"), "source.metadata.list", "refused", "Remove"),
        (
            job("scan.binlog.newly-added-table.enabled: true"),
            "source.scan.binlog.newly-added-table.enabled",
            "`false`",
            "yet",
        ),
        (job("connect.timeout: 30"), "source.connect.timeout", "250 ms", "milliseconds"),
        (job(sink="topic: x"), "sink.topic", "refused", "`route`"),
        (job(sink="sink.delivery-guarantee: none"), "sink.sink.delivery-guarantee", "found `none`", "never loses"),
        (job(sink="value.format: debezium-json"), "sink.value.format", "`json`", "plain JSON"),
        (job(sink="properties.transactional.id: x"), "sink.properties.transactional.id", "refused", "Remove"),
        (job(sink="properties.acks: 1"), "sink.properties.acks", "`all`", "Transactions"),
        (
            job(sink="sink.topic.config.cleanup.policy: delete"),
            "sink.sink.topic.config.cleanup.policy",
            "`compact`",
            "f",
        ),
        (job(sink="aliyun.kafka.endpoint: x"), "sink.aliyun.kafka.accessKeyId", "missing beside", "all five"),
        (MINIMAL.replace("mysql", "postgres"), "source.type", "found `postgres`", "only source"),
        (MINIMAL.replace("upsert-kafka", "kafka"), "sink.type", "found `kafka`", "message format"),
        (
            job(rest="pipeline:\n  schema.change.behavior: ignore\n"),
            "pipeline.schema.change.behavior",
            "EXC",
            "columns that it has",
        ),
        (job(rest="pipeline:\n  model:\n  - x\n"), "pipeline.model", "refused", "Remove"),
        (job(rest="pipeline:\n  name: #{n}\n"), "pipeline.name", "placeholder (job.yaml:11)", "same everywhere"),
        (job(rest="pipeline:\n  name: '!'\n"), "pipeline.name", "Nothing is left", "letters"),
        (job(rest="pipeline:\n- x\n"), "pipeline", "Expected options, found a list", "per line"),
        (job(rest="route:\n  source-table: a.b\n"), "route", "found a mapping", "- source-table"),
        (job(rest="route:\n- x\n"), "route[0]", "found a single value (job.yaml:11)", "per line"),
        (job(rest="route:\n- sink-table: x\n"), "route[0].source-table", "is missing (job.yaml:11)", "Add it"),
        (job(rest="route:\n- {source-table: a, sink-table: x}\n"), "route[0].source-table", "no database", "Write"),
        (job(rest="route:\n- {source-table: a.b, sinktable: x}\n"), "route[0].sinktable", "no option", "`sink-table`"),
        (MINIMAL.replace("shop.", "shop.."), "source.tables", "more than one plain dot (job.yaml:6)", "`.`"),
        (job("tables.exclude: shop"), "source.tables.exclude", "names no database", "database"),
    ],
)
def test_one_clear_error_per_mistake(text: str, path: str, message: str, hint: str) -> None:
    error = refused(text)
    assert error.path == path
    assert message in error.message
    assert "job.yaml" in error.message
    assert hint in error.hint


def test_most_mistakes_show_without_any_secret() -> None:
    with pytest.raises(InvalidJob, match="65535"):
        parse(job("port: 70000"))


def test_values_of_placeholders_are_typed_after_resolving() -> None:
    text = job("port: #{port}\nconnect.timeout: #{n}s", "sink.topic.partitions: #{n}")
    spec = resolve(text, port="3307", n="5")
    assert (spec.source.port, spec.source.connect_timeout.seconds, spec.sink.topic_partitions) == (3307, 5, 5)


def test_a_wrong_value_of_a_placeholder_is_not_shown() -> None:
    for text in (job("port: #{password}"), job("server-id: 1-#{password}"), job("tables.exclude: #{password}")):
        error = refused(text)
        assert "#{password}" in error.message
        assert "job.yaml:7" in error.message
    rule = 'route:\n- source-table: shop.x\n  sink-table: "#{password} "\n'
    assert refused(job(rest=rule)).path == "route[0].sink-table"


def test_a_wrong_literal_of_a_secret_option_is_not_shown() -> None:
    text = job(sink="aliyun.kafka.accessKeySecret: ' '\naliyun.kafka.accessKeyId: a\n"
               "aliyun.kafka.instanceId: a\naliyun.kafka.endpoint: a\naliyun.kafka.regionId: a")  # fmt: skip
    assert "found another text" in refused(text).message


def test_a_missing_placeholder_names_option_and_line() -> None:
    with pytest.raises(MissingSecret, match=r"#\{password\} at source\.password \(job\.yaml:5\)"):
        parse(MINIMAL).resolve(Resolver())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_password_arrives_as_it_is(password: str) -> None:
    spec = parse(MINIMAL).resolve(Resolver({"password": password}))
    assert spec.source.password.get_secret_value() == password


def test_a_resolved_job_shows_nothing_and_stays_in_its_process() -> None:
    spec = resolve(job(sink="properties.sasl.password: #{password}\nproperties.x: #{password}"))
    for shown in (spec, spec.source, spec.sink, spec.pipeline, spec.source.tables):
        assert SECRET not in f"{shown!r} {shown!s}"
    assert SECRET not in str(spec.model_dump())
    assert SECRET not in repr(copy.deepcopy(spec))
    with pytest.raises(TypeError):
        pickle.dumps(spec)
    with pytest.raises(TypeError):
        pickle.dumps(spec.source)


def test_a_job_file_hides_its_text() -> None:
    file = parse(MINIMAL.replace("#{password}", SECRET))
    assert SECRET not in f"{file!r} {file!s}"


def test_a_job_file_round_trips_through_its_text() -> None:
    text = "# comment\n" + MINIMAL
    file = parse(text, "job.yaml")
    assert file.to_text() == text
    assert parse(file.to_text(), "job.yaml") == file


@pytest.mark.parametrize(
    ("line", "is_literal"),
    [
        ("properties.sasl.password: x", True),
        ("properties.sasl.password: ''", False),
        ("properties.sasl.password: #{p}", False),
        ("properties.sasl.password: x#{p}", True),
        ("properties.ssl.key.password: x", True),
        ("properties.ssl.key.pem: x", True),
        ("properties.sasl.oauthbearer.client.secret: x", True),
        ("properties.sasl.mechanism: x", False),
        ("properties.sasl.oauthbearer.token.endpoint.url: x", False),
        ("properties.sasl.jaas.config: a b", True),
        ("properties.sasl.jaas.config: Plain required username=\"u\" password=\"#{p}\";", False),
        ("properties.sasl.jaas.config: Plain required username=\"#{u}\" password=\"x\";", True),
        ("properties.sasl.jaas.config: Plain required username=\"#{u}\" password=x;", True),
        ("properties: {sasl: {password: x}}", True),
    ],
)  # fmt: skip
def test_literal_secrets_are_named(line: str, is_literal: bool) -> None:
    paths = parse(job(sink=line)).literal_secrets()
    assert len(paths) == int(is_literal)
    assert all(path.startswith("sink.properties.s") for path in paths)


def test_literal_passwords_of_source_and_cloud_are_named() -> None:
    cloud = "".join(f"  aliyun.kafka.{key}: x\n" for key in
                    ("accessKeyId", "accessKeySecret", "instanceId", "endpoint", "regionId"))  # fmt: skip
    file = parse(MINIMAL.replace("#{password}", "x") + cloud)
    assert file.literal_secrets() == ("source.password", "sink.aliyun.kafka.accessKeySecret")


def test_errors_of_selection_and_routing_have_their_line() -> None:
    spec = resolve(job(rest="route:\n- source-table: shop.x\n  sink-table: y\n"))
    with pytest.raises(InvalidJob, match=r"\(job\.yaml:6\)") as caught:
        spec.select([TableId("other", "x")])
    assert caught.value.path == "source.tables"
    with pytest.raises(InvalidJob, match=r"\(job\.yaml:11\)") as caught:
        spec.topics([TableId("shop", "z")])
    assert caught.value.path == "route[0].source-table"


def test_warnings_carry_their_path() -> None:
    assert resolve(job("tables.exclude: '[a|b].x'")).warnings[0].startswith("source.tables.exclude: `[a|b]`")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My Job", "my-job"),
        ("  Flink CDC: Größe! ", "flink-cdc-groe"),
        ("a_b-c", "a_b-c"),
        ("é", "e"),
        ("x" * 99 + "-y", "x" * 99),
    ],
)
def test_job_names_are_slugs(text: str, expected: str) -> None:
    assert job_name(text) == expected


@given(st.text())
def test_a_job_name_is_valid_and_stable_or_refused(text: str) -> None:
    try:
        name = job_name(text)
    except InvalidJob:
        return
    assert 1 <= len(name) <= 100
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert job_name(name) == name


def test_the_name_is_that_of_the_file_or_the_default() -> None:
    assert parse(MINIMAL).name("Orders.yaml") == "orders-yaml"
    assert parse(job(rest="pipeline:\n  name: My Job\n")).name("x") == "my-job"


def test_options_and_records_have_the_same_fields() -> None:
    def fields(block: str) -> set[str]:
        return {option.field.split(".")[0] for option in OPTIONS[block] if option.field}

    assert fields("source") == set(SourceSpec.model_fields)
    assert fields("sink") == set(SinkSpec.model_fields)
    assert fields("pipeline") == set(PipelineSpec.model_fields)
    aliyun = {o.field.removeprefix("aliyun.") for o in OPTIONS["sink"] if o.field.startswith("aliyun.")}
    assert aliyun == set(AliyunSpec.model_fields)
    masks = {o.field.removeprefix("masks.") for o in OPTIONS["source"] if o.field.startswith("masks.")}
    assert masks == set(MasksSpec.model_fields)


def test_option_names_are_unique_and_exact_ones_come_first() -> None:
    for options in OPTIONS.values():
        assert len({option.name for option in options}) == len(options)
    found = find("sink", "properties.transactional.id")
    assert found is not None
    assert found.refusal is not None
    assert find("sink", "properties.") is None
    assert is_secret("source.password")
    assert not is_secret("source.username")


def test_a_server_may_be_a_unix_socket() -> None:
    assert resolve(job().replace("hostname: db", "hostname: /run/mysqld.sock")).source.hostname == "/run/mysqld.sock"
    assert refused(job().replace("hostname: db", f"hostname: /{'x' * 107}")).path == "source.hostname"


def test_encryption_is_asked_for_in_the_words_of_mysql() -> None:
    assert resolve(job()).source.tls == Tls()
    spec = resolve(job("ssl: {mode: VERIFY_CA, ca: /etc/ca.pem}"))
    assert spec.source.tls == Tls(TlsMode.VERIFY_CA, "/etc/ca.pem")
    assert refused(job("ssl.mode: strict")).path == "source.ssl.mode"
    pasted = refused(job("ssl.key: '-----BEGIN PRIVATE KEY----- MIIE'"))
    assert (pasted.path, "stored" in pasted.hint) == ("source.ssl.key", True)


def test_columns_are_left_out_by_patterns() -> None:
    excluded = resolve(job(r"columns.exclude: shop.user.phone, shop.\.*.#{secret}"), secret="pin").source.excluded
    assert excluded is not None
    assert [excluded(TableId("shop", "order"), name) for name in ("phone", "pin")] == [False, True]
    assert resolve(job()).source.excluded is None
    assert refused(job("columns.exclude: user.phone")).path == "source.columns.exclude"
