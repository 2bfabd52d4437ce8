"""CREATE TABLE statements as text: the reference document's form, the styles, names that need quotes, what is refused."""

from __future__ import annotations

import pytest

from scheduler.flink import Engine, Field, Form, Style, client_properties, create_table, table_names, topic_of
from shared.codec import FormatOptions
from shared.errors import InvalidJob
from shared.model.mask import Hash
from shared.model.schema import Column, Table, TableId

ORDER = Table(
    TableId("order_dw", "order"),
    (
        Column("id", "bigint", "bigint", nullable=False),
        Column("product", "varchar", "varchar(50)", nullable=False),
        Column("user_id", "bigint", "bigint", nullable=False),
    ),
    ("id",),
)
PROPERTIES = client_properties("broker:9092", {"acks": "all", "bootstrap.servers": "#{b}"})
VVR = """\
CREATE TEMPORARY TABLE `order_source` (
  `key_id` BIGINT,
  `value_id` BIGINT,
  `value_product` STRING,
  `value_user_id` BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'order_dw.order',
  'properties.bootstrap.servers' = 'broker:9092',
  'properties.isolation.level' = 'read_committed',
  'key.format' = 'json',
  'key.fields' = 'key_id',
  'key.fields-prefix' = 'key_',
  'value.format' = 'json',
  'value.fields-prefix' = 'value_',
  'value.fields-include' = 'EXCEPT_KEY',
  'scan.startup.mode' = 'earliest-offset'
);"""
APACHE = """\
CREATE TABLE IF NOT EXISTS `order_dw`.`order` (
  `key_id` BIGINT NOT NULL,
  `id` BIGINT,
  `product` STRING,
  `user_id` BIGINT,
  `value_id` BIGINT AS `id`,
  `value_product` AS `product`,
  `value_user_id` AS `user_id`,
  PRIMARY KEY (`key_id`) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'order_dw.order',
  'properties.bootstrap.servers' = 'broker:9092',
  'properties.isolation.level' = 'read_committed',
  'key.format' = 'json',
  'key.fields-prefix' = 'key_',
  'value.format' = 'json',
  'value.fields-include' = 'EXCEPT_KEY'
);""".replace("`value_id` BIGINT AS", "`value_id` AS")


def statement(table: Table = ORDER, options: FormatOptions | None = None, **form) -> str:
    topic = topic_of(table, "order_dw.order", options or FormatOptions())
    made = Form(**form)
    name = (table.id.database, table.id.table) if made.style is Style.CATALOG else (f"{table.id.table}_source",)
    return create_table(name, topic, made, PROPERTIES)


def test_columns_that_are_left_out_are_no_columns() -> None:
    options = FormatOptions(excluded=lambda table, column: (table, column) == (ORDER.id, "product"))
    names = [field.name for field in topic_of(ORDER, "t", options).values]
    assert names == [column.name for column in ORDER.columns if column.name != "product"]
    assert len(names) < len(ORDER.columns)


def test_masked_columns_are_strings() -> None:
    kept = {"id", "product"}
    options = FormatOptions(masked=lambda _, column: None if column in kept else Hash(None))
    types = {field.name: field.type for field in topic_of(ORDER, "t", options).values}
    plain = {field.name: field.type for field in topic_of(ORDER, "t", FormatOptions()).values}
    assert types == {name: plain[name] if name in kept else "STRING" for name in plain}
    assert types != plain


def test_vvr_has_the_form_of_the_reference_document() -> None:
    assert statement(engine=Engine.VVR) == VVR


def test_the_catalog_style_for_apache_flink() -> None:
    assert statement(style=Style.CATALOG) == APACHE


def test_apache_flink_never_sees_an_option_that_it_refuses() -> None:
    for style in Style:
        assert "value.fields-prefix" not in statement(style=style)


def test_a_value_without_the_keys_columns() -> None:
    text = statement(options=FormatOptions(fields_include="EXCEPT_KEY"))
    assert "`key_id` BIGINT" in text
    assert "value_id" not in text
    assert "'value.fields-include' = 'EXCEPT_KEY'" in text


