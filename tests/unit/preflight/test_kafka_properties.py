"""Options for Java clients become librdkafka's, or an error that names them and shows no value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.kafka.jaas import parse_login
from shared.adapters.kafka.properties import to_client_config
from shared.errors import InvalidJob

SERVERS = {"bootstrap.servers": "broker:9092"}
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SECRET = "hunter2-is-secret"
LOGIN = f'{PLAIN} required username="alice" password="{SECRET}";'
SASL = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}


def config(**more: str) -> dict[str, str]:
    return to_client_config(SERVERS | {name.replace("__", "."): value for name, value in more.items()})


def refusal(properties: dict[str, str]) -> InvalidJob:
    with pytest.raises(InvalidJob) as caught:
        to_client_config(SERVERS | properties)
    assert SECRET not in str(caught.value)
    return caught.value


def test_common_names_pass_as_they_are() -> None:
    given = {"linger.ms": "20", "compression.type": "lz4", "batch.size": "16384", "client.id": "me", "acks": "all"}
    assert to_client_config(SERVERS | given) == SERVERS | given


def test_a_login_of_java_becomes_user_and_password() -> None:
    assert to_client_config(SERVERS | SASL | {"sasl.jaas.config": LOGIN}) == SERVERS | {
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "alice",
        "sasl.password": SECRET,
    }


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [
        ("SCRAM-SHA-256", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ("SCRAM-SHA-512", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ("PLAIN", "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule"),
    ],
)
def test_login_modules_under_any_package(mechanism: str, module: str) -> None:
    login = f"{module} required\n  username='al\\'ice'\n  password=\"p=;\\\\\";"
    found = to_client_config(
        SERVERS | {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.jaas.config": login}
    )
    assert (found["sasl.username"], found["sasl.password"]) == ("al'ice", "p=;\\")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30))
def test_any_password_survives_its_quotes(password: str) -> None:
    quoted = '"' + password.replace("\\", "\\\\").replace('"', '\\"') + '"'
    module = parse_login(f"{PLAIN} required username=u password={quoted};", "x")
    assert module.options == {"username": "u", "password": password}
    assert "password" not in repr(module)


@given(st.text(max_size=60))
def test_a_login_is_read_or_refused_without_repeating_it(text: str) -> None:
    try:
        parse_login(text, "sink.properties.sasl.jaas.config")
    except InvalidJob as error:
        assert error.path == "sink.properties.sasl.jaas.config"
        assert error.message == "The login cannot be read."


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"lingre.ms": SECRET}, "lingre.ms"),
        ({"linger.ms": SECRET}, "linger.ms"),
        ({"linger.ms": "99999999"}, "linger.ms"),
        ({"interceptor.classes": SECRET}, "interceptor.classes"),
        ({"plugin.library.paths": SECRET}, "plugin.library.paths"),
        ({"default.topic.config": SECRET}, "default.topic.config"),
        ({"error_cb": SECRET}, "error_cb"),
        ({"logger": SECRET}, "logger"),
        ({"security.protocol": "TLS"}, "security.protocol"),
        ({"sasl.login.callback.handler.class": SECRET}, "sasl.login.callback.handler.class"),
        ({"ssl.truststore.location": SECRET}, "ssl.truststore.location"),
        ({"ssl.truststore.type": "JKS", "ssl.truststore.location": SECRET}, "ssl.truststore.type"),
        ({"ssl.keystore.type": "JKS", "ssl.keystore.location": SECRET}, "ssl.keystore.type"),
        ({"sasl.jaas.config": LOGIN}, "sasl.mechanism"),
        (SASL | {"sasl.jaas.config": LOGIN.removesuffix('";')}, "sasl.jaas.config"),
        (SASL | {"sasl.jaas.config": f"{PLAIN} required password={SECRET};"}, "sasl.jaas.config"),
        (SASL | {"sasl.jaas.config": f"com.x.Krb5LoginModule required keyTab={SECRET};"}, "sasl.jaas.config"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(properties: dict[str, str], path: str) -> None:
    error = refusal(properties)
    assert error.path == f"sink.properties.{path}"
    assert error.hint


@pytest.mark.parametrize(
    "properties",
    [
        SASL,
        {"security.protocol": "SASL_SSL"},
        {"security.protocol": "SASL_SSL", "sasl.mechanism": "AWS_MSK_IAM"},
        {"security.protocol": "SSL", "ssl.ca.location": f"/nowhere/{SECRET}"},
        {"security.protocol": "SSL", "ssl.keystore.key": SECRET},
        {"max.in.flight.requests.per.connection": "100"},
    ],
)
def test_options_that_are_wrong_only_together(properties: dict[str, str]) -> None:
    assert refusal(properties).path == "sink.properties"


def test_what_only_java_has_and_nobody_misses_has_no_effect() -> None:
    harmless = {
        "buffer.memory": "33554432",
        "max.block.ms": "60000",
        "delivery.timeout.ms": "120000",
        "group.id": "flink",
        "auto.offset.reset": "earliest",
        "key.deserializer": "org.apache.kafka.common.serialization.ByteArrayDeserializer",
        "partition.discovery.interval.ms": "10000",
    }
    assert to_client_config(SERVERS | harmless) == SERVERS


def test_other_names_of_the_same_thing() -> None:
    found = config(max__request__size="2000000", send__buffer__bytes="131072", receive__buffer__bytes="65536")
    assert found == SERVERS | {
        "message.max.bytes": "2000000",
        "socket.send.buffer.bytes": "131072",
        "socket.receive.buffer.bytes": "65536",
    }


def test_java_leaves_host_names_unchecked_by_an_empty_text() -> None:
    found = to_client_config(SERVERS | {"ssl.endpoint.identification.algorithm": ""})
    assert found["ssl.endpoint.identification.algorithm"] == "none"


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(["linger.ms", "nope", "acks", "debug", "ssl.key.pem"]), st.just(SECRET)))
def test_no_error_shows_a_value(properties: dict[str, str]) -> None:
    try:
        to_client_config(SERVERS | properties)
    except InvalidJob as error:
        assert SECRET not in f"{error!r}{error}{error.__cause__!r}"
