"""Kafka as it is run: TLS, logins, ACLs, three brokers of which one dies, and what a broken connection says."""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result
from confluent_kafka.admin import AclBinding, ConfigResource, NewTopic
from confluent_kafka.admin import ResourceType as Kind

from scheduler.cli import cli
from scheduler.preflight.sink import check_sink
from shared.adapters.kafka.properties import to_client_config
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.registry import STATE_RIGHTS, Registry, log_topic
from shared.adapters.kafka.rights import require_rights
from shared.adapters.kafka.sink import UpsertSink
from shared.adapters.kafka.topics import DATA_RIGHTS, Topics, check_transactions
from shared.adapters.redis import progress
from shared.errors import HeadraceError, SinkRefused, Unavailable
from shared.job.placeholders import Resolver
from shared.job.spec import parse
from shared.model.job import End, Outcome
from shared.model.topic import TopicSpec
from tests.integration import kafka_lab as lab
from tests.integration.test_job import ORDER_DW, ROWS, eventually_holds, execute
from tests.integration.test_restart import CREATE
from tests.plugins.fix_headrace import Cluster, fold, read_topic
from tests.plugins.fix_servers import root_connection

DOCS = Path(__file__).resolve().parents[2] / "docs"
REGISTRY, STATE = "headrace.registry", "headrace.registry.state."
SECRETS = (lab.PASSWORD, lab.PLAIN_PASSWORD, lab.CLIENT_SECRET, lab.STORE_PASSWORD)

JOB = r"""
source:
  type: mysql
  hostname: #{hostname}
  port: #{port}
  username: #{username}
  password: #{password}
  tables: order_dw.\.*
  server-id: 28601-28604
  scan.incremental.snapshot.chunk.size: 500
sink:
  type: upsert-kafka
  properties.bootstrap.servers: #{bootstrap}
  properties.security.protocol: SASL_SSL
  properties.sasl.mechanism: SCRAM-SHA-512
  properties.sasl.jaas.config: org.apache.kafka.common.security.scram.ScramLoginModule required username="headrace" password="#{kafka-password}";
  properties.ssl.truststore.type: PKCS12
  properties.ssl.truststore.location: #{truststore}
  properties.ssl.truststore.password: #{truststore-password}
"""


