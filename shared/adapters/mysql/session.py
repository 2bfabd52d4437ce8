"""A connection to MySQL: opened, set up, counted, and its errors turned into ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, TypeAlias

import pymysql
from pymysql.connections import Connection
from pymysql.constants import COMMAND, CR, ER
from pymysql.cursors import Cursor

from shared.adapters.mysql.cost import Cost
from shared.adapters.mysql.encryption import tls_context
from shared.adapters.mysql.result import ask, piece, release
from shared.codec import SnapshotEncoder
from shared.errors import Bug, HeadraceError, NeedsOperator, PreflightFailed, SchemaChanged, TableGone, Unavailable
from shared.model.change import EncodedRow
from shared.model.throttle import Address
from shared.model.tls import Tls, TlsMode

#: One row as the text protocol sends it; no converter has touched it.
RawRow: TypeAlias = tuple[bytes | None, ...]

#: A session forgets a query that MySQL has not answered for this long.
_READ_TIMEOUT_SECONDS = 120

#: The last ones: the account logs in without a password, is locked (MySQL, MariaDB), has a password that has expired (two ways).
_DENIED = frozenset(
    {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.SPECIFIC_ACCESS_DENIED_ERROR}
    | {ER.HOST_NOT_PRIVILEGED, 1698, 3118, 4151, 1820, 1862}
)
_DENIED_HINT = (
    "Check source.username and source.password, the user's GRANTs, and whether the account is locked, has expired or asks for TLS "
    "(source.ssl.mode)."
)

#: The plugins by which an account may log in; of others PyMySQL falls over some.
_LOGINS = frozenset(
    {
        b"caching_sha2_password",
        b"sha256_password",
        b"mysql_native_password",
        b"client_ed25519",
        b"mysql_clear_password",
    }
)
_UNKNOWN_LOGIN = frozenset({CR.CR_AUTH_PLUGIN_CANNOT_LOAD, ER.SERVER_IS_IN_SECURE_AUTH_MODE})
_LOGIN_HINT = "Give the account of source.username one of these: caching_sha2_password, sha256_password, mysql_native_password or, on MariaDB, ed25519."
_GONE = frozenset({ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR})

#: Insecure transport is prohibited; and the client's own error.
_NOT_ENCRYPTED = frozenset({3159, CR.CR_SSL_CONNECTION_ERROR})

#: What Python says of a certificate.
_NOT_TRUSTED = "CERTIFICATE_VERIFY_FAILED"
_TLS_HINT = (
    "Check source.ssl.mode, and that source.ssl.ca is the authority that signed the server's certificate; with verify-identity the "
    "certificate must name source.hostname."
)

#: A condition that the user wrote names what is not there, or has no value for some row: a function (1046: without a database), arguments,
#: collations, patterns, subqueries, numbers, JSON. No query of our own can fail so, and to ask again would lead to the same.
_CONDITION = frozenset(
    {1046, 1139, 1210, 1241, 1242, 1253, 1267, 1270, 1271, 1273, 1305, 1318, 1370, 1582, 1583, 1630, 1690}
    | {3140, 3141, 3143, 3144, 3146, 3147, 3156, *range(3684, 3701)}
)
_CONDITION_HINT = (
    "Correct what it cannot be evaluated for, then scheduler resume JOB; or write the condition (source.scan.snapshot.filters, --where) "
    "otherwise: a job with another filter is submitted anew, after scheduler cancel JOB --delete-topics."
)

_AS_KNOWN = "The table is not as the job knows it: scheduler resume JOB --resync copies its tables again."


@dataclass(frozen=True, slots=True)
class MysqlTarget:
    """Where the server is and who we are there; a `host` that begins with a slash is a Unix socket. The password stays out of
    every repr.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    connect_timeout_seconds: float = 30.0
    tls: Tls = field(default_factory=Tls)

    def __str__(self) -> str:
        return self.host if self.is_socket else f"{self.host}:{self.port}"

    @property
    def is_socket(self) -> bool:
        """True for a Unix socket, on which nothing is encrypted."""
        return self.host.startswith("/")

    def at(self, address: Address) -> MysqlTarget:
        """The same user on another server."""
        return replace(self, host=address.host, port=address.port)


