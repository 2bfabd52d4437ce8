"""Makes configured Kafka clients, and turns their errors into ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from confluent_kafka import KafkaError, KafkaException

from shared.errors import SinkRefused, Superseded, Transient, Unavailable

#: Options of librdkafka by their own names; may hold secrets, so it is never printed.
ClientConfig: TypeAlias = Mapping[str, str | int | float | bool]

#: librdkafka's own log lines go here, where the process's logging decides about them.
CLIENT_LOG = logging.getLogger("headrace.kafka")

#: The group that our consumers name, as the client demands; they never join it and commit no offsets.
OWN_GROUP = "headrace-unused"

#: A transaction's marker is no message: that a reader has come past it is known when the broker has nothing more to send, which
#: it says after this time. Kafka's default, half a second, would be spent again and again in every takeover and command.
FETCH_WAIT_MS = 50

#: A transaction that waits for a marker retries this soon; the default of 100 ms would set the pace of commits.
_RETRY_BACKOFF_MS = 10

_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})

#: What is missing where the caller does not know better, by the kind of what is forbidden.
_FORBIDDEN: Mapping[int, str] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Write, Read, Create or DescribeConfigs on topic NAME",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "IdempotentWrite on cluster",
    KafkaError.GROUP_AUTHORIZATION_FAILED: f"Describe on group {OWN_GROUP}",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "Write on transactional-id headrace. (prefixed)",
}

_REFUSED: Mapping[int, str] = {
    KafkaError.MSG_SIZE_TOO_LARGE: "Raise max.message.bytes of the topic and properties.message.max.bytes of the sink.",
    KafkaError.POLICY_VIOLATION: "The cluster's policy forbids this topic; set sink.topic.* to what it allows.",
    KafkaError.INVALID_REPLICATION_FACTOR: "Set sink.topic.replication-factor to at most the number of brokers.",
    KafkaError.INVALID_CONFIG: "Check the names and values under sink.topic.config.",
    KafkaError.INVALID_PARTITIONS: "Set sink.topic.partitions to a number that the cluster allows.",
    KafkaError.INVALID_TRANSACTION_TIMEOUT: "Raise transaction.max.timeout.ms of the brokers to 600000 or more.",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "The topic was deleted under the job; cancel the job and submit it again.",
    KafkaError._UNKNOWN_TOPIC: "The topic was deleted under the job; cancel the job and submit it again.",
    KafkaError.SASL_AUTHENTICATION_FAILED: "Check the credentials under properties.sasl.*.",
    KafkaError._AUTHENTICATION: "Check the credentials under properties.sasl.*.",
    KafkaError._INVALID_ARG: "Check the options under properties.*: the Kafka client does not know one of them.",
}


@contextmanager
def translated(doing: str, needs: str = "") -> Iterator[None]:
    """Turns confluent-kafka's errors into ours.

    Args:
        doing: what was tried and on what, as the end of "Kafka failed …".
        needs: the ACL that it takes, as in `Create on topic order_dw.user`.

    Raises:
        Superseded: a newer producer with the same id fenced ours.
        SinkRefused: Kafka will refuse this again however often it is tried.
        Unavailable: anything else; trying again with a new client can help.
    """
    try:
        yield
    except KafkaException as error:
        raise translate(error.args[0], doing, needs) from None
    except BufferError:
        raise Unavailable(f"Kafka is too slow {doing}: the send buffer stayed full.") from None


def translate(error: KafkaError, doing: str, needs: str = "") -> Transient | SinkRefused:
    """The error of ours that a KafkaError stands for; arguments as of `translated`."""
    code = error.code()
    text = f"Kafka failed {doing}: {error.str()} ({error.name()})."
    if code in _FENCED or (error.fatal() and "fenced" in error.str().lower()):
        return Superseded(text, "A newer process took over; this one steps back by itself.")
    if code in _FORBIDDEN:
        return SinkRefused(text, how_to_allow(needs or _FORBIDDEN[code]))
    if code in _REFUSED:
        return SinkRefused(text, _REFUSED[code])
    return Unavailable(text, "Check that the brokers of properties.bootstrap.servers are up and reachable.")


def how_to_allow(right: str) -> str:
    """A hint that gives a right such as `Create on topic order_dw.user`."""
    operation, _, resource = right.partition(" on ")
    kind, _, name = resource.partition(" ")
    pattern = " --resource-pattern-type prefixed" if name.endswith(" (prefixed)") else ""
    command = f"--add --allow-principal User:NAME --operation {operation} --{kind} {name.removesuffix(' (prefixed)')}"
    return f"Allow it: kafka-acls {command.strip()}{pattern}. docs/kafka.md lists all that a job needs."


def client_config(base: ClientConfig, **ours: str | float | bool) -> dict[str, Any]:
    """The user's options and ours; ours win, since the protocol stands on them."""
    own = {name.replace("_", "."): value for name, value in ours.items()}
    return {"client.id": "headrace", "retry.backoff.ms": _RETRY_BACKOFF_MS, **base, **own, "logger": CLIENT_LOG}