def documented_acls() -> list[AclBinding]:
    """The table of docs/kafka.md, an ACL for each operation."""
    text = (DOCS / "kafka.md").read_text().partition("## The least ACLs")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| `([^`]+)` \| (literal|prefixed) \| ([^|]+) \|", text, re.MULTILINE)
    found = [
        lab.acl(kind, name, pattern, operation)
        for kind, name, pattern, cell in rows
        for operation in re.findall("`([A-Za-z]+)`", cell)
    ]
    assert len(found) > 10
    return found


def documented_grants(user: str, password: str) -> list[str]:
    """The statements of docs/mysql.md, for another user."""
    text = (DOCS / "mysql.md").read_text().partition("## The least privileges")[2]
    statements = re.search(r"```sql\n(.*?)```", text, re.DOTALL)[1].strip().split("\n")
    assert len(statements) == 3
    return [line.replace("'headrace'", f"'{user}'").replace("choose-one", password).rstrip(";") for line in statements]


@pytest.fixture(scope="session")
def kafka(secure_kafka: lab.SecureKafka) -> lab.SecureKafka:
    """The cluster, with the documented ACLs and no other."""
    secure_kafka.allow(*documented_acls())
    return secure_kafka


@pytest.fixture
def tokens(kafka: lab.SecureKafka) -> Iterator[lab.TokenServer]:
    server = lab.TokenServer(kafka.authority)
    yield server
    server.close()


def refusal(action: Callable[[], object], kind: type[HeadraceError] = SinkRefused) -> HeadraceError:
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.hint
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    return caught.value


def probes(kafka: lab.SecureKafka) -> dict[tuple[str, str], Callable[[], object]]:
    """By name and operation of an ACL: what fails without it, as headrace does it."""
    config = to_client_config(kafka.login())
    topics = Topics(config)

    def refused(spec: TopicSpec) -> None:
        for error in topics.refusals([spec]).values():
            raise error

    def write() -> None:
        with Registry(config, REGISTRY) as registry:
            registry.write(Outcome("nobody", 1, End.CANCELLED))

    def read() -> None:
        with Registry(config, REGISTRY) as registry:
            registry.refresh()

    def delete() -> None:
        topics.delete([STATE + "doomed"])

    def state() -> None:
        require_rights(config, {STATE + "there": STATE_RIGHTS})

    return {
        ("order_dw.", "CREATE"): lambda: refused(TopicSpec("order_dw.new")),
        ("order_dw.", "WRITE"): lambda: require_rights(config, {"order_dw.new": DATA_RIGHTS}),
        ("order_dw.", "DESCRIBE_CONFIGS"): lambda: topics.describe(["order_dw.there"]),
        (REGISTRY, "CREATE"): lambda: refused(log_topic(REGISTRY)),
        (REGISTRY, "READ"): read,
        (REGISTRY, "WRITE"): write,
        (REGISTRY, "DESCRIBE_CONFIGS"): lambda: topics.describe([REGISTRY]),
        (STATE, "CREATE"): lambda: refused(log_topic(STATE + "new")),
        (STATE, "READ"): state,
        (STATE, "WRITE"): state,
        (STATE, "DESCRIBE_CONFIGS"): state,
        (STATE, "DELETE"): delete,
        ("headrace.", "WRITE"): lambda: check_transactions(config, "headrace.preflight.test"),
        ("headrace-unused", "DESCRIBE"): lambda: require_rights(config, {}),
    }


def test_each_acl_is_needed_and_named_where_it_is_missing(kafka: lab.SecureKafka) -> None:
    everything = {"bootstrap.servers": kafka.open_door}
    Topics(everything).ensure(
        [TopicSpec("order_dw.there", 1), log_topic(REGISTRY), log_topic(STATE + "there"), log_topic(STATE + "doomed")]
    )
    with Registry(everything, REGISTRY) as registry:
        registry.write(Outcome("nobody", 1, End.CANCELLED))  # a topic without records would be read without the right
    acls = {(acl.name, acl.operation.name): acl for acl in documented_acls()}
    tried = probes(kafka)
    assert tried.keys() == acls.keys()
    for place, acl in acls.items():
        kafka.forbid(acl)
        if acl.operation.name == "DELETE":
            time.sleep(0.2)  # until the brokers know, for what may be deleted is deleted
        operation = acl.operation.name.title().replace("_", "")
        wanted = f"--operation {operation} --{acl.restype.name.lower().replace('_', '-')} {acl.name}"
        assert wanted in until_refused(tried[place], wanted), place
        kafka.allow(acl)
    eventually(all_of(tried))
    assert STATE + "doomed" not in Topics(everything).names()
    Topics(everything).delete(["order_dw.there", STATE + "there"])


def all_of(tried: dict[tuple[str, str], Callable[[], object]]) -> Callable[[], object]:
    def run() -> None:
        for probe in tried.values():
            probe()

    return run


def until_refused(action: Callable[[], object], wanted: str, seconds: float = 20) -> str:
    """What is said once the brokers have learnt of a change of ACLs."""
    deadline = time.monotonic() + seconds
    said = ""
    while wanted not in said and time.monotonic() < deadline:
        try:
            action()
        except SinkRefused as error:
            said = str(error)
    return said


def eventually(action: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            action()
        except SinkRefused:
            if time.monotonic() > deadline:
                raise
        else:
            return


def test_the_preflight_names_all_missing_rights_at_once(kafka: lab.SecureKafka) -> None:
    """A user whom nobody gave anything: it may log in, and that is all."""
    jaas = f'{lab._SECURITY}.plain.PlainLoginModule required username="{lab.PLAIN_USER}" password="#{{pw}}";'
    text = JOB.replace("SCRAM-SHA-512", "PLAIN")
    text = re.sub(r"(sasl\.jaas\.config): .*", lambda match: f"{match[1]}: {jaas}", text)
    values = {"hostname": "h", "port": "1", "username": "u", "password": "p", "pw": lab.PLAIN_PASSWORD}
    spec = parse(text).resolve(Resolver(values | job_values(kafka)))
    found = {finding.subject: finding for finding in check_sink(spec, ["order_dw.user"], (), STATE + "preflight")}
    assert found["kafka"].ok
    assert "headrace. --resource-pattern-type prefixed" in found["transactions"].hint
    assert f"Create --topic {STATE}preflight" in found["topics"].hint or "order_dw.user" in found["topics"].hint
    assert not any(secret in repr(list(found.values())) for secret in SECRETS)


def job_values(kafka: lab.SecureKafka) -> dict[str, str]:
    return {
        "bootstrap": kafka.bootstrap,
        "kafka-password": lab.PASSWORD,
        "truststore": str(kafka.folder / "ca.p12"),
        "truststore-password": lab.STORE_PASSWORD,
    }


def token_login(kafka: lab.SecureKafka, url: str, secret: str = lab.CLIENT_SECRET) -> dict[str, str]:
    return kafka.login() | {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.jaas.config": (
            f"{lab._SECURITY}.oauthbearer.OAuthBearerLoginModule required "
            f'clientId="{lab.CLIENT}" clientSecret="{secret}" scope="kafka";'
        ),
        "sasl.login.callback.handler.class": f"{lab._SECURITY}.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
        "sasl.oauthbearer.token.endpoint.url": url,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "OAUTHBEARER"])
def test_other_logins_open_transactions_too(kafka: lab.SecureKafka, tokens: lab.TokenServer, mechanism: str) -> None:
    topic = f"logins-{mechanism.lower()}"
    user, login = lab.CLIENT, token_login(kafka, tokens.url)
    if mechanism == "PLAIN":
        user = lab.PLAIN_USER
        jaas = f'{lab._SECURITY}.plain.PlainLoginModule required username="{user}" password="{lab.PLAIN_PASSWORD}";'
        # Certificates as text, as they come out of a secret.
        login = {name: text for name, text in kafka.login().items() if not name.startswith("ssl.")}
        login |= {"sasl.mechanism": "PLAIN", "sasl.jaas.config": jaas}
        login["ssl.truststore.certificates"] = kafka.authority.pem
    kafka.allow(
        lab.acl("topic", topic, "literal", "Write", user), lab.acl("transactional-id", topic, "literal", "Write", user)
    )
    kafka.admin.create_topics([NewTopic(topic, 1)])[topic].result()
    config = to_client_config(login)
    assert tokens.asked == 0, "the options alone ask nobody for a token"

    def produce() -> None:
        with UpsertSink(config, topic, topic) as sink:
            sink.open()
            sink.write_all(topic, [(b"k", b"v")])
            sink.commit([])

    eventually(produce)
    kafka.forbid(lab.acl("topic", topic, "literal", "Write", user))
    wanted = f"--operation Write --topic {topic}"
    assert wanted in until_refused(produce, wanted), "a right that is taken away is missed at the commit"
    assert fold(read_topic(kafka.open_door, topic)) == {b"k": b"v"}
    assert (tokens.asked > 0) == (mechanism == "OAUTHBEARER")


def test_each_way_in_which_a_connection_breaks_has_its_own_words(
    kafka: lab.SecureKafka, tokens: lab.TokenServer, tmp_path: Path
) -> None:
    def said(kind: type[HeadraceError] = SinkRefused, **changes: str) -> str:
        login = kafka.login() | {name.replace("__", "."): text for name, text in changes.items()}
        return str(refusal(lambda: count_brokers(to_client_config(login), 5), kind))

    wrong = kafka.login()["sasl.jaas.config"].replace(lab.PASSWORD, "wrong-secret")
    login = said(sasl__jaas__config=wrong)
    assert "refuses the login" in login
    assert "properties.sasl" in login
    assert "wrong-secret" not in login
    stranger = lab.Authority(tmp_path)
    stranger.write()
    untrusted = said(ssl__truststore__location=str(tmp_path / "ca.p12"))
    assert "not trusted" in untrusted
    assert "ssl.truststore" in untrusted
    other_name = said(bootstrap__servers=kafka.bootstrap.replace("127.0.0.1", "localhost"))
    assert "Hostname mismatch" in other_name
    assert "advertised.listeners" in other_name
    unchecked = kafka.login() | {"bootstrap.servers": kafka.bootstrap.replace("127.0.0.1", "localhost")}
    unchecked["ssl.endpoint.identification.algorithm"] = ""
    assert count_brokers(to_client_config(unchecked)) == 3
    wrong_client = token_login(kafka, tokens.url, "wrong-client-secret")
    no_token = str(refusal(lambda: count_brokers(to_client_config(wrong_client), 5)))
    assert "refuses the login" in no_token
    assert "wrong-client-secret" not in no_token
    silent = token_login(kafka, "http://127.0.0.1:1/token")
    assert "no token" in str(refusal(lambda: count_brokers(to_client_config(silent), 5), Unavailable))
    plain = kafka.login() | {"bootstrap.servers": kafka.open_door}
    assert "does not answer" in str(refusal(lambda: count_brokers(to_client_config(plain), 2), Unavailable))


def coordinator(kafka: lab.SecureKafka, transactional_id: str) -> lab.SecureNode:
    """The node that coordinates the transactions of this id."""
    topic = kafka.admin.list_topics("__transaction_state", timeout=20).topics["__transaction_state"]
    number = 0
    for letter in transactional_id:
        number = (number * 31 + ord(letter)) & 0xFFFFFFFF  # String.hashCode
    return kafka.nodes[topic.partitions[(number & 0x7FFFFFFF) % len(topic.partitions)].leader - 1]


def replicas(kafka: lab.SecureKafka, topic: str) -> set[int]:
    return {len(p.replicas) for p in kafka.admin.list_topics(topic, timeout=20).topics[topic].partitions.values()}


@pytest.fixture
def secured(kafka, mysql_server, redis_server) -> Iterator[Cluster]:
    """headrace on the secured cluster, and on MySQL with the documented user."""
    user, password = f"least_{secrets.token_hex(3)}", secrets.token_hex(8)
    execute(mysql_server, "DROP DATABASE IF EXISTS order_dw;\nCREATE DATABASE order_dw")
    execute(mysql_server, ORDER_DW, "order_dw")
    execute(mysql_server, CREATE.format(rows=12_000), "order_dw")
    execute(mysql_server, ";\n".join(documented_grants(user, password)))
    registry = {f"HEADRACE_KAFKA_{name.upper().replace('.', '_')}": text for name, text in kafka.login().items()}
    values = {"hostname": mysql_server.host, "port": str(mysql_server.port), "username": user, "password": password}
    cluster = Cluster(
        {
            **{name: text for name, text in os.environ.items() if not name.startswith("HEADRACE_")},
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "HEADRACE_REDIS_URL": redis_server.url,
            **registry,
            **{f"HEADRACE_VAR_{n.upper().replace('-', '_')}": v for n, v in (values | job_values(kafka)).items()},
        },
        kafka.open_door,
    )
    yield cluster
    cluster.stop()
    execute(mysql_server, f"DROP DATABASE order_dw;\nDROP USER '{user}'@'%'")


def test_a_worker_with_a_wrong_password_says_so_once_and_ends(secured: Cluster) -> None:
    wrong = secured.environment["HEADRACE_KAFKA_SASL_JAAS_CONFIG"].replace(lab.PASSWORD, "wrong-secret")
    worker = secured.binlog_worker(HEADRACE_KAFKA_SASL_JAAS_CONFIG=wrong)
    assert worker.popen.wait(60) == 2
    log = worker.log.read_text()
    assert log.count("refuses the login") == 1
    assert "HEADRACE_KAFKA_SASL_*" in log
    assert "wrong-secret" not in log


def test_a_whole_job_with_the_least_rights_while_a_broker_dies(secured: Cluster, kafka, mysql_server) -> None:
    workers = [secured.binlog_worker(), secured.snapshot_worker(2)]
    assert scheduler(secured, "submit", "-", "--name", "least", stdin=JOB).exit_code == 0
    secured.wait("chunks are read", lambda: live(secured).get("chunks_done", 0) > 3)
    job_id = live(secured)["job_id"]
    victim = coordinator(kafka, f"headrace.{job_id}.leader")
    victim.kill()
    assert not live(secured).get("snapshot_done"), "the snapshot was over before the broker died"
    turn = 0
    deadline = time.monotonic() + 200
    while not live(secured).get("snapshot_done"):
        turn += 1
        changes = f"UPDATE t SET v = v + 1 WHERE id % 500 = {turn % 500};\nDELETE FROM t WHERE id = {turn * 7}"
        execute(mysql_server, changes, "order_dw")
        time.sleep(0.2)
        assert time.monotonic() < deadline
    eventually_holds(secured, "order_dw.t", rows_of(mysql_server), 60)
    victim.start()
    execute(mysql_server, "UPDATE t SET v = -1 WHERE id % 100 = 0;\nINSERT INTO user VALUES (3, 'Ann')", "order_dw")
    eventually_holds(secured, "order_dw.t", rows_of(mysql_server), 60)
    eventually_holds(secured, "order_dw.user", ROWS["user"] | {b'{"id":3}': b'{"id":3,"name":"Ann"}'})
    assert replicas(kafka, "order_dw.t") == replicas(kafka, STATE + job_id) == replicas(kafka, REGISTRY) == {3}
    settings = kafka.admin.describe_configs([ConfigResource(Kind.TOPIC, "order_dw.t")])
    assert next(iter(settings.values())).result()["min.insync.replicas"].value == "2"
    look_at(secured, kafka)
    for worker in workers:
        assert not [secret for secret in SECRETS if worker.says(secret)]


def look_at(secured: Cluster, kafka: lab.SecureKafka) -> None:
    """The verbs that look at topics; those that read them must be allowed to."""
    ddl = scheduler(secured, "ddl", "least")
    assert ddl.exit_code == 0, ddl.output
    assert "#{kafka-password}" in ddl.stdout
    assert "properties.security.protocol" in ddl.stdout
    reading = lab.acl("topic", "order_dw.", "prefixed", "Read")
    forbidden = scheduler(secured, "peek", "order_dw.user", "--key", "id=1")
    assert forbidden.exit_code == 1
    assert "--operation Read --topic order_dw.user" in forbidden.stderr
    kafka.allow(reading)
    time.sleep(0.2)
    for words, answer in (
        (["sql", "least", "SELECT name FROM user ORDER BY id"], "Jerry"),
        (["catalog", "--job", "least", "order_dw.user"], "value_name"),
    ):
        done = scheduler(secured, *words)
        assert done.exit_code == 0, done.output
        assert answer in done.stdout
    kafka.forbid(reading)


def scheduler(secured: Cluster, *words: str, stdin: str = "") -> Result:
    """The command line in this process, which spares it the time of starting."""
    done = CliRunner().invoke(cli, words, input=stdin, env=secured.environment)
    assert not [secret for secret in SECRETS if secret in done.output]
    return done


def live(secured: Cluster) -> dict[str, Any]:
    """What the leader published last; asked often, and so not through the command line."""
    with redis.Redis.from_url(secured.environment["HEADRACE_REDIS_URL"]) as client:
        return progress.latest(client, "least") or {}


def rows_of(server) -> dict[bytes, bytes]:
    with root_connection(server, "order_dw") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, v FROM t")
        return {b'{"id":%d}' % row: b'{"id":%d,"v":%d}' % (row, v) for row, v in cursor.fetchall()}
