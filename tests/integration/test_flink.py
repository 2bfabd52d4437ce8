"""What `scheduler ddl` prints, run by a real Flink: the joins of the reference document, and every type read back equal."""

import base64
import json
import secrets
import struct
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration.codec_families import FAMILIES
from tests.integration.flink_lab import Flink, statements
from tests.integration.test_job import ORDER_DW, execute, job, streaming
from tests.plugins.fix_headrace import read_topic
from tests.plugins.fix_servers import root_connection

#: As the reference document has them, but for the quotes around a word that Apache Flink's parser keeps for itself.
JOINS = {
    "orders": "SELECT order_source.key_id AS order_id, value_product AS product, user_source.value_name AS user_name"
    " FROM order_source LEFT JOIN user_source ON order_source.value_user_id = user_source.key_id",
    "feedback": "SELECT feedback_source.key_id AS feedback_id, value_comment AS `comment`, user_source.value_name AS user_name"
    " FROM feedback_source LEFT JOIN user_source ON feedback_source.value_user_id = user_source.key_id",
}
IN_MYSQL = {
    "orders": "SELECT o.id, product, name FROM `order` o LEFT JOIN user u ON u.id = o.user_id",
    "feedback": "SELECT f.id, comment, name FROM feedback f LEFT JOIN user u ON u.id = f.user_id",
}
CHANGES = """
INSERT INTO user VALUES (3, 'Änn');
INSERT INTO `order` VALUES (3, 'Racket', 3), (4, 'Net', 9);
UPDATE user SET name = 'Jim' WHERE id = 2;
UPDATE feedback SET comment = 'Bad' WHERE id = 1;
DELETE FROM `order` WHERE id = 2
"""
BOUNDED = "/*+ OPTIONS('scan.bounded.mode'='latest-offset') */"


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    flink = Flink(tmp_path_factory.mktemp("flink"))
    yield flink
    flink.close()


