"""Helm for tests, built once by the local stack's own installer.

The build takes minutes on a fresh machine. It begins with the session, at the lowest priority, beside the tests that wait for
servers, and the tests that need it come last.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.fix_servers import REPOSITORY, StackError, default_install

from headrace_local.helm import install_helm  # isort: skip - fix_servers makes this package importable

_BUILD = pytest.StashKey[subprocess.Popen]()
_BUILD_CODE = """
import os
from headrace_local.helm import install_helm
from headrace_local.layout import default_install

install_helm(default_install(os.environ))
"""
_LEAVE_TIMEOUT_S = 10


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that render last."""
    items.sort(key=_needs_helm)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Begins the build, after the servers have started."""
    if not session.config.option.collectonly and any(map(_needs_helm, session.items)):
        session.config.stash[_BUILD] = subprocess.Popen(
            [sys.executable, "-c", _BUILD_CODE],
            cwd=REPOSITORY / "compose" / "local",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what goes wrong is told by the fixture, which tries again
            start_new_session=True,
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """A session that ends early does not wait for the build; what it left is removed by the next one."""
    build = config.stash.get(_BUILD, None)
    if build is not None and build.poll() is None:
        os.killpg(build.pid, signal.SIGTERM)
        build.wait(_LEAVE_TIMEOUT_S)


def _needs_helm(item: pytest.Item) -> bool:
    return "helm" in getattr(item, "fixturenames", ())


class Helm:
    """The program."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess:
        """Runs it; nothing of the user's own settings is read."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        return subprocess.run([self._program, *arguments], env=clean, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="session")
def helm(pytestconfig: pytest.Config) -> Helm:
    """Helm, run without a cluster."""
    pytestconfig.stash[_BUILD].wait()
    try:
        return Helm(install_helm(default_install(os.environ)))
    except StackError as error:
        pytest.fail(str(error), pytrace=False)
