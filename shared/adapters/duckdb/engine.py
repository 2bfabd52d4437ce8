"""One DuckDB in memory that spills to disk: statements of ours, queries of the user, and whose fault an error is.

Law of this file: no value of a cell gets into an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from shared.errors import Bug, ExtraMissing, InvalidQuery, NeedsOperator

_FETCH_ROWS = 2_000

#: An interruption that comes before the statement is lost, so it is repeated.
_INTERRUPT_SECONDS = 0.1

_LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)
#: A value in a message: whatever is quoted, to the last quote or the line's end, and bare numbers.
_VALUE = re.compile(r"""['"](?:.*['"]|.*$)|(?<=value )\S+""")

#: Kinds of DuckDB's errors that speak of values rather than of the query's words.
_SPEAK_OF_VALUES = ("ConversionException", "OutOfRangeException", "InvalidInputException", "DataError")


#: One row of a result.
Row: TypeAlias = tuple[Any, ...]


class Misfit(ValueError):
    """A statement of ours met a value that does not fit the type it is cast to."""


class Engine:
    """A private DuckDB.

    Args:
        memory_limit: in DuckDB's words, such as `512MB`; beyond it, it spills.
        spill_folder: where to; it is made when needed.

    Raises (every method): NeedsOperator when memory and disk do not suffice.

    Raises:
        ExtraMissing: DuckDB is not installed.
        InvalidQuery: the limit is not a size.
    """

    def __init__(self, memory_limit: str, spill_folder: Path) -> None:
        self._duckdb = _library()
        self._thread = ThreadPoolExecutor(1, "duckdb")
        config = {
            "memory_limit": memory_limit,
            "temp_directory": str(spill_folder),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "python_enable_replacements": "false",
            "TimeZone": "UTC",
        }
        try:
            self._connection = self._duckdb.connect(":memory:", config=config)
        except self._duckdb.Error:
            hint = "Write it as 512MB or 4GB, and name a folder that can be written."
            raise InvalidQuery(f"DuckDB does not start with a memory limit of `{memory_limit}`.", hint) from None

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Runs a statement of ours. Raises Misfit, and Bug when DuckDB does not take it."""
        try:
            found: list[Row] = self._do(lambda: self._connection.execute(statement, list(values) or None).fetchall())
        except self._duckdb.Error as error:
            if type(error).__name__ in _SPEAK_OF_VALUES:
                raise Misfit("A value does not fit its type.") from None
            raise self._exhausted(error) or Bug(f"DuckDB refused a statement: {_sentence(str(error))}.") from error
        return found

    def insert(self, table: str, types: Sequence[str], columns: Sequence[list[Any]]) -> None:
        """Appends rows that are given by columns; `types` are DuckDB's."""
        lists = ", ".join(f"unnest(${number}::{kind}[])" for number, kind in enumerate(types, 1))
        self.run(f"INSERT INTO {table} SELECT {lists}", columns)

    def parse(self, text: str) -> dict[str, Any]:
        """The syntax tree of one query, as DuckDB's JSON.

        Raises:
            InvalidQuery: it is none, or not one.
        """
        tree: dict[str, Any] = json.loads(self.run("SELECT json_serialize_sql(?)", [text])[0][0])
        if tree["error"]:
            if tree["error_type"] == "not implemented":
                raise InvalidQuery(
                    "Only queries are answered; nothing can be changed here.",
                    "Begin with SELECT, WITH, FROM or VALUES.",
                )
            where = place(text, int(tree["position"])) if "position" in tree else ""
            raise InvalidQuery(f"{_sentence(tree['error_message'])}{where}.", _HINT_OF_SYNTAX)
        if len(tree["statements"]) != 1:
            raise InvalidQuery(f"There are {len(tree['statements'])} statements.", "Give one query at a time.")
        return tree

    def unparse(self, tree: dict[str, Any]) -> str:
        """The text of a syntax tree."""
        return str(self.run("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)])[0][0])

    def describe(self, text: str) -> tuple[list[str], list[str]]:
        """Names and types of a query's columns. Raises InvalidQuery."""
        found = self._ask(f"DESCRIBE {text}", text, shift=len("DESCRIBE ")).fetchall()
        return [row[0] for row in found], [row[1] for row in found]

    def query(self, statement: str) -> Iterator[list[Row]]:
        """The rows of what the user asked for, by then a part of a statement of ours; read before the next statement.

        Raises InvalidQuery, also from the batches: some values are only looked at when they are computed.
        """
        cursor = self._ask(statement, "")
        while True:
            try:
                rows: list[Row] = self._do(lambda: cursor.fetchmany(_FETCH_ROWS))
            except self._duckdb.Error as error:
                raise self._translated(error, "", 0) from None
            if not rows:
                return
            yield rows

    def change(self, statement: str) -> None:
        """Runs a statement of ours that holds a query of the user. Raises InvalidQuery."""
        self._ask(statement, "")

    def save_parquet(self, query: str, file: Path) -> int:
        """Writes a query's rows to a file; returns their number. Raises InvalidQuery."""
        target = str(file).replace("'", "''")
        row = self._ask(f"COPY ({query}) TO '{target}' (FORMAT parquet)", "").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Frees all memory, and the files beside it."""
        self._thread.shutdown()
        self._connection.close()

    def _do(self, call: Callable[[], Any]) -> Any:
        """Calls DuckDB in a thread of its own: it may not notice Ctrl-C by itself while its threads compute."""
        future = self._thread.submit(call)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not future.done():
                self._connection.interrupt()
                wait([future], _INTERRUPT_SECONDS)
            raise

    def _ask(self, statement: str, text: str, shift: int = 0) -> Any:
        try:
            return self._do(lambda: self._connection.execute(statement))
        except self._duckdb.Error as error:
            raise self._translated(error, statement if text else "", shift) from None

    def _translated(self, error: Exception, text: str, shift: int) -> NeedsOperator:
        if exhausted := self._exhausted(error):
            return exhausted
        message = str(error)
        first, _, rest = message.partition("\n")
        if type(error).__name__ in _SPEAK_OF_VALUES:
            first, rest = _VALUE.sub("…", first), ""
        hint = " ".join(_LINE.split(rest, maxsplit=1)[0].split())
        return InvalidQuery(f"{_sentence(first)}{_place_in(message, text, shift)}.", hint)

    def _exhausted(self, error: Exception) -> NeedsOperator | None:
        if isinstance(error, self._duckdb.OutOfMemoryException):
            hint = "Raise --memory-limit, and see that the folder of --spill-dir has room."
            return NeedsOperator("The query needs more memory and disk than DuckDB may take.", hint)
        if isinstance(error, self._duckdb.IOException) and "space" in str(error).lower():
            return NeedsOperator("The disk is full: DuckDB cannot spill.", "Name a folder with more room: --spill-dir.")
        return None


_HINT_OF_SYNTAX = "Names that are words of SQL, such as order, want double quotes or their database: order_dw.order."


def place(text: str, offset: int) -> str:
    """Where in a text an offset is, for the end of a sentence."""
    before = text[:offset]
    return f" (line {before.count(chr(10)) + 1}, column {offset - before.rfind(chr(10))})"


def _place_in(message: str, statement: str, shift: int) -> str:
    """Where DuckDB's picture of the error points to; it shows one line of the statement, cut where it is long.

    The first `shift` characters of the statement are ours.
    """
    found = _LINE.search(message)
    if found is None or not statement:
        return ""
    number, shown = int(found[1]), found[2]
    marker = message[found.end() :].removeprefix("\n").partition("\n")[0]
    lines = statement.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    column = marker.find("^") - len(f"LINE {number}: ")
    if shown.startswith("..."):
        start = line.find(shown[3:].removesuffix("..."))
        column = column - 3 + start if start >= 0 else -1
    column -= shift if number == 1 else 0
    return f" (line {number}, column {column + 1})" if column >= 0 else f" (line {number})"


def _sentence(text: str) -> str:
    """The first line of DuckDB's message, without the name of its kind."""
    return re.sub(r"^[A-Z][\w ]* Error: ", "", text.partition("\n")[0]).rstrip(".!")


def _library() -> ModuleType:
    try:
        import duckdb
    except ImportError:
        raise ExtraMissing(
            "DuckDB, which answers queries, is not installed on this machine.",
            "Install it: pip install 'headrace[sql]'.",
        ) from None
    return duckdb
