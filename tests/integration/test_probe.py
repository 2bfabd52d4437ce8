"""Real workers show that their loops turn: `python -m workers.probe` is what containers ask."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugins.fix_headrace import REPOSITORY, Cluster, Process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "live"


@pytest.fixture
def thawed() -> Iterator[Callable[[Process], None]]:
    """Gives a function that freezes a process until the test is over."""
    frozen: list[Process] = []

    def freeze(process: Process) -> None:
        os.kill(process.pid, signal.SIGSTOP)
        frozen.append(process)

    yield freeze
    for process in frozen:
        os.kill(process.pid, signal.SIGCONT)


def probe(folder: Path) -> int:
    environment = {**os.environ, "HEADRACE_LIVENESS_DIR": str(folder)}
    return subprocess.run([sys.executable, "-m", "workers.probe"], cwd=REPOSITORY, env=environment).returncode


def files(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}-*"))


def late(folder: Path, name: str) -> None:
    """As if the loop had not turned for long."""
    for path in files(folder, name):
        os.utime(path, (1.0, 1.0))


def seconds_ahead(folder: Path, name: str) -> float:
    (path,) = files(folder, name)
    return path.stat().st_mtime - time.time()


def test_a_snapshot_worker_shows_that_its_loop_turns(
    cluster: Cluster, folder: Path, thawed: Callable[[Process], None]
) -> None:
    worker = cluster.snapshot_worker(HEADRACE_LIVENESS_DIR=str(folder))
    cluster.wait("a sign of life", lambda: probe(folder) == 0)
    late(folder, "loop")
    cluster.wait("another sign", lambda: probe(folder) == 0)
    thawed(worker)
    late(folder, "loop")
    assert probe(folder) == 1


def test_a_snapshot_worker_without_redis_is_not_taken_for_a_hung_one(
    cluster: Cluster, folder: Path, redis_server
) -> None:
    cluster.snapshot_worker(HEADRACE_LIVENESS_DIR=str(folder))
    cluster.wait("a sign of life", lambda: probe(folder) == 0)
    assert seconds_ahead(folder, "loop") < 100
    redis_server.kill()
    cluster.wait("it says that it waits", lambda: seconds_ahead(folder, "loop") > 1000)
    redis_server.start()
    cluster.wait("it turns again", lambda: seconds_ahead(folder, "loop") < 100)
    late(folder, "loop")
    cluster.wait("and goes on turning", lambda: probe(folder) == 0)


def test_a_binlog_worker_and_its_leaders_show_that_they_turn(
    cluster: Cluster, folder: Path, mysql_database: str, mysql_server, thawed: Callable[[Process], None]
) -> None:
    from tests.plugins.fix_servers import root_connection

    with root_connection(mysql_server, mysql_database) as connection:
        connection.cursor().execute("CREATE TABLE t (id INT PRIMARY KEY)")
        connection.cursor().execute("INSERT INTO t VALUES (1)")
    worker = cluster.binlog_worker(HEADRACE_LIVENESS_DIR=str(folder))
    cluster.wait("a sign of life", lambda: probe(folder) == 0)
    text = (REPOSITORY / "docs" / "examples" / "whole-database.yaml").read_text()
    cluster.submit(text.replace("order_dw", mysql_database), "lead")
    cluster.wait("the leader's sign", lambda: len(files(folder, "tenure")) == 1)
    assert probe(folder) == 0
    late(folder, "tenure")
    cluster.wait("another sign", lambda: probe(folder) == 0)
    for pid in worker.children():
        os.kill(pid, signal.SIGKILL)
    cluster.wait("what the dead leader left is gone", lambda: len(files(folder, "tenure")) == 1 and probe(folder) == 0)
    thawed(worker)
    late(folder, "supervisor")
    assert probe(folder) == 1
