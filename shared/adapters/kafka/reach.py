"""Asks whether a Kafka cluster answers, and if not, why.

librdkafka goes on connecting for as long as a call may last and then says no more than that it took too long; what it
found (a name that does not resolve, refused credentials, TLS against a plain port) it tells to a callback.

Law of this file: it only looks; for use before anything else, so that later calls fail for their own reasons.
"""

from __future__ import annotations

import re
import time

from confluent_kafka import KafkaError, KafkaException, Producer

from shared.adapters.kafka.clients import ClientConfig, client_config, translated
from shared.errors import SinkRefused, Unavailable

#: A broker that is up answers within milliseconds; through a slow tunnel with TLS, within seconds.
_TIMEOUT_SECONDS = 10.0
_STEP_SECONDS = 1.0

#: librdkafka's notes of where and when, which tell the reader nothing: `host:9092/bootstrap: … (after 1ms in state X)`.
_NOISE = re.compile(r"^\S+/(?:bootstrap|\d+): |\s*\(after \d+ms in state \w+[^)]*\)")

_LOGIN_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})


def count_brokers(config: ClientConfig, timeout_seconds: float = _TIMEOUT_SECONDS) -> int:
    """How many brokers the cluster has.

    Raises:
        SinkRefused: the cluster refuses our credentials.
        Unavailable: nothing answers there; the message says what was seen.
    """
    seen: list[KafkaError] = []
    # log_level 0: the same news would come in the log, twenty times a second.
    with translated("connecting"):
        producer = Producer({**client_config(config), "error_cb": seen.append, "log_level": 0})
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            return len(producer.list_topics(timeout=_STEP_SECONDS).brokers)
        except KafkaException as error:
            producer.poll(0)  # the callback runs in here
            login = [e for e in seen if e.code() in _LOGIN_REFUSED]
            if login:
                raise SinkRefused(
                    f"Kafka at {config.get('bootstrap.servers', '')} refuses the login: {_reasons(login)}.",
                    "Check the credentials under properties.sasl.*, the mechanism and properties.security.protocol.",
                ) from None
            if time.monotonic() > deadline:
                raise _silent(config, seen, error.args[0]) from None


def _silent(config: ClientConfig, seen: list[KafkaError], last: KafkaError) -> Unavailable:
    told = [e for e in seen if e.code() != KafkaError._ALL_BROKERS_DOWN]
    return Unavailable(
        f"Kafka at {config.get('bootstrap.servers', '')} does not answer: {_reasons(told or [last])}.",
        "Check properties.bootstrap.servers and properties.security.protocol, and that the brokers are running.",
    )


def _reasons(errors: list[KafkaError]) -> str:
    """The first different ones, without their noise."""
    return "; ".join(list(dict.fromkeys(_NOISE.sub("", e.str()).removesuffix(".") for e in errors))[:3])
