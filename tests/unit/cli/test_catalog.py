"""`scheduler catalog` without servers: which topics it looks at, what it says when one cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.adapters.kafka.topics import TopicState
from shared.errors import SinkRefused
from shared.model.sampling import Sampled
from tests.unit.cli.fake_world import VARIABLES, FakeWorld, job, one_json, stored_state, table_record

SECRET = "s3cret-word"


class FakeSampler:
    """Topics of one message each; `cut_short` as the test wants it."""

    def __init__(self, refused: str = "", *, cut_short: bool = False) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.cut_short = cut_short
        self._refused = refused

    def read(self, topic: str, start: Any, records: int, seconds: float) -> Iterator[Sampled]:
        self.asked.append((topic, (start.mode, records, seconds)))
        if topic == self._refused:
            raise SinkRefused("Kafka failed reading.", "Grant READ.")
        yield Sampled(b'{"id":1}', b'{"id":1,"age":2}', 5, 0, 0)

    def close(self) -> None:
        pass


class World(FakeWorld):
    def __init__(self) -> None:
        super().__init__(VARIABLES | {"HEADRACE_VAR_KP": SECRET})
        names = ("a", "b.c", "order_dw.user", "__consumer_offsets", "headrace.registry", "headrace.registry.state.x")
        self.found = {name: TopicState(name, 1, "compact", True) for name in names}
        self.reader = FakeSampler()

    def topics(self, options):
        self.options = options
        return self.found

    def sampler(self, options, group):
        return self.reader


@pytest.fixture
def world() -> World:
    return World()


def topics(world: World, *words: str) -> list[str]:
    return [document["topic"] for document in one_json(world.run("catalog", *words, "--json").stdout)]


def test_kafkas_own_topics_and_our_records_are_left_out_unless_named(world: World) -> None:
    registry = world.settings.registry_topic
    world.found |= {name: TopicState(name, 1, "compact", True) for name in (registry, f"{registry}.state.x")}
    assert not {registry, f"{registry}.state.x", "__consumer_offsets"} & set(topics(world))
    assert topics(world, "__consumer_offsets", registry) == sorted(["__consumer_offsets", registry])
    assert topics(world, "b.*", "a") == ["a", "b.c"]


def test_a_topic_that_cannot_be_read_does_not_hide_the_others(world: World) -> None:
    world.reader = FakeSampler("a")
    done = world.run("catalog", "a", "b.c", "--json")
    assert done.exit_code == 1
    assert [document["topic"] for document in one_json(done.stdout)] == ["b.c"]
    assert "a: not read." in one_json(done.stderr)["note"]


def test_a_sample_that_ends_early_is_told_of(world: World) -> None:
    world.reader = FakeSampler(cut_short=True)
    done = world.run("catalog", "a", "--seconds", "2", "--option", "max.fetch.records=7")
    assert done.exit_code == 0
    assert "the sample ended early, after 1 messages" in done.stderr
    assert world.reader.asked == [("a", ("earliest-offset", 7, 2.0))]


def test_a_job_names_cluster_topics_and_what_is_dropped(world: World) -> None:
    world.records.put(job())
    world.states["orders"] = stored_state(table_record("user"))
    (document,) = one_json(world.run("catalog", "--job", "orders", "--json").stdout)
    assert document["topic"] == "order_dw.user"
    assert [(c["name"], c["mark"]) for c in document["columns"]] == [
        ("key_id", ""), ("value_id", ""), ("value_age", "dropped: no column of order_dw.user"),
    ]  # fmt: skip
    done = world.run("catalog", "--job", "orders", "--option", "properties.bootstrap.servers=b:1", "--json")
    assert done.exit_code == 2
    assert "Give either --job or" in json.loads(done.stderr)["error"]["hint"]


def test_another_cluster_and_its_secret(world: World) -> None:
    words = [
        "properties.bootstrap.servers=other:9092", "properties.security.protocol=SASL_PLAINTEXT",
        "properties.sasl.mechanism=PLAIN", "properties.sasl.username=app", "properties.sasl.password=#{kp}",
    ]  # fmt: skip
    arguments = [part for word in words for part in ("--option", word)]
    done = world.run("catalog", "a", "--ddl", *arguments)
    assert done.exit_code == 0, done.stderr
    assert world.options["sasl.password"] == SECRET
    assert SECRET not in done.stdout + done.stderr
    assert "'properties.bootstrap.servers' = 'other:9092'" in done.stdout
    assert 'password="#{kp}"' in done.stdout
    assert "PRIMARY KEY (`key_id`) NOT ENFORCED" in done.stdout
