"""Where the CLI writes: results to stdout, progress, notes and errors to stderr; with `--json` both as JSON.

Law of this file: nothing else in the room prints.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.text import Text

from shared.errors import HeadraceError, InvalidJob

#: Columns of a table that goes into a file or a pipe, where there is no window that it must fit.
_WIDTH_WITHOUT_TERMINAL = 180


class Output:
    """The streams of one command.

    Args:
        json: True when the user is a script.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.results = _console(stderr=False)
        self.notes = _console(stderr=True)

    @property
    def interactive(self) -> bool:
        """True when a person sees both streams as they are written, so that bars may move."""
        return self.notes.is_terminal and self.results.is_terminal and not self.json

    def busy(self, doing: str) -> AbstractContextManager[object]:
        """Shows a person that something goes on."""
        return self.notes.status(f"{doing} …") if self.interactive else nullcontext()

    def document(self, value: Any) -> None:
        """A result for scripts, as one line of JSON."""
        sys.stdout.write(orjson.dumps(value).decode() + "\n")
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """A result for another program, exactly as it is."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def piece(self, text: str) -> None:
        """A part of a result, exactly as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def show(self, view: RenderableType) -> None:
        """A result for people."""
        self.results.print(view, soft_wrap=isinstance(view, str | Text))

    def note(self, sentence: str) -> None:
        """Something worth knowing that is not the result."""
        if self.json:
            self._line_of_json({"note": sentence})
        else:
            self.notes.print(sentence, soft_wrap=True)

    def error(self, error: HeadraceError, code: int) -> None:
        """What ended the command: one message with the hint."""
        if self.json:
            body = {"name": error.name, "message": error.message, "hint": error.hint}
            self._line_of_json({"error": {**body, "path": _path(error)}, "exit_code": int(code)})
        else:
            self.notes.print(_error_text(error), soft_wrap=True)

    def usage_error(self, message: str, usage: str, code: int) -> None:
        """A command line that click does not take."""
        if self.json:
            body = {"name": "Usage", "message": message, "hint": usage, "path": ""}
            self._line_of_json({"error": body, "exit_code": int(code)})
        else:
            self.notes.print(f"{usage}\n", soft_wrap=True)
            self.notes.print(Text.assemble(("Error: ", "bold red"), message), soft_wrap=True)

    def _line_of_json(self, value: Any) -> None:
        sys.stderr.write(orjson.dumps(value).decode() + "\n")
        sys.stderr.flush()


def _error_text(error: HeadraceError) -> Text:
    where = f"{_path(error)}: " if _path(error) else ""
    text = Text.assemble(("Error: ", "bold red"), where + error.message)
    if error.hint:
        text.append("\n")
        text.append("Hint: ", "bold")
        text.append(error.hint)
    return text


def _path(error: HeadraceError) -> str:
    return error.path if isinstance(error, InvalidJob) else ""


def _console(*, stderr: bool) -> Console:
    # Names of jobs and tables and error texts are no markup: `[red]` in one is just text.
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=_WIDTH_WITHOUT_TERMINAL)
    return console
