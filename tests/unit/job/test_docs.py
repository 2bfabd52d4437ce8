"""docs/job-file.md lists every option where it belongs, with its default, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.job.options import OPTIONS, Option
from shared.job.spec import parse

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "job-file.md").read_text()
STATES = ("Supported", "Accepted without effect", "Refused")


def documented(block: str) -> dict[str, list[tuple[str, list[str]]]]:
    """The rows of a block's tables by state: option and further cells."""
    section = TEXT.partition(f"\n## `{block}`\n")[2].partition("\n## ")[0]
    rows: dict[str, list[tuple[str, list[str]]]] = {state: [] for state in STATES}
    state = ""
    for line in section.splitlines():
        if line.startswith("### "):
            state = line[4:]
        elif match := re.match(r"\| `([^`]+)` \|(.*)\|$", line):
            rows[state].append((match[1], [cell.strip() for cell in match[2].split(" |")]))
    return rows


def state_of(option: Option) -> str:
    if option.refusal is not None:
        return "Refused"
    return "Supported" if option.field or option.required else "Accepted without effect"


@pytest.mark.parametrize("block", list(OPTIONS))
@pytest.mark.parametrize("state", STATES)
def test_every_option_is_documented_once_and_no_other(block: str, state: str) -> None:
    expected = sorted(option.name for option in OPTIONS[block] if state_of(option) == state)
    assert expected == sorted(name for name, _ in documented(block)[state])


@pytest.mark.parametrize("block", list(OPTIONS))
def test_documented_defaults_are_the_real_ones(block: str) -> None:
    def default(option: Option) -> str:
        if option.required:
            return "required"
        return "\N{EN DASH}" if option.default is None else f"`{option.default}`"

    expected = {o.name: default(o) for o in OPTIONS[block] if state_of(o) == "Supported"}
    assert expected == {name: cells[1] for name, cells in documented(block)["Supported"]}


def test_the_reference_jobs_of_the_page_are_those_of_the_tests() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    job, renamed, pattern = blocks[:3]
    here = Path(__file__).parent
    assert job == (here / "reference_whole_database.yaml").read_text()
    assert job + renamed == (here / "reference_renamed.yaml").read_text()
    assert job + pattern == (here / "reference_pattern.yaml").read_text()
    parse(job)
