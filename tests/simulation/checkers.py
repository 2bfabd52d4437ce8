"""What must be true of a world at rest. Each checker returns sentences about what is not."""

from __future__ import annotations

import orjson

from shared.adapters.memory.mysql import cells, key_bytes
from tests.simulation.world import SIZES, TABLES, World


def version_of(value: bytes | None) -> int | None:
    """Which version of its row a message shows. Cells under wrong names show it as well, until their table is copied again."""
    return None if value is None else max(abs(number) for number in orjson.loads(value).values() if number is not None)


def members(found: dict[str, int | None]) -> frozenset[tuple[str, int]]:
    """What a message tells, or a row has: NULL is as good as nothing."""
    return frozenset((name, value) for name, value in found.items() if value is not None and name != "id")


def converged(world: World) -> list[str]:
    """Topics folded by key equal MySQL, for read_committed and read_uncommitted readers."""
    wrong = []
    for table in TABLES:
        rows, layout = world.mysql.rows.get(table.id, {}), world.mysql.layout(table.id)
        truth = {key_bytes(row): members(cells(layout, row, version)) for row, version in rows.items()}
        committed = world.kafka.committed(table.id.table)
        every = world.kafka.topics.get(table.id.table, [])
        for name, messages in (("read_committed", committed), ("read_uncommitted", every)):
            fold = {m.key: m.value for m in messages}
            fold = {key: members(orjson.loads(value)) for key, value in fold.items() if value is not None}
            if fold != truth:
                wrong.append(f"{table.id} differs for {name}: {sorted(set(fold.items()) ^ set(truth.items()))}")
    return wrong


def never_regressed(world: World) -> list[str]:
    """A read_committed reader sees the versions of a key in their order."""
    wrong = []
    for table in TABLES:
        place: dict[bytes, int] = {}
        histories = {
            key_bytes(row): list(versions)
            for (owner, row), versions in world.mysql.history.items()
            if owner == table.id
        }
        for offset, message in enumerate(world.kafka.committed(table.id.table)):
            history, at = histories.get(message.key, [None]), place.get(message.key, 0)
            try:
                place[message.key] = history.index(version_of(message.value), at)
            except ValueError:
                wrong.append(f"{table.id} {message.key!r} went back to {message.value!r} at {offset}")
    return wrong


def written_once(world: World) -> list[str]:
    """The leaders together write each version of a row at most once."""
    wrong = []
    for table in TABLES:
        seen: set[tuple[bytes, bytes]] = set()
        for message in world.kafka.committed(table.id.table):
            if message.transaction.producer == "job" and message.value is not None:
                if (message.key, message.value) in seen:
                    wrong.append(f"{table.id} {message.key!r} {message.value!r} was written twice")
                seen.add((message.key, message.value))
    return wrong


def whole_transactions(world: World) -> list[str]:
    """The leaders write the rows of one MySQL transaction in one Kafka transaction, but for those that were held."""
    wrong = []
    places: dict[int | None, dict[int, list[str]]] = {}
    for table in TABLES:
        for message in world.kafka.committed(table.id.table):
            if message.transaction.producer != "job" or message.value is None:
                continue
            if (message.key, message.value) not in world.held:
                found = places.setdefault(version_of(message.value), {})
                found.setdefault(id(message.transaction), []).append(f"{table.id.table} {message.key!r}")
    for version, transactions in places.items():
        if len(transactions) > 1:
            wrong.append(f"the transaction of {version!r} was divided: {list(transactions.values())}")
    return wrong


def bounded(world: World) -> list[str]:
    """What a leader holds never outgrows the keys of the ranges that it holds: it keeps one event of each."""
    most = sum(SIZES.values())
    return [] if world.most_held <= most else [f"{world.most_held} events were held, of {most} keys"]


def one_stream(world: World) -> list[str]:
    """A tenure opens one binlog connection, and a world without takeovers has one tenure."""
    if len(set(world.streams)) < len(world.streams):
        return [f"a leader read the binlog twice: {world.streams}"]
    if not world.takeovers and len(world.streams) > 1:
        return [f"{len(world.streams)} binlog connections without a takeover"]
    return []


def check(world: World) -> list[str]:
    """All of them."""
    checkers = (converged, never_regressed, written_once, whole_transactions, bounded, one_stream)
    return [wrong for checker in checkers for wrong in checker(world)]
