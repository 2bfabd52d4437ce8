"""Accounts by the plugin that they log in by, each with a whole job; those that cannot log in; servers that nobody may write to, and that share an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from headrace_local.mariadb import MariadbServer
from headrace_local.mysql import MysqlServer

from shared.adapters.mysql.session import MysqlTarget, Session
from shared.errors import PreflightFailed
from tests.integration.test_ddl import MOVING, START, begin, caught_up
from tests.integration.test_job import copied, eventually_holds, execute, job, streaming
from tests.integration.test_throttle import begin_replica
from tests.integration.test_verify import writing
from tests.plugins.fix_servers import root_connection
from tests.torture.proxy import Proxy

#: Not all of its letters are in latin1. (MySQL 8.0 keeps passwords in three bytes a letter, so that there is none of four.)
PASSWORD = 'pä☃"w: #d'

#: Of each server: plugin and `source.ssl.mode`. Newer MySQL has no mysql_native_password, and this MariaDB no certificate.
LOGINS = {
    "mysql_server": [("caching_sha2_password", "disabled"), ("caching_sha2_password", "required")],
    "mysql80_server": [
        ("mysql_native_password", "disabled"),
        ("sha256_password", "disabled"),
        ("sha256_password", "required"),
    ],
    "mariadb_server": [("mysql_native_password", "disabled"), ("ed25519", "disabled")],
}


@pytest.fixture(params=LOGINS)
def server(request) -> MysqlServer:
    return request.getfixturevalue(request.param)


@pytest.fixture
def account(server, request) -> Iterator[Callable[[str, str], str]]:
    """Give a function that makes an account on `server`, of its name and of how it is identified; it goes with the test."""
    made: list[str] = []

    def make(name: str, identified: str) -> str:
        made.append(name)
        execute(
            server,
            f"CREATE USER {name} IDENTIFIED {identified};\nGRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO {name}",
        )
        return name

    yield make
    for name in made:
        execute(server, f"DROP USER {name}")


def identified(server: MysqlServer, plugin: str, mode: str = "disabled") -> str:
    if isinstance(server, MariadbServer):
        return f"VIA {plugin} USING PASSWORD('{PASSWORD}')"
    return f"WITH {plugin} BY '{PASSWORD}'" + " REQUIRE SSL" * (mode == "required")


def test_a_job_by_each_login(cluster, server, account, request) -> None:
    """New accounts: a MySQL has no password of theirs in its memory, so that caching_sha2_password takes the long way."""
    database = f"logins_{server.name}"
    execute(server, f"DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database}")
    if isinstance(server, MariadbServer):
        execute(server, "INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'")
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port), "HEADRACE_VAR_PASSWORD": PASSWORD}
    leader, _ = cluster.binlog_worker(), cluster.snapshot_worker(1)
    logins = LOGINS[request.node.callspec.params["server"]]
    for number, (plugin, mode) in enumerate(logins):
        execute(
            server,
            f"CREATE TABLE t{number} (id INT PRIMARY KEY, v INT);\nINSERT INTO t{number} VALUES (1, {number})",
            database,
        )
        user = account(f"login{number}", identified(server, plugin, mode))
        text = job(f"{database}.t{number}", source=f"  ssl.mode: {mode}").replace("#{username}", user)
        cluster.submit(text, plugin + mode)
    for number, (plugin, mode) in enumerate(logins):
        cluster.wait(f"{plugin} streams", lambda name=plugin + mode: streaming(cluster, name))
        execute(server, f"INSERT INTO t{number} VALUES (2, 2)", database)
        rows = {b'{"id":1}': b'{"id":1,"v":%d}' % number, b'{"id":2}': b'{"id":2,"v":2}'}
        eventually_holds(cluster, f"{database}.t{number}", rows)
    assert not leader.says("tenure_failed")
    execute(server, f"DROP DATABASE {database}")


def refusal(server: MysqlServer, user: str) -> PreflightFailed:
    target = MysqlTarget(server.host, server.port, user, PASSWORD)
    with pytest.raises(PreflightFailed) as raised, Session(target, "test") as session:
        session.scalar("SELECT 1")  # a MariaDB lets in whose password has expired, and answers no question
    return raised.value


def test_an_account_that_cannot_log_in_is_told_why(server, account) -> None:
    plugin = "mysql_native_password" if isinstance(server, MariadbServer) else "caching_sha2_password"
    for name, more, told in (("locked", "ACCOUNT LOCK", "locked"), ("expired", "PASSWORD EXPIRE", "")):
        error = refusal(server, account(name, f"{identified(server, plugin)} {more}"))
        assert told in error.message
        assert "whether the account is locked, has expired" in error.hint


@pytest.mark.parametrize("server", ["mariadb_server"], indirect=True)
def test_a_login_that_headrace_does_not_know_is_named(cluster, server, account) -> None:
    execute(server, "INSTALL PLUGIN IF NOT EXISTS pam SONAME 'auth_pam_v1'")
    user = account("asked", "VIA pam")
    cluster.environment["HEADRACE_VAR_PORT"] = str(server.port)
    done = cluster.cli("check", "-", stdin=job("any.t").replace("#{username}", user) + "pipeline:\n  name: asked\n")
    assert done.returncode == 2
    said = " ".join((done.stdout + done.stderr).split())
    assert "The account logs in by dialog, which headrace cannot" in said
    assert "Traceback" not in said
    assert "ed25519" in refusal(server, user).hint


def read_only_mysql(source, throwaway_mysql, database: str) -> MysqlServer:
    server = throwaway_mysql("--server-id=2", "--skip-replica-start=ON")
    begin_replica(source, server, database)
    execute(server, "START REPLICA;\nSET GLOBAL super_read_only = ON")
    return server


def read_only_mariadb(source, throwaway_mysql, database: str) -> MysqlServer:
    server = throwaway_mysql("--server-id=2", "--log-slave-updates", kind=MariadbServer)
    with root_connection(source) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_binlog_pos")
        (executed,) = cursor.fetchone()
    execute(
        server,
        f"CREATE DATABASE {database};\nRESET MASTER;\nSET GLOBAL gtid_slave_pos = '{executed}';\n"
        f"CHANGE MASTER TO MASTER_HOST = '{source.host}', MASTER_PORT = {source.port}, MASTER_USER = '{source.user}',"
        f" MASTER_PASSWORD = '{source.password}', MASTER_USE_GTID = slave_pos;\nSTART SLAVE;\nSET GLOBAL read_only = ON",
    )
    return server


def has_rows(server: MysqlServer, database: str) -> bool:
    """True when it has the last of the rows by now."""
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM information_schema.tables WHERE table_schema = '{database}' AND table_name = 'other'"
        )
        return bool(cursor.fetchall()) and cursor.execute(f"SELECT id FROM {database}.other LIMIT 1") > 0


def is_told(cluster, note: str) -> bool:
    return any(note in one for one in cluster.status("shop")["notes"])


@pytest.mark.parametrize(("kind", "make"), [("mysql", read_only_mysql), ("mariadb", read_only_mariadb)])
def test_a_source_that_is_read_only_and_shares_its_address(cluster, throwaway_mysql, request, kind: str, make) -> None:
    """A replica: a job copies and follows what comes from its source, and needs to write nothing to it. Behind one address stand both,
    and each connection is to the other one: a leader, which wants one server, says so; readers may be ahead of it.
    """
    source, database = (request.getfixturevalue(f"{kind}_{what}") for what in ("server", "database"))
    replica = make(source, throwaway_mysql, database)
    execute(source, START, database)
    cluster.wait("the rows arrive", lambda: has_rows(replica, database))
    with closing(Proxy(source.port, replica.port)) as proxy:
        cluster.environment["HEADRACE_VAR_PORT"] = str(proxy.port)
        refused = f"Unavailable: MySQL at 127.0.0.1:{proxy.port} is two servers"
        with writing(source, database, MOVING, 0.02):
            leader = begin(cluster, source, database, start="")
            cluster.wait("it is told", lambda: is_told(cluster, refused))
            assert not leader.says("tenure_begins")
            proxy.lead_to(replica.port)
            cluster.wait("the job begins", lambda: leader.says("tenure_begins"))
            tries = leader.log.read_text().count("tenure_failed")
            proxy.lead_to(source.port, replica.port)
            cluster.wait("the tables are copied", lambda: copied(cluster, "shop"))
            assert not is_told(cluster, refused)
        caught_up(cluster, source, database)
        assert leader.log.read_text().count("tenure_failed") == tries
        cluster.stop()  # before its address is gone
