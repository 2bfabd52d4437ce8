"""Threads that change the tables without rest: small and large transactions, hot rows, swapped keys, rollbacks, savepoints.

They speak to MySQL directly and outlive its restarts. What they write is random; nobody keeps a list, for MySQL itself is
the truth at the end.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import pymysql
from pymysql.cursors import Cursor

from tests.torture.tables import TABLES, TortureTable

Connect: TypeAlias = "Callable[[], pymysql.connections.Connection[Cursor]]"

_LARGE = 50_000


class Writers:
    """Some writers that can be told to rest. `counts` says what they did."""

    def __init__(self, connect: Connect, seed: int, count: int = 3) -> None:
        self.counts: Counter[str] = Counter()
        self._connect = connect
        self._resting = threading.Event()
        self._stopped = threading.Event()
        self._idle = [threading.Event() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed * 100 + n), self._idle[n]), daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def rest(self) -> None:
        """Returns once no writer writes any more."""
        self._resting.set()
        for idle in self._idle:
            idle.wait(120)

    def go_on(self) -> None:
        """After a rest."""
        for idle in self._idle:
            idle.clear()
        self._resting.clear()

    def stop(self) -> None:
        """Ends the threads."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, chance: random.Random, idle: threading.Event) -> None:
        connection = None
        while not self._stopped.is_set():
            if self._resting.is_set():
                idle.set()
                self._stopped.wait(0.05)
                continue
            try:
                connection = connection or self._connect()
                with connection.cursor() as cursor:
                    self._transaction(cursor, chance)
            except pymysql.MySQLError as error:
                self.counts[f"MySQL error {error.args[0]}"] += 1
                connection = self._after(connection, error)
            time.sleep(chance.random() * 0.03)

    def _after(self, connection: Any, error: pymysql.MySQLError) -> Any:
        """A deadlock or a doubled key costs the transaction only; all else the connection."""
        if connection is not None and error.args[0] in (1062, 1205, 1213):
            with suppress(pymysql.MySQLError):
                connection.rollback()
                return connection
        if connection is not None:
            with suppress(pymysql.MySQLError, OSError):
                connection.close()
        self._stopped.wait(0.3)
        return None

    def _transaction(self, cursor: Cursor, chance: random.Random) -> None:
        cursor.execute("BEGIN")
        if chance.random() < 0.002:
            self._large(cursor, chance)
        else:
            for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
                self._change(cursor, chance)
            if chance.random() < 0.1:
                self._savepoint(cursor, chance)
        undone = chance.random() < 0.08
        cursor.execute("ROLLBACK" if undone else "COMMIT")
        self.counts["rollbacks" if undone else "transactions"] += 1

    def _savepoint(self, cursor: Cursor, chance: random.Random) -> None:
        cursor.execute("SAVEPOINT here")
        self._change(cursor, chance)
        cursor.execute("ROLLBACK TO SAVEPOINT here")
        self._change(cursor, chance)
        self.counts["savepoints"] += 1

    def _change(self, cursor: Cursor, chance: random.Random) -> None:
        table = chance.choice(TABLES)
        one, other = (chance.randrange(table.rows) for _ in range(2))
        kind = chance.choices(("upsert", "update", "delete", "move", "swap", "many"), (30, 40, 12, 6, 6, 6))[0]
        self.counts[kind] += 1
        match kind:
            case "upsert":
                self._upsert(cursor, table, [one], chance)
            case "update":
                sql = f"UPDATE {table.name} SET v = v + 1, note = %s WHERE {table.match}"
                cursor.execute(sql, (_note(chance), *table.spell(one, chance)))
            case "delete":
                cursor.execute(f"DELETE FROM {table.name} WHERE {table.match}", table.spell(one, chance))
            case "move":
                _rename(cursor, table, table.spell(one, chance), table.spell(other, chance))
            case "swap":
                self._swap(cursor, table, one, other, chance)
            case "many":
                start = chance.randrange(table.rows)
                numbers = range(start, min(table.rows, start + chance.randint(20, 400)))
                self._upsert(cursor, table, numbers, chance)

    def _swap(self, cursor: Cursor, table: TortureTable, one: int, other: int, chance: random.Random) -> None:
        """Two rows change their keys by way of a third one, which nobody else uses."""
        a, b, free = (table.spell(n, chance) for n in (one, other, table.rows + 1 + one))
        if one != other:
            for old, new in ((a, free), (b, a), (free, b)):
                _rename(cursor, table, old, new)

    def _upsert(self, cursor: Cursor, table: TortureTable, numbers: Any, chance: random.Random) -> None:
        rows = [(*table.spell(n, chance), chance.getrandbits(40), _note(chance)) for n in numbers]
        columns = ", ".join((*table.columns, "v", "note"))
        marks = ", ".join(["%s"] * (len(table.columns) + 2))
        verb = chance.choice(("REPLACE", "INSERT"))
        tail = "" if verb == "REPLACE" else " ON DUPLICATE KEY UPDATE v = VALUES(v), note = VALUES(note)"
        cursor.executemany(f"{verb} INTO {table.name} ({columns}) VALUES ({marks}){tail}", rows)

    def _large(self, cursor: Cursor, chance: random.Random) -> None:
        """Many rows in one transaction: a whole table, or rows that come and go within it."""
        self.counts["large transactions"] += 1
        table = TABLES[0]
        if chance.random() < 0.5:
            cursor.execute(f"UPDATE {table.name} SET v = v + 1")
            return
        first, count = 1_000_000, chance.randint(10_000, _LARGE)
        # A MariaDB runs the latter and reads the former as a comment, a MySQL the other way round.
        cursor.execute("SET SESSION /*!80000 cte_max_recursion_depth */ /*M! max_recursive_iterations */ = 1000000")
        cursor.execute(
            f"INSERT INTO {table.name} WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n"
            f" WHERE i < {first + count}) SELECT i, i, 'large' FROM n"
        )
        cursor.execute(f"DELETE FROM {table.name} WHERE id >= {first}")


def _rename(cursor: Cursor, table: TortureTable, old: tuple[Any, ...], new: tuple[Any, ...]) -> None:
    """Changes a primary key; a key that is taken undoes the transaction."""
    sets = ", ".join(f"{column} = %s" for column in table.columns)
    cursor.execute(f"UPDATE {table.name} SET {sets}, v = v + 1 WHERE {table.match}", (*new, *old))


def _note(chance: random.Random) -> str | None:
    return chance.choice((None, "", 'quote " and \\', "größe 表", f"n{chance.getrandbits(24)}"))


def fill(cursor: Cursor, seed: int, ci: str) -> None:
    """Creates the tables, two thirds full; `ci` is a collation without case."""
    chance = random.Random(seed)
    for table in TABLES:
        cursor.execute(table.create(ci))
        numbers = [n for n in range(table.rows) if chance.random() < 0.67]
        rows = [(*table.spell(n, chance), n, _note(chance)) for n in numbers]
        marks = ", ".join(["%s"] * (len(table.columns) + 2))
        for start in range(0, len(rows), 1000):
            cursor.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows[start : start + 1000])
    cursor.execute("ANALYZE TABLE " + ", ".join(table.name for table in TABLES))
