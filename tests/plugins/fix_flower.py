"""Flower as compose and chart start it, and a browser to look at it."""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.fix_headrace import Cluster
from tests.plugins.fix_servers import REPOSITORY, StackError, free_ports

from headrace_local.browser import install_browser  # isort: skip - fix_servers makes this package importable

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@dataclass(frozen=True)
class Flower:
    """A Flower that runs, and its login."""

    address: str
    login: str

    def status(self, page: str, login: str = "") -> int:
        """The status of an answer; 0 for none."""
        try:
            with self._open(page, login) as response:
                return response.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def text(self, page: str) -> str:
        """A page, with the login."""
        with self._open(page, self.login) as response:
            return response.read().decode()

    def json(self, page: str) -> Any:
        """An answer of the API, with the login."""
        return json.loads(self.text(page))

    def _open(self, page: str, login: str):
        request = urllib.request.Request(self.address + page)
        if login:
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        return urllib.request.urlopen(request, timeout=10)


@contextmanager
def running_flower(cluster: Cluster, folder: Path, login: str) -> Iterator[Flower]:
    """Starts Flower with the configuration of the image; the login's file is put into the folder."""
    (folder / "login").write_text(f"{login}\n")
    (port,) = free_ports(1)
    conf = REPOSITORY / "compose" / "flowerconfig.py"
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "flower", f"--conf={conf}", f"--port={port}"]
    process = cluster.start("flower", [*command, "--address=127.0.0.1"], {"FLOWER_LOGIN_FILE": str(folder / "login")})
    flower = Flower(f"http://127.0.0.1:{port}", login)
    cluster.wait("Flower answers", lambda: flower.status("/healthcheck") == 200)
    yield flower
    process.stop()


@pytest.fixture
def flower(cluster: Cluster, tmp_path: Path) -> Iterator[Flower]:
    """Flower on a cluster."""
    with running_flower(cluster, tmp_path, "admin:p#s:word") as started:
        yield started


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A Chromium without a window; installed with apt the first time. It lives for one test: while it does, no other event
    loop runs in this thread.
    """
    from playwright.sync_api import sync_playwright  # no other test pays for loading it

    try:
        program = install_browser()
    except StackError as error:
        pytest.fail(str(error), pytrace=False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """The folder of screenshots: docs/images, when those are to be made again."""
    return Path(os.environ.get("HEADRACE_TEST_SCREENSHOTS") or tmp_path)
