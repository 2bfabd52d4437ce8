"""What the service takes: names, numbers and settings of a topic, and what its codes mean. Pure.

Numbers are those of CreateTopic 2019-09-16. Where editions of the service differ, the narrower bound counts: it holds in all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from shared.errors import HeadraceError, InvalidJob, SinkRefused
from shared.machines.topic_request import Verdict
from shared.model.topic import TopicSpec

#: Reserved instances take 3 to 64 characters (and once cut longer names off), serverless ones 1 to 249.
NAME_MIN, NAME_MAX = 3, 64
PARTITIONS_MAX = 360
REPLICAS_MAX = 3

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NUMBERS = {
    "retention.ms": (3_600_000, 31_536_000_000),
    "retention.hours": (24, 8760),
    "max.message.bytes": (1_048_576, 10_485_760),
}
_TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
_OPTION = "sink.topic.config."

#: Codes after which the same request may succeed later. The last two: while an instance is being changed or started.
_BUSY = frozenset(
    {
        "ONS_SYSTEM_FLOW_CONTROL",
        "ONS_SYSTEM_ERROR",
        "ServiceUnavailable",
        "ServiceUnavailableTemporary",
        "InternalError",
        "BIZ_INSTANCE_STATUS_ERROR",
        "InstanceStatusError",
    }
)
NOT_FOUND = "BIZ_TOPIC_NOT_FOUND"

#: What a code, or a message, is about, and how to mend it; the first that fits counts.
_HINTS = (
    (
        r"InvalidTimeStamp|SignatureNonceUsed",
        "Set this machine's clock: the API takes requests that are at most 15 minutes old.",
    ),
    (
        r"InvalidAccessKey|SignatureDoesNotMatch|IncompleteSignature|InvalidSecurityToken",
        "Correct {key_id} and {key_secret}.",
    ),
    (
        r"Forbidden|NoPermission|AccessDenied|AUTH_|Unauthorized",
        "Give the RAM user the permissions of docs/apsaramq.md for this instance.",
    ),
    (
        r"QUOTA|Quota|Exceed|EXCEED|runs out|OVER_?LIMIT|max (?:topic|partition) count",
        "Upgrade the instance or delete topics, or set sink.topic.partitions lower.",
    ),
    (
        r"INSTANCE|Instance|InvalidRegion",
        "Correct {instance} and {region}; they name one instance of the account that the key belongs to.",
    ),
    (
        r"LOCAL|[Ll]ocal|COMPACT|[Cc]ompact",
        "Compacted topics need local storage: see the editions in docs/apsaramq.md.",
    ),
)


@dataclass(frozen=True, slots=True)
class CreateFields:
    """A CreateTopic request, in the API's own types; None is not sent."""

    topic: str
    partition_num: str | None
    local_topic: bool
    compact_topic: bool
    replication_factor: int | None
    min_insync_replicas: int | None
    config: str | None


def create_fields(spec: TopicSpec) -> CreateFields:
    """The request that makes this topic. `spec.wishes` are left out: the service sets what they are about itself.

    Raises:
        SinkRefused: the service takes no such name.
        InvalidJob: it has no such setting, or not with that value.
    """
    _check_name(spec.name)
    partitions = _within("sink.topic.partitions", spec.partitions, 1, PARTITIONS_MAX)
    replicas = _within("sink.topic.replication-factor", spec.replication_factor, 1, REPLICAS_MAX)
    config = dict(spec.config)
    policy = config.pop("cleanup.policy", "compact")
    if policy.strip() != "compact":
        raise InvalidJob(
            f"ApsaraMQ has no topics with cleanup.policy={policy}: its CompactTopic compacts, and nothing else.",
            "Remove the line, or write `compact`.",
            _OPTION + "cleanup.policy",
        )
    minimum = _min_insync(config.pop("min.insync.replicas", None), replicas)
    for name, value in config.items():
        _check_setting(name, value)
    return CreateFields(
        topic=spec.name,
        partition_num=None if partitions is None else str(partitions),
        local_topic=True,
        compact_topic=True,
        replication_factor=replicas,
        min_insync_replicas=minimum,
        config=json.dumps(config, sort_keys=True, separators=(",", ":")) if config else None,
    )


def refusal(spec: TopicSpec) -> HeadraceError | None:
    """Why the service would not make this topic, as far as its rules are known."""
    try:
        create_fields(spec)
    except (SinkRefused, InvalidJob) as error:
        return error
    return None


def verdict(code: str, status: int) -> Verdict:
    """What a code and an HTTP status mean. A code of ONS or BIZ says more than the status beside it."""
    if code in _BUSY or code.startswith("Throttling") or status == 429 or code == "429":
        return Verdict.BUSY
    if status >= 500 and not code.startswith(("BIZ_", "ONS_")):
        return Verdict.BUSY
    return Verdict.REFUSED


def hint(code: str, message: str, origin: str) -> str:
    """How to mend what the service complains of."""
    if origin.startswith("HEADRACE_"):
        names = {"key_id": "ACCESS_KEY_ID", "key_secret": "ACCESS_KEY_SECRET"}
        names |= {"instance": "INSTANCE_ID", "region": "REGION_ID"}
    else:
        names = {"key_id": "accessKeyId", "key_secret": "accessKeySecret"}
        names |= {"instance": "instanceId", "region": "regionId"}
    text = f"{code} {message}"
    for pattern, sentence in _HINTS:
        if re.search(pattern, text):
            return sentence.format(**{name: origin + word for name, word in names.items()})
    return "See docs/apsaramq.md; Alibaba's support finds the request by its id."


def _check_name(name: str) -> None:
    if NAME_MIN <= len(name) <= NAME_MAX and _NAME.fullmatch(name):
        return
    raise SinkRefused(
        f"ApsaraMQ takes no topic of the name `{name}`, which has {len(name)} characters: it takes {NAME_MIN} to {NAME_MAX} "
        "letters, digits, `.`, `_` and `-`.",
        "Route the table to a topic with such a name; topics of headrace itself begin with HEADRACE_REGISTRY_TOPIC.",
    )


def _within(path: str, number: int | None, low: int, high: int) -> int | None:
    if number is not None and number not in range(low, high + 1):
        raise InvalidJob(f"ApsaraMQ takes {low} to {high} here, not {number}.", "Correct the value.", path)
    return number


def _min_insync(text: str | None, replicas: int | None) -> int | None:
    if text is None:
        return None
    path = _OPTION + "min.insync.replicas"
    minimum = _within(path, _whole(text, path), 1, REPLICAS_MAX)
    if minimum is not None and replicas is not None and minimum >= replicas:
        raise InvalidJob(
            f"min.insync.replicas is {minimum} and must be less than the {replicas} replicas of the topic.",
            "Lower it, or raise sink.topic.replication-factor.",
            path,
        )
    return minimum


def _check_setting(name: str, value: str) -> None:
    path = _OPTION + name
    if name in _NUMBERS:
        _within(path, _whole(value, path), *_NUMBERS[name])
    elif name == "message.timestamp.type":
        if value not in _TIMESTAMP_TYPES:
            raise InvalidJob(f"ApsaraMQ takes {' or '.join(_TIMESTAMP_TYPES)} here.", "Correct the value.", path)
    else:
        known = ", ".join([*_NUMBERS, "message.timestamp.type", "min.insync.replicas"])
        raise InvalidJob(
            f"ApsaraMQ's API sets no `{name}` of a topic.", f"Remove the line; it sets {known}, and compaction.", path
        )


def _whole(text: str, path: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text.strip()):
        raise InvalidJob("Expected a whole number.", "Correct the value.", path)
    return int(text)
