"""The look at topics before a commit must not wait for a broker that has died."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.adapters.kafka import placing
from shared.errors import Unavailable
from shared.model.topic import Placing


class Client:
    """Those that are made first wait for a controller that is gone."""

    made = 0
    deaf = 0

    def __init__(self, _config: object) -> None:
        type(self).made += 1
        self._deaf = type(self).made <= type(self).deaf

    def describe_topics(self, _topics: object, request_timeout: float) -> dict[str, Future[SimpleNamespace]]:
        assert request_timeout < placing._ASKING_SECONDS_MAX
        answer: Future[SimpleNamespace] = Future()
        if self._deaf:
            answer.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        else:
            answer.set_result(SimpleNamespace(topic_id="id", partitions=[0, 1]))
        return {"t": answer}


@pytest.fixture(autouse=True)
def clients(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    fresh = type("Fresh", (Client,), {})
    monkeypatch.setattr(placing, "AdminClient", fresh)
    return fresh


def test_another_client_asks_where_one_hears_nothing(clients: type[Client]) -> None:
    clients.deaf = 2
    assert placing.TopicWatch({"bootstrap.servers": "k:1"}).placings(["t"]) == {"t": Placing("id", 2)}
    assert clients.made == 3


def test_it_gives_up_in_the_end(clients: type[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    clients.deaf = 10**6
    now = iter(range(10**6))
    monkeypatch.setattr(placing.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(Unavailable, match="looking at topic t"):
        placing.TopicWatch({"bootstrap.servers": "k:1"}).placings(["t"])
    assert clients.made > 10
