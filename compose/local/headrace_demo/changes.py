"""The live changes: one transaction each, and what must arrive in Kafka because of it.

The law: a run works whatever runs and users before it have left, and touches only rows that it has made itself. Every
run leaves one user and one order behind.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from headrace_demo.jobs import JOBS
from headrace_demo.reader import Expected
from headrace_demo.sample import as_json, next_id, qualified


@dataclass(frozen=True, slots=True)
class Effect:
    """A message in each topic of a table; a row of None is a tombstone."""

    table: str
    id: int
    row: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction."""

    title: str
    statements: tuple[str, ...]
    effects: tuple[Effect, ...]

    def expected(self) -> list[Expected]:
        """Return the messages that must arrive, in all topics."""
        return [
            Expected(job.topics[effect.table], as_json({"id": effect.id}), as_json(effect.row) if effect.row else None)
            for effect in self.effects
            for job in JOBS
        ]


def plan(connection: "Connection[DictCursor]") -> list[Change]:
    """Return the changes, with ids that no row has yet."""
    user, order, feedback = (next_id(connection, table) for table in ("user", "order", "feedback"))
    moved = user + 1
    spike = {"id": user, "name": "Spike"}
    butch = {"id": user, "name": "Butch"}
    bought = {"id": order, "product": "Tennis", "user_id": moved}
    said = {"id": feedback, "user_id": moved, "comment": "Fast."}
    return [
        Change("insert", (_insert("user", spike),), (Effect("user", user, spike),)),
        Change(
            "update",
            (f"UPDATE {qualified('user')} SET name = 'Butch' WHERE id = {user}",),
            (Effect("user", user, butch),),
        ),
        Change(
            "change of the primary key: the old key is deleted, the new one appears",
            (f"UPDATE {qualified('user')} SET id = {moved} WHERE id = {user}",),
            (Effect("user", user, None), Effect("user", moved, {**butch, "id": moved})),
        ),
        Change(
            "one transaction over two tables: readers see it as a whole",
            (_insert("order", bought), _insert("feedback", said)),
            (Effect("order", order, bought), Effect("feedback", feedback, said)),
        ),
        Change(
            "delete",
            (f"DELETE FROM {qualified('feedback')} WHERE id = {feedback}",),
            (Effect("feedback", feedback, None),),
        ),
    ]


def commit(connection: "Connection[DictCursor]", change: Change) -> float:
    """Run the transaction; return when its COMMIT was sent, in seconds of the monotonic clock."""
    connection.begin()
    with connection.cursor() as cursor:
        for statement in change.statements:
            cursor.execute(statement)
    sent_at = time.monotonic()
    connection.commit()
    return sent_at


def _insert(table: str, row: Mapping[str, object]) -> str:
    values = ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in row.values())
    return f"INSERT INTO {qualified(table)} VALUES ({values})"
