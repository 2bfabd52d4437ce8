"""The comparison in a world that moves: it reports exactly the keys that are wrong and stay wrong."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.kafka.snapshot import TopicMessage
from shared.adapters.sqlite.folds import FoldStore
from shared.errors import NeedsOperator, TableGone, Unavailable
from shared.model.change import EncodedRow
from shared.model.verify import Counts, Difference, Kind, Stage, Version, in_sample
from tests.unit.verify.world import FakeJob, FakeRows, FakeTopic, World
from workers.verify import compare as module
from workers.verify.compare import Scope, compare
from workers.verify.ports import Verdict

EVERY_KEY = Scope(lambda _: True, 100)
KEYS = [b'{"id":%d}' % n for n in range(12)]


def fetcher(world: World):
    def fetch(places):
        wanted = set(places)
        return [message for message in world.messages if (message.partition, message.offset) in wanted]

    return fetch


def run(
    world: World,
    *,
    honest: bool = True,
    scope: Scope = EVERY_KEY,
    rows: FakeRows | None = None,
    pauses: tuple[float, ...] = module.PAUSES,
) -> Verdict:
    """Compares, and lets the world move at every pause."""
    with closing(FoldStore()) as store:
        topic, job = FakeTopic(world), FakeJob(world, honest)
        steps = compare(scope, topic, rows or FakeRows(world), job, store, fetcher(world), pauses)
        for _ in range(10_000):
            try:
                world.move(next(steps))
            except StopIteration as end:
                return end.value
    raise AssertionError("the comparison does not end")


def living_world(seed: int, corrupted: int) -> World:
    random = Random(seed)
    world = World(random, KEYS, busy=random.choice([0.0, 0.3, 1.0, 1.3]))
    for _ in range(random.randint(0, 60)):
        world.commit()
    world.settle()
    if random.random() < 0.5:
        world.compact()
    for key in random.sample(KEYS, corrupted):
        world.corrupt(key)
    for _ in range(random.randint(0, 5)):  # what is under way when the comparison begins
        world.commit()
    return world


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32))
def test_a_right_topic_is_never_blamed_however_both_sides_move(seed: int) -> None:
    verdict = run(living_world(seed, 0))
    assert verdict.counts.differ == 0, verdict.shown
    assert verdict.shown == ()


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_what_is_wrong_and_stays_wrong_is_found_and_nothing_else(seed: int, corrupted: int) -> None:
    world = living_world(seed, corrupted)
    found = {difference.key for difference in run(world).shown}
    wrong = {key for key in world.corrupted if not world.healed(key)}
    # A key that heals while it is compared may be told of or not.
    assert wrong <= found <= set(world.corrupted)


def test_the_kinds_and_values_of_a_quiet_table() -> None:
    world = World(Random(1), KEYS, busy=0)
    world.commits = [(KEYS[0], b"a"), (KEYS[1], b"b"), (KEYS[2], b"c"), (KEYS[3], b"d"), (KEYS[3], None)]
    world.settle()
    world.produce(KEYS[0], None)
    world.produce(KEYS[1], b"other")
    world.produce(KEYS[9], b"ghost")
    verdict = run(world)
    assert verdict.counts == Counts(rows=3, missing=1, stale=1, ghost=1)
    offsets = {message.key: message.offset for message in world.messages}
    assert verdict.shown == (
        Difference(Kind.MISSING, KEYS[0], b"a", None, 0, offsets[KEYS[0]]),
        Difference(Kind.STALE, KEYS[1], b"b", b"other", 0, offsets[KEYS[1]]),
        Difference(Kind.GHOST, KEYS[9], None, b"ghost", 0, offsets[KEYS[9]]),
    )


class NoRows(FakeRows):
    """A table that was dropped."""

    def pieces(self):
        raise TableGone("There is no such table.")
        yield

    def again(self, keys):
        raise TableGone("There is no such table.")
        yield


def test_a_table_that_was_dropped_has_no_rows() -> None:
    world = World(Random(1), KEYS, busy=0, commits=[(KEYS[0], b"a"), (KEYS[0], None)])
    world.settle()
    assert run(world, rows=NoRows(world)).counts == Counts()
    world.produce(KEYS[9], b"ghost")
    verdict = run(world, rows=NoRows(world))
    assert verdict.counts == Counts(ghost=1)
    assert [(one.kind, one.mysql, one.topic) for one in verdict.shown] == [(Kind.GHOST, None, b"ghost")]


def test_a_row_that_the_topic_never_had_has_no_place() -> None:
    world = World(Random(1), KEYS, busy=0, commits=[(KEYS[0], b"a")], visible=1, done=1, published=1)
    assert run(world).shown == (Difference(Kind.MISSING, KEYS[0], b"a", None, None, None),)


def test_a_row_that_changes_with_every_look_is_no_difference() -> None:
    """The topic is always behind, and MySQL never stands still."""
    world = World(Random(3), KEYS, busy=0)

    def beat(step) -> None:
        world.commits.append((KEYS[0], b"v%d" % len(world.commits)))
        world.visible = world.done = len(world.commits)
        world.publish(len(world.commits) - world.published - 1)  # all but the last one

    world.move = beat
    beat(None)
    verdict = run(world)
    assert verdict.counts.differ == 0


def looked_at_once(rule: str = "") -> bool:
    """True when a right topic is blamed in some world, with one look and a MySQL without its gap."""
    worlds = (replace(living_world(seed, 0), gap=False) for seed in range(100))
    return any(run(world, honest=rule != "the job is waited for", pauses=()).counts.differ for world in worlds)


def test_without_mysqls_gap_one_look_is_enough() -> None:
    assert not looked_at_once()


@pytest.mark.parametrize("rule", ["the job is waited for", "every version counts", "open transactions are waited for"])
def test_without_a_rule_a_right_topic_is_blamed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if rule == "every version counts":
        monkeypatch.setattr(FoldStore, "follow", follow_last_only)
    if rule == "open transactions are waited for":
        refresh = FakeTopic.refresh
        monkeypatch.setattr(FakeTopic, "refresh", lambda topic, *, stable=True: refresh(topic))
    assert looked_at_once(rule)


def follow_last_only(store: FoldStore, versions) -> None:
    """As if a key's present version were all that counts."""
    for version in versions:
        if store._is_open(version.key):
            store._file.execute("DELETE FROM seen WHERE key = ?", (version.key,))
            store._file.execute("INSERT INTO seen VALUES (?, ?)", (version.key, version.digest))


