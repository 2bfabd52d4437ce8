"""What is written to MySQL while it is measured: the backlog that readers drain, and the steady stream that is timed."""

import itertools
import threading
import time

import pymysql
from headrace_local.mysql import MysqlServer

from tests.plugins.fix_servers import root_connection

ROWS_A_TRANSACTION = 10
# Larger than any other value of the column, and a thousand tickers fit into an INT.
NUMBERS_A_TICKER = 1_000_000
_TICKERS = itertools.count(1)

# 4 inserts, 5 updates and a delete, each a statement of its own, as applications write. A stored procedure, because the
# writer is not what is measured. It deletes the first row that the transaction before it has inserted: every statement hits.
_CHURN = """
CREATE PROCEDURE churn(IN transactions INT, IN rows_before INT)
BEGIN
  DECLARE t INT DEFAULT 0;
  DECLARE i INT;
  WHILE t < transactions DO
    START TRANSACTION;
    SET i = 0;
    WHILE i < 4 DO
      INSERT INTO orders SELECT rows_before + t * 4 + i + 1, customer, product, amount, quantity, status, created, updated,
        ratio, active, note FROM orders WHERE id = 1 + (t * 4 + i) % (rows_before DIV 2);
      SET i = i + 1;
    END WHILE;
    SET i = 0;
    WHILE i < 5 DO
      UPDATE orders SET quantity = quantity + 1, amount = amount + 0.01 WHERE id = 1 + (t * 5 + i) % (rows_before DIV 2);
      SET i = i + 1;
    END WHILE;
    DELETE FROM orders WHERE id = rows_before + t * 4 - 3;
    COMMIT;
    SET t = t + 1;
  END WHILE;
END"""


def write_backlog(server: MysqlServer, database: str, changes: int, rows: int) -> int:
    """Writes the changes; returns how many row changes the binlog has got."""
    transactions = changes // ROWS_A_TRANSACTION
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute(_CHURN)
        cursor.execute("SET SESSION sql_log_bin = 1")
        # Nobody measures how fast the disk takes the backlog.
        cursor.execute("SET GLOBAL sync_binlog = 0, GLOBAL innodb_flush_log_at_trx_commit = 2")
        cursor.execute("CALL churn(%s, %s)", (transactions, rows))
        cursor.execute("SET GLOBAL sync_binlog = 1, GLOBAL innodb_flush_log_at_trx_commit = 1")
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("DROP PROCEDURE churn")
    return transactions * ROWS_A_TRANSACTION


class Ticker(threading.Thread):
    """Updates rows of `hot` at a steady rate, ten a transaction; `sent[n]` is when transaction n's COMMIT was sent.

    Its number is written into the rows' column `customer`, by which a reader's message tells its transaction. No two
    tickers use the same numbers: rows that an earlier one has left are copied again, and must not be taken for changes.
    """

    def __init__(self, server: MysqlServer, database: str, changes_a_second: int, rows: int) -> None:
        super().__init__(name="ticker", daemon=True)
        self._server, self._database, self._rows = server, database, rows
        self._first = next(_TICKERS) * NUMBERS_A_TICKER
        self._pause = ROWS_A_TRANSACTION / changes_a_second
        self.sent: dict[int, float] = {}
        self.late = 0.0
        self.error: pymysql.MySQLError | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            self._write()
        except pymysql.MySQLError as error:
            self.error = error

    def _write(self) -> None:
        with root_connection(self._server, self._database) as connection, connection.cursor() as cursor:
            connection.autocommit(False)
            due = time.monotonic()
            number = 0
            while not self._ended.is_set():
                first = number * ROWS_A_TRANSACTION % self._rows
                cursor.execute(
                    "UPDATE hot SET customer = %s WHERE id BETWEEN %s AND %s",
                    (self._first + number, first + 1, first + ROWS_A_TRANSACTION),
                )
                self.sent[self._first + number] = time.monotonic()
                connection.commit()
                number += 1
                due += self._pause
                self.late = max(self.late, time.monotonic() - due)
                self._ended.wait(max(0.0, due - time.monotonic()))

    def end(self) -> None:
        """Ends the stream; raises what went wrong with it."""
        self._ended.set()
        self.join(30)
        if self.error is not None:
            raise self.error
