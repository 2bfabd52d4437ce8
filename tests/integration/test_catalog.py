"""`scheduler catalog` on a real Kafka: topics that headrace did not write, where samples begin, and what is dropped."""

import json
import secrets
import time
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from scheduler.cli import cli
from scheduler.cli.access import Access


@pytest.fixture
def topic(kafka_server) -> Callable[..., str]:
    """Makes a topic and fills it: messages are (key, value), to one partition after the other."""
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})

    def make(*messages, partitions: int = 1, policy: str = "delete", pause: float = 0.0) -> str:
        name = f"catalog-{secrets.token_hex(4)}"
        config = {"cleanup.policy": policy}
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()
        producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
        for number, (key, value) in enumerate(messages):
            producer.produce(name, value, key, partition=number % partitions)
            assert producer.flush(30) == 0
            time.sleep(pause)
        return name

    return make


def described(cluster, *words: str) -> list[dict]:
    """What the command prints; run in this process, since a test asks a dozen times."""
    done = CliRunner().invoke(cli, ["catalog", *words, "--json"], obj=Access(cluster.environment))
    assert done.exit_code == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def columns(document: dict) -> dict[str, str]:
    return {column["name"]: column["type"] for column in document["columns"]}


def options(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--option", pair)]


def test_topics_of_other_programs(cluster, topic) -> None:
    json_keys = topic(
        (b'{"k":1}', b'{"a":1,"gone":"x","n":{"x":true}}'), (b'{"k":2}', b'{"a":2.5,"n":null}'), (b'{"k":1}', None),
        policy="compact", partitions=2,
    )  # fmt: skip
    text_keys = topic((b"one", b'{"at":"2026-01-31 01:02:03"}'), (None, b'{"at":null}'))
    no_json = topic((None, b"\x00\xff"), (None, b"hello"))
    empty = topic()
    found = {document["topic"]: document for document in described(cluster, "catalog-*")}
    assert set(found) >= {json_keys, text_keys, no_json, empty}
    assert columns(found[json_keys]) == {
        "key_k": "BIGINT", "value_a": "DOUBLE", "value_gone": "STRING", "value_n": "STRING",
    }  # fmt: skip
    assert (found[json_keys]["messages"], found[json_keys]["tombstones"]) == (3, 1)
    assert (found[json_keys]["partitions"], found[json_keys]["cleanup_policy"]) == (2, "compact")
    marks = {column["name"]: column["mark"] for column in found[json_keys]["columns"] if column["mark"]}
    assert marks == {"value_gone": "old: not in the newest message"}
    assert columns(found[text_keys]) == {"key_col": "BYTES", "value_at": "TIMESTAMP(0)"}
    assert found[text_keys]["key_format"] == "raw"
    assert found[no_json]["columns"][0]["note"] == "1 bytes, 1 text, not JSON"
    assert (columns(found[empty]), found[empty]["messages"]) == ({}, 0)
    (flat,) = described(cluster, json_keys, *options("infer-schema.flatten-nested-columns.enable=true"))
    assert columns(flat)["value_n.x"] == "BOOLEAN"

    shown = cluster.cli("catalog", json_keys)
    assert shown.returncode == 0
    assert "value_gone" in shown.stdout
    script = cluster.cli("catalog", json_keys, text_keys, empty, "--ddl")
    assert script.returncode == 0
    assert script.stdout.count("CREATE TEMPORARY TABLE") == 2
    assert "PRIMARY KEY (`key_k`) NOT ENFORCED" in script.stdout
    assert "'key.format' = 'raw'" in script.stdout
    assert f"{empty}: no statement." in script.stderr
    missing = cluster.cli("catalog", f"no-{json_keys}", "--json")
    assert missing.returncode == 2
    assert "There is no topic" in json.loads(missing.stderr)["error"]["message"]


def test_where_a_sample_begins_and_how_long_it_is(cluster, topic, kafka_server) -> None:
    name = topic(*((None, b'{"v%d":1}' % number) for number in range(10)), pause=0.01)
    many = topic(*((None, b'{"v%d":1}' % number) for number in range(9)), partitions=3)
    assert (
        described(cluster, many, *options("max.fetch.records=3", "scan.startup.mode=latest-offset"))[0]["messages"] == 3
    )

    def seen(*pairs: str) -> list[int]:
        (document,) = described(cluster, name, *options(*pairs))
        return sorted(int(column["name"].removeprefix("value_v")) for column in document["columns"])

    assert seen() == list(range(10))
    assert seen("max.fetch.records=4") == [0, 1, 8, 9]
    assert seen("max.fetch.records=3", "scan.startup.mode=latest-offset") == [7, 8, 9]
    specific = "scan.startup.specific-offsets=partition:0,offset:4"
    assert seen("max.fetch.records=2", "scan.startup.mode=specific-offsets", specific) == [4, 5]

    group, partition = f"group-{name}", TopicPartition(name, 0, 6)
    consumer = Consumer({"bootstrap.servers": kafka_server.bootstrap, "group.id": group, "enable.auto.commit": False})
    moments = []
    consumer.assign([TopicPartition(name, 0, 0)])
    while len(moments) < 10:
        message = consumer.poll(10)
        assert message is not None
        assert message.error() is None
        moments.append(message.timestamp()[1])
    asked = ["scan.startup.mode=group-offsets", f"properties.group.id={group}"]
    refused = cluster.cli("catalog", name, *options(*asked), "--json")
    assert refused.returncode == 2
    assert "has no offset in partition 0" in json.loads(refused.stderr)["error"]["message"]
    consumer.commit(offsets=[partition], asynchronous=False)
    assert seen(*asked) == [6, 7, 8, 9]
    (committed,) = consumer.committed([TopicPartition(name, 0)], timeout=10)
    assert committed.offset == 6, "looking must not move a group"
    consumer.close()
    moment = f"scan.startup.timestamp-millis={moments[7]}"
    assert seen("scan.startup.mode=timestamp", moment) == [
        number for number in range(10) if moments[number] >= moments[7]
    ]
    late = f"scan.startup.timestamp-millis={moments[9] + 10**9}"
    assert seen("scan.startup.mode=timestamp", late) == []


def test_what_is_not_committed_is_not_seen(cluster, topic, kafka_server) -> None:
    name = topic((None, b'{"a":1}'), partitions=2)
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap, "transactional.id": f"open-{name}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(name, b'{"aborted":1}', partition=1)
    producer.flush(30)
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(name, b'{"open":1}', partition=1)
    producer.flush(30)
    (found,) = described(cluster, name)
    producer.abort_transaction(30)
    assert columns(found) == {"value_a": "BIGINT"}
