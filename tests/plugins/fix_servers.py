"""Real MySQL, Kafka and Valkey for tests: started once a session, never skipped.

A session that collects a test with `mysql_server`, `kafka_server` or `redis_server` installs and
starts those servers before its first test (so that no test's time-out pays for it), in a folder and
on ports of its own: sessions may run side by side. A server that cannot start fails its tests. So do
`mysql80_server` and `mariadb_server`, which no stack has, and `any_mysql`: a test with it runs once on
each MySQL.

HEADRACE_TEST_STACK_DIR=.local/stack uses that stack instead (its servers are started if they are
down, and left running); its data is then shared, and tests that kill servers kill those.
HEADRACE_TEST_STACK_KEEP=1 keeps the folder of the session, with the servers' logs.

Tests may `server.kill()` (SIGKILL) or `stop()`, and `start()` again on the same data; what a test
leaves down is up again for the next test.
"""

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

REPOSITORY = Path(__file__).resolve().parents[2]
# The stack's package runs before anything is installed, so it is not an installed package itself.
sys.path.insert(0, str(REPOSITORY / "compose" / "local"))

from headrace_local.console import StackError, say, step  # noqa: E402
from headrace_local.kafka import KafkaServer, install_kafka  # noqa: E402
from headrace_local.layout import Layout, Ports, default_install, from_environment  # noqa: E402
from headrace_local.mariadb import MariadbServer, install_mariadb  # noqa: E402
from headrace_local.mysql import MysqlServer, install_mysql  # noqa: E402
from headrace_local.mysql80 import Mysql80Server, install_mysql80  # noqa: E402
from headrace_local.ports import free_ports  # noqa: E402
from headrace_local.server import Server, kill_leftovers  # noqa: E402
from headrace_local.stack import as_running  # noqa: E402
from headrace_local.valkey import ValkeyServer, install_valkey  # noqa: E402

_FOLDER_OF_SESSIONS = REPOSITORY / ".local" / "test-stack"
_OWNER_LOCK = "owner.lock"
_NAMES = {
    "mysql_server": "mysql",
    "kafka_server": "kafka",
    "redis_server": "redis",
    "mysql80_server": "mysql80",
    "mariadb_server": "mariadb",
}
#: The values of `any_mysql`.
_ANY_MYSQL = ("mysql_server", "mysql80_server")
#: Servers that no stack has: always the session's own.
_OWN: dict[str, tuple[type[MysqlServer], Callable[[Path], Path]]] = {
    "mysql80": (Mysql80Server, install_mysql80),
    "mariadb": (MariadbServer, install_mariadb),
}
# Such a server, and a throw-away one, is one of several, and each takes this much memory on its own.
_POOL_MB, _REDO_MB = 64, 32

AnyServer = TypeVar("AnyServer", bound=Server)


