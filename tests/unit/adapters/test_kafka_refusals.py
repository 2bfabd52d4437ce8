"""What Kafka forbids becomes a command that allows it; errors about the registry speak of variables."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from shared.adapters.kafka.clients import how_to_allow, translate
from shared.errors import InvalidJob, SinkRefused
from shared.runtime.connections import registry_config
from shared.settings import load


def test_a_missing_right_is_given_by_the_hint() -> None:
    assert how_to_allow("Create on topic order_dw.user").startswith(
        "Allow it: kafka-acls --add --allow-principal User:NAME --operation Create --topic order_dw.user."
    )


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "--topic NAME"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "--operation Describe --group headrace-unused"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "--operation IdempotentWrite --cluster."),
        (
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "--operation Write --transactional-id headrace. --resource-pattern-type prefixed",
        ),
    ],
)
def test_what_is_forbidden_names_what_is_missing(code: int, command: str) -> None:
    error = translate(KafkaError(code), "trying")
    assert isinstance(error, SinkRefused)
    assert command in error.hint
    assert "Create on topic x" not in error.hint


def test_who_knows_what_it_takes_says_so() -> None:
    error = translate(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "reading", "Read on topic x")
    assert "--operation Read --topic x" in error.hint


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"HEADRACE_KAFKA_LINGRE_MS": "1"}, "HEADRACE_KAFKA_LINGRE_MS"),
        ({"HEADRACE_KAFKA_SASL_PASSWORD": "hunter2"}, "HEADRACE_KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_an_option_of_the_registry_is_told_by_its_variable(variables: dict[str, str], path: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        registry_config(load(variables))
    assert caught.value.path == path
    assert "sink.properties" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
