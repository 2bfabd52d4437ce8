"""The bytes of a key that a user types, and which messages are its."""

import pytest

from scheduler.console.history import history_of
from scheduler.console.keys import key_bytes
from shared.adapters.kafka.partitions import murmur2, partition_of
from shared.adapters.kafka.snapshot import TopicMessage
from shared.errors import InvalidQuery
from tests.unit.console.topics_lab import MemoryTopic, column, source

NUMBER = source("t").table
TEXT = source("t", column("code", "varchar(9)"), key=("code",)).table
BOTH = source("t", column("name", "varchar(9)"), column("line", "decimal(5,2)"), key=("line", "id", "name")).table


@pytest.mark.parametrize(
    ("given", "table", "key"),
    [
        (["id=1"], NUMBER, '{"id":1}'),
        (['{"id": 1}'], NUMBER, '{"id":1}'),
        (["code=1"], TEXT, '{"code":"1"}'),
        (["code=a=b\x1f"], TEXT, '{"code":"a=b\\u001F"}'),
        (['{"code" : "é/\\"\\u00e9"}'], TEXT, '{"code":"é/\\"é"}'),
        (["name=x", "id=7", "line=1.50"], BOTH, '{"line":1.50,"id":7,"name":"x"}'),
        (['{"name":"x","id":7}', "line=1.50"], BOTH, '{"line":1.50,"id":7,"name":"x"}'),
        (["a=1"], None, '{"a":1}'),
        (["a=x", "b=true"], None, '{"a":"x","b":true}'),
    ],
)
def test_a_key_gets_the_bytes_that_the_topic_has(given, table, key) -> None:
    assert key_bytes(given, table) == key.encode()


@pytest.mark.parametrize("given", [["id"], ["{"], ["[1]"], ["=1"], ["id=1", "x=2"], ["x=1"], ['{"id":1'], ["{}"]])
def test_what_is_no_key_of_the_table_is_refused(given) -> None:
    with pytest.raises(InvalidQuery) as caught:
        key_bytes(given, NUMBER)
    assert "--key id=1" in caught.value.hint


def test_murmur2_is_javas() -> None:
    """The examples of Kafka's own UtilsTest."""
    examples = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    examples |= {
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    }
    examples |= {b"abc": 479470107}
    assert {text: murmur2(text) for text in examples} == {text: value & 0xFFFFFFFF for text, value in examples.items()}
    assert all(0 <= partition_of(text, 7) < 7 for text in examples)


KEY = b'{"id":1}'
MINE = partition_of(KEY, 3)


def look(messages: dict[int, list[tuple[bytes, bytes | None]]], keep: int = 20):
    opened: list[list[int]] = []

    def open_partitions(part):
        opened.append(list(part))
        topic = MemoryTopic()
        for number in part:
            rows = enumerate(messages.get(number, []))
            topic.put([TopicMessage(number, offset, 0, key, value) for offset, (key, value) in rows])
        return topic

    return history_of(KEY, [0, 1, 2], keep, open_partitions, lambda _done, _total: None), opened


def test_only_the_keys_partition_is_read_and_only_the_latest_are_kept() -> None:
    values = [b"%d" % number for number in range(50)]
    rows = [(key, value) for value in values for key in (KEY, b'{"id":11}')]
    found, opened = look({MINE: [*rows, (KEY, None)], (MINE + 1) % 3: [(KEY, b"elsewhere")]}, keep=3)
    assert opened == [[MINE]]
    assert found.count == 51
    assert [message.value for message in found.messages] == [b"48", b"49", None]
    assert found.last is not None and found.last.value is None


def test_a_key_that_is_not_where_it_belongs_is_looked_for_everywhere() -> None:
    found, opened = look({(MINE + 2) % 3: [(b'{ "id" : 1 }', b"spelled by somebody else")]})
    assert opened == [[MINE], sorted({0, 1, 2} - {MINE})]
    assert found.last is not None and found.last.value == b"spelled by somebody else"
    nothing, _ = look({0: [(b'{"id":2}', b"x")]})
    assert (nothing.last, sorted(nothing.read)) == (None, [0, 1, 2])
