"""A stored table is the topic's last value of each key, however the messages came."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.kafka.snapshot import TopicMessage
from tests.unit.console.topics_lab import Lab, column, source

T = source("t", column("v", "varchar(9)"))


def message(partition: int, offset: int, key: int, value: str | None, timestamp: int = 0) -> TopicMessage:
    body = None if value is None else f'{{"id":{key},"v":"{value}"}}'.encode()
    return TopicMessage(partition, offset, timestamp, f'{{"id":{key}}}'.encode(), body)


histories = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc") | st.none()), max_size=40)


@settings(max_examples=15, deadline=None)
@given(history=histories, cuts=st.integers(1, 9), seed=st.integers(), then=histories)
def test_the_fold_of_any_history_in_any_order_of_partitions(tmp_path_factory, history, cuts, seed, then) -> None:
    """A key has one partition, and batches mix partitions as they like; timestamps may go backwards."""
    shuffle = random.Random(seed)
    lab = Lab(tmp_path_factory.mktemp("fold"), T)
    offsets = [0, 0, 0]
    expected: dict[int, str] = {}
    for part in (history, then):
        queues: list[list[TopicMessage]] = [[], [], []]
        for key, value in part:
            partition = key % 3
            queues[partition].append(message(partition, offsets[partition], key, value, shuffle.randrange(100)))
            offsets[partition] += 1 + shuffle.randrange(2)
            expected |= {key: value} if value is not None else {}
            if value is None:
                expected.pop(key, None)
        mixed: list[TopicMessage] = []
        while any(queues):
            mixed.append(shuffle.choice([queue for queue in queues if queue]).pop(0))
        for start in range(0, len(mixed), cuts):
            lab.topics["shop.t"].put(mixed[start : start + cuts])
        # The first query loads the table, the second one reads on.
        assert lab.ask("SELECT id, v FROM t ORDER BY id") == [[str(k), v] for k, v in sorted(expected.items())]
    lab.session.close()


def test_tombstones_delete_and_rows_may_come_back(tmp_path) -> None:
    lab = Lab(tmp_path, T)
    lab.topics["shop.t"].put(
        [message(0, 0, 1, "a"), message(0, 1, 2, "b"), message(0, 2, 1, None), message(0, 3, 3, None)]
    )
    assert lab.ask("FROM t") == [["2", "b"]]
    lab.topics["shop.t"].put([message(0, 4, 2, None), message(0, 5, 1, "c")])
    assert lab.ask("FROM t") == [["1", "c"]]


def test_a_key_in_two_partitions_is_the_one_that_was_written_later(tmp_path) -> None:
    lab = Lab(tmp_path, T)
    lab.topics["shop.t"].put([message(0, 9, 1, "old", 1000), message(1, 0, 1, "new", 2000), message(1, 1, 2, "x", 1)])
    assert lab.ask("FROM t ORDER BY id") == [["1", "new"], ["2", "x"]]


def test_only_topics_that_a_query_names_are_read_and_each_once(tmp_path) -> None:
    lab = Lab(tmp_path, T, source("u"), source("w"))
    lab.send("t", ('{"id":1}', '{"id":1,"v":"a"}'))
    assert lab.ask("SELECT 1") == [["1"]]
    assert lab.opened == []
    assert lab.ask("SELECT t.v FROM t LEFT JOIN shop.u USING (id)") == [["a"]]
    lab.ask("SELECT * FROM t_source, t")
    assert sorted(lab.opened) == ["shop.t", "shop.u"]


def test_a_table_larger_than_memory_spills_and_answers(tmp_path) -> None:
    lab = Lab(tmp_path, source("t", column("v", "text")), memory_limit="40MB")
    body = "x" * 2000
    for start in range(0, 26_000, 2_000):
        lab.send("t", *((f'{{"id":{n}}}', f'{{"id":{n},"v":"{n}{body}"}}') for n in range(start, start + 2_000)))
    assert lab.ask("SELECT count(*), count(DISTINCT v), max(length(v)) FROM t") == [["26000", "26000", "2005"]]
    (peak,) = lab.session.engine.run("SELECT count(*) FROM duckdb_temporary_files()")
    assert peak[0] > 0, "nothing was spilled: the test proves nothing"
    lab.session.close()
    lab.session.engine.close()
    assert list(tmp_path.glob("*")) == [] or not any(path.stat().st_size for path in tmp_path.glob("*"))
