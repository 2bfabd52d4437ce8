"""Tables that share a topic can be told apart, and read as one table."""

from __future__ import annotations

from scheduler.flink import shared_table, topic_of
from scheduler.preflight.findings import Finding
from scheduler.preflight.sharing import check_shared
from shared.codec import FormatOptions
from shared.job.columns import ColumnPatterns
from shared.model.mask import Constant
from shared.model.schema import Column, Table, TableId

ID = Column("id", "bigint", "bigint", nullable=False)
NOTE = Column("note", "varchar", "varchar(20)")
LONG_NOTE = Column("note", "text", "text")
NUMBER = Column("note", "int", "int")


def table(number: int, *columns: Column, key: tuple[str, ...] = ("id",)) -> Table:
    return Table(TableId("shop", f"order_{number}"), (ID, *columns), key)


def found(*tables: Table, key: str = "of", options: FormatOptions | None = None) -> list[Finding]:
    topics = {one.id: "orders" for one in tables}
    return check_shared(tables, topics, dict.fromkeys(topics, key), options or FormatOptions())


def message(*tables: Table, **more: str) -> str:
    (finding,) = found(*tables, **more)
    assert finding.is_error
    assert (finding.subject, finding.path) == ("shared_topics", "route")
    return f"{finding.message} {finding.hint}"


def test_tables_of_like_columns_pass_whatever_their_lengths_and_order() -> None:
    assert found(table(1, NOTE), table(2, LONG_NOTE), table(3))[0].ok
    assert found() == []
    assert found(table(1, NOTE), table(2, NUMBER), key="") == []


def test_different_keys_are_refused() -> None:
    other = Table(TableId("shop", "order_2"), (ID, NOTE), ("id", "note"))
    assert "different primary keys, (id) and (id, note)" in message(table(1, NOTE), other)


def test_a_key_of_another_type_is_refused() -> None:
    other = Table(TableId("shop", "order_2"), (Column("id", "varchar", "varchar(9)"),), ("id",))
    told = message(table(1), other)
    assert "`id` of shop.order_1 is BIGINT, and `id` of shop.order_2 is STRING" in told


def test_columns_of_one_name_and_different_types_are_refused_unless_left_out_or_masked() -> None:
    assert "`note` of shop.order_1 is STRING, and `note` of shop.order_3 is INT" in message(
        table(1, NOTE), table(2), table(3, NUMBER)
    )
    excluded = FormatOptions(excluded=ColumnPatterns.parse(r"shop.\.*.note"))
    assert found(table(1, NOTE), table(2, NUMBER), options=excluded)[0].ok
    masked = FormatOptions(masked=lambda _, name: Constant("x") if name == "note" else None)
    assert found(table(1, NOTE), table(2, NUMBER), options=masked)[0].ok


def test_names_that_differ_in_case_alone_are_refused() -> None:
    assert "`Note` of shop.order_2" in message(table(1, NOTE), table(2, Column("Note", "varchar", "varchar(20)")))


def test_a_column_that_is_called_like_the_shard_key_is_refused() -> None:
    assert "column `Of`" in message(table(1, Column("Of", "int", "int")), table(2))


def test_names_that_only_a_dot_divides_are_refused() -> None:
    assert "would be called `a.b.c`" in message(
        Table(TableId("a", "b.c"), (ID,), ("id",)), Table(TableId("a.b", "c"), (ID,), ("id",))
    )


def test_together_they_are_one_table_with_the_shard_key_first() -> None:
    more = Column("more", "int", "int")
    both = shared_table([table(1, NOTE), table(2, more, LONG_NOTE)], "of", "orders")
    assert both.id == TableId("shop", "orders")
    assert both.primary_key == ("of", "id")
    assert [column.name for column in both.columns] == ["of", "id", "note", "more"]
    topic = topic_of(both, "orders", FormatOptions(fields_include="EXCEPT_KEY"))
    assert [(f.name, f.type) for f in topic.keys] == [("of", "STRING"), ("id", "BIGINT")]
    assert [f.name for f in topic.values] == ["note", "more"]
