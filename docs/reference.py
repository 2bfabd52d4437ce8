"""Writes docs/reference.md from the code: `python docs/reference.py`. A test tells when the page is not current."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click

from scheduler.cli import cli
from shared import errors
from shared.errors import HeadraceError
from shared.job.options import OPTIONS, Option
from shared.runtime import metrics
from shared.settings import Settings

PAGE = Path(__file__).with_suffix(".md")


def page() -> str:
    """The whole page."""
    parts = ["# Reference from the code", _INTRODUCTION]
    for title, rows in (
        ("Commands", _commands()),
        ("Options of a job file", _options()),
        ("Settings", _settings()),
        ("Errors", _errors()),
        ("Metrics", _metrics()),
    ):
        parts.append(f"## {title}\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """Every name that headrace knows, written by `docs/reference.py` out of the code itself. What each means in full stands in [cli.md](cli.md),
[job-file.md](job-file.md), [configuration.md](configuration.md), [errors.md](errors.md) and [metrics.md](metrics.md)."""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "&#124;").replace("\n", " ") for cell in cells) + " |"


def _table(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield "|" + "---|" * len(titles)


def _commands() -> Iterator[str]:
    yield from _table("command", "options", "what it does")
    for name, command in cli.commands.items():
        arguments = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
        options = [f"`{max(p.opts, key=len)}`" for p in command.params if isinstance(p, click.Option)]
        yield _row(f"`scheduler {' '.join([name, *arguments])}`", " ".join(options), command.get_short_help_str(200))


def _options() -> Iterator[str]:
    yield from _table("block", "option", "default", "")
    for block, options in OPTIONS.items():
        for option in options:
            default = "required" if option.required else f"`{option.default}`" if option.default else ""
            yield _row(f"`{block}`", f"`{option.name}`", default, _standing(option))


def _standing(option: Option) -> str:
    if option.refusal is not None:
        return f"refused: {option.refusal[0]}"
    return "" if option.field or option.name == "type" else "accepted; has no effect, or one value only"


def _settings() -> Iterator[str]:
    told = _texts_of_fields(Settings)
    yield from _table("variable", "meaning")
    for name in Settings.model_fields:
        variable = "HEADRACE_KAFKA_<PROPERTY>" if name == "kafka" else f"HEADRACE_{name.upper()}"
        yield _row(f"`{variable}`", told.get(name, ""))


def _texts_of_fields(kind: type) -> dict[str, str]:
    """The texts below the fields of a class, which Python itself does not keep."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def _errors() -> Iterator[str]:
    yield from _table("error", "is a", "meaning")
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, HeadraceError) and kind is not HeadraceError:
            first = (inspect.getdoc(kind) or "").partition("\n\n")[0]
            yield _row(f"`{name}`", f"`{kind.__mro__[1].__name__}`", " ".join(first.split()))


def _metrics() -> Iterator[str]:
    yield from _table("metric", "type", "labels", "meaning")
    for name, metric in metrics.DECLARED.items():
        labels = " ".join(f"`{label}`" for label in metric.labels)
        yield _row(f"`{name}`", metric.type, labels, metric.help)


if __name__ == "__main__":
    PAGE.write_text(page())