def ddl(cluster, *words: str) -> str:
    done = cluster.cli("ddl", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def joined(server, database: str, query: str) -> Counter[str]:
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return Counter(", ".join("null" if cell is None else str(cell) for cell in row) for row in cursor.fetchall())


def test_the_joins_of_both_styles_follow_mysql(cluster, mysql_server, mysql_database, flink) -> None:
    execute(mysql_server, ORDER_DW, mysql_database)
    cluster.binlog_worker()
    cluster.snapshot_worker()
    cluster.submit(job(rf"{mysql_database}.\.*"), "joins")
    cluster.wait("the job streams", lambda: streaming(cluster, "joins"))
    for style, name in (("temporary", "as_log"), ("upsert-kafka", "as_table")):
        flink.execute(f"CREATE DATABASE {name}")
        flink.execute(f"USE {name}")
        for statement in statements(ddl(cluster, "joins", "--style", style)):
            flink.execute(statement)
        columns = "id BIGINT, what STRING, user_name STRING"
        for join in JOINS:
            printing = f"'connector'='print','print-identifier'='{name}-{join}'"
            flink.execute(f"CREATE TABLE {join} ({columns}) WITH ({printing})")
        inserts = " ".join(f"INSERT INTO {join} {query};" for join, query in JOINS.items())
        flink.execute(f"EXECUTE STATEMENT SET BEGIN {inserts} END")

    def follows() -> bool:
        return all(
            flink.changelog(f"as_table-{join}") == joined(mysql_server, mysql_database, query)
            for join, query in IN_MYSQL.items()
        )

    first = {join: joined(mysql_server, mysql_database, query) for join, query in IN_MYSQL.items()}
    flink.wait("the upsert tables hold the joins", follows)
    flink.wait(
        "the logs hold them", lambda: all(flink.changelog(f"as_log-{join}") == rows for join, rows in first.items())
    )
    execute(mysql_server, CHANGES, mysql_database)
    flink.wait("the upsert tables follow", follows)
    assert flink.changelog("as_table-orders") == Counter(["1, Football, Jim", "3, Racket, Änn", "4, Net, null"])
    # A log has each version of a row, and nothing is ever taken out of it.
    orders = Counter(first["orders"]) + Counter(["1, Football, Jim", "3, Racket, Änn", "4, Net, null"])
    feedback = Counter(first["feedback"]) + Counter(["1, Bad, Tom", "2, Very good, Jim"])
    flink.wait("the log of orders", lambda: flink.changelog("as_log-orders") == orders)
    flink.wait("the log of feedback", lambda: flink.changelog("as_log-feedback") == feedback)
    the_catalog_style_is_mysqls_database(cluster, flink, mysql_server, mysql_database)
    the_catalog_marks_what_mysql_has_no_more(cluster, mysql_database)


def the_catalog_style_is_mysqls_database(cluster, flink, server, database: str) -> None:
    for statement in statements(ddl(cluster, "joins", "--style", "catalog")) * 2:
        flink.execute(statement)  # a second time it changes nothing
    rows = flink.execute(f"SELECT key_id, value_name FROM `{database}`.`user` {BOUNDED}")
    users: Counter[str] = Counter()
    for kind, values in rows:
        users[", ".join(values)] += 1 if kind.startswith("+") else -1
    assert +users == joined(server, database, "SELECT id, name FROM user")


def the_catalog_marks_what_mysql_has_no_more(cluster, database: str) -> None:
    """An old message of a column that is gone stands in the topic of a job."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    producer.produce(f"{database}.user", b'{"id":9,"name":"x","age":7}', b'{"id":9}')
    assert producer.flush(30) == 0
    done = cluster.cli("catalog", "--job", "joins", "--json")
    assert done.returncode == 0, done.stderr
    found = {document["topic"]: document["columns"] for document in json.loads(done.stdout)}
    assert set(found) == {f"{database}.{table}" for table in ("feedback", "order", "user")}
    assert {column["name"]: column["type"] for column in found[f"{database}.order"]} == {
        "key_id": "BIGINT", "value_id": "BIGINT", "value_product": "STRING", "value_user_id": "BIGINT",
    }  # fmt: skip
    marks = {column["name"]: column["mark"] for column in found[f"{database}.user"] if column["mark"]}
    assert marks == {"value_age": f"dropped: no column of {database}.user"}
    script = cluster.cli("catalog", "--job", "joins", "--ddl").stdout
    assert f"`value_age` AS `age`, -- dropped: no column of {database}.user" in script
    assert cluster.environment["HEADRACE_VAR_PASSWORD"] not in script


def test_tables_of_the_catalog_are_read_by_flink(cluster, kafka_server, flink) -> None:
    """Keys that are no JSON, and objects inside of values: declared as such, and read."""
    name = f"catalog-{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
    producer.produce(name, b'{"at":"2026-01-31 01:02:03.5","n":{"x":{"y":7}},"big":12345678901234567.25}', b"one")
    producer.produce(name, b'{"n":null,"old":true,"mixed":1}', b"\xff")
    producer.produce(name, b'{"mixed":{"a":1}}')
    assert producer.flush(30) == 0
    flatten = "infer-schema.flatten-nested-columns.enable=true"
    done = cluster.cli("catalog", name, "--ddl", "--option", flatten)
    assert done.returncode == 0, done.stderr
    flink.execute("CREATE DATABASE inferred")
    flink.execute("USE inferred")
    (statement,) = statements(done.stdout)
    flink.execute(statement)
    columns = ("key_col", "value_at", "value_n.x.y", "value_big", "value_old", "value_mixed")
    rows = flink.execute(f"SELECT {', '.join(f'`{column}`' for column in columns)} FROM `{name}` {BOUNDED}")
    assert [values for _, values in rows] == [
        [b"one".hex(), "2026-01-31T01:02:03.500", "7", "12345678901234567.25", None, None],
        ["ff", None, None, None, "true", "1"],
        [None, None, None, None, None, '{"a":1}'],
    ]


# All types.

#: The same types with other charsets or sizes, and what is computed of other columns.
LEFT_OUT = {"charsets", "documents", "generated"}
FAMILIES_HERE = {name: family for name, family in FAMILIES.items() if name not in LEFT_OUT}
OPTIONS = """\
  value.fields-include: EXCEPT_KEY
  json.timestamp-format.standard: ISO-8601
  json.encode.decimal-as-plain-number: false
  json.encode.ignore-null-fields: true
  binary.encoding: hex
  set.encoding: string
"""
ROUTES = """
route:
  - source-table: {database}.\\.*
    sink-table: {database}.<>.again
    replace-symbol: <>
"""


@pytest.fixture
def everything(mysql_server, mysql_database) -> str:
    """A table with the columns of all families, side by side; a shorter family begins again. Row 0 is NULL all over."""
    columns = [f"{name}_{column}" for name, (columns, _) in FAMILIES_HERE.items() for column in columns]
    count = max(len(rows) for _, rows in FAMILIES_HERE.values())
    names = ", ".join(column.split()[0] for column in columns)
    with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode='', time_zone='+05:30'")
        cursor.execute(f"CREATE TABLE everything (id int PRIMARY KEY, {', '.join(columns)})")
        cursor.execute("INSERT INTO everything (id) VALUES (0)")
        for number in range(count):
            cells = [cell for _, rows in FAMILIES_HERE.values() for cell in rows[number % len(rows)]]
            cursor.execute(f"INSERT INTO everything (id, {names}) VALUES ({number + 1}, {', '.join(cells)})")
    return mysql_database


def test_every_type_is_read_back_equal(cluster, everything, flink) -> None:
    cluster.binlog_worker()
    cluster.snapshot_worker(2)
    cluster.submit(job(rf"{everything}.\.*"), "plain")
    text = job(rf"{everything}.\.*", source="  treat-tinyint1-as-boolean.enabled: false", sink=OPTIONS)
    cluster.submit(text + ROUTES.format(database=everything), "changed")
    for name in ("plain", "changed"):
        cluster.wait("the job streams", lambda name=name: streaming(cluster, name))
    flink.execute("CREATE DATABASE IF NOT EXISTS types")
    flink.execute("USE types")
    for name, style in (("plain", "temporary"), ("changed", "upsert-kafka")):
        (document,) = json.loads(ddl(cluster, name, "--style", style, "--json"))
        flink.execute(document["statement"])
        messages = read_topic(cluster.bootstrap, document["topic"])
        compared = assert_equal(flink, document, [(key, value) for key, value in messages if value is not None])
        assert compared > 4000
        flink.execute(f"DROP TEMPORARY TABLE `{document['name']}`")


def assert_equal(flink: Flink, document: dict[str, str], messages: list[tuple[bytes, bytes]]) -> int:
    """Compares each cell that Flink reads with the message; gives their number."""
    columns = flink.execute(f"SELECT * FROM `{document['name']}` {BOUNDED}", 120)
    described = declared(document["statement"])
    found = {values[0]: dict(zip(described, values, strict=True)) for kind, values in columns if kind == "+I"}
    assert len(found) == len(columns) == len(messages) > 0, document["table"]
    for key, value in messages:
        row = found[str(json.loads(key)["id"])]
        fields = json.loads(value, parse_float=Text, parse_int=Text)
        for column, kind in described.items():
            if column.startswith("value_"):
                name = column.removeprefix("value_")
                expected = None if fields.get(name) is None else read(fields[name], kind)
                actual = None if row[column] is None else parsed(row[column], kind)
                assert actual == expected, (document["table"], column, kind, fields.get(name), row[column])
    return len(messages) * sum(column.startswith("value_") for column in described)


class Text(str):
    """A number as JSON spells it."""


def declared(statement: str) -> dict[str, str]:
    """The columns of a table in order and their types; a computed one has that of its field."""
    types: dict[str, str] = {}
    for line in statement.partition("(\n")[2].partition("\n) WITH")[0].splitlines():
        line = line.strip().partition(" -- ")[0].removesuffix(",")
        if line.startswith("`"):
            name, _, kind = line[1:].partition("` ")
            types[name] = types[kind[4:-1]] if kind.startswith("AS ") else kind.removesuffix(" NOT NULL")
    return types


def read(value: Any, kind: str) -> Any:
    """A JSON value as docs/types.md says that this type of Flink has it."""
    if kind.startswith("ARRAY"):
        return [read(item, kind[6:-1]) for item in value]
    if kind == "BOOLEAN":
        return value is True  # numbers other than 0 and 1, too, are false in Flink
    if kind == "BYTES":
        return base64.b64decode(value, validate=True)
    if kind == "FLOAT":
        return struct.pack("f", float(value))
    if kind == "DOUBLE":
        return struct.pack("d", float(value))
    if kind.startswith("TIMESTAMP"):
        return moment(value)
    if kind == "STRING" or kind == "DATE":
        return str(value)
    return Decimal(value)


def parsed(text: Any, kind: str) -> Any:
    """The value of a cell that Flink gave, as Java prints it."""
    if kind.startswith("ARRAY"):
        return [parsed(item, kind[6:-1]) for item in text]
    if kind == "BOOLEAN":
        return text == "true"
    if kind == "BYTES":
        return bytes.fromhex(text)
    if kind == "FLOAT":
        return struct.pack("f", float(text))
    if kind == "DOUBLE":
        return struct.pack("d", float(text))
    if kind.startswith("TIMESTAMP"):
        return moment(text)
    return Decimal(text) if kind not in ("STRING", "DATE") else text


def moment(text: str) -> tuple[str, str, str]:
    """A date and time of any spelling: Java leaves out seconds that are zero, and zeros behind the point."""
    plain, _, fraction = text.replace(" ", "T").removesuffix("Z").partition(".")
    day, _, clock = plain.partition("T")
    return day, clock.removesuffix(":00") if clock.count(":") == 2 else clock, fraction.rstrip("0")
