"""Ten tables with every kind of key, and the oracle: what a row of them must look like in Kafka.

A table's key has a number behind it, so that writers meet each other; `spell` writes it in one of several ways where
the collation takes them for one.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

#: The values of a key's columns, as PyMySQL takes and gives them.
Key: TypeAlias = tuple[Any, ...]

_DAY = datetime(2024, 2, 29)


@dataclass(frozen=True, slots=True)
class TortureTable:
    """One table.

    `definition` are its key columns in SQL, `spell` makes a key of a number, and `rows` is how many numbers there are.
    """

    name: str
    definition: str
    columns: tuple[str, ...]
    spell: Callable[[int, random.Random], Key]
    rows: int

    def create(self, ci: str) -> str:
        """Its CREATE TABLE statement, with this collation where case does not count."""
        key = ", ".join(self.columns)
        rest = "v BIGINT NOT NULL, note VARCHAR(60) CHARACTER SET utf8mb4, PRIMARY KEY"
        return f"CREATE TABLE {self.name} ({self.definition.format(ci=ci)}, {rest} ({key}))"

    @property
    def match(self) -> str:
        """A WHERE clause for one key."""
        return " AND ".join(f"{column} = %s" for column in self.columns)


def _cased(text: str, chance: random.Random) -> str:
    return "".join(letter.upper() if chance.random() < 0.3 else letter for letter in text)


TABLES: tuple[TortureTable, ...] = (
    TortureTable("t_int", "id INT", ("id",), lambda n, _: (n - 5000,), 12_000),
    TortureTable("t_big", "id BIGINT UNSIGNED", ("id",), lambda n, _: (2**64 - 1 - n * 7,), 6_000),
    TortureTable("t_pair", "a INT, b SMALLINT", ("a", "b"), lambda n, _: (n % 50, n // 50), 6_000),
    TortureTable(
        "t_mixed",
        "a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, b INT",
        ("a", "b"),
        lambda n, _: (f"grp-{n % 7}", n),
        5_000,
    ),
    TortureTable(
        "t_ci",
        "id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE {ci}",
        ("id",),
        lambda n, chance: (_cased(f"key-{n:x}-z", chance),),
        5_000,
    ),
    TortureTable(
        "t_pad",
        "id VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci",
        ("id",),
        lambda n, chance: (_cased(f"k{n}x", chance),),
        4_000,
    ),
    TortureTable(
        "t_bytes", "id VARBINARY(16)", ("id",), lambda n, _: (n.to_bytes(3, "little") + b"\x00" * (n % 3),), 5_000
    ),
    TortureTable("t_dec", "id DECIMAL(12,3)", ("id",), lambda n, _: (Decimal(n - 2000) / 8,), 4_000),
    TortureTable("t_time", "id DATETIME(3)", ("id",), lambda n, _: (_DAY + timedelta(milliseconds=n * 977),), 4_000),
    TortureTable("t_hot", "id INT", ("id",), lambda n, _: (n,), 20),
)

#: MySQL's name of every column, in table order.
COLUMNS: Mapping[str, tuple[str, ...]] = {table.name: (*table.columns, "v", "note") for table in TABLES}


def expected(table: TortureTable, row: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Key and value that Kafka must have for a row as PyMySQL gives it, in the form that `as_seen` gives."""
    cells = tuple(_cell(value) for value in row)
    return cells[: len(table.columns)], cells


def as_seen(document: Mapping[str, Any], columns: Sequence[str]) -> tuple[Any, ...]:
    """A parsed message (floats as Decimal) as a tuple of its columns.

    Raises:
        ValueError: it has other columns.
    """
    if tuple(document) != tuple(columns):
        raise ValueError(f"columns {tuple(document)} instead of {tuple(columns)}")
    return tuple(document.values())


def _cell(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03}"
        case _:
            return value
