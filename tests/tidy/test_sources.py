"""Rules of the house that no linter knows: sizes, names, leftovers, dead modules, and what must stand in one file only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.tidy.tree import PACKAGES, ROOT, module_name, parsed, sources, texts

LINES_MAX = 400
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}

#: Started by name, never imported.
ENTRY_POINTS = {"workers.app", "workers.probe", "workers.binlog.__main__", "scheduler.__main__"}
#: Twins of the adapters, which ship for the simulation.
TWINS = "shared.adapters.memory"

MARKERS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w./~$}-])/(?:root|home|work|Users)/[\w.]")
REGISTRY_HOSTS = re.compile(
    r"pypi\.org|pythonhosted\.org|maven\.org|maven\.apache\.org/maven2|apache\.org/maven2|npmjs\.org"
    r"|proxy\.golang\.org|crates\.io|deb\.debian\.org"
)


def occurrences(pattern: re.Pattern[str]) -> list[str]:
    """Where the pattern stands in the repository's text, but for this file, which spells it."""
    this = str(Path(__file__).relative_to(ROOT))
    return [f"{name}: {match[0]}" for name, text in texts() if name != this for match in pattern.finditer(text)]


def names(paths: tuple[Path, ...]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_the_tree_is_seen() -> None:
    assert len(sources(*PACKAGES)) > 50
    assert "README.md" in dict(texts())


def test_no_file_is_too_long() -> None:
    found = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources(*PACKAGES, "compose")}
    assert {name: lines for name, lines in found.items() if lines > LINES_MAX} == {}


def test_modules_are_named_by_their_subject() -> None:
    parts = {name: set(Path(name).with_suffix("").parts) for name in names(sources(*PACKAGES, "compose", "tests"))}
    assert [name for name, words in parts.items() if words & BANNED_NAMES] == []


def test_nothing_is_left_over() -> None:
    assert occurrences(MARKERS) == []


def test_no_path_of_one_machine_and_no_registry_is_named() -> None:
    assert occurrences(MACHINE_PATHS) + occurrences(REGISTRY_HOSTS) == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        one is None or (isinstance(one, ast.Name) and one.id in ("Exception", "BaseException")) for one in caught
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_errors_are_caught_by_name(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(package)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    ]
    assert found == []


def test_one_file_spells_redis_keys() -> None:
    # Celery's own keys get their prefix where its app is made.
    allowed = {"shared/adapters/redis/keys.py", "shared/runtime/celery_app.py"}
    found = {str(p.relative_to(ROOT)) for p in sources(*PACKAGES) if "headrace:" in p.read_text()}
    assert found == allowed


def imported_by(path: Path) -> set[str]:
    """Every module that a file may import; `from a import b` names both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_every_module_is_imported_by_another() -> None:
    modules = {module_name(path) for path in sources(*PACKAGES) if path.name != "__init__.py"}
    used: set[str] = set()
    for path in sources(*PACKAGES):
        used |= imported_by(path) - {module_name(path)}
    dead = modules - used - ENTRY_POINTS
    twins = {name for name in dead if name.startswith(TWINS)}
    assert dead - twins == set()
    simulation = set().union(*(imported_by(path) for path in sources("tests")))
    assert twins - simulation == set()


def test_entry_points_are_there_and_imported_by_nobody() -> None:
    assert {module_name(path) for path in sources(*PACKAGES)} >= ENTRY_POINTS
    used = set().union(*(imported_by(path) for path in sources(*PACKAGES)))
    assert used & ENTRY_POINTS == set()


def test_every_package_says_what_it_is_for() -> None:
    silent = [str(p.relative_to(ROOT)) for p in sources(*PACKAGES, "compose") if not ast.get_docstring(parsed(p))]
    assert silent == []


def test_the_licence_is_there() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0" in text
