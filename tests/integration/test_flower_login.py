"""The Flower that compose, chart and demo start lets nobody in without the login, and answers its probe without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.fix_flower import Flower
from tests.plugins.fix_headrace import REPOSITORY


def test_flower_lets_nobody_in_without_the_login(flower: Flower) -> None:
    for page in ("/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"):
        assert flower.status(page) == 401, page
        assert flower.status(page, "admin:word") == 401, page
    assert flower.status("/workers", flower.login) == 200
    assert flower.status("/healthcheck") == 200


@pytest.mark.parametrize(
    ("login", "said"),
    [(None, "no login for Flower"), ("", "user:password"), ("admin", "user:password"), ("admin:", "user:password")],
)
def test_flower_does_not_start_without_a_login(tmp_path: Path, login: str | None, said: str) -> None:
    if login is not None:
        (tmp_path / "login").write_text(login)
    code = (REPOSITORY / "compose" / "flowerconfig.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"FLOWER_LOGIN_FILE": str(tmp_path / "login")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
