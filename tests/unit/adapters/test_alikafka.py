"""What ApsaraMQ's API is asked for, what its codes mean, and that no key shows anywhere."""

from __future__ import annotations

import builtins
import json
import pickle
from dataclasses import asdict

import pytest

from shared.adapters.alikafka import rules
from shared.adapters.alikafka.account import Account, Endpoint, read_endpoint
from shared.adapters.alikafka.maker import AlikafkaTopics
from shared.adapters.kafka.registry import log_topic
from shared.errors import ExtraMissing, InvalidJob, SinkRefused
from shared.machines.topic_request import Verdict
from shared.model.job import state_topic
from shared.model.topic import TopicSpec
from shared.runtime import connections
from shared.settings import Settings, load

COMPACT = {"cleanup.policy": "compact"}


def account(origin: str = "sink.aliyun.kafka.") -> Account:
    return Account("LTAI-key-id", "key-secret", "alikafka-1", Endpoint("HTTPS", "api"), "cn-hangzhou", origin)


# Requests.


def test_a_topic_is_local_and_compacted_and_its_numbers_are_left_to_the_instance() -> None:
    assert asdict(rules.create_fields(TopicSpec("shop.user", config=COMPACT))) == {
        "topic": "shop.user",
        "partition_num": None,
        "local_topic": True,
        "compact_topic": True,
        "replication_factor": None,
        "min_insync_replicas": None,
        "config": None,
    }


def test_numbers_and_settings_of_the_job_go_into_the_fields_of_the_api() -> None:
    config = COMPACT | {"min.insync.replicas": "2", "max.message.bytes": "10485760", "retention.ms": "3600000"}
    fields = rules.create_fields(TopicSpec("shop.user", 360, 3, config))
    assert (fields.partition_num, fields.replication_factor, fields.min_insync_replicas) == ("360", 3, 2)
    assert json.loads(fields.config or "") == {"max.message.bytes": "10485760", "retention.ms": "3600000"}


def test_what_is_only_wished_for_is_left_out() -> None:
    fields = rules.create_fields(log_topic("headrace.registry"))
    assert (fields.partition_num, fields.config) == ("1", None)


def test_headraces_own_topics_have_names_that_the_service_takes() -> None:
    default = Settings().registry_topic
    for name in (default, state_topic(default, "0" * 8)):
        assert rules.refusal(log_topic(name)) is None


@pytest.mark.parametrize("name", ["ab", "a" * 65, "a b", "größe"])
def test_a_name_that_the_service_would_refuse_or_cut_off_is_refused_before_it_is_asked(name: str) -> None:
    error = rules.refusal(TopicSpec(name, config=COMPACT))
    assert isinstance(error, SinkRefused)
    assert f"`{name}`" in error.message and f"{len(name)} characters" in error.message
    assert "Route" in error.hint


@pytest.mark.parametrize("name", ["abc", "a" * 64, "topic_user", "A.b-c_1"])
def test_names_within_the_bounds_pass(name: str) -> None:
    assert rules.refusal(TopicSpec(name, config=COMPACT)) is None


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (TopicSpec("abc", 361), "sink.topic.partitions"),
        (TopicSpec("abc", 0), "sink.topic.partitions"),
        (TopicSpec("abc", 1, 4), "sink.topic.replication-factor"),
        (TopicSpec("abc", config={"cleanup.policy": "compact,delete"}), "sink.topic.config.cleanup.policy"),
        (TopicSpec("abc", config={"segment.ms": "3600000"}), "sink.topic.config.segment.ms"),
        (TopicSpec("abc", config={"retention.ms": "3599999"}), "sink.topic.config.retention.ms"),
        (TopicSpec("abc", config={"retention.ms": "a day"}), "sink.topic.config.retention.ms"),
        (TopicSpec("abc", config={"max.message.bytes": "10485761"}), "sink.topic.config.max.message.bytes"),
        (TopicSpec("abc", config={"message.timestamp.type": "Now"}), "sink.topic.config.message.timestamp.type"),
        (TopicSpec("abc", 1, 2, {"min.insync.replicas": "2"}), "sink.topic.config.min.insync.replicas"),
        (TopicSpec("abc", 1, 3, {"min.insync.replicas": "4"}), "sink.topic.config.min.insync.replicas"),
    ],
)
def test_what_the_api_does_not_take_is_refused_at_its_option(spec: TopicSpec, path: str) -> None:
    error = rules.refusal(spec)
    assert isinstance(error, InvalidJob)
    assert (error.path, bool(error.hint)) == (path, True)


# Answers.


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ONS_SYSTEM_FLOW_CONTROL", 503, Verdict.BUSY),
        ("ONS_SYSTEM_FLOW_CONTROL", 200, Verdict.BUSY),
        ("ONS_SYSTEM_ERROR", 500, Verdict.BUSY),
        ("BIZ_INSTANCE_STATUS_ERROR", 400, Verdict.BUSY),
        ("Throttling", 400, Verdict.BUSY),
        ("Throttling.User", 429, Verdict.BUSY),
        ("Whatever", 502, Verdict.BUSY),
        ("BIZ_TOPIC_COUNT_OVER", 500, Verdict.REFUSED),
        ("InvalidAccessKeyId.NotFound", 404, Verdict.REFUSED),
        ("300", 200, Verdict.REFUSED),
    ],
)
def test_a_code_says_more_than_the_status_beside_it(code: str, status: int, expected: Verdict) -> None:
    assert rules.verdict(code, status) is expected


