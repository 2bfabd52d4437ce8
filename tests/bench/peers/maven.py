"""Jars of peers, fetched once with Maven, as compose/local fetches Kafka's."""

from collections.abc import Sequence
from pathlib import Path

from headrace_local.console import StackError
from headrace_local.installed import install_once
from headrace_local.java import install_java
from headrace_local.maven import LOG4J, copy_jars

from tests.bench.span import NotMeasured
from tests.plugins.fix_headrace import REPOSITORY

__all__ = ["LOG4J", "jars"]

FOLDER = REPOSITORY / ".local" / "bench-peers"


def jars(name: str, artifacts: Sequence[str], without: Sequence[str] = ()) -> Path:
    """The folder with the artifacts (group:artifact:version) and all they need, but for `without` (group:artifact).

    Raises:
        NotMeasured: they cannot be had.
    """
    try:
        install_java(maven=True)
        return install_once(FOLDER, name, lambda target, work: copy_jars(name, artifacts, target, work, without))
    except StackError as error:
        raise NotMeasured(error.what) from error
