"""What discovery reads from a real server is what the server has."""

from __future__ import annotations

import pytest
from headrace_local.mysql import MysqlServer

from scheduler.discovery import estimates, list_tables, prefix_keys, read_facts, read_table, read_tables
from scheduler.planner import SPREAD_MAX, dense
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.model.schema import TableId
from tests.plugins.fix_servers import root_connection


class Shop:
    """A database with the one table `user`."""

    def __init__(self, mysql: MysqlServer, database: str) -> None:
        self.mysql = mysql
        self.database = database

    def sql(self, *statements: str) -> None:
        with root_connection(self.mysql, self.database) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def session(self) -> Session:
        return Session(MysqlTarget(self.mysql.host, self.mysql.port, "root", ""), "test")


@pytest.fixture
def shop(mysql_server: MysqlServer, mysql_database: str) -> Shop:
    made = Shop(mysql_server, mysql_database)
    made.sql("CREATE TABLE user (id BIGINT PRIMARY KEY, name VARCHAR(50) NOT NULL)")
    return made


def test_the_catalog_is_read_as_it_is(shop: Shop) -> None:
    shop.sql(
        r"CREATE TABLE `Odd'\t``x` (b INT, a VARCHAR(20) COLLATE utf8mb4_bin, hidden INT INVISIBLE,"
        r" e ENUM('it''s', 'b\\s', 'a,b)', '表') CHARACTER SET utf8mb4, s SET('x', 'y') CHARACTER SET latin1,"
        " twice INT GENERATED ALWAYS AS (b * 2) VIRTUAL, t DATETIME(3), d DECIMAL(20, 5) UNSIGNED,"
        " PRIMARY KEY (a, b), KEY ((b * 3)))",
        r"CREATE TABLE `odd'\t``x` (only INT PRIMARY KEY)",
        "CREATE VIEW seen AS SELECT * FROM user",
    )
    odd, other = TableId(shop.database, "Odd'\\t`x"), TableId(shop.database, "odd'\\t`x")
    with shop.session() as session:
        own = [table for table in list_tables(session) if table.database == shop.database]
        assert sorted(table.table for table in own) == sorted([odd.table, other.table, "user"])
        tables = read_tables(session, [other, odd, TableId(shop.database, "nothing")])
        assert read_table(session, TableId("nowhere", "nothing")) is None
    assert list(tables) == [other, odd]
    table = tables[odd]
    assert [c.name for c in table.columns] == ["b", "a", "hidden", "e", "s", "twice", "t", "d"]
    assert table.primary_key == ("a", "b")
    assert table.column("e").labels == ("it's", "b\\s", "a,b)", "表")
    assert (table.column("s").labels, table.column("s").character_set) == (("x", "y"), "latin1")
    assert (table.column("a").collation, table.column("a").length) == ("utf8mb4_bin", 80)
    assert (table.column("t").fraction, table.column("d").precision, table.column("d").scale) == (3, 20, 5)
    assert table.column("d").unsigned
    assert tables[other].primary_key == ("only",)


def test_a_key_that_the_server_made_and_hides_is_seen(shop: Shop) -> None:
    shop.sql("SET sql_generate_invisible_primary_key = ON", "CREATE TABLE made (a INT)")
    with shop.session() as session:
        session.query("SET SESSION show_gipk_in_create_table_and_information_schema = OFF")
        table = read_table(session, TableId(shop.database, "made"))
    assert table is not None
    assert table.primary_key == ("my_row_id",)


def test_prefixes_in_keys_are_seen(shop: Shop) -> None:
    shop.sql("CREATE TABLE prefixed (a VARCHAR(20), b INT, c BLOB, PRIMARY KEY (a(3), b, c(2)))")
    prefixed = TableId(shop.database, "prefixed")
    with shop.session() as session:
        assert prefix_keys(session, [prefixed, TableId(shop.database, "user")]) == {prefixed: ("a", "c")}


def test_a_table_filled_a_moment_ago_is_not_empty_to_us(shop: Shop) -> None:
    numbers = TableId(shop.database, "numbers")
    shop.sql("CREATE TABLE numbers (id INT PRIMARY KEY, filler CHAR(100))")
    with shop.session() as session:
        session.query(f"SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{shop.database}'")
        shop.sql(
            "SET cte_max_recursion_depth = 20000",
            "INSERT INTO numbers WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " SELECT i, 'x' FROM n",
        )
        estimate = estimates(session, [numbers])[numbers]
        assert session.scalar("SELECT @@information_schema_stats_expiry") == "86400"
    assert 10_000 <= estimate.rows <= 40_000
    assert dense(1, 20_000, estimate.rows)
    assert not dense(1, 20_000 * SPREAD_MAX * 3, estimate.rows)


def test_facts_are_those_of_the_server(shop: Shop) -> None:
    with shop.session() as session:
        facts = read_facts(session)
        assert facts.server_uuid == session.scalar("SELECT @@server_uuid")
    assert facts.version_tuple >= (9, 0)
    assert (facts.is_mariadb, facts.is_replica, facts.replica_ids, facts.ignores_case) == (False, False, (), False)
    assert facts.user == "root@localhost"
