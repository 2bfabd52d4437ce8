"""Asks whether a Kafka cluster answers, and if not, why.

librdkafka goes on connecting for as long as a call may last and then says no more than that it took too long; what it
found (a name that does not resolve, refused credentials, TLS against a plain port) it tells to a callback. What waiting
cannot mend, a refused login or a certificate that is not trusted, ends the question at once.

Law of this file: it only looks; for use before anything else, so that later calls fail for their own reasons.
"""

from __future__ import annotations

import re
import time

from confluent_kafka import KafkaError, KafkaException, Producer

from shared.adapters.kafka.certificates import why_untrusted
from shared.adapters.kafka.clients import ClientConfig, client_config, translated
from shared.errors import SinkRefused, Unavailable

#: A broker that is up answers within milliseconds; through a slow tunnel with TLS, within seconds.
_TIMEOUT_SECONDS = 10.0
_STEP_SECONDS = 1.0

#: librdkafka's notes of where and when, which tell the reader nothing: `host:9092/bootstrap: … (after 1ms in state X)`.
_NOISE = re.compile(r"^\S+/(?:bootstrap|\d+): |\s*\(after \d+ms in state \w+[^)]*\)")

_LOGIN_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})

#: What librdkafka says when it has no token. Unless the server that gives tokens refused ours, that may pass.
_NO_TOKEN = re.compile(r"OAUTHBEARER token|OIDC token", re.IGNORECASE)
_TOKEN_REFUSED = re.compile(r"\b40[013]\b|invalid_client|unauthorized_client|invalid_scope", re.IGNORECASE)

_UNTRUSTED = "certificate verify failed"
_BROKER = re.compile(r"^(?:\w+://)?(?P<host>\S+):(?P<port>\d+)/")


def count_brokers(config: ClientConfig, timeout_seconds: float = _TIMEOUT_SECONDS) -> int:
    """How many brokers the cluster has.

    Raises:
        SinkRefused: the cluster refuses our credentials, or we its certificate.
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
            refusal = _refusal(config, seen)
            if refusal is not None:
                raise refusal from None
            if time.monotonic() > deadline:
                raise _silent(config, seen, error.args[0]) from None


def _refusal(config: ClientConfig, seen: list[KafkaError]) -> SinkRefused | Unavailable | None:
    """What makes it vain to go on asking."""
    at = config.get("bootstrap.servers", "")
    login = [e for e in seen if e.code() in _LOGIN_REFUSED]
    tokens = [e for e in login if _NO_TOKEN.search(e.str())]
    if tokens and not any(_TOKEN_REFUSED.search(e.str()) for e in tokens):
        return Unavailable(
            f"There is no token for the login at Kafka ({at}): {_reasons(tokens, config)}.",
            "Check properties.sasl.oauthbearer.token.endpoint.url, and that it can be reached from here.",
        )
    if login:
        hint = "Check the credentials under properties.sasl.*, the mechanism and properties.security.protocol."
        return SinkRefused(f"Kafka at {at} refuses the login: {_reasons(login, config)}.", hint)
    untrusted = next((e for e in seen if e.code() == KafkaError._SSL and _UNTRUSTED in e.str()), None)
    return _untrusted(config, untrusted) if untrusted is not None else None


def _untrusted(config: ClientConfig, error: KafkaError) -> SinkRefused:
    match = _BROKER.match(error.str())
    host, port = (match["host"], int(match["port"])) if match else ("", 0)
    reason, hint = why_untrusted(host, port, config)
    at = f"{host}:{port}" if match else config.get("bootstrap.servers", "")
    return SinkRefused(f"The certificate of Kafka at {at} is not trusted: {reason}.", hint)


def _silent(config: ClientConfig, seen: list[KafkaError], last: KafkaError) -> Unavailable:
    told = [e for e in seen if e.code() != KafkaError._ALL_BROKERS_DOWN]
    return Unavailable(
        f"Kafka at {config.get('bootstrap.servers', '')} does not answer: {_reasons(told or [last], config)}.",
        "Check properties.bootstrap.servers and properties.security.protocol, and that the brokers are running.",
    )


def _reasons(errors: list[KafkaError], config: ClientConfig) -> str:
    """The first different ones, without their noise. A server that gives tokens may repeat what it was sent."""
    text = "; ".join(list(dict.fromkeys(_NOISE.sub("", e.str()).removesuffix(".") for e in errors))[:3])
    for name, value in config.items():
        if name.endswith(("password", "secret")) and value:
            text = text.replace(str(value), "…")
    return text
