"""What the native codec made reaches Kafka as what was taken apart: the same messages, partitions, order and errors."""

import secrets
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from headrace_local.kafka import KafkaServer

from shared.adapters.kafka import enqueue
from shared.adapters.kafka.sink import UpsertSink
from shared.errors import HeadraceError, SinkRefused, Superseded, Unavailable
from shared.model.change import Change
from shared.model.label import Origin, label_of, table_headers
from shared.model.schema import TableId
from tests.plugins.fix_headrace import read_topic
from tests.unit.adapters.packed import OnlyPacked

_PARTITIONS = 4


def _taken_apart(changes: Sequence[Change]) -> Sequence[Change]:
    return changes


def _packed(changes: Sequence[Change]) -> Any:
    # Where the plugin cannot be built the sink takes the same apart, as everywhere without it.
    return OnlyPacked(changes) if enqueue.plugin() else changes


WAYS = pytest.mark.parametrize("way", [_taken_apart, _packed])


def new_topic(kafka: KafkaServer) -> str:
    name = f"enqueue-{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(name, _PARTITIONS)])[name].result(30)
    return name


def opened(kafka: KafkaServer, topic: str, **options: Any) -> UpsertSink:
    more = {name: options.pop(name) for name in ("buffer_kbytes", "label") if name in options}
    sink = UpsertSink({"bootstrap.servers": kafka.bootstrap, **options}, topic, f"{topic}.state", **more)
    sink.open()
    return sink


def by_partition(kafka: KafkaServer, topic: str, *more: Callable[[Message], Any]) -> list[list[Any]]:
    """The committed messages of each partition, in offset order, with what more is wanted of each."""
    options = {"bootstrap.servers": kafka.bootstrap, "group.id": "test", "isolation.level": "read_committed"}
    consumer = Consumer(options | {"enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(_PARTITIONS)])
    found: list[list[Any]] = [[] for _ in range(_PARTITIONS)]
    ended = 0
    while ended < _PARTITIONS:
        message = consumer.poll(20)
        assert message is not None
        if message.error() is None:
            found[message.partition()].append((message.key(), message.value(), *(one(message) for one in more)))
        else:
            ended += 1
    consumer.close()
    return found


def test_both_ways_write_the_same_messages_into_the_same_partitions(kafka_server: KafkaServer) -> None:
    changes: list[Change] = [
        (b'{"id":%d}' % n, None if n % 7 == 0 else b'{"id":%d,"x":"\xc3\xa9"}' % n) for n in range(500)
    ]
    changes += [(b'{"id":1}', b""), (b'{"id":1}', b"last")]
    found = []
    for way in (_taken_apart, _packed):
        topic = new_topic(kafka_server)
        with opened(kafka_server, topic) as sink:
            sink.write_all(topic, way(changes))
            sink.commit([])
        found.append(by_partition(kafka_server, topic))
    assert found[0] == found[1]
    assert sorted(chain(*found[0]), key=str) == sorted(changes, key=str)


@WAYS
def test_what_a_label_adds_is_in_every_message(kafka_server: KafkaServer, way: Any) -> None:
    table = TableId("shop", "größe")
    whole = label_of(Origin(table, "of"), in_value=True, headers=(*table_headers(table), ("own", b"\xc3\xa9")))
    labels = [whole, whole._replace(key=b"", value=b""), whole._replace(headers=()), whole._replace(value=b"")]
    origins = {Origin(TableId("shop", str(n))): label for n, label in enumerate(labels)}
    topic = new_topic(kafka_server)
    expected: list[Any] = []
    with opened(kafka_server, topic, label=origins.__getitem__) as sink:
        for origin, label in origins.items():
            key = b'{"t":%s,"id":%%d}' % origin.table.table.encode()
            changes: list[Change] = [(key % n, None if n % 7 == 0 else b'{"id":%d,"x":"y"}' % n) for n in range(30)]
            changes.append((key % 99, b"{}"))
            sink.write_all(topic, way(changes), origin)
            headers = [
                ("namespace", b""),
                ("schemaName", b"shop"),
                ("tableName", "größe".encode()),
                ("own", b"\xc3\xa9"),
            ]
            expected += [(*change, headers if label.headers else None) for change in label.on(changes)]
        sink.commit([])
    found = chain(*by_partition(kafka_server, topic, lambda message: message.headers()))
    assert sorted(found, key=str) == sorted(expected, key=str)


@WAYS
def test_a_full_send_buffer_is_waited_for_and_the_order_of_a_key_kept(kafka_server: KafkaServer, way: Any) -> None:
    topic = new_topic(kafka_server)
    # Long and short values in turn: one that finds no room must not be overtaken by a shorter one.
    values = [b"%06d" % n + b"x" * (n % 5 * 3000) for n in range(400)]
    with opened(kafka_server, topic, buffer_kbytes=100) as sink:
        sink.write_all(topic, way([(b"k", value) for value in values]))
        sink.commit([])
    assert [value for _, value in read_topic(kafka_server.bootstrap, topic)] == values


@WAYS
def test_a_message_that_is_too_large_is_refused_in_the_same_words(kafka_server: KafkaServer, way: Any) -> None:
    topic = new_topic(kafka_server)
    options = {"message.max.bytes": 100_000, "batch.size": 50_000}
    with opened(kafka_server, topic, **options) as sink, pytest.raises(SinkRefused) as caught:
        sink.write_all(topic, way([(b"k", b"v"), (b"k", bytes(200_000))]))
    assert "max.message.bytes" in caught.value.hint
    assert f"The row with the key k has 200001 bytes in topic {topic}" in caught.value.message
    assert read_topic(kafka_server.bootstrap, topic) == []


@WAYS
def test_a_sink_that_was_fenced_commits_nothing(kafka_server: KafkaServer, way: Any) -> None:
    topic = new_topic(kafka_server)
    with opened(kafka_server, topic) as old:
        old.write_all(topic, way([(b"k", b"old")]))
        with opened(kafka_server, topic) as new:
            new.write_all(topic, way([(b"k", b"new")]))
            # Unavailable where the client has learned of the fence before the message: it then only says that all is over.
            with pytest.raises((Superseded, Unavailable)):
                for _ in range(3):
                    old.write_all(topic, way([(b"k", b"old")]))
                    old.commit([])
            new.commit([])
    assert read_topic(kafka_server.bootstrap, topic) == [(b"k", b"new")]


@WAYS
def test_a_topic_that_does_not_exist_fails_the_commit(kafka_server: KafkaServer, way: Any) -> None:
    topic = f"enqueue-missing-{secrets.token_hex(4)}"
    options = {"allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 500}
    with opened(kafka_server, topic, **options) as sink, pytest.raises(HeadraceError) as caught:
        sink.write_all(topic, way([(b"k", b"v")]))
        sink.commit([])
    assert isinstance(caught.value, (SinkRefused, Unavailable))
