"""A job's `properties.*` as the options of Flink's Kafka connector.

Law of this file: only the address of the brokers is a value; everything else is the text of the job file, in which a
secret is a placeholder. What steers headrace's own producer alone is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

_READERS = ("security.", "sasl.", "ssl.")
_MODULES = {"PLAIN": "plain.PlainLoginModule", "SCRAM": "scram.ScramLoginModule"}


def client_properties(bootstrap: str, written: Mapping[str, str]) -> dict[str, str]:
    """The `properties.*` of a table, with that prefix.

    Args:
        bootstrap: the brokers' addresses.
        written: the job's `properties.*` as the file has them, without that prefix, placeholders included.
    """
    found = {name: text for name, text in written.items() if name.startswith(_READERS)}
    found |= _login(found)
    ours = {"bootstrap.servers": bootstrap, **found, "isolation.level": "read_committed"}
    return {f"properties.{name}": text for name, text in ours.items()}


def _login(found: dict[str, str]) -> dict[str, str]:
    """What librdkafka has other names for, in Java's; takes it out of `found`."""
    mechanism = found.pop("sasl.mechanisms", found.get("sasl.mechanism", ""))
    user, password = found.pop("sasl.username", None), found.pop("sasl.password", None)
    login = {"sasl.mechanism": mechanism} if mechanism else {}
    module = _MODULES.get(mechanism.partition("-")[0])
    if user is None or password is None or module is None:
        return login
    options = " ".join(f'{name}="{_quoted(text)}"' for name, text in (("username", user), ("password", password)))
    return login | {"sasl.jaas.config": f"org.apache.kafka.common.security.{module} required {options};"}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
