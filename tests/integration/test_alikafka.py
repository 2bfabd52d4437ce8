"""ApsaraMQ for Kafka: Alibaba's SDK against a stand-in for its API that checks signatures, and whole jobs through it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient

from scheduler import preflight
from shared.adapters.kafka.registry import log_topic
from shared.adapters.kafka.topics import Topics
from shared.errors import SinkRefused, Superseded, Unavailable
from shared.job.placeholders import Resolver
from shared.job.spec import parse
from shared.model.topic import TopicSpec
from tests.integration.test_job import ROWS, eventually_holds, execute, job, order_dw, streaming, topic_config
from tests.plugins.fix_alikafka import MARK, Emulator, Fault, Made, garble, hang_up, refuse
from tests.plugins.fix_headrace import fold, read_topic

__all__ = ["order_dw"]  # a fixture

COMPACT = {"cleanup.policy": "compact"}
FLOW = refuse(503, "ONS_SYSTEM_FLOW_CONTROL", "The request is limited, please try again later.")


def spec(name: str, partitions: int | None = None) -> TopicSpec:
    return TopicSpec(name, partitions, config=COMPACT)


def create(service: Emulator, *names: str) -> None:
    service.maker().create([spec(name) for name in names], lambda: None)


# The API.


def test_topics_are_made_with_signed_requests_of_local_compacted_topics(alikafka_alone: Emulator) -> None:
    wanted = [TopicSpec("shop.user", 6, 3, COMPACT | {"min.insync.replicas": "2", "retention.ms": "3600000"})]
    alikafka_alone.maker().create([*wanted, log_topic("headrace.registry")], lambda: None)
    assert alikafka_alone.topics == {
        "shop.user": Made(6, 3, compact=True, config={"retention.ms": "3600000"}),
        "headrace.registry": Made(1, None, compact=True, config={}),
    }
    first = alikafka_alone.asked("CreateTopic")[0]
    assert {"LocalTopic": "true", "CompactTopic": "true", "MinInsyncReplicas": "2"}.items() <= first.items()
    assert alikafka_alone.refusals == []


def test_a_bad_one_among_the_wanted_topics_means_that_none_is_made(alikafka_alone: Emulator) -> None:
    with pytest.raises(SinkRefused, match="65 characters"):
        create(alikafka_alone, "shop.user", "x" * 65)
    assert alikafka_alone.requests == []


def test_a_wrong_secret_is_refused_and_the_answer_is_told_without_the_key(alikafka_alone: Emulator) -> None:
    with pytest.raises(SinkRefused) as caught:
        alikafka_alone.maker(access_key_secret="wrong-secret").greeting()
    assert "SignatureDoesNotMatch" in caught.value.message
    assert "accessKeySecret" in caught.value.hint
    assert alikafka_alone.access_key_id not in str(caught.value) and "***" in caught.value.message
    with pytest.raises(SinkRefused, match="InvalidAccessKeyId"):
        alikafka_alone.maker(access_key_id="LTAI-of-nobody").greeting()
    with pytest.raises(SinkRefused, match="BIZ_INSTANCE_NOT_FOUND"):
        alikafka_alone.maker(instance_id="another").greeting()
    assert alikafka_alone.topics == {}


def test_flow_control_is_waited_out_and_slows_the_pace(alikafka_alone: Emulator) -> None:
    alikafka_alone.qps = 1
    alive: list[float] = []
    alikafka_alone.maker().create([spec("first"), spec("second"), spec("third")], lambda: alive.append(0))
    assert list(alikafka_alone.topics) == ["first", "second", "third"]
    assert alikafka_alone.refusals == ["ONS_SYSTEM_FLOW_CONTROL"], "once told, it keeps to a request a second"
    assert len(alive) > 3, "whoever waits is asked in between"


def test_the_pause_that_the_answer_names_is_kept(alikafka_alone: Emulator) -> None:
    alikafka_alone.faults += [Fault("CreateTopic", refuse(429, "Throttling.User", x_acs_retry_after="1600"))]
    begun = time.monotonic()
    create(alikafka_alone, "shop.user")
    assert time.monotonic() - begun >= 1.6
    assert list(alikafka_alone.topics) == ["shop.user"]


def test_whoever_loses_his_lease_meanwhile_stops(alikafka_alone: Emulator) -> None:
    left = [3]

    def alive() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Superseded("Another took over.")

    with pytest.raises(Superseded):
        alikafka_alone.maker().create([spec(f"topic-{number}") for number in range(10)], alive)
    assert len(alikafka_alone.topics) < 10


def test_a_topic_that_exists_is_found_in_the_pages_of_the_list(alikafka_alone: Emulator) -> None:
    """The search finds 25 longer names, all younger, before the one: it stands on the third page."""
    names = ["shop.user", *(f"shop.user_{number}" for number in range(25))]
    alikafka_alone.topics |= {name: Made(3, 3, compact=True, config={}) for name in names}
    create(alikafka_alone, "shop.user")
    assert [page["CurrentPage"] for page in alikafka_alone.asked("GetTopicList")] == ["1", "2", "3"]
    assert {page["Topic"] for page in alikafka_alone.asked("GetTopicList")} == {"shop.user"}


def test_a_refusal_stands_when_only_longer_names_are_in_the_list(alikafka_alone: Emulator) -> None:
    alikafka_alone.topics |= {f"shop.user_{number}": Made(3, 3, compact=True, config={}) for number in range(20)}
    alikafka_alone.topics_max = 20
    with pytest.raises(SinkRefused, match="topic runs out") as caught:
        create(alikafka_alone, "shop.user")
    assert "Upgrade the instance" in caught.value.hint
    assert len(alikafka_alone.asked("GetTopicList")) == 2


def test_a_topic_that_exists_and_forgets_is_refused(alikafka_alone: Emulator) -> None:
    alikafka_alone.topics["shop.user"] = Made(3, 3, compact=False, config={})
    with pytest.raises(SinkRefused, match="is not compacted"):
        create(alikafka_alone, "shop.user")


def test_an_answer_that_is_lost_or_late_does_not_make_a_topic_fail(
    alikafka_alone: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.alikafka.service._READ_MILLISECONDS", 300)
    alikafka_alone.faults += [Fault("CreateTopic", after=hang_up), Fault("CreateTopic", after=lambda: time.sleep(1))]
    create(alikafka_alone, "lost", "late")
    assert list(alikafka_alone.topics) == ["lost", "late"]
    assert len(alikafka_alone.asked("CreateTopic")) == 2, "the list told that both are there"


def test_http_200_is_not_success(alikafka_alone: Emulator) -> None:
    alikafka_alone.faults += [Fault("CreateTopic", refuse(200, "300", "The instance is of another kind."))]
    with pytest.raises(SinkRefused, match=r"answered 300 .* of another kind"):
        create(alikafka_alone, "shop.user")
    assert alikafka_alone.topics == {}


@pytest.mark.parametrize(
    "text", ["<html>Log in first.</html>", "[1]", '"x"', '{"Code":200,"Success":true,"TopicList":7}', ""]
)
def test_an_answer_of_somebody_else_is_no_answer(alikafka_alone: Emulator, text: str) -> None:
    alikafka_alone.faults += [Fault("GetTopicList", garble(text))]
    with pytest.raises(Unavailable, match="gave no answer that can be read"):
        alikafka_alone.maker().greeting()


def test_a_service_that_stays_busy_is_given_up_for_now(
    alikafka_alone: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.alikafka.maker._TOPIC_SECONDS", 0.5)
    alikafka_alone.faults += [Fault("CreateTopic", FLOW) for _ in range(10)]
    with pytest.raises(Unavailable, match="ONS_SYSTEM_FLOW_CONTROL"):
        create(alikafka_alone, "shop.user")
    assert len(alikafka_alone.asked("CreateTopic")) <= 3


def test_nobody_at_the_endpoint_is_told_at_once(alikafka_alone: Emulator) -> None:
    with pytest.raises(Unavailable, match="the connection was refused") as caught:
        alikafka_alone.maker(url="http://127.0.0.1:9").greeting()
    assert "sink.aliyun.kafka.endpoint" in caught.value.hint


def test_the_sdk_prints_no_request_even_when_it_is_told_to(
    alikafka_alone: Emulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEBUG", "sdk")
    alikafka_alone.maker().greeting()
    assert alikafka_alone.access_key_id not in "".join(capfd.readouterr())


# With a Kafka behind it.


def test_creation_and_deletion_are_over_when_kafka_shows_them(alikafka: Emulator) -> None:
    alikafka.shown_after = 1.5
    topics = Topics({"bootstrap.servers": alikafka.bootstrap}, alikafka.maker())
    topics.ensure([spec("alikafka.one", 2), spec("alikafka.two", 1)])
    assert {name: state.partitions for name, state in topics.describe(["alikafka.one", "alikafka.two"]).items()} == {
        "alikafka.one": 2,
        "alikafka.two": 1,
    }
    asked = len(alikafka.requests)
    topics.ensure([spec("alikafka.one", 2)])
    assert len(alikafka.requests) == asked, "what Kafka shows needs no question"
    topics.delete(["alikafka.one", "alikafka.two", "alikafka.never"])
    assert not {"alikafka.one", "alikafka.two"} & topics.names()
    assert alikafka.topics == {}


def test_a_service_that_says_yes_and_does_not_compact_is_noticed(alikafka: Emulator) -> None:
    alikafka.compacts = False
    topics = Topics({"bootstrap.servers": alikafka.bootstrap}, alikafka.maker())
    with pytest.raises(SinkRefused, match=r"alikafka\.forgets was made with cleanup.policy=delete"):
        topics.ensure([spec("alikafka.forgets", 2)])
    topics.delete(["alikafka.forgets"])


def test_the_preflight_asks_the_service_and_makes_nothing(cluster, alikafka: Emulator, order_dw) -> None:
    values = {name.removeprefix("HEADRACE_VAR_").lower(): value for name, value in cluster.environment.items()}
    values |= {"ak": alikafka.access_key_id, "sk": alikafka.access_key_secret}

    def report(sink: str = "", **changes: str) -> preflight.Report:
        text = job(r"order_dw.\.*", sink=f"{alikafka.options()}\n{sink}")
        return preflight.run(parse(text, "job.yaml").resolve(Resolver(values | changes)))

    found = report()
    assert found.ok, found.errors
    (said,) = [finding for finding in found.findings if finding.subject == "aliyun"]
    assert alikafka.instance_id in said.message and "takes the access key" in said.message
    (wrong,) = report(sk="wrong").errors
    assert (wrong.subject, "SignatureDoesNotMatch" in wrong.message, wrong.transient) == ("aliyun", True, False)
    (option,) = report("  sink.topic.config.segment.ms: 60000").errors
    assert (option.subject, option.path) == ("topics", "sink.topic.config.segment.ms")
    assert "same goes" not in option.message, "one option, one finding"
    (long,) = report("route:\n  - source-table: order_dw.user\n    sink-table: " + "x" * 65).errors
    assert (long.subject, "65 characters" in long.message) == ("topics", True)
    assert {action for action, _ in alikafka.requests} == {"GetTopicList"}
    assert alikafka.topics == {}


def test_a_whole_job_runs_on_topics_that_only_the_service_made(
    cluster, alikafka: Emulator, mysql_server, redis_server, order_dw
) -> None:
    """Flow control, a lost answer and late metadata on the way; and no key is found in any place afterwards."""
    alikafka.qps, alikafka.shown_after = 1, 0.5
    alikafka.faults += [Fault("CreateTopic", after=hang_up)]
    cluster.environment |= alikafka.settings() | alikafka.variables()
    processes = [
        cluster.binlog_worker(HEADRACE_LOG_LEVEL="DEBUG"),
        cluster.snapshot_worker(1, HEADRACE_LOG_LEVEL="DEBUG"),
    ]
    cluster.submit(job(r"order_dw.\.*", sink=alikafka.options() + "\n  sink.topic.partitions: 2"), "cloud")
    cluster.wait("the job streams", lambda: streaming(cluster, "cloud"))
    execute(mysql_server, "INSERT INTO user VALUES (3, 'Spike')", "order_dw")
    users = ROWS["user"] | {b'{"id":3}': b'{"id":3,"name":"Spike"}'}
    eventually_holds(cluster, "order_dw.user", users)
    for table in ("order", "feedback"):
        assert fold(read_topic(cluster.bootstrap, f"order_dw.{table}")) == ROWS[table]
    registry = cluster.environment["HEADRACE_REGISTRY_TOPIC"]
    found = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(timeout=20).topics
    ours = {name for name in found if name.startswith((registry, "order_dw."))}
    assert len(ours) == 5, "three tables, the state, the registry"
    assert ours == set(alikafka.topics)
    for topic in ours:
        assert topic_config(cluster, topic, MARK[0]) == MARK[1], "made by the service and nobody else"
        assert topic_config(cluster, topic) == "compact"
        assert len(found[topic].partitions) == (2 if topic.startswith("order_dw.") else 1)
    assert "ONS_SYSTEM_FLOW_CONTROL" in alikafka.refusals
    _nobody_keeps_a_key(cluster, alikafka, redis_server, processes, ours)
    done = cluster.cli("cancel", "cloud", "--delete-topics", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(alikafka.topics) == {registry}
    assert alikafka.access_key_id not in done.stdout + done.stderr


def _nobody_keeps_a_key(cluster, service: Emulator, redis_server, processes, topics: set[str]) -> None:
    secrets = [service.access_key_id.encode(), service.access_key_secret.encode()]

    def free_of_keys(text: bytes) -> bool:
        return not any(secret in text for secret in secrets)

    assert processes[0].says("CreateTopic") or processes[0].says("is made"), "the log is one that could have told"
    for process in processes:
        assert free_of_keys(process.log.read_bytes())
        for pid in [process.pid, *process.children()]:
            assert free_of_keys(Path(f"/proc/{pid}/cmdline").read_bytes())
    client = redis.Redis.from_url(redis_server.url)
    assert all(free_of_keys(client.dump(key) or b"") for key in client.scan_iter())
    client.close()
    for topic in topics:
        for key, value in read_topic(cluster.bootstrap, topic, "read_uncommitted"):
            assert free_of_keys(key + (value or b""))
