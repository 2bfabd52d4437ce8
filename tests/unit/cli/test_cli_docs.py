"""docs/cli.md has every verb, option, state, field and exit code, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from scheduler.cli import cli
from scheduler.cli.exits import MEANINGS
from scheduler.cli.picture import Origin, Picture, State, complete
from tests.unit.cli.fake_world import job

TEXT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/cli.md has no section {title}"
    return found[1]


def title(name: str, verb: click.Command) -> str:
    words = [p.metavar or p.human_readable_name for p in verb.params if isinstance(p, click.Argument)]
    return f"`{' '.join(['scheduler', name, *words])}`"


def options(verb: click.Command) -> set[str]:
    names = {name for p in verb.params if isinstance(p, click.Option) for name in p.opts if name.startswith("--")}
    return names - {"--help"}


def documented_options(text: str) -> list[str]:
    return re.findall(r"^\| `(--[a-z-]+)` \|", text, re.MULTILINE)


def first_cells(text: str, header: str) -> list[str]:
    rows = text.partition(f"| {header} |")[2].partition("\n\n")[0]
    return [cell for row in re.findall(r"^\| ([^|]+) \|", rows, re.MULTILINE) for cell in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("name", list(cli.commands))
def test_every_verb_has_a_section_with_its_options(name: str) -> None:
    verb = cli.commands[name]
    assert sorted(options(verb)) == sorted(documented_options(section(title(name, verb))))


def test_no_verb_is_documented_that_does_not_exist() -> None:
    expected = ["`scheduler`", *(title(name, verb) for name, verb in cli.commands.items())]
    assert expected == re.findall(r"^## (`scheduler[^\n]*)$", TEXT, re.MULTILINE)


def test_options_of_the_program_itself() -> None:
    assert set(documented_options(section("`scheduler`"))) == options(cli) | {"--help"}


def test_exit_codes_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", section("Exit codes"), re.MULTILINE)
    assert [(str(code.value), meaning) for code, meaning in MEANINGS.items()] == rows


def test_states_and_fields_of_status() -> None:
    text = section("`scheduler status [JOB]`")
    assert sorted(first_cells(text, "state | meaning")) == sorted(State)
    fields = set(first_cells(text, "field | meaning"))
    picture = Picture(job(), None, "", complete(None), Origin.NONE)
    assert fields == set(picture.as_json())
