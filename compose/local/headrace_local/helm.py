"""Helm, built from its source with Go: the tests of the chart in `helm/` render it, and nothing else needs it."""

from pathlib import Path

from .go import GoProgram, install_program

_HELM = GoProgram("helm", "helm.sh/helm/v3", "cmd/helm", "3.18.6", needs_go="1.24")


def install_helm(folder: Path) -> Path:
    """Return the program, built first if it is missing."""
    return install_program(folder, _HELM)
