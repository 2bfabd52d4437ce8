"""Connections to MySQL: encrypted, checked, refused where they must be, and by a Unix socket."""

from __future__ import annotations

import pytest
from headrace_local.mysql import MysqlServer

from shared.adapters.mysql.session import MysqlTarget, Session
from shared.errors import HeadraceError, PreflightFailed
from shared.model.tls import Tls, TlsMode
from tests.integration.kafka_lab import Authority
from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.plugins.fix_headrace import fold, read_topic

ROWS = {b'{"id":1}': b'{"id":1,"v":1}', b'{"id":2}': b'{"id":2,"v":2}'}


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.write()
    return made


@pytest.fixture
def server(authority, throwaway_mysql) -> MysqlServer:
    """Its certificate names 127.0.0.1 and not localhost."""
    own = authority.folder
    made = throwaway_mysql(f"--ssl-ca={own}/ca.pem", f"--ssl-cert={own}/broker.pem", f"--ssl-key={own}/broker.pem")
    execute(
        made,
        "CREATE DATABASE tls;\nCREATE TABLE tls.t (id INT PRIMARY KEY, v INT);\nINSERT INTO tls.t VALUES (1, 1);\n"
        "ALTER USER 'headrace'@'%' REQUIRE X509;\nCREATE USER 'tester'@'%'",
    )
    return made


def cipher(server: MysqlServer, host: str, tls: Tls) -> str:
    """The cipher of a connection; empty when it is not encrypted."""
    target = MysqlTarget(host, server.port, "tester", "", tls=tls)
    with Session(target, "test") as session:
        return session.named("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0]["value"]


def refusal(server: MysqlServer, host: str, tls: Tls) -> HeadraceError:
    with pytest.raises(HeadraceError) as raised:
        cipher(server, host, tls)
    return raised.value


def test_what_is_asked_for_is_what_happens(server, authority, tmp_path) -> None:
    ca = f"{authority.folder}/ca.pem"
    other = Authority(tmp_path)
    other.write()
    assert cipher(server, "127.0.0.1", Tls(TlsMode.DISABLED)) == ""
    for mode in (TlsMode.PREFERRED, TlsMode.REQUIRED):
        assert cipher(server, "localhost", Tls(mode)) != ""
    assert cipher(server, "localhost", Tls(TlsMode.VERIFY_CA, ca)) != ""
    assert cipher(server, "127.0.0.1", Tls(TlsMode.VERIFY_IDENTITY, ca)) != ""
    for host, tls in (
        ("127.0.0.1", Tls(TlsMode.VERIFY_CA, f"{tmp_path}/ca.pem")),
        ("127.0.0.1", Tls(TlsMode.VERIFY_CA)),  # none of the machine's authorities signed it
        ("localhost", Tls(TlsMode.VERIFY_IDENTITY, ca)),
    ):
        error = refusal(server, host, tls)
        assert isinstance(error, PreflightFailed)
        assert "CERTIFICATE_VERIFY_FAILED" in error.message
        assert "source.ssl.ca" in error.hint
    for tls, path in (
        (Tls(TlsMode.VERIFY_CA, f"{tmp_path}/nowhere.pem"), "source.ssl.ca"),
        (Tls(TlsMode.REQUIRED, cert=f"{tmp_path}/jwks.json"), "source.ssl.cert"),
    ):
        assert refusal(server, "127.0.0.1", tls).path == path  # type: ignore[attr-defined]
    execute(server, "SET GLOBAL require_secure_transport = ON")
    error = refusal(server, "127.0.0.1", Tls(TlsMode.DISABLED))
    assert isinstance(error, PreflightFailed)
    assert "source.ssl.mode" in error.hint


def test_a_server_that_cannot_encrypt_is_refused_where_it_must(throwaway_mysql) -> None:
    plain = throwaway_mysql("--tls-version=")
    execute(plain, "CREATE USER 'tester'@'%'")
    assert cipher(plain, "127.0.0.1", Tls()) == ""
    for mode in (TlsMode.REQUIRED, TlsMode.VERIFY_CA):
        error = refusal(plain, "127.0.0.1", Tls(mode))
        assert isinstance(error, PreflightFailed)
        assert "doesn't support" in error.message


def test_a_job_proves_who_it_is_and_who_answers(cluster, server, authority) -> None:
    own = authority.folder
    cluster.environment |= {
        "HEADRACE_VAR_PORT": str(server.port),
        "HEADRACE_VAR_HOSTNAME": "127.0.0.1",
        "HEADRACE_VAR_FOLDER": str(own),
    }
    refused = cluster.cli("submit", "-", "--name", "no", stdin=job("tls.t", source="  ssl.mode: required"))
    assert refused.returncode != 0, "its user must show a certificate"
    idle = cluster.cli(
        "submit", "-", "--name", "no", stdin=job("tls.t", source="  ssl.mode: required\n  ssl.ca: ca.pem")
    )
    assert idle.returncode == 2
    assert "has no effect" in idle.stdout + idle.stderr
    source = "  ssl: {mode: verify-identity, ca: '#{folder}/ca.pem', cert: '#{folder}/broker.pem'}"
    leader, _ = cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(job("tls.t", source=source), "tls")
    cluster.wait("the job streams", lambda: streaming(cluster, "tls"))
    execute(server, "INSERT INTO tls.t VALUES (2, 2)")
    eventually_holds(cluster, "tls.t", ROWS)
    assert not leader.says("tenure_failed")


def test_a_job_by_a_unix_socket(cluster, mysql_server, mysql_database) -> None:
    execute(mysql_server, "CREATE TABLE t (id INT PRIMARY KEY, v INT);\nINSERT INTO t VALUES (1, 1)", mysql_database)
    cluster.environment |= {"HEADRACE_VAR_HOSTNAME": str(mysql_server.socket)}
    idle = cluster.cli("submit", "-", "--name", "no", stdin=job(f"{mysql_database}.t", source="  ssl.mode: required"))
    assert idle.returncode == 2
    assert "is a Unix socket" in idle.stdout + idle.stderr
    cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(job(f"{mysql_database}.t"), "socket")
    cluster.wait("the job streams", lambda: streaming(cluster, "socket"))
    execute(mysql_server, "INSERT INTO t VALUES (2, 2)", mysql_database)
    cluster.wait("the change arrives", lambda: fold(read_topic(cluster.bootstrap, f"{mysql_database}.t")) == ROWS)