#: Commands that are queries, as the server counts them.
_QUERIES = frozenset({COMMAND.COM_QUERY, COMMAND.COM_STMT_EXECUTE})


class CountedConnection(Connection):
    """PyMySQL's connection, which counts what it costs the server; every connection of ours is one.

    They share a TLS context: PyMySQL would read every certificate authority of the machine for each connection (30 ms of CPU), also to
    verify nothing.
    """

    _is_open = False

    def __init__(self, cost: Cost, **arguments: Any) -> None:
        self.cost = cost
        super().__init__(**arguments)
        self._is_open = True
        cost.connections += 1
        cost.opened += 1

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        return sslp if isinstance(sslp, ssl.SSLContext) else tls_context(Tls())

    def _process_auth(self, plugin_name: bytes, *packet_and_handler: Any) -> Any:
        if plugin_name not in _LOGINS:
            told = f"The account logs in by {plugin_name.decode(errors='replace')}, which headrace cannot"
            raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, told)
        return super()._process_auth(plugin_name, *packet_and_handler)  # type: ignore[misc]

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        self.cost.queries += command in _QUERIES
        super()._execute_command(command, sql)  # type: ignore[misc]

    def _read_bytes(self, num_bytes: int) -> bytes:
        data: bytes = super()._read_bytes(num_bytes)  # type: ignore[misc]
        self.cost.received_bytes += len(data)
        return data

    def _force_close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.cost.connections -= 1
        super()._force_close()  # type: ignore[misc]

    __del__ = _force_close


class Session:
    """One SQL connection, read only, in UTC and utf8mb4.

    Args:
        target: the server.
        purpose: what the connection is for; MySQL shows it in performance_schema.session_connect_attrs.
        cost: where to count what the connection costs; None to count for nobody.

    `received` counts the bytes of rows that its streams brought.

    Raises (every method): Unavailable when MySQL does not answer, NeedsOperator when it refuses.
    """

    def __init__(self, target: MysqlTarget, purpose: str, cost: Cost | None = None) -> None:
        self._target = target
        self._cost = cost or Cost()
        with translated(target, "connecting"):
            self._connection: Connection[Cursor] = CountedConnection(self._cost, **connect_arguments(target, purpose))
        self.received = 0
        # NO_BACKSLASH_ESCAPES and ANSI_QUOTES would change how our own literals are read.
        self.query("SET SESSION time_zone = '+00:00', sql_mode = ''")
        # One SELECT must be one consistent read, also on a server whose default is READ UNCOMMITTED.
        self.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def query(self, sql: str) -> list[RawRow]:
        """All rows of a short query."""
        with translated(self._target, "querying"), self._connection.cursor() as cursor:
            cursor.execute(sql)
            rows: list[RawRow] = list(cursor.fetchall())
        self._cost.rows += len(rows)
        return rows

    def gets_locks(self, sql: str) -> bool:
        """Runs a statement that may have to wait for locks; False when it did not get them within the session's lock_wait_timeout."""
        self._cost.locks += 1
        with translated(self._target, "locking"), self._connection.cursor() as cursor:
            try:
                cursor.execute(sql)
            except pymysql.OperationalError as error:
                if error.args[0] != ER.LOCK_WAIT_TIMEOUT:
                    raise
                return False
        return True

    @property
    def version(self) -> str:
        """The server's version as its greeting told it, without a query."""
        return _version(self._connection)

    @property
    def is_mariadb(self) -> bool:
        """True when a MariaDB answers."""
        return is_mariadb(self._connection)

    def scalar(self, sql: str) -> str:
        """The only cell of a query, as text; the empty text for NULL or no row."""
        rows = self.query(sql)
        cell = rows[0][0] if rows else None
        return "" if cell is None else cell.decode()

    def named(self, sql: str) -> list[dict[str, str]]:
        """Rows of a short query by lower-case column name, NULL as the empty text."""
        with translated(self._target, "querying"), self._connection.cursor() as cursor:
            cursor.execute(sql)
            names = [item[0].lower() for item in cursor.description or ()]
            rows: list[RawRow] = list(cursor.fetchall())
        self._cost.rows += len(rows)
        cells = ([b"" if cell is None else cell for cell in row] for row in rows)
        return [dict(zip(names, (cell.decode() for cell in row), strict=True)) for row in cells]

    def stream(self, sql: str, rows: SnapshotEncoder) -> Iterator[Sequence[EncodedRow]]:
        """The encoded rows of a long query in batches, unbuffered: memory holds one piece of the answer and a row.

        A stream that is not read to its end costs the connection: MySQL could only be asked to send all the rest.
        """
        try:
            with translated(self._target, "reading"):
                asked = ask(self._connection, sql, rows.protocol)
            rows.check(asked.types)
            while not rows.ended:
                with translated(self._target, "reading"):
                    data = piece(self._connection)
                self.received += len(data)
                self._cost.received_bytes += len(data)
                if batch := rows.feed(data):
                    self._cost.rows += len(batch)
                    yield batch
                if rows.refusal is not None:
                    raise _translate(pymysql.OperationalError(*rows.refusal), self._target, "reading")
            with translated(self._target, "reading"):
                release(self._connection, asked)
        finally:
            if not rows.ended:
                self.close()

    def close(self) -> None:
        """Ends the connection without a farewell that could block."""
        self._connection._force_close()  # type: ignore[attr-defined]

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_mariadb(connection: Connection[Any]) -> bool:
    """True when a MariaDB is at the other end, by its greeting."""
    return "mariadb" in _version(connection).lower()