def test_a_sample_is_the_same_on_both_sides() -> None:
    world = World(Random(5), [b'{"id":%d}' % n for n in range(2000)], busy=0)
    world.commits = [(key, b"v") for key in world.keys]
    world.settle()
    chosen = [key for key in world.keys if in_sample(key, 10)]
    assert 100 < len(chosen) < 300
    assert [key for key in world.keys if in_sample(key, 5)] == [key for key in chosen if in_sample(key, 5)]
    for key in (*chosen[:2], *[key for key in world.keys if key not in chosen][:5]):
        world.produce(key, b"other")
    ghost = next(key for n in range(2000, 9999) if in_sample(key := b'{"id":%d}' % n, 10))
    world.produce(ghost, b"ghost")
    verdict = run(world, scope=Scope(lambda _: True, 10))
    assert verdict.counts == Counts(rows=len(chosen), stale=2, ghost=1)
    assert {difference.key for difference in verdict.shown} == {*chosen[:2], ghost}


def test_a_range_takes_only_its_own_keys_of_the_topic() -> None:
    world = World(Random(1), KEYS, busy=0)
    world.commits = [(key, b"v") for key in KEYS[:3]]
    world.settle()
    world.produce(KEYS[10], b"of another range")
    assert run(world, scope=Scope(lambda key: key != KEYS[10], 100)).counts == Counts(rows=3)


def test_the_pace_is_kept_between_pieces_and_the_connection_given_back_while_it_waits() -> None:
    world = World(Random(2), KEYS, busy=0)
    world.commits = [(key, b"v") for key in KEYS]
    world.visible = world.done = len(KEYS)
    world.publish(3)
    rows = FakeRows(world, pauses=2)
    rests: list[tuple[Stage, float]] = []

    def move(step) -> None:
        rests.append((step.stage, step.rest))
        if step.stage is Stage.WAITING:
            world.publish(len(KEYS))

    world.move = move
    assert run(world, rows=rows).counts == Counts(rows=12)
    assert rests.count((Stage.READING, 0.5)) == 2
    assert (rows.left, rests[-1][0]) == (1, Stage.CHECKING)


def test_partitions_that_were_added_meanwhile_are_noticed() -> None:
    world = World(Random(1), KEYS, busy=0)
    topic = FakeTopic(world, partitions_added=True)
    with closing(FoldStore()) as store, pytest.raises(Unavailable, match="more partitions"):
        list(compare(EVERY_KEY, topic, FakeRows(world), FakeJob(world), store, fetcher(world)))


def test_only_so_many_differences_are_shown_and_only_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Random(1), KEYS, busy=0)
    world.commits = [(key, b"v" * 100) for key in KEYS]
    world.visible = world.done = world.published = len(KEYS)
    monkeypatch.setattr(module, "SHOWN_MAX", 5)
    monkeypatch.setattr(module, "SHOWN_BYTES_MAX", 250)
    verdict = run(world)
    assert verdict.counts == Counts(rows=12, missing=12)
    assert [(one.shortened, one.mysql is None) for one in verdict.shown] == [(False, False)] * 2 + [(True, True)] * 3


