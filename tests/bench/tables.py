"""The tables that are measured: the same rows for every reader.

Rows are filled without a binlog, so that no reader's stream begins with them.
"""

import json
from collections.abc import Iterator

from headrace_local.mysql import MysqlServer

from tests.plugins.fix_servers import root_connection

CREATE_ORDERS = """
CREATE TABLE {name} (id BIGINT PRIMARY KEY, customer INT, product VARCHAR(60), amount DECIMAL(12,2), quantity INT,
  status ENUM('new','paid','sent'), created DATETIME(3), updated TIMESTAMP(6), ratio DOUBLE, active TINYINT(1),
  note VARCHAR(120))"""

# A row is about 290 bytes of JSON, key included.
FILL_ORDERS = """
INSERT INTO {name} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
SELECT i, i % 5000, CONCAT('product ', i % 900), i / 7, i % 9, 1 + i % 3,
  TIMESTAMP'2026-01-01 00:00:00.123' + INTERVAL i SECOND, TIMESTAMP'2026-01-01 00:00:00.123456' + INTERVAL i SECOND,
  i / 3, i % 2, REPEAT('note ', 4 + i % 20) FROM n"""

# The shape of sysbench's tables.
CREATE_SBTEST = """
CREATE TABLE {name} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL,
  KEY k_1 (k))"""

FILL_SBTEST = """
INSERT INTO {name} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
SELECT i, CRC32(i) % {rows}, CONCAT_WS('-', LPAD(CRC32(i), 11, 0), LPAD(CRC32(i+1), 11, 0), LPAD(CRC32(i+2), 11, 0),
    LPAD(CRC32(i+3), 11, 0), LPAD(CRC32(i+4), 11, 0), LPAD(CRC32(i+5), 11, 0), LPAD(CRC32(i+6), 11, 0),
    LPAD(CRC32(i+7), 11, 0), LPAD(CRC32(i+8), 11, 0), LPAD(CRC32(i+9), 11, 0)),
  CONCAT_WS('-', LPAD(CRC32(-i), 11, 0), LPAD(CRC32(-i-1), 11, 0), LPAD(CRC32(-i-2), 11, 0), LPAD(CRC32(-i-3), 11, 0),
    LPAD(CRC32(-i-4), 11, 0))
FROM n"""

_SHAPES = {
    "orders": (CREATE_ORDERS, FILL_ORDERS),
    "sbtest": (CREATE_SBTEST, FILL_SBTEST),
    "hot": (CREATE_ORDERS, FILL_ORDERS),  # the table whose changes are timed
}
HOT_ROWS = 10_000


def make_database(server: MysqlServer, database: str, rows: int) -> None:
    """Creates and fills the tables; the databases holds nothing else."""
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"USE {database}")
        cursor.execute("SET SESSION sql_log_bin = 0, cte_max_recursion_depth = 4294967295")
        for name, (create, fill) in _SHAPES.items():
            cursor.execute(create.format(name=name))
            cursor.execute(fill.format(name=name, rows=HOT_ROWS if name == "hot" else rows))
            cursor.execute(f"ANALYZE TABLE {name}")


def drop_database(server: MysqlServer, database: str) -> None:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {database}")


def messages(server: MysqlServer, database: str, table: str, limit: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the first rows, near enough to what readers write to serve the bare producer."""
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id LIMIT {limit}")
        names = [column[0] for column in cursor.description or ()]
        for row in cursor.fetchall():
            cells = dict(zip(names, row, strict=True))
            yield (
                json.dumps({"id": cells["id"]}).encode(),
                json.dumps(cells, default=str, separators=(",", ":")).encode(),
            )
