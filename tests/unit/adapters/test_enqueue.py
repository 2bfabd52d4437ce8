"""Native code fills the queue of a client that confluent-kafka has made. No broker: what is queued stays queued."""

import gc
import shutil
import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from shared.adapters.kafka import enqueue
from shared.model.label import Label
from tests.unit.adapters.packed import OnlyPacked

#: Empty on a machine without Rust.
PLUGINS = [plugin for plugin in (enqueue.plugin(),) if plugin is not None]
WITH_PLUGIN = pytest.mark.parametrize("plugin", PLUGINS, ids=["built"] * len(PLUGINS))
CHANGES = [(b'{"id":1}', b'{"id":1,"x":"a\0b"}'), (b'{"id":2}', None), (b'{"id":3}', b"")]


def test_the_plugin_is_there_where_rust_is() -> None:
    assert PLUGINS or shutil.which("cargo") is None, "the build failed; pip install -v . says why"


def made(plugin: enqueue.Plugin, **options: Any) -> tuple[Producer, enqueue.Queue]:
    given = {name.replace("_", "."): value for name, value in options.items()}
    producer = Producer({"plugin.library.paths": plugin.path, "log_level": 0, **given})
    queue = plugin.made()
    assert queue is not None
    return producer, queue


@WITH_PLUGIN
def test_changes_are_queued_up_to_the_first_that_finds_no_room(plugin: enqueue.Plugin) -> None:
    producer, queue = made(plugin, queue_buffering_max_messages=2)
    data, lengths = OnlyPacked(CHANGES).packed
    assert queue.enqueue("t", data, lengths, 0) == (2, KafkaError._QUEUE_FULL)
    assert len(producer) == 2
    assert queue.enqueue("t", data, lengths, 2) == (2, KafkaError._QUEUE_FULL)
    producer.purge()
    producer.poll(0)
    assert queue.enqueue("t", data, lengths, 2) == (3, 0)
    assert len(producer) == 1
    assert queue.enqueue("t", data, lengths, 3) == (3, 0)
    assert len(producer) == 1


@WITH_PLUGIN
def test_a_message_that_is_too_large_is_the_last_that_is_looked_at(plugin: enqueue.Plugin) -> None:
    producer, queue = made(plugin, message_max_bytes=1000)
    data, lengths = OnlyPacked([CHANGES[0], (b"k", bytes(2000)), CHANGES[1]]).packed
    assert queue.enqueue("t", data, lengths, 0) == (1, KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(Exception, match="MSG_SIZE_TOO_LARGE"):
        producer.produce("t", bytes(2000), b"k")
    assert len(producer) == 1


@pytest.mark.parametrize("key", [4, 2**63, 2**64 - 1], ids=["beyond the end", "beyond memory", "none"])
@WITH_PLUGIN
def test_lengths_that_do_not_fit_read_nothing_beyond_the_data(plugin: enqueue.Plugin, key: int) -> None:
    producer, queue = made(plugin)
    for value in (0, 1, 2**64 - 2):
        lengths = key.to_bytes(8, "little") + value.to_bytes(8, "little")
        assert queue.enqueue("t", b"abc", lengths, 0) == (0, KafkaError._INVALID_ARG)
    assert len(producer) == 0


@WITH_PLUGIN
def test_each_client_has_its_own_queue_and_a_client_that_is_gone_takes_nothing(plugin: enqueue.Plugin) -> None:
    data, lengths = OnlyPacked(CHANGES).packed
    first, first_queue = made(plugin)
    second, second_queue = made(plugin)
    assert first_queue.enqueue("t", data, lengths, 0) == (3, 0)
    assert (len(first), len(second)) == (3, 0)
    del first
    gc.collect()
    assert first_queue.enqueue("t", data, lengths, 0) == (0, KafkaError._FAIL)
    assert second_queue.enqueue("t", data, lengths, 0) == (3, 0)
    del second_queue
    assert len(second) == 3


@WITH_PLUGIN
def test_a_client_made_without_the_plugin_or_on_another_thread_is_not_mistaken_for_ours(plugin: enqueue.Plugin) -> None:
    _, queue = made(plugin)
    others: list[Producer] = [Producer({"log_level": 0})]
    options = {"plugin.library.paths": plugin.path, "log_level": 0}
    thread = threading.Thread(target=lambda: others.append(Producer(options)))
    thread.start()
    thread.join()
    assert plugin.made() is None
    assert queue.enqueue("t", b"k", (1).to_bytes(8, "little") + bytes(8), 0) == (1, 0)
    assert [len(other) for other in others] == [0, 0]


@WITH_PLUGIN
def test_what_a_label_adds_is_counted_and_a_queue_that_is_full_takes_none_of_it(plugin: enqueue.Plugin) -> None:
    label = Label(b'{"of":"a.b",', b'{"of":"a.b",', (("tableName", b"b"), ("empty", b"")))
    producer, queue = made(plugin, queue_buffering_max_messages=2)
    data, lengths = OnlyPacked(CHANGES).packed
    assert queue.enqueue("t", data, lengths, 0, label) == (2, KafkaError._QUEUE_FULL)
    producer.purge()
    producer.poll(0)
    assert queue.enqueue("t", data, lengths, 2, label) == (3, 0)
    assert len(producer) == 1
    small, its_queue = made(plugin, message_max_bytes=1000)
    data, lengths = OnlyPacked([(b'{"id":1}', b'"' + bytes(900) + b'"')]).packed
    assert its_queue.enqueue("t", data, lengths, 0) == (1, 0)
    assert its_queue.enqueue("t", data, lengths, 0, Label(b"x" * 200)) == (0, KafkaError.MSG_SIZE_TOO_LARGE)
    assert len(small) == 1
