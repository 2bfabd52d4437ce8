"""What an ALTER TABLE does to columns, by its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.schema import Column, Table, TableId
from workers.binlog.alterations import Addition, Alteration, grown, read

T = TableId("d", "t")
ID, A, B = (Column(name, "int", "int", nullable=name != "id") for name in ("id", "a", "b"))
TABLE = Table(T, (ID, A), ("id",))


@pytest.mark.parametrize(
    ("sql", "added"),
    [
        ("ALTER TABLE t ADD COLUMN b INT", [Addition("b")]),
        ("alter table `d`.`t` add b int null default null comment 'it''s', algorithm=instant", [Addition("b")]),
        ("ALTER TABLE t ADD COLUMN b INT FIRST, LOCK=NONE", [Addition("b", first=True)]),
        (
            "ALTER TABLE t ADD `b``c` VARCHAR(9) COLLATE utf8mb4_bin AFTER a, ADD c JSON AFTER `b``c`, ADD INDEX (a)",
            [Addition("b`c", after="a"), Addition("c", after="b`c")],
        ),
        ("/* tool */ ALTER TABLE t ADD b ENUM('x','y') CHARACTER SET latin1 -- why", [Addition("b")]),
        ("SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE t ADD b INT", [Addition("b")]),
        ("ALTER TABLE t ADD UNIQUE KEY u (a), DROP INDEX i, RENAME INDEX k TO l", []),
        ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o (id), DROP FOREIGN KEY g, DROP CHECK c", []),
        ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 5, COMMENT='x', ENGINE=InnoDB, AUTO_INCREMENT=7", []),
        ("ALTER TABLE t FORCE", []),
    ],
)
def test_what_it_tells_for_sure(sql: str, added: list[Addition]) -> None:
    assert read("d", sql) == Alteration("d", "t", tuple(added))


@pytest.mark.parametrize(
    "action",
    [
        # More than NULL in the rows that are there, or nobody knows.
        "ADD b INT NOT NULL",
        "ADD b INT DEFAULT 5",
        "ADD b INT DEFAULT 5 NULL",
        "ADD b INT DEFAULT (a)",
        "ADD b INT AS (a + 1) STORED",
        "ADD b INT GENERATED ALWAYS AS (a)",
        "ADD b TIMESTAMP",
        "ADD b TIMESTAMP(3) NULL",
        "ADD b SERIAL",
        "ADD b INT AUTO_INCREMENT UNIQUE",
        "ADD b INT ON UPDATE CURRENT_TIMESTAMP",
        "ADD b INT KEY",
        "ADD b INT INVISIBLE",
        "ADD b INT /*!80023 INVISIBLE */",
        "ADD b INT COMMENT 'x\\', ADD c INT COMMENT '",
        "ADD COLUMN IF NOT EXISTS b INT",
        "ADD (b INT, c INT)",
        # Other columns or keys, or others' names.
        "ADD b INT, DROP COLUMN a",
        "DROP a",
        "RENAME COLUMN a TO b",
        "CHANGE a b INT",
        "MODIFY a INT AFTER id",
        "MODIFY a BIGINT",
        "ADD PRIMARY KEY (a)",
        "ADD CONSTRAINT p PRIMARY KEY (a)",
        "DROP PRIMARY KEY",
        "DROP INDEX `PRIMARY`",
        "DROP CONSTRAINT c",
        "CONVERT TO CHARACTER SET utf8mb4",
        "DROP PARTITION p",
        "ADD b INT; DROP TABLE t",
        "ADD b INT WITH SYSTEM VERSIONING",
        "ORDER BY a",
        "ADD b INT COMMENT '" + "x" * 20_000 + "'",
    ],
)
def test_what_it_does_not_tell(action: str) -> None:
    assert read("d", f"ALTER TABLE t {action}") is None


@pytest.mark.parametrize(
    "sql",
    ["", ";", "ALTER", "CREATE TABLE t (id INT)", "ALTER TABLE IF EXISTS t ADD b INT", "ALTER VIEW v AS SELECT 1"],
)
def test_other_statements(sql: str) -> None:
    assert read("d", sql) is None


@given(st.text("ALTERTABLEDCOUMN tbINT(),'`\"\\;/*!-#\n", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    read("d", text)
    read("d", f"ALTER TABLE t {text}")


def test_which_table_it_concerns() -> None:
    alteration = read("d", "ALTER TABLE T ADD b INT")
    assert alteration is not None
    assert alteration.concerns(T)  # to some servers it is the same
    assert not alteration.concerns(TableId("e", "t"))
    assert not alteration.concerns(TableId("d", "t2"))


def test_a_table_grows_where_the_statement_says() -> None:
    catalog = Table(T, (ID, A, B, Column("c", "json", "json")), ("id",))

    def after(*added: Addition) -> list[tuple[str, bool]] | None:
        found = grown(TABLE, added, catalog)
        return found and [(column.name, column.added) for column in found.columns]

    old = [("id", False), ("a", False)]
    assert after(Addition("b")) == [*old, ("b", True)]
    assert after(Addition("b", first=True)) == [("b", True), *old]
    assert after(Addition("b", after="ID"), Addition("c", after="b")) == [old[0], ("b", True), ("c", True), old[1]]
    assert after(Addition("x")) is None, "the catalog does not show it"
    assert after(Addition("a")) is None
    assert after(Addition("b", after="gone")) is None
    filled = Table(T, (ID, A, Column("b", "int", "int", nullable=False)), ("id",))
    assert grown(TABLE, (Addition("b"),), filled) is None
