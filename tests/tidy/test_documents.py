"""The documents say what the code says: every setting, every error, every room; and no link leads nowhere."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import HeadraceError, Transient, policy_of
from shared.settings import Settings
from tests.tidy.tree import PACKAGES, ROOT, module_name, packages, sources, tracked

DOCS = ROOT / "docs"


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell is one word of code: that word, and the further cells."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, re.MULTILINE)
    assert len(found) == len(dict(found)), "a row comes twice"
    return {name: [cell.strip() for cell in re.split(r"(?<!\\) \|", rest)] for name, rest in found}


# Configuration.


def section(text: str, title: str) -> str:
    """What stands under a heading of the second rank."""
    assert f"\n## {title}\n" in text, title
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def settings_in_code() -> dict[str, str]:
    """Variables and their defaults as docs/configuration.md writes them."""
    found = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        if name == "kafka":
            continue  # a family of variables, which has a section of its own
        value = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        shown = "none" if value in (None, "") else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
        found[f"HEADRACE_{name.upper()}"] = shown
    return found


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    documented = {name: cells[1] for name, cells in rows(section(text_of("configuration.md"), "Settings")).items()}
    assert documented == settings_in_code()


def test_families_of_variables_are_documented() -> None:
    text = text_of("configuration.md")
    default = Settings.model_fields["kafka"].default["bootstrap.servers"].get_secret_value()
    for word in ("HEADRACE_KAFKA_<PROPERTY>", "HEADRACE_VAR_<NAME>", f"`{default}`"):
        assert word in text


@pytest.mark.parametrize(("prefix", "folder"), [("HEADRACE_STACK_", "compose"), ("HEADRACE_TEST_", "tests")])
def test_variables_of_the_local_stack_and_of_the_tests_are_documented(prefix: str, folder: str) -> None:
    pattern = re.compile(rf"\b{prefix}[A-Z_]*[A-Z]\b")
    here = Path(__file__).parent
    used = {word for path in sources(folder) if here not in path.parents for word in pattern.findall(path.read_text())}
    documented = {name for name in rows(text_of("configuration.md")) if name.startswith(prefix)}
    assert documented == used


def test_exit_codes_of_the_binlog_worker_are_documented() -> None:
    from workers.binlog import supervisor

    documented = rows(section(text_of("configuration.md"), "Exit codes of the binlog worker"))
    told = {int(code) for code in documented}
    assert told == {supervisor.EXIT_DONE, supervisor.EXIT_AGAIN, 1, 2, 3}


# Errors.


def error_classes() -> dict[str, type[HeadraceError]]:
    """Every error of the tree, found by importing all modules."""
    for path in sources(*PACKAGES):
        name = module_name(path)
        if name != "workers.app":  # makes an app and takes over logging; it defines nothing
            importlib.import_module(name)
    found: dict[str, type[HeadraceError]] = {}
    open_classes: list[type[HeadraceError]] = [HeadraceError]
    while open_classes:
        one = open_classes.pop()
        assert found.setdefault(one.__name__, one) is one, f"two errors are called {one.__name__}"
        open_classes += one.__subclasses__()
    return {name: one for name, one in found.items() if one.__module__.split(".")[0] in PACKAGES}


def test_every_error_is_documented_and_no_other() -> None:
    documented = re.findall(r"^### `(\w+)`$", text_of("errors.md"), re.MULTILINE)
    assert sorted(documented) == sorted(error_classes())


def test_the_table_of_policies_is_that_of_the_code() -> None:
    text = text_of("errors.md").partition("What makes a job go on")[2].partition("Trying again is")[0]
    documented = {name: tuple(cells) for name, cells in rows(text).items()}
    policies = {name: policy_of(kind) for name, kind in error_classes().items() if kind is not HeadraceError}
    assert documented == {
        name: ("yes" if policy.retried else "no", str(policy.mend), str(policy.exit_code))
        for name, policy in policies.items()
    }


def test_what_waiting_cannot_mend_is_never_tried_again() -> None:
    for kind in error_classes().values():
        assert policy_of(kind).retried == issubclass(kind, Transient)


def test_errors_stand_under_what_they_ask_for() -> None:
    """A page's heading is the error's parent that says whether waiting helps."""
    parent = ""
    wrong = []
    for line in text_of("errors.md").splitlines():
        if line.startswith("## "):
            parent = line
        elif match := re.match(r"### `(\w+)`$", line):
            one = error_classes()[match[1]]
            branch = next((c.__name__ for c in one.__mro__ if c.__name__ in ("Transient", "NeedsOperator", "Bug")), "")
            if branch and f"`{branch}`" not in parent:
                wrong.append(match[1])
    assert wrong == []


def test_every_error_says_what_it_is_and_can_cross_processes() -> None:
    import pickle

    for name, one in error_classes().items():
        assert one.__doc__, name
        error = one("What.", "How.")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.message, again.hint) == (one, str(error), "What.", "How."), name
        assert set(inspect.signature(one).parameters) >= {"message", "hint"}, name


# The map.


def test_the_map_names_every_package() -> None:
    text = text_of("architecture.md")
    missing = [name for name in packages() if f"`{name.replace('.', '/')}`" not in text]
    assert missing == []


def test_the_map_names_no_package_that_is_gone() -> None:
    named = re.findall(r"`((?:shared|scheduler|workers)(?:/\w+)*)`", text_of("architecture.md"))
    known = {name.replace(".", "/") for name in packages()}
    known |= {module_name(path).replace(".", "/") for path in sources(*PACKAGES)}
    assert sorted(set(named) - known) == []


def test_the_map_names_every_folder_of_tests() -> None:
    folders = {path.relative_to(ROOT).parts[1] for path in sources("tests") if len(path.relative_to(ROOT).parts) > 2}
    text = text_of("architecture.md")
    assert [name for name in sorted(folders) if f"`tests/{name}`" not in text] == []


# Links.

PAGES = [path for path in tracked() if path.suffix == ".md"]


def prose(text: str) -> str:
    """A page without its code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(path: Path) -> set[str]:
    """The names by which a page's headings are linked."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_local_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def test_pictures_are_small_and_every_one_is_shown() -> None:
    pictures = {path for path in tracked() if path.suffix == ".png"}
    assert [f"{path.name}: {path.stat().st_size}" for path in pictures if path.stat().st_size > 150_000] == []
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^]]*\]\((\S+\.png)\)", page.read_text())
    }
    assert pictures == shown


def test_files_that_pages_name_exist() -> None:
    named = {
        (str(page.relative_to(ROOT)), name)
        for page in PAGES
        for name in re.findall(r"`((?:shared|scheduler|workers|tests|compose|docs)/[\w./-]+\.\w+)`", page.read_text())
    }
    assert [f"{page}: {name}" for page, name in sorted(named) if not (ROOT / name).exists()] == []


def test_pages_that_the_code_names_exist() -> None:
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in sources(*PACKAGES, "compose")
        for name in re.findall(r"\bdocs/[\w-]+\.md\b", path.read_text())
    }
    assert [f"{path}: {name}" for path, name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_page_can_be_found_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", prose(page.read_text()))
        todo += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []


def test_the_readme_is_short_and_its_make_verbs_exist() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 90
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`|^ +make ([a-z]+)", text, re.MULTILINE)) != set()
    named = {a or b for a, b in re.findall(r"`make ([a-z]+)`|^ +make ([a-z]+)", text, re.MULTILINE)}
    assert named - verbs == set()


def test_job_files_in_the_pages_are_some() -> None:
    from shared.job.spec import parse

    blocks = [block for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    whole = [block for block in blocks if block.startswith("source:")]
    assert len(whole) >= 2
    for block in whole:
        parse(block)


def commands(text: str) -> list[list[str]]:
    """Every call of `scheduler` in a page, in words; what stands for something else (JOB, …) is a word as well."""
    lines = [line.strip() for line in text.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    found = []
    for line in lines:
        if re.match(r"scheduler [a-z]+\b", line):
            line = re.split(r" {2,}| #| [|>&<]", line)[0]
            found.append(re.sub(r"""(["']).*?(\1|$)""", "TEXT", line).split()[1:])
    return found


def test_commands_that_pages_name_exist_with_their_options() -> None:
    from scheduler.cli import cli

    wrong, seen = [], 0
    for page in PAGES:
        for verb, *words in commands(page.read_text()):
            known = (
                {name for option in cli.commands[verb].params for name in option.opts} if verb in cli.commands else None
            )
            options = {word.strip("[]…") for word in words if re.match(r"\[?--[a-z]", word)}
            seen += 1
            if known is None or options - known - {"--help"}:
                wrong.append(f"{page.relative_to(ROOT)}: scheduler {verb} {' '.join(words)}")
    assert seen > 50
    assert wrong == []


def test_importing_the_workers_app_needs_no_server() -> None:
    """It is made when Celery and Flower load it; nothing may connect or warn at that moment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    done = subprocess.run(
        [sys.executable, "-c", "import workers.app"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