def _version(connection: Connection[Any]) -> str:
    return str(connection.get_server_info())  # type: ignore[no-untyped-call]


def connect_arguments(target: MysqlTarget, purpose: str) -> dict[str, Any]:
    """PyMySQL's arguments: raw bytes out, no converter.

    Raises:
        InvalidJob: a file for TLS cannot be used.
    """
    return {
        **_address(target),
        "user": target.user,
        "password": target.password.encode(),  # a text would be sent in latin1, which no client does
        "charset": "utf8mb4",
        "use_unicode": False,
        "conv": {},
        "autocommit": True,
        "connect_timeout": max(1, round(target.connect_timeout_seconds)),
        "read_timeout": _READ_TIMEOUT_SECONDS,
        "write_timeout": _READ_TIMEOUT_SECONDS,
        "program_name": f"headrace {purpose}",
    }


def _address(target: MysqlTarget) -> dict[str, Any]:
    if target.is_socket:
        return {"unix_socket": target.host, "ssl_disabled": True}
    address: dict[str, Any] = {"host": target.host, "port": target.port}
    if target.tls.mode is TlsMode.DISABLED:
        return address | {"ssl_disabled": True}
    if target.tls == Tls():
        return address  # PyMySQL's own mode: encrypted where the server can
    return address | {"ssl": tls_context(target.tls)}


@contextmanager
def translated(target: MysqlTarget, doing: str) -> Iterator[None]:
    """Turns PyMySQL's errors into ours; the texts hold no data of tables and no secret."""
    try:
        yield
    except pymysql.MySQLError as error:
        raise _translate(error, target, doing) from None
    except OSError as error:
        raise Unavailable(f"MySQL at {target} broke the connection while {doing}: {error}.") from None


def _translate(error: pymysql.MySQLError, target: MysqlTarget, doing: str) -> HeadraceError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else type(error).__name__
    message = f"MySQL at {target} failed {doing}: {text} ({code})."
    if code in _NOT_ENCRYPTED or _NOT_TRUSTED in text:
        return PreflightFailed(message, _TLS_HINT)
    if code in _DENIED:
        return PreflightFailed(message, _DENIED_HINT)
    if code in _UNKNOWN_LOGIN:
        return PreflightFailed(message, _LOGIN_HINT)
    if code in _GONE:
        return TableGone(message, _AS_KNOWN)
    if code == ER.BAD_FIELD_ERROR:
        return SchemaChanged(message, _AS_KNOWN)
    if code in _CONDITION:
        return NeedsOperator(f"MySQL cannot evaluate a condition. {message}", _CONDITION_HINT)
    if code in (CR.CR_CONN_HOST_ERROR, CR.CR_UNKNOWN_HOST):
        return Unavailable(message, "Check source.hostname and source.port, and that MySQL is running.")
    if isinstance(error, pymysql.ProgrammingError):
        return Bug(message)
    return Unavailable(message)
