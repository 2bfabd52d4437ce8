"""The repository as the tidy tests see it: its tracked files, its packages and modules. Nothing here starts or writes anything."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared", "scheduler", "workers")


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository, also those that are not yet committed; what .gitignore names is none."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of all tracked files that are UTF-8 text."""
    for path in tracked():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Python files below these top-level folders."""
    return tuple(path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders)


def module_name(path: Path) -> str:
    """The dotted name of a file of ours."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def packages() -> list[str]:
    """Dotted names of all packages below the three top-level ones, these included."""
    return sorted(module_name(path) for path in sources(*PACKAGES) if path.name == "__init__.py")


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))
