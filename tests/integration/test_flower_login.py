"""The Flower that compose and chart start lets nobody in without the login, and answers its probe without one."""

import base64
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.fix_headrace import REPOSITORY, Cluster
from tests.plugins.fix_servers import free_ports

LOGIN = "admin:p#s:word"


@pytest.fixture
def flower(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """Its address."""
    login = tmp_path / "login"
    login.write_text(f"{LOGIN}\n")
    config = tmp_path / "flowerconfig.py"
    text = (REPOSITORY / "compose" / "flowerconfig.py").read_text()
    config.write_text(text.replace("/etc/headrace/flower/login", str(login)))
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "flower", f"--conf={config}", f"--port={port}"]
    process = subprocess.Popen(
        [*command, "--address=127.0.0.1"], cwd=tmp_path, env=cluster.environment, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while answer(f"{address}/healthcheck") != 200:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(20)


def answer(url: str, login: str = "") -> int:
    """The answer's status; 0 for none."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_flower_lets_nobody_in_without_the_login(flower: str) -> None:
    for page in ("/workers", "/tasks", "/broker", "/api/workers"):
        assert answer(flower + page) == 401, page
        assert answer(flower + page, "admin:word") == 401, page
    assert answer(flower + "/workers", LOGIN) == 200
    assert answer(flower + "/healthcheck") == 200