class SessionFolder:
    """The session's own folder, locked for as long as its process lives."""

    def __init__(self) -> None:
        _FOLDER_OF_SESSIONS.mkdir(parents=True, exist_ok=True)
        for rest in _FOLDER_OF_SESSIONS.iterdir():
            _remove_if_ownerless(rest)
        self.path = _FOLDER_OF_SESSIONS / f"{os.getpid()}-{secrets.token_hex(4)}"
        self.path.mkdir()
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove the folder, unless the user wants to read the logs."""
        if os.environ.get("HEADRACE_TEST_STACK_KEEP"):
            say(f"test servers: kept {self.path}")
        else:
            shutil.rmtree(self.path)
        if self._lock is not None:
            os.close(self._lock)


def _locked(folder: Path) -> int | None:
    """Lock a session's folder; None if its session is alive. The kernel unlocks it at the latest."""
    handle = os.open(folder / _OWNER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _remove_if_ownerless(folder: Path) -> None:
    """Clean up after a session that was killed: its servers still run."""
    lock = _locked(folder)
    if lock is not None:
        kill_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


class SessionServers:
    """The servers of one test session, started when first asked for."""

    def __init__(self, layout: Layout, own_folder: Callable[[], Path], *, owned: bool) -> None:
        self.layout = layout
        self.owned = owned
        self._own_folder = own_folder
        self._pool = ThreadPoolExecutor(max_workers=len(_NAMES))
        self._started: dict[str, Future[Server]] = {}

    def begin(self, names: Iterable[str]) -> None:
        """Start servers in the background, at the same time."""
        for name in names:
            if name not in self._started:
                self._started[name] = self._pool.submit(self._start, name)

    def get(self, name: str, kind: type[AnyServer]) -> AnyServer:
        """Return a server that answers, or fail the test that asked for it."""
        self.begin([name])
        try:
            server = self._started[name].result()
        except StackError as error:
            pytest.fail(str(error), pytrace=False)
        assert isinstance(server, kind)
        return server

    def wait(self) -> None:
        """Wait until every server that was begun has started or failed."""
        for started in self._started.values():
            started.exception()

    def revive(self) -> None:
        """Start again what a test has left down."""
        for server in self._servers():
            server.start()

    def close(self) -> None:
        """End our own servers; their data goes with the folder, so they need not end cleanly."""
        self._pool.shutdown()
        for server in self._servers():
            if self.owned or server.name in _OWN:
                server.kill()
                say(f"test servers: {server.name} on port {server.port} ended")

    def _servers(self) -> Iterator[Server]:
        for started in self._started.values():
            if started.done() and started.exception() is None:
                yield started.result()

    def _start(self, name: str) -> Server:
        server = self._make(name)
        with step(f"test servers: {name} on port {server.port}, in {server.directory}"):
            server.start()
        return server

    def _make(self, name: str) -> Server:
        install, ports = self.layout.install, self.layout.ports
        if name in _OWN:
            kind, installed = _OWN[name]
            (port,) = free_ports(1)
            return kind(installed(install), self._own_folder() / name, port, kind.memory(_POOL_MB, _REDO_MB))
        folder = self.layout.stack / name
        if name == "mysql":
            return MysqlServer(install_mysql(install), folder, ports.mysql)
        if name == "kafka":
            jars = install_kafka(install)
            return KafkaServer(jars, folder, ports.kafka, ports.kafka_controller)
        return ValkeyServer(install_valkey(install), folder, ports.redis)


_SERVERS = pytest.StashKey[SessionServers]()
_FOLDER = pytest.StashKey[SessionFolder]()


def root_connection(server: MysqlServer, database: str | None = None) -> "Connection[Cursor]":
    """Connect as root, with autocommit; use it in a `with`, which closes it.

    Not encrypted: PyMySQL would read all certificate authorities of the machine for each connection, 30 ms of CPU.
    """
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.root_user,
        password=server.root_password,
        database=database,
        autocommit=True,
        ssl_disabled=True,
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers that the collected tests use, all at the same time."""
    config = session.config
    if config.option.collectonly:
        return
    used = {name for item in session.items for name in _fixtures_of(item)}
    names = [name for fixture, name in _NAMES.items() if fixture in used]
    if names:
        with _uncaptured(config):
            servers = _of_session(config)
            servers.begin(names)
            servers.wait()


def _fixtures_of(item: pytest.Item) -> Iterator[str]:
    """The fixtures that a test names, and the one that `any_mysql` stands for."""
    yield from getattr(item, "fixturenames", ())
    parameters = getattr(item, "callspec", None)
    if parameters is not None and "any_mysql" in parameters.params:
        yield parameters.params["any_mysql"]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the session's servers and remove their folder."""
    servers = config.stash.get(_SERVERS, None)
    if servers is not None:
        servers.close()
    folder = config.stash.get(_FOLDER, None)
    if folder is not None:
        folder.remove()


def _of_session(config: pytest.Config) -> SessionServers:
    if _SERVERS not in config.stash:
        told = os.environ.get("HEADRACE_TEST_STACK_DIR")
        if told:
            layout = as_running(from_environment(os.environ, Path(told)))
        else:
            mysql, kafka, controller, redis = free_ports(4)
            ports = Ports(mysql=mysql, kafka=kafka, kafka_controller=controller, redis=redis)
            layout = Layout(default_install(os.environ), folder_of(config).path, ports)
        config.stash[_SERVERS] = SessionServers(layout, lambda: folder_of(config).path, owned=not told)
    return config.stash[_SERVERS]


def folder_of(config: pytest.Config) -> SessionFolder:
    """The folder of this session, which goes with it; servers below it are ended even when the session was killed."""
    if _FOLDER not in config.stash:
        config.stash[_FOLDER] = SessionFolder()
    return config.stash[_FOLDER]


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let progress lines through to the terminal."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    with capture.global_and_fixture_disabled():
        say("")
        yield


@pytest.fixture(scope="session")
def mysql_server(pytestconfig: pytest.Config) -> MysqlServer:
    """MySQL 9.7 with GTIDs; `root_connection(server)`, or `server.user` and `server.password`."""
    return _of_session(pytestconfig).get("mysql", MysqlServer)


@pytest.fixture(scope="session")
def mysql80_server(pytestconfig: pytest.Config) -> Mysql80Server:
    """MySQL 8.0.12 with GTIDs; used like `mysql_server`."""
    return _of_session(pytestconfig).get("mysql80", Mysql80Server)


@pytest.fixture(scope="session")
def mariadb_server(pytestconfig: pytest.Config) -> MariadbServer:
    """MariaDB 10.11; used like `mysql_server`."""
    return _of_session(pytestconfig).get("mariadb", MariadbServer)


@pytest.fixture(scope="session", params=_ANY_MYSQL)
def any_mysql(request: pytest.FixtureRequest) -> MysqlServer:
    """Each MySQL that the matrix is run on, one after the other."""
    server: MysqlServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def kafka_server(pytestconfig: pytest.Config) -> KafkaServer:
    """One Kafka node; `server.bootstrap`."""
    return _of_session(pytestconfig).get("kafka", KafkaServer)


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> ValkeyServer:
    """A Valkey; `server.url`."""
    return _of_session(pytestconfig).get("redis", ValkeyServer)


@pytest.fixture
def mysql_database(mysql_server: MysqlServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the name of a fresh database."""
    yield from _fresh_database(mysql_server, request)


@pytest.fixture
def any_database(any_mysql: MysqlServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the name of a fresh database of `any_mysql`."""
    yield from _fresh_database(any_mysql, request)


@pytest.fixture
def mariadb_database(mariadb_server: MariadbServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the name of a fresh database of `mariadb_server`."""
    yield from _fresh_database(mariadb_server, request)


#: Databases of tests whose jobs still run; the cluster's fixture drops them when it has ended those, or they would sweep topics.
_ENDED: list[tuple[MysqlServer, str]] = []


def drop_ended() -> None:
    """Drops the databases of tests that have ended."""
    while _ENDED:
        server, name = _ENDED.pop()
        with root_connection(server) as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")


def _fresh_database(server: MysqlServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t_{secrets.token_hex(6)}"
    with root_connection(server) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name}")
    yield name
    server.start()  # the test may have killed it
    _ENDED.append((server, name))
    if "cluster" not in request.fixturenames:
        drop_ended()


@pytest.fixture
def throwaway_mysql(pytestconfig: pytest.Config) -> Iterator[Callable[..., MysqlServer]]:
    """Give a function that starts another MySQL, with the mysqld options it is called with.

    For what the session's server cannot be: without GTIDs, with semi-sync, another time zone. It
    takes a few seconds; it is killed, with its data, after the test. `kind` is a MySQL of another series, or a MariaDB.
    """
    installs = default_install(os.environ)
    started: list[MysqlServer] = []

    def start(*options: str, kind: type[MysqlServer] = MysqlServer) -> MysqlServer:
        folder = folder_of(pytestconfig).path / f"throwaway-{secrets.token_hex(4)}"
        (port,) = free_ports(1)
        try:
            install = dict(_OWN.values()).get(kind, install_mysql)
            program, options = install(installs), (*kind.memory(_POOL_MB, _REDO_MB), *options)
            server = kind(program, folder, port, options, template=folder.with_name(f"template-{kind.name}"))
            server.start()
        except StackError as error:
            pytest.fail(str(error), pytrace=False)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()
        shutil.rmtree(server.directory)


@pytest.fixture(autouse=True)
def _revived_servers(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    servers = pytestconfig.stash.get(_SERVERS, None)
    if servers is not None:
        servers.revive()
