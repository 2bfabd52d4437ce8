"""Whose instance: the access key, the instance, and the one endpoint that is asked.

Law of this file: a key shows in no text, neither of the account nor of an error.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from shared.errors import InvalidJob

_ENDPOINT = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API answers; `host` has the port, if one was given."""

    protocol: str
    host: str


@dataclass(frozen=True, slots=True)
class Account:
    """Access to the API for one instance.

    `origin` is where the options came from, for hints: `sink.aliyun.kafka.` or `HEADRACE_ALIYUN_`.
    """

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    instance_id: str
    endpoint: Endpoint
    region_id: str
    origin: str

    def redacted(self, text: str) -> str:
        """The text of a stranger without our keys: Alibaba's answer to a bad signature repeats what was signed."""
        for secret in (self.access_key_secret, self.access_key_id):
            if secret:
                text = text.replace(secret, "***")
        return text


def read_endpoint(text: str, path: str) -> Endpoint:
    """An endpoint as users write it: `alikafka.cn-hangzhou.aliyuncs.com`, with or without `https://` and a port.

    Args:
        text: the value.
        path: its option, for the error.

    Raises:
        InvalidJob: it is no such thing, or asks for plain HTTP to another machine.
    """
    match = _ENDPOINT.fullmatch(text.strip())
    if match is None or int(match["port"] or 443) not in range(1, 65536):
        raise InvalidJob(
            "Expected the host name of ApsaraMQ's API, found another text.",
            "It is alikafka.<region>.aliyuncs.com; the brokers' addresses go to properties.bootstrap.servers.",
            path,
        )
    host = match["host"] + (f":{match['port']}" if match["port"] else "")
    if (match["scheme"] or "https").lower() == "https":
        return Endpoint("HTTPS", host)
    if not _is_loopback(match["host"]):
        raise InvalidJob(
            "Plain HTTP to another machine would show the requests to everybody on the way.",
            "Leave `http://` out, or write `https://`; plain HTTP is for a stand-in on this machine.",
            path,
        )
    return Endpoint("HTTP", host)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
