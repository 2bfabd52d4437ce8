"""Programs that take minutes to build on a fresh machine, for tests, built once by the local stack's own installers.

A build begins with the session, at the lowest priority, beside the tests that wait for servers, and the tests that need it come last.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.fix_servers import REPOSITORY, StackError, default_install

from headrace_local.gh_ost import install_gh_ost  # isort: skip - fix_servers makes this package importable
from headrace_local.helm import install_helm  # isort: skip

#: By the fixture that needs it.
_INSTALLS: dict[str, Callable[[Path], Path]] = {"helm": install_helm, "gh_ost": install_gh_ost}
_BUILDS = pytest.StashKey[dict[str, subprocess.Popen]]()
_BUILD_CODE = """
import os
from {module} import {install}
from headrace_local.layout import default_install

{install}(default_install(os.environ))
"""
_LEAVE_TIMEOUT_S = 10


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that need a build last."""
    items.sort(key=lambda item: bool(_needed([item])))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Begins the builds, after the servers have started."""
    if not session.config.option.collectonly:
        session.config.stash[_BUILDS] = {name: _begun(_INSTALLS[name]) for name in _needed(session.items)}


def pytest_unconfigure(config: pytest.Config) -> None:
    """A session that ends early does not wait for its builds; what they left is removed by the next one."""
    for build in config.stash.get(_BUILDS, {}).values():
        if build.poll() is None:
            os.killpg(build.pid, signal.SIGTERM)
            build.wait(_LEAVE_TIMEOUT_S)


def built(config: pytest.Config, name: str) -> Path:
    """The program that the fixture `name` gives to tests; one that cannot be built fails the test."""
    config.stash[_BUILDS][name].wait()
    try:
        return _INSTALLS[name](default_install(os.environ))
    except StackError as error:
        pytest.fail(str(error), pytrace=False)


def _begun(install: Callable[[Path], Path]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD_CODE.format(module=install.__module__, install=install.__name__)],
        cwd=REPOSITORY / "compose" / "local",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # what goes wrong is told by `built`, which tries again
        start_new_session=True,
    )


def _needed(items: list[pytest.Item]) -> set[str]:
    return {name for item in items for name in getattr(item, "fixturenames", ()) if name in _INSTALLS}
