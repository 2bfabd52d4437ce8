"""Chromium: the test of what people see in Flower needs a browser, and nothing else does."""

import shutil
from collections.abc import Iterator

from .console import StackError
from .debian import install_packages

#: Any of them will do. Debian's package of the first one is the smallest: it has no window, and so no toolkit for one.
_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGE = _PROGRAMS[0]


def install_browser() -> str:
    """Return the program, installed first if the machine has none."""
    if next(_found(), None) is None:
        install_packages([_PACKAGE], "a browser")
    program = next(_found(), None)
    if program is None:
        raise StackError(f"Debian's {_PACKAGE} has no program where it should be", "put a Chromium on PATH")
    return program


def _found() -> Iterator[str]:
    for name in _PROGRAMS:
        program = shutil.which(name)
        if program is not None:
            yield program
