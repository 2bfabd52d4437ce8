"""Everything that the user sees of the demo: headings, commands, tables. On a terminal and in a file alike.

The law: this file shows, and asks no server. Results go to stdout; the progress of servers and daemons is stderr's.
"""

import os
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace_demo.changes import Change
from headrace_demo.history import History
from headrace_demo.reader import Record

# Where there is no window that lines must fit.
_WIDTH_WITHOUT_TERMINAL = 120
_TOMBSTONE = Text("null (tombstone)", style="red")


class Screen:
    """The user's screen."""

    def __init__(self) -> None:
        self._console = _console()
        self._parts = 0

    def part(self, title: str) -> None:
        """Begin a part of the demo."""
        self._parts += 1
        self._line(Text.assemble("\n", (f"{self._parts}. {title}", "bold cyan")))

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        self._line(Text(sentence))

    def command(self, line: str, purpose: str = "") -> None:
        """Print a command as a user would type it."""
        self._line(Text.assemble("\n", ("$ ", "green"), (line, "bold"), (f"   # {purpose}" if purpose else "", "dim")))

    def topics(self, topics: Sequence[str], policies: Mapping[str, str], history: History) -> None:
        """Print the latest messages of each topic."""
        table = _table("TOPIC", "CLEANUP\n.POLICY", "KEY", "VALUE", "PARTITION\n/OFFSET")
        for topic in topics:
            records = history.latest(topic)
            name, policy = topic, policies[topic]
            hidden = history.count(topic) - len(records)
            if hidden or not records:
                table.add_row(name, policy, "", Text(f"{hidden} earlier messages" if hidden else "empty", style="dim"))
                name, policy = "", ""
            for record in records:
                table.add_row(name, policy, record.key.decode(), _value(record), _place(record))
                name, policy = "", ""
            table.add_section()
        self._console.print(table)

    def change(self, change: Change) -> None:
        """Print a change before it is made."""
        self._line(Text.assemble("\n", (change.title, "bold")))
        statements = change.statements if len(change.statements) == 1 else ("BEGIN", *change.statements, "COMMIT")
        for statement in statements:
            self._line(Text.assemble(("mysql> ", "green"), f"{statement};"))

    def arrivals(self, records: Sequence[Record], since: float) -> None:
        """Print the messages of a change, and how long after COMMIT each was read."""
        table = _table("TOPIC", "KEY", "VALUE", "PARTITION\n/OFFSET", ">AFTER\nCOMMIT")
        for record in records:
            latency = Text(f"{(record.seen_at - since) * 1000:,.0f} ms", style="green")
            table.add_row(record.topic, record.key.decode(), _value(record), _place(record), latency)
        self._console.print(table)

    def facts(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        """Print a list of things and what is to be known of each."""
        self._line(Text.assemble("\n", (title, "bold cyan")))
        width = max(len(name) for name, _ in facts)
        for name, text in facts:
            # Not a table: a command must stay one line, so that it can be copied.
            self._line(Text.assemble("  ", (name.ljust(width), "bold"), "  ", text))

    def commands(self, title: str, commands: Sequence[tuple[str, str]]) -> None:
        """Print commands, each below what it is for."""
        self._line(Text.assemble("\n", (title, "bold cyan")))
        for purpose, line in commands:
            self._line(Text.assemble("  ", purpose, "\n    ", ("$ ", "green"), (line, "bold")))

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _console() -> Console:
    # Names and values are no markup: `[red]` in one is just text.
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(markup=False, highlight=False, emoji=False, width=_WIDTH_WITHOUT_TERMINAL)
    return console


def _value(record: Record) -> Text:
    return _TOMBSTONE if record.value is None else Text(record.value.decode(errors="replace"))


def _place(record: Record) -> str:
    return f"{record.partition}/{record.offset}"


def _table(*titles: str) -> Table:
    """Return a table without a frame; `>` before a title puts its column to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left", overflow="fold")
    return table
