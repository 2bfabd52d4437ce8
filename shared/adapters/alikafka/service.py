"""Alibaba's SDK, one request at a time: what came back, as a reply of ours. The only importer of the SDK.

The SDK signs a request (ACS3-HMAC-SHA256), sends it once and raises what it meets; trying again is the caller's matter.
HTTP 200 is not success: an answer counts when it says `Success` and the code 200.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.adapters.alikafka import rules
from shared.adapters.alikafka.account import Account
from shared.errors import ExtraMissing, HeadraceError, SinkRefused, Unavailable
from shared.machines.topic_request import Reply, Verdict

_CONNECT_MILLISECONDS = 5_000
_READ_MILLISECONDS = 20_000

#: Whatever the service asks for, it is tried again after this long.
_PAUSE_SECONDS_MAX = 30.0

#: The API's own default, and what its examples use.
PAGE_SIZE = 10

#: Required by the API: a note of who made the topic, of 3 to 64 letters, digits, `_` and `-`.
REMARK = "headrace"

#: A stranger's message is quoted up to this many characters.
_QUOTED_MAX = 300

#: What the SDK tells of a connection that failed, and our words for it.
_SILENCES = (
    ("ProxyError", "the proxy of HTTPS_PROXY does not let us through"),
    ("timed out", "no answer in time"),
    ("resolve", "its name cannot be resolved"),
    ("refused", "the connection was refused"),
    ("CERTIFICATE", "its certificate is not trusted"),
    ("SSL", "it does not speak TLS"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A topic of the instance, as its list has it."""

    name: str
    compact: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the instance's topics; `total` counts those of all pages."""

    topics: tuple[Listed, ...]
    total: int


@dataclass(frozen=True, slots=True)
class _Sdk:
    """What we use of the SDK; `error` is the root of all that its requests raise."""

    client: Any
    models: Any
    runtime: Any
    error: type[Exception]


class Service:
    """The API for one instance.

    Raises (every method): ExtraMissing.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._client: Any = None

    @property
    def host(self) -> str:
        """Whom it asks."""
        return self.account.endpoint.host

    def create(self, fields: rules.CreateFields) -> Reply:
        """CreateTopic."""
        what = f"create topic {fields.topic}"
        body = self._call(
            what,
            "create_topic_with_options",
            "CreateTopicRequest",
            topic=fields.topic,
            remark=REMARK,
            partition_num=fields.partition_num,
            local_topic=_flag(fields.local_topic),
            compact_topic=_flag(fields.compact_topic),
            replication_factor=fields.replication_factor,
            min_insync_replicas=fields.min_insync_replicas,
            config=fields.config,
        )
        return body if isinstance(body, Reply) else Reply(Verdict.DONE)

    def delete(self, topic: str) -> Reply:
        """DeleteTopic."""
        body = self._call(f"delete topic {topic}", "delete_topic_with_options", "DeleteTopicRequest", topic=topic)
        return body if isinstance(body, Reply) else Reply(Verdict.DONE)

    def page(self, number: int, topic: str | None = None) -> Page | Reply:
        """GetTopicList: one page, from 1, of all topics or of those that a search for the name finds."""
        body = self._call(
            "list topics",
            "get_topic_list_with_options",
            "GetTopicListRequest",
            current_page=str(number),
            page_size=str(PAGE_SIZE),
            topic=topic,
        )
        if isinstance(body, Reply):
            return body if body.error is not None else Page((), 0)
        found = body.topic_list.topic_vo if body.topic_list else []
        topics = tuple(Listed(str(one.topic), bool(one.compact_topic)) for one in found or [])
        return Page(topics, int(body.total or 0))

    def _call(self, what: str, method: str, request: str, **fields: Any) -> Any:
        """The answer's body, or a reply that is none."""
        sdk = self._sdk()
        asked = getattr(sdk.models, request)(
            instance_id=self.account.instance_id, region_id=self.account.region_id, **fields
        )
        call: Callable[..., Any] = getattr(sdk.client, method)
        try:
            body = call(asked, sdk.runtime).body
        except sdk.error as error:
            return self._failed(what, error)
        except (AttributeError, TypeError, ValueError) as error:  # it reads an answer as if that could not be another
            return self._silent(what, error)
        if body is None:
            return self._silent(what, ValueError("an empty answer"))
        code = str(body.code)
        if body.success is True and code == "200":
            return body
        return self._refused(what, code, 200, str(body.message), str(body.request_id), 0.0)

    def _failed(self, what: str, error: Exception) -> Reply:
        code, status = getattr(error, "code", None), getattr(error, "status_code", None)
        if code is None or status is None:
            return self._silent(what, error)
        milliseconds = float(getattr(error, "retry_after", None) or 0)
        pause = min(_PAUSE_SECONDS_MAX, milliseconds / 1000)
        data = getattr(error, "data", None)
        message = str((data or {}).get("Message") or (data or {}).get("message") or getattr(error, "message", ""))
        return self._refused(what, str(code), int(status), message, str(getattr(error, "request_id", "")), pause)

    def _refused(self, what: str, code: str, status: int, message: str, request: str, pause: float) -> Reply:
        if code == rules.NOT_FOUND and what == "list topics":
            return Reply(Verdict.DONE)
        kind = rules.verdict(code, status)
        message = self.account.redacted(message)[:_QUOTED_MAX].strip().removesuffix(".")
        told = f"ApsaraMQ at {self.host} answered {code} when asked to {what}: {message} (request {request})."
        error: HeadraceError
        if kind is Verdict.BUSY:
            error = Unavailable(
                told, "It goes on by itself; if it does not, look at the instance in Alibaba's console."
            )
        else:
            error = SinkRefused(told, rules.hint(code, message, self.account.origin))
        return Reply(kind, error, pause)

    def _silent(self, what: str, error: Exception) -> Reply:
        # The text has the whole URL; only what it is about may be told.
        text = str(getattr(error, "message", "")) or str(error)
        reason = next((ours for theirs, ours in _SILENCES if theirs in text), "it gave no answer that can be read")
        hint = f"Check {self.account.origin}{'ENDPOINT' if self.account.origin.isupper() else 'endpoint'} and the way there."
        message = f"ApsaraMQ at {self.host} does not answer when asked to {what}: {reason}."
        return Reply(Verdict.SILENT, Unavailable(message, hint))

    def _sdk(self) -> _Sdk:
        try:
            from alibabacloud_alikafka20190916 import models
            from alibabacloud_alikafka20190916.client import Client
            from alibabacloud_tea_openapi.utils_models import Config
            from darabonba.runtime import RuntimeOptions
            from Tea.exceptions import TeaException
        except ImportError:
            raise ExtraMissing(
                "Topics of ApsaraMQ for Kafka are made by Alibaba's SDK, which is not installed here.",
                "pip install 'headrace[aliyun]' wherever workers.binlog and scheduler run.",
            ) from None
        if self._client is None:
            config = Config(
                access_key_id=self.account.access_key_id,
                access_key_secret=self.account.access_key_secret,
                region_id=self.account.region_id,
                endpoint=self.account.endpoint.host,
                protocol=self.account.endpoint.protocol,
                connect_timeout=_CONNECT_MILLISECONDS,
                read_timeout=_READ_MILLISECONDS,
                user_agent="headrace",
            )
            self._client = Client(config)
            # With DEBUG=sdk in the environment it would print each request's headers, the key's id among them.
            logging.getLogger("darabonba-core").disabled = True
        return _Sdk(self._client, models, RuntimeOptions(), TeaException)


def _flag(value: bool) -> str:
    """As the API spells it; the SDK would send Python's own word."""
    return "true" if value else "false"