def test_without_prefixes_a_column_of_the_key_comes_once() -> None:
    text = statement(key_prefix="", value_prefix="")
    assert [line.strip().rstrip(",") for line in text.splitlines()[1:4]] == [
        "`id` BIGINT", "`product` STRING", "`user_id` BIGINT",
    ]  # fmt: skip
    assert "'key.fields' = 'id'" in text
    assert "prefix" not in text


def test_names_and_texts_are_quoted() -> None:
    columns = (Column("a`;'\"b", "int", "int"), Column("select", "int", "int"))
    table = Table(TableId("d", "t`x"), columns, ("a`;'\"b", "select"))
    text = create_table(("t`x_source",), topic_of(table, "it's", FormatOptions()), Form(), PROPERTIES)
    assert "CREATE TEMPORARY TABLE `t``x_source` (" in text
    assert "`key_a``;'\"b` INT" in text
    assert "'topic' = 'it''s'" in text
    assert """'key.fields' = '"key_a`;''""b";key_select'""" in text


def test_timestamps_of_the_other_standard() -> None:
    text = statement(options=FormatOptions(timestamp_format="ISO-8601"))
    assert "'key.json.timestamp-format.standard' = 'ISO-8601'" in text
    assert "'value.json.timestamp-format.standard' = 'ISO-8601'" in text
    with pytest.raises(InvalidJob, match="Apache Flink cannot read"):
        statement(options=FormatOptions(timestamp_format="ISO-8601-WITH-OFFSET"))
    assert "WITH-OFFSET" in statement(options=FormatOptions(timestamp_format="ISO-8601-WITH-OFFSET"), engine=Engine.VVR)


def test_two_columns_of_one_name_are_refused() -> None:
    columns = (*ORDER.columns, Column("value_id", "int", "int"))
    with pytest.raises(InvalidJob, match=r"Two columns of topic order_dw\.order would be called `value_id`"):
        statement(Table(ORDER.id, columns, ("id",)))
    with pytest.raises(InvalidJob, match="begins with the other"):
        Form(engine=Engine.VVR, key_prefix="v_", value_prefix="v_x_")


def test_nested_fields_for_apache_flink() -> None:
    topic = topic_of(ORDER, "t", FormatOptions())
    nested = (Field(("a", "b"), "BIGINT"), Field(("a", "c", "d"), "STRING"), Field(("e",), "STRING"))
    made = type(topic)("t", topic.keys, nested)
    text = create_table(("t",), made, Form(), PROPERTIES)
    assert "`a` ROW<`b` BIGINT, `c` ROW<`d` STRING>>," in text
    assert "`value_a.c.d` AS `a`.`c`.`d`" in text
    assert "flatten-nested-columns.enable' = 'true'" in create_table(("t",), made, Form(engine=Engine.VVR), PROPERTIES)


def test_equal_names_of_tables_get_their_database() -> None:
    tables = [TableId("a", "t"), TableId("b", "t"), TableId("a", "u")]
    assert list(table_names(tables, "_source").values()) == ["a.t_source", "b.t_source", "u_source"]
    with pytest.raises(InvalidJob, match=r"would be called `a\.b\.c`"):
        table_names([TableId("a.b", "c"), TableId("a", "b.c"), TableId("x", "c"), TableId("x", "b.c")], "")


def test_secrets_stay_placeholders_and_librdkafkas_names_become_javas() -> None:
    written = {"sasl.mechanisms": "SCRAM-SHA-256", "sasl.username": "app", "sasl.password": "#{kafka-password}",
               "security.protocol": "SASL_SSL", "linger.ms": "5", "bootstrap.servers": "#{b}"}  # fmt: skip
    found = client_properties("broker:9092", written)
    login = (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="app" password="#{kafka-password}";'
    )
    assert found == {
        "properties.bootstrap.servers": "broker:9092",
        "properties.security.protocol": "SASL_SSL",
        "properties.sasl.mechanism": "SCRAM-SHA-256",
        "properties.sasl.jaas.config": login,
        "properties.isolation.level": "read_committed",
    }
