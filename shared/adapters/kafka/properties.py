"""The `properties.*` of a job file, written for Kafka's Java clients, as options of librdkafka.

Most names are the same in both. A few have another name there (`_RENAMED`); some steer only what headrace does
itself or a consumer's group, and have no effect (`_WITHOUT_EFFECT`); Java's logins (`logins`) and key stores
(`stores`) are translated where librdkafka has the same thing. Any other name is judged by librdkafka itself: an option that it does
not know is an error, for leaving out a wish in silence could, for one, send data unencrypted.

Law of this file: every option is passed on, known to be harmless, or refused by its name; no value is ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from shared.adapters.kafka.clients import CLIENT_LOG
from shared.adapters.kafka.logins import take_login
from shared.adapters.kafka.stores import take_stores
from shared.errors import InvalidJob

_RENAMED: Mapping[str, str] = {
    "sasl.mechanism": "sasl.mechanisms",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "max.request.size": "message.max.bytes",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
}

#: What only consumers in a group have.
_CONSUMERS = frozenset(
    {
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "check.crcs",
        "enable.auto.commit",
        "exclude.internal.topics",
        "fetch.max.bytes",
        "fetch.max.wait.ms",
        "fetch.min.bytes",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "heartbeat.interval.ms",
        "isolation.level",
        "key.deserializer",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "max.poll.records",
        "partition.assignment.strategy",
        "partition.discovery.interval.ms",
        "session.timeout.ms",
        "value.deserializer",
    }
)

#: Names of Java's producer that steer nothing here. `delivery.timeout.ms`: a message waits as long as its transaction,
#: whose time the sink sets; `buffer.memory`: so with the send buffer; `sasl.login.*`: librdkafka renews tokens itself.
_WITHOUT_EFFECT = _CONSUMERS | {
    "buffer.memory",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "max.block.ms",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.ignore.keys",
    "sasl.login.connect.timeout.ms",
    "sasl.login.read.timeout.ms",
    "sasl.login.refresh.buffer.seconds",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.login.retry.backoff.max.ms",
    "sasl.login.retry.backoff.ms",
    "socket.connection.setup.timeout.max.ms",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
}

#: Options that no file may set: they load code, or need a Python object.
_NOT_FOR_FILES = frozenset(
    {"default.topic.config", "logger", "on_commit", "on_delivery", "opaque", "plugin.library.paths"}
)

_UNKNOWN_HINT = "Remove the line, or use the name that librdkafka has for it (its CONFIGURATION.md lists all)."
_VALUE_HINT = "Correct the value: librdkafka's CONFIGURATION.md tells what is allowed."
_NO_CLASSES = "Remove the line: Java classes cannot be loaded here."
_HINTS: Mapping[str, str] = {
    "interceptor.classes": _NO_CLASSES,
    "sasl.client.callback.handler.class": _NO_CLASSES,
    "sasl.login.class": _NO_CLASSES,
    "security.providers": _NO_CLASSES,
    "ssl.engine.factory.class": _NO_CLASSES,
    "ssl.enabled.protocols": "Remove the line: client and broker agree on the newest version of TLS that both have.",
    "ssl.cipher.suites": "Use OpenSSL's names of cipher suites, or remove the line.",
}


def to_client_config(properties: Mapping[str, str]) -> dict[str, str]:
    """The options for librdkafka; may hold secrets.

    Args:
        properties: the job's `properties.*`, without that prefix.

    Raises:
        InvalidJob: an option is unknown, or its value is not allowed; the path is `sink.properties.<name>`.
    """
    given = dict(properties)
    config = take_login(given) | take_stores(given)
    for name, value in given.items():
        if name in _WITHOUT_EFFECT:
            continue
        if name in _NOT_FOR_FILES or name.endswith("_cb"):
            raise _refused(name, "cannot be set in a job file")
        config.setdefault(_RENAMED.get(name, name), value)  # a login module goes before single options, as in Java
    if config.get("ssl.endpoint.identification.algorithm") == "":
        config["ssl.endpoint.identification.algorithm"] = "none"  # Java's way to say so
    _prove(config, properties)
    return config


def _prove(config: Mapping[str, str], properties: Mapping[str, str]) -> None:
    """Lets librdkafka judge the options; there is no address among them, so nothing connects."""
    # With an id, the options are also judged by what transactions need.
    together = _problem({**_at_rest(config), "transactional.id": "headrace.preflight"})
    if not together:
        return
    written = {_RENAMED.get(name, name): name for name in properties}
    for option, value in config.items():
        problem = _problem({option: value})
        if _UNKNOWN.search(problem):
            raise _refused(written.get(option, option), "is not an option of the Kafka client")
        if _BAD_VALUE.search(problem):
            raise _refused(written.get(option, option), "has a value that is not allowed", _VALUE_HINT)
    if "SASL mechanism" in together:
        named = next((name for name in ("sasl.mechanism", "sasl.mechanisms") if name in properties), "sasl.mechanism")
        hint = "Set properties.sasl.mechanism to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."
        raise _refused(named, "names a mechanism that the Kafka client does not have (or is missing)", hint)
    raise InvalidJob(
        f"The Kafka client refuses the options together: {_without_values(together, config)}.",
        "Check security.protocol, sasl.* and ssl.*, and that the files they name can be read here.",
        "sink.properties",
    )


def _at_rest(config: Mapping[str, str]) -> dict[str, str]:
    """The same for a client that asks nobody for a token: with OAUTHBEARER it would do so as soon as it is made."""
    found = dict(config)
    if found.get("sasl.mechanisms", "").upper() == "OAUTHBEARER" and "security.protocol" in found:
        found["security.protocol"] = re.sub("(?i)^sasl_", "", found["security.protocol"])
    return found


_UNKNOWN = re.compile(r"No such configuration property|Java TrustStores")
_BAD_VALUE = re.compile(r"configuration property|expected", re.IGNORECASE)


def _problem(config: Mapping[str, str]) -> str:
    """What librdkafka says against the options; empty when it takes them."""
    offline: dict[str, Any] = {name: value for name, value in config.items() if name != "bootstrap.servers"}
    try:
        Producer({**offline, "logger": CLIENT_LOG, "log_level": 0})
    except KafkaException as error:
        text: str = error.args[0].str()
        return text.strip().removeprefix("Failed to create producer: ").removesuffix(".")
    except (TypeError, ValueError) as error:
        return f"expected another value ({type(error).__name__})"
    return ""


def _without_values(text: str, config: Mapping[str, str]) -> str:
    """librdkafka hardly ever repeats a value; should it do so, the value goes."""
    # Under four letters a value is found inside of other words, and no secret.
    values = (value for name, value in config.items() if name not in _PUBLIC and len(value) > 3)
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "…")
    return text


_PUBLIC = frozenset({"sasl.mechanisms", "security.protocol"})


def _refused(name: str, reason: str, hint: str = _UNKNOWN_HINT) -> InvalidJob:
    return InvalidJob(f"`{name}` {reason}.", _HINTS.get(name, hint), f"sink.properties.{name}")
