"""A job's state topic, read without a leader: what is known when nobody publishes live figures.

The state topic lies on the sink's cluster, beside the data, since one Kafka transaction holds both.

Law of this file: it only reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.kafka.log import TopicLog
from shared.adapters.kafka.properties import to_client_config
from shared.adapters.kafka.topics import Topics
from shared.errors import InvalidJob, NeedsOperator
from shared.job.options import OPTIONS, Option
from shared.job.placeholders import Resolver
from shared.job.spec import AliyunSpec
from shared.job.structure import read_structure
from shared.job.values import Unreadable
from shared.machines.ledger import StoredState, summary
from shared.model.position import GtidSet


class StoredJob:
    """Follows one state topic.

    Args:
        options: the client options of the sink's cluster; may hold secrets.
        topic: the job's state topic.

    Raises (every method): Unavailable, SinkRefused, NeedsOperator when a newer headrace wrote the topic.
    """

    def __init__(self, options: Mapping[str, str], topic: str) -> None:
        self._options = options
        self._topic = topic
        self._log: TopicLog | None = None
        self._state = StoredState()

    def read(self) -> StoredState | None:
        """The state as committed by now; None while there is no such topic."""
        if self._topic not in Topics(self._options).describe([self._topic]):
            return None
        if self._log is None:
            self._log = TopicLog(self._options, self._topic)
        # Not the high watermark: a leader may keep a transaction open at the end of the topic.
        for key, value in self._log.read_to(self._log.stable_end()):
            self._fold(key, value)
        return self._state

    def close(self) -> None:
        """Frees the client."""
        if self._log is not None:
            self._log.close()

    def _fold(self, key: bytes, value: bytes | None) -> None:
        try:
            self._state.fold(key, value)
        except ValueError as error:
            hint = "A newer headrace may have written it: update headrace on this machine."
            raise NeedsOperator(f"Topic {self._topic} is not readable: {error}.", hint) from None


def figures(state: StoredState) -> dict[str, Any]:
    """What the leader would publish of this state, without what only a leader knows."""
    position = state.position
    processed = position.processed if position else GtidSet({})
    return summary(state.tables.values(), processed, position.epoch if position else 0, {})


def topics_of(state: StoredState | None) -> list[str]:
    """The data topics that the job writes."""
    return sorted({record.topic for record in state.tables.values()}) if state else []


def sink_options(text: str, file: str, resolver: Resolver) -> dict[str, str]:
    """The Kafka client options of a stored job's sink.

    Only these are resolved: whoever looks at a job's state needs no password of MySQL.

    Raises:
        MissingSecret: a placeholder of `sink.properties.*` has no value here.
        InvalidJob: the stored text is not a job file that this version knows.
    """
    return to_client_config(_group(text, file, resolver, "properties."))


def aliyun_options(text: str, file: str, resolver: Resolver) -> AliyunSpec | None:
    """The `aliyun.kafka.*` options of a stored job's sink; None when it has none.

    Raises:
        MissingSecret: a placeholder of theirs has no value here.
        InvalidJob: the stored text is not a job file that this version knows.
    """
    found = _group(text, file, resolver, "aliyun.")
    return AliyunSpec.model_validate(found) if found else None


def _group(text: str, file: str, resolver: Resolver, group: str) -> dict[str, str]:
    return {
        setting.target.removeprefix(group): resolver.substitute(setting.text, setting.path)
        for setting in read_structure(text, file).blocks["sink"].values()
        if setting.target.startswith(group)
    }


def stored_parallelism(text: str, file: str, resolver: Resolver) -> int:
    """How many chunks of a stored job are read at a time.

    Raises:
        MissingSecret, InvalidJob: as `sink_options`.
    """
    (option,) = (one for one in OPTIONS["pipeline"] if one.field == "parallelism")
    setting = read_structure(text, file).blocks["pipeline"].get(option.name)
    text_of = resolver.substitute(setting.text, setting.path) if setting else option.default
    return int(_read(option, text_of or "", "pipeline.parallelism"))


def _read(option: Option, text: str, path: str) -> Any:
    try:
        return option.read(text)
    except Unreadable as error:
        raise InvalidJob(
            f"Expected {error.expected}, found another value.", "Correct the placeholder's value.", path
        ) from None