# The store.

versions = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(0, 1), st.sampled_from([b"", b"x", b"y"])),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(versions, st.integers(1, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_store_folds_as_a_dict_does(
    told: list[tuple[bytes, int, bytes]], size: int, first: int, second: int
) -> None:
    """Time goes on with each message, and a key that is in two partitions is the one that was written later."""
    batch = [Version(key, part, place, place, digest) for place, (key, part, digest) in enumerate(told)]
    last = {version.key: version for version in batch}
    by_partition = sorted(batch, key=lambda version: version.partition)  # as a reader hands them out
    ends = {0: first, 1: second}
    with closing(FoldStore()) as store:
        for start in range(0, len(batch), size):
            store.fold(by_partition[start : start + size])
        living = {key for key, version in last.items() if version.digest}
        assert store.live_keys() == len(living)
        before = {key for key in living if last[key].offset < ends[last[key].partition]}
        assert {key for found in store.keys_before(ends) for key in found} == before
        assert not any(found for found in store.keys_before({}))


def test_a_store_larger_than_a_batch_gives_every_key_once() -> None:
    with closing(FoldStore()) as store:
        store.fold(Version(b"%06d" % n, 0, n, n, b"x" * 16) for n in range(1800))
        keys = [key for found in store.keys_before({0: 1500}) for key in found]
        assert keys == [b"%06d" % n for n in range(1500)]
        store.compared()
        assert list(chain.from_iterable(store.keys())) == [b"%06d" % n for n in range(1800)]
        assert store.count(0) == Counts(ghost=1800)


def test_keys_whose_last_message_was_never_committed_are_doubtful() -> None:
    committed = [Version(b"%04d" % n, n % 2, n, n, b"x" * 16) for n in range(1200)]
    aborted = [Version(b"%04d" % n, n % 2, 2000 + n, n, b"y" * 16) for n in range(0, 1200, 2)]
    early = [Version(b"0007", 1, 3, 3, b"y" * 16)]
    only = [Version(b"only", 0, 9, 9, b"y" * 16)]
    with closing(FoldStore()) as store:
        store.fold(committed)
        store.doubt([*early, *committed, *aborted, *only])
        assert list(chain.from_iterable(store.doubtful())) == [*(one.key for one in aborted), b"only"]
    with closing(FoldStore()) as store:
        store.fold(committed)
        store.doubt(committed)
        assert list(store.doubtful()) == []


def spilled() -> int:
    """Bytes of this process's nameless files of SQLite."""
    size = 0
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            size += handle.stat().st_size if "etilqs" in str(handle.readlink()) else 0
    return size


def test_a_store_that_outgrows_its_memory_moves_to_a_nameless_file() -> None:
    assert spilled() == 0
    with closing(FoldStore(cache_kbytes=100)) as store:
        store.fold(Version(b"%06d" % n, 0, n, n, b"x" * 16) for n in range(20_000))
        assert spilled() > 500_000
        store.compare([(b"%06d" % n, b"other") for n in range(20_000)])
        store.compared()
        assert store.count(20_000) == Counts(20_000, stale=20_000)
    assert spilled() == 0


def test_a_full_disk_is_named() -> None:
    with closing(FoldStore()) as store, pytest.raises(NeedsOperator, match="temporary file of a comparison failed"):
        store._file.execute("PRAGMA max_page_count = 20")
        store.fold(Version(b"%06d" % n, 0, n, n, b"x" * 16) for n in range(20_000))


def test_the_empty_key_is_a_key() -> None:
    with closing(FoldStore()) as store:
        store.fold([Version(b"", 0, 7, 7, b"x" * 16)])
        store.compared()
        assert [[one.key for one in found] for found in store.differing()] == [[b""]]


def test_what_was_not_found_again_is_gone_and_the_last_look_tells_the_kind() -> None:
    rows: list[EncodedRow] = [(b"a", b"1"), (b"b", b"1")]
    with closing(FoldStore()) as store:
        store.fold([Version(b"a", 0, 0, 0, b"other")])
        store.compare(rows)
        store.compared()
        assert store.count(2) == Counts(2, missing=1, stale=1)
        store.reread([(b"b", b"2"), (b"c", b"nobody asked")], 1)
        store.gone(1)
        store.settle()
        assert store.count(2) == Counts(2, missing=1, ghost=1)
        assert store.open() == 2


def test_messages_of_the_world_are_those_of_kafka() -> None:
    assert replace(EVERY_KEY).versions([TopicMessage(1, 2, 3, b"k", None)]) == [Version(b"k", 1, 2, 3, b"")]
