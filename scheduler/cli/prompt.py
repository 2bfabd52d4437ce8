"""The prompt of `scheduler sql`: a query may take several lines and ends with a semicolon."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scheduler.cli.answers import write_rows
from scheduler.cli.output import Output
from scheduler.console.session import Session
from scheduler.console.sources import KEY_VALUE_SUFFIX
from shared.errors import NeedsOperator, Transient

_HISTORY = Path("~/.headrace_sql_history")
_HISTORY_LINES = 1000

_HELP = """\
A query ends with ; and may take several lines. Each query sees its tables as they are now.
  .tables         the tables
  .table NAME     the columns of a table
  .help           this text
  .quit, Ctrl-D   the end
"""

_WORDS = (
    "SELECT", "FROM", "WHERE", "JOIN", "LEFT JOIN", "ON", "GROUP BY", "ORDER BY", "LIMIT", "count(*)", "WITH",
    ".tables", ".table", ".help", ".quit",
)  # fmt: skip


class Prompt:
    """One conversation.

    Args:
        session: what answers.
        output: where answers and errors go.
        form: how rows are printed.
        read: reads a line; takes what to show before it.
    """

    def __init__(self, session: Session, output: Output, form: str, read: Callable[[str], str] = input) -> None:
        self._session = session
        self._output = output
        self._form = form
        self._read = read
        names = [source.id.table for source in session.sources]
        self._words = [*_WORDS, *names, *(name + KEY_VALUE_SUFFIX for name in names)]
        self._words += [str(source.id) for source in session.sources]

    def run(self) -> None:
        """Answers until the user leaves. An error ends a query, not the conversation."""
        # Not above: where this is imported, readline writes to the terminal, which is for this verb alone.
        import readline

        history = _HISTORY.expanduser()
        readline.set_completer(self._complete)
        readline.set_completer_delims(" \t\n,()=;")
        readline.parse_and_bind("tab: complete")
        with suppress(OSError):
            readline.read_history_file(history)
        self._output.note(f"{len(self._session.sources)} tables; .help tells more.")
        try:
            self._converse()
        finally:
            readline.set_history_length(_HISTORY_LINES)
            with suppress(OSError):
                readline.write_history_file(history)

    def _converse(self) -> None:
        lines: list[str] = []
        while True:
            try:
                line = self._read("   ...> " if lines else "headrace> ")
            except EOFError:
                self._output.piece("\n")
                return
            except KeyboardInterrupt:
                self._output.piece("\n")
                lines = []
                continue
            if not lines and line.strip().startswith("."):
                if line.strip() in (".quit", ".exit"):
                    return
                self._command(line.split())
                continue
            lines += [line] if line.strip() or lines else []
            if line.rstrip().endswith(";"):
                self._answer("\n".join(lines))
                lines = []

    def _answer(self, text: str) -> None:
        try:
            question = self._session.prepare(text)
            write_rows(self._form, question.shape, self._session.rows(question), self._output.piece)
        except (NeedsOperator, Transient) as error:
            self._output.error(error, 0)
        except KeyboardInterrupt:
            self._output.note("Interrupted.")

    def _command(self, words: list[str]) -> None:
        match words:
            case [".tables"]:
                for source in sorted(self._session.sources, key=lambda source: (source.id, source.job)):
                    self._output.piece(f"{source.id}  (job {source.job}, topic {source.topic})\n")
            case [".table", name]:
                self._answer(f"DESCRIBE SELECT * FROM {name}")
            case _:
                self._output.piece(_HELP)

    def _complete(self, begin: str, state: int) -> str | None:
        hits = [word for word in self._words if word.lower().startswith(begin.lower())]
        return hits[state] if state < len(hits) else None