@pytest.mark.parametrize(
    ("code", "message", "word"),
    [
        ("SignatureDoesNotMatch", "", "accessKeySecret"),
        ("InvalidAccessKeyId.NotFound", "", "accessKeyId"),
        ("Forbidden.RAM", "", "RAM user"),
        ("BIZ_INSTANCE_NOT_FOUND", "", "sink.aliyun.kafka.instanceId"),
        ("InvalidTimeStamp.Expired", "", "clock"),
        ("BIZ_UNKNOWN", "The max topic count of your instance is 50, topic runs out.", "Upgrade"),
        ("BIZ_UNKNOWN", "", "request by its id"),
    ],
)
def test_a_hint_fits_the_complaint(code: str, message: str, word: str) -> None:
    assert word in rules.hint(code, message, "sink.aliyun.kafka.")


def test_hints_name_the_variables_where_the_options_came_from_variables() -> None:
    assert "HEADRACE_ALIYUN_ACCESS_KEY_SECRET" in rules.hint("SignatureDoesNotMatch", "", "HEADRACE_ALIYUN_")
    assert "HEADRACE_ALIYUN_REGION_ID" in rules.hint("BIZ_INSTANCE_NOT_FOUND", "", "HEADRACE_ALIYUN_")


# The account.


@pytest.mark.parametrize(
    ("text", "protocol", "host"),
    [
        ("alikafka.cn-hangzhou.aliyuncs.com", "HTTPS", "alikafka.cn-hangzhou.aliyuncs.com"),
        ("https://alikafka.cn-hangzhou.aliyuncs.com/", "HTTPS", "alikafka.cn-hangzhou.aliyuncs.com"),
        ("alikafka-vpc.cn-hangzhou.aliyuncs.com:443", "HTTPS", "alikafka-vpc.cn-hangzhou.aliyuncs.com:443"),
        ("http://127.0.0.1:1234", "HTTP", "127.0.0.1:1234"),
        ("http://localhost:1234", "HTTP", "localhost:1234"),
        ("http://[::1]:1234", "HTTP", "[::1]:1234"),
        ("127.0.0.1:1234", "HTTPS", "127.0.0.1:1234"),
    ],
)
def test_an_endpoint_is_a_host_and_plain_http_is_for_this_machine(text: str, protocol: str, host: str) -> None:
    assert read_endpoint(text, "x") == Endpoint(protocol, host)


@pytest.mark.parametrize(
    "text",
    [
        "http://alikafka.cn-hangzhou.aliyuncs.com",
        "http://10.0.0.1:80",
        "http://localhost.evil.com",
        "broker-1:9092,broker-2:9092",
        "https://user:secret@alikafka.cn-hangzhou.aliyuncs.com",
        "alikafka.cn-hangzhou.aliyuncs.com/path",
        "alikafka:70000",
        "ftp://alikafka",
        "",
    ],
)
def test_other_endpoints_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        read_endpoint(text, "sink.aliyun.kafka.endpoint")
    assert caught.value.path == "sink.aliyun.kafka.endpoint"
    assert not text or text not in str(caught.value)


def test_no_key_shows_in_what_is_printed_or_told() -> None:
    one = account()
    shown = f"{one} {one!r} {AlikafkaTopics(one)!r} {AlikafkaTopics(one)._service!r}"
    assert "alikafka-1" in shown
    assert "key-secret" not in shown and "LTAI-key-id" not in shown
    assert one.redacted("sign LTAI-key-id with key-secret") == "sign *** with ***"


def test_without_the_sdk_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest, **more):
        if name.startswith("alibabacloud"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtraMissing, match=r"headrace\[aliyun\]") as caught:
        AlikafkaTopics(account()).greeting()
    assert type(pickle.loads(pickle.dumps(caught.value))) is ExtraMissing


# The registry's own options.

ALL = {
    "HEADRACE_ALIYUN_ACCESS_KEY_ID": "LTAI-key-id",
    "HEADRACE_ALIYUN_ACCESS_KEY_SECRET": "key-secret",
    "HEADRACE_ALIYUN_INSTANCE_ID": "alikafka-1",
    "HEADRACE_ALIYUN_ENDPOINT": "alikafka.cn-hangzhou.aliyuncs.com",
    "HEADRACE_ALIYUN_REGION_ID": "cn-hangzhou",
}


def test_the_registry_topic_is_made_by_the_service_whose_variables_are_set() -> None:
    assert connections.registry_maker(load({})) is None
    settings = load(ALL)
    assert isinstance(connections.registry_maker(settings), AlikafkaTopics)
    assert "key" not in repr(settings).replace("access_key", "")


@pytest.mark.parametrize("name", ALL)
def test_all_five_variables_or_none(name: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        load({other: value for other, value in ALL.items() if other != name})
    assert caught.value.path == name
    assert "all five" in caught.value.hint


def test_a_bad_endpoint_is_an_error_of_its_variable() -> None:
    settings = load(ALL | {"HEADRACE_ALIYUN_ENDPOINT": "http://10.0.0.1"})
    with pytest.raises(InvalidJob) as caught:
        connections.registry_maker(settings)
    assert caught.value.path == "HEADRACE_ALIYUN_ENDPOINT"
