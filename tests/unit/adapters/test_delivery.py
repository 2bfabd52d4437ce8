"""Why messages did not arrive, and whether topics are still those that a job fills."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import KafkaError

from shared.adapters.kafka import placing
from shared.adapters.kafka.delivery import Undelivered, change_at, too_large_for_us
from shared.adapters.kafka.placing import TopicWatch
from shared.errors import OversizedRow, SinkRefused, TopicChanged, Unavailable
from shared.model.topic import Placing


@dataclass
class Lost:
    """A message of which a report comes."""

    name: str
    body: bytes | None
    of: str = "d.t"

    def topic(self) -> str:
        return self.of

    def key(self) -> bytes:
        return self.name.encode()

    def value(self) -> bytes | None:
        return self.body


def told(*reports: tuple[int, Lost]) -> Any:
    found = Undelivered()
    for code, message in reports:
        found.note(KafkaError(code), message)  # type: ignore[arg-type]
    return found.cause()


def test_nothing_was_told() -> None:
    assert told() is None
    assert told((KafkaError._PURGE_QUEUE, Lost("{}", b"x"))) is None


def test_of_a_batch_that_is_too_large_the_largest_row_is_named_by_its_key_alone() -> None:
    large = KafkaError.MSG_SIZE_TOO_LARGE
    error = told(
        (large, Lost('{"id":1}', b"secret" * 10)),
        (large, Lost('{"id":2}', b"secret" * 9000)),
        (large, Lost('{"id":3}', None)),
    )
    assert isinstance(error, OversizedRow)
    assert error.message.startswith('The row with the key {"id":2} has 54008 bytes in topic d.t')
    assert "secret" not in str(error)
    assert "--entity-name d.t --add-config max.message.bytes=108016" in error.hint


def test_a_row_that_is_too_large_goes_before_what_followed_from_it() -> None:
    error = told(
        (KafkaError._TIMED_OUT, Lost("{}", b"x")),
        (KafkaError.MSG_SIZE_TOO_LARGE, Lost('{"id":2}', b"x")),
    )
    assert isinstance(error, OversizedRow)


def test_what_the_client_itself_refuses_has_a_hint_of_its_own() -> None:
    error = too_large_for_us("d.t", b'{"id":"' + b"k" * 500 + b"\xff", b"x" * 100)
    assert "HEADRACE_SINK_BUFFER_MB" in error.hint
    assert "has 608 bytes" in error.message
    assert "k" * 193 + "…" in error.message


def packed(*changes: tuple[bytes, bytes | None]) -> tuple[bytes, bytes]:
    data = b"".join(key + (value or b"") for key, value in changes)
    sizes = [number for key, value in changes for number in (len(key), 2**64 - 1 if value is None else len(value))]
    return data, struct.pack(f"<{len(sizes)}Q", *sizes)


CHANGES: list[tuple[bytes, bytes | None]] = [(b"a", b"x" * 70_000), (b"bb", None), (b"ccc", b"x" * 90_000), (b"d", b"")]


def test_of_changes_that_get_no_report_the_largest_is_suspected() -> None:
    found = Undelivered()
    found.enqueued("d.small", *packed((b"a", b"x" * 1000), (b"b", None)))
    found.enqueued("d.many", *packed(*[(b"key%d" % number, None) for number in range(20_000)]))
    assert found.suspect() is None
    found.enqueued("d.t", *packed(*CHANGES))
    found.enqueued("d.less", *packed((b"e", b"x" * 80_000)))
    error = found.suspect()
    assert error is not None
    assert "key ccc has 90003 bytes in topic d.t" in error.message
    found.forget()
    assert found.suspect() is None


def test_one_of_many_changes_is_found() -> None:
    assert [change_at(*packed(*CHANGES), number) for number in range(4)] == CHANGES


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, SinkRefused),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, SinkRefused),
        (KafkaError._UNKNOWN_TOPIC, SinkRefused),
        (KafkaError._MSG_TIMED_OUT, Unavailable),
        (KafkaError.REQUEST_TIMED_OUT, Unavailable),
    ],
)
def test_any_other_reason_names_the_topic(code: int, kind: type[Exception]) -> None:
    error = told((KafkaError._PURGE_INFLIGHT, Lost("{}", b"x", "other")), (code, Lost("{}", b"x", "d.orders")))
    assert type(error) is kind
    assert "topic d.orders" in error.message


class Watch(TopicWatch):
    """Sees one of these states of the cluster after the other, and then the last one for ever."""

    def __init__(self, *states: dict[str, Placing]) -> None:
        self.states = list(states)

    def placings(self, topics: Collection[str]) -> dict[str, Placing]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {topic: found for topic, found in state.items() if topic in topics}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(placing, "_PAUSE_SECONDS", 0.01)


WAS = {"a": Placing("1", 4), "b": Placing("2", 4)}


def test_topics_that_are_what_they_were_pass() -> None:
    Watch(WAS).require(WAS)
    Watch({}).require({})


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({"a": WAS["a"]}, "Topic b was deleted under the job."),
        (WAS | {"b": Placing("3", 4)}, "Topic b was deleted under the job and made again"),
        (WAS | {"b": Placing("3", 7)}, "made again"),
        (WAS | {"b": Placing("2", 7)}, "Topic b has 7 partitions now, and had 4"),
    ],
)
def test_a_topic_that_changed_is_named(impatient: None, now: dict[str, Placing], reason: str) -> None:
    with pytest.raises(TopicChanged) as caught:
        Watch(now).require(WAS)
    assert reason in caught.value.message
    assert "Cancel the job" in caught.value.hint


def test_a_broker_that_has_just_started_is_asked_again() -> None:
    Watch({}, WAS | {"b": Placing("2", 1)}, WAS).require(WAS)
    assert Watch({}, WAS).first(["a"]) == {"a": WAS["a"]}


def test_a_topic_that_must_be_there_and_is_not(impatient: None) -> None:
    with pytest.raises(TopicChanged, match="Topic c was deleted"):
        Watch(WAS).first(["a", "c"])
