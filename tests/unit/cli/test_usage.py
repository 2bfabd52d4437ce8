"""Every way out of `scheduler` has its exit code and one clear message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.cli import cli
from scheduler.cli.exits import MEANINGS, Exit, exit_of
from shared import errors
from shared.errors import HeadraceError, InvalidJob
from tests.unit.cli.fake_world import FakeWorld, one_json


def every_error(kind: type[HeadraceError] = HeadraceError) -> list[type[HeadraceError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every_error(child))]


def test_every_error_has_an_exit_code() -> None:
    codes = {kind.__name__: exit_of(kind("m")) for kind in every_error() if kind.__module__ == errors.__name__}
    assert codes["InvalidJob"] == codes["PreflightFailed"] == codes["MissingSecret"] == codes["UnsupportedType"] == 2
    assert codes["Unavailable"] == codes["Superseded"] == 3
    assert codes["Bug"] == codes["BinlogLost"] == codes["SinkRefused"] == 1
    assert set(codes.values()) == {Exit.FAILED, Exit.REFUSED, Exit.UNAVAILABLE}


@pytest.mark.parametrize(
    "words", [["chek"], ["check"], ["status", "--jsn"], ["submit", "a", "b"], ["watch"], ["submit", "-", "--var"]]
)
def test_bad_usage_is_exit_code_2_with_the_usage(words: list[str]) -> None:
    done = FakeWorld().run(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: ")
    assert "Error: " in done.stderr
    assert done.stdout == ""


def test_bad_usage_and_errors_are_json_for_scripts() -> None:
    usage = one_json(FakeWorld().run("check", "--json").stderr)
    assert (usage["exit_code"], usage["error"]["name"]) == (2, "Usage")
    world = FakeWorld()
    world.registry_error = InvalidJob("Bad number.", "Correct it.", "HEADRACE_LEASE_SECONDS")
    found = world.run("status", "--json")
    assert found.stdout == ""
    error = {"name": "InvalidJob", "message": "Bad number.", "hint": "Correct it.", "path": "HEADRACE_LEASE_SECONDS"}
    assert one_json(found.stderr) == {"error": error, "exit_code": 2}


def test_a_bad_setting_is_named_with_its_variable() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scheduler", "status"],
        cwd=Path(__file__).parents[3],
        env={"HEADRACE_LEASE_SECONDS": "soon"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: HEADRACE_LEASE_SECONDS: ")
    assert "Traceback" not in done.stderr


def test_every_help_text_teaches() -> None:
    top = FakeWorld().run("--help")
    assert top.exit_code == 0
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in top.stdout
    for name, verb in cli.commands.items():
        done = FakeWorld().run(name, "--help")
        assert done.exit_code == 0
        assert verb.help is not None
        assert len(verb.help.split()) > 10, name


def test_the_version_is_told() -> None:
    done = FakeWorld().run("--version")
    assert (done.exit_code, done.stdout.split()[:2]) == (0, ["headrace,", "version"])
