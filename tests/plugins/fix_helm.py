"""Helm for tests, built once by the local stack's own installer.

The build takes minutes on a fresh machine. It begins with the session, at the lowest priority, beside the tests that wait for
servers, and the tests that need it come last.
"""

import os
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.plugins.fix_servers import StackError, default_install

from headrace_local.helm import install_helm  # isort: skip - fix_servers makes this package importable

_HELM = pytest.StashKey[Future[Path]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that render last."""
    items.sort(key=_needs_helm)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Begins the build, after the servers have started."""
    if not session.config.option.collectonly and any(map(_needs_helm, session.items)):
        pool = ThreadPoolExecutor(1, "helm")
        session.config.stash[_HELM] = pool.submit(install_helm, default_install(os.environ))
        pool.shutdown(wait=False)


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
    try:
        return Helm(pytestconfig.stash[_HELM].result())
    except StackError as error:
        pytest.fail(str(error), pytrace=False)
