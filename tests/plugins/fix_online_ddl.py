"""gh-ost and pt-online-schema-change for tests: run on a server until they have altered a table."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.plugins.fix_built import built
from tests.plugins.fix_servers import MysqlServer, StackError, default_install

from headrace_local.percona_toolkit import (  # isort: skip - fix_servers makes this package importable
    install_pt_osc,
    pt_osc_command,
    pt_osc_environment,
)

_TIMEOUT_S = 90
# Small chunks, so that changes come between them; the server has no replicas to wait for.
_GH_OST = ("--execute", "--allow-on-master", "--chunk-size=100", "--skip-foreign-key-checks", "--default-retries=20")
_PT_OSC = (
    "--execute",
    "--chunk-size=100",
    "--no-version-check",
    "--recursion-method=none",
    "--set-vars=lock_wait_timeout=5",
)


class GhOst:
    """gh-ost."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, server: MysqlServer, database: str, table: str, alteration: str, *options: str) -> None:
        """Alters a table; `--revert` takes no alteration."""
        where = (f"--host={server.host}", f"--port={server.port}", f"--user={server.root_user}")
        what = (f"--database={database}", f"--table={table}", f"--alter={alteration}")
        _run([str(self._program), *where, *what, *_GH_OST, *options], dict(os.environ))


class PtOsc:
    """pt-online-schema-change."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, server: MysqlServer, database: str, table: str, alteration: str, *options: str) -> None:
        """Alters a table."""
        where = f"h={server.host},P={server.port},u={server.root_user},D={database},t={table}"
        command = [*pt_osc_command(self._root), *_PT_OSC, *options, f"--alter={alteration}", where]
        _run(command, dict(pt_osc_environment(self._root)))


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def gh_ost(pytestconfig: pytest.Config) -> GhOst:
    """gh-ost, which reads the binlog itself."""
    return GhOst(built(pytestconfig, "gh_ost"))


@pytest.fixture(scope="session")
def pt_osc() -> PtOsc:
    """pt-online-schema-change, which works by triggers."""
    try:
        return PtOsc(install_pt_osc(default_install(os.environ)))
    except StackError as error:
        pytest.fail(str(error), pytrace=False)
