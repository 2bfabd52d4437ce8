"""Helm for tests."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.plugins.fix_built import built


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
    return Helm(built(pytestconfig, "helm"))
