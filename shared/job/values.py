"""From an option's text to a typed value: one small reader per kind of value.

A reader is a function of the text alone; it raises `Unreadable` with what it expected, and the caller says where. The
text is always the whole value after its placeholders were resolved, so `port: #{port}` reads like `port: 3306`.

Law of this file: no reader puts the text into its error. Whether it may be shown is the caller's to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from shared.errors import InvalidJob
from shared.job.columns import ColumnPatterns
from shared.job.filters import RowFilters
from shared.model import domains
from shared.model.label import Header
from shared.model.places import is_place
from shared.model.position import GtidSet, file_number
from shared.model.throttle import Address

SERVER_ID_MAX = 2**32 - 1

#: The longest path that the kernel's sockaddr_un takes, without its closing zero.
_SOCKET_BYTES_MAX = 107
_HOST_LENGTH_MAX = 253

_UNITS: dict[str, timedelta] = {
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("m", "min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("", "ms", "milli", "millis", "millisecond", "milliseconds"), timedelta(milliseconds=1)),
    **dict.fromkeys(("µs", "micro", "micros", "microsecond", "microseconds"), timedelta(microseconds=1)),
}
_SIZES: dict[str, int] = {
    **dict.fromkeys(("", "b", "byte", "bytes"), 1),
    **dict.fromkeys(("k", "kb", "kib"), 2**10),
    **dict.fromkeys(("m", "mb", "mib"), 2**20),
    **dict.fromkeys(("g", "gb", "gib"), 2**30),
}
_FLINK_SIZE = re.compile(r"([0-9]{1,15})\s*([a-z]*)")
_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_FLINK_DURATION = re.compile(r"(\d{1,15})\s*([a-zµ]*)")
_ISO_DURATION = re.compile(
    r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?",
    re.IGNORECASE,
)


class Unreadable(ValueError):
    """The text is no such value.

    Args:
        expected: what belongs there, to follow "expected".
        hint: how to mend it, a sentence; empty where `expected` says it all.
    """

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected, hint)
        self.expected = expected
        self.hint = hint


Reader: TypeAlias = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class ServerIdRange:
    """The server ids that the job may use towards MySQL, both ends included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= SERVER_ID_MAX:
            raise ValueError("a server-id range is 1 <= low <= high <= 4294967295")

    @property
    def ids(self) -> range:
        """All ids of the range, lowest first."""
        return range(self.low, self.high + 1)

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def text(value: str) -> str:
    """Any text, also empty text in quotes."""
    return value


def filled(value: str) -> str:
    """Text with at least one character that is not blank.

    Raises:
        Unreadable: the text is empty.
    """
    if not value.strip():
        raise Unreadable("text", "Fill it in, or remove the line where the option is not required.")
    return value


def host(value: str) -> str:
    """The name or the address of a server, or the path of its Unix socket.

    Raises:
        Unreadable: nothing can be called so.
    """
    name = value.strip()
    if name.startswith("/"):
        if len(name.encode()) > _SOCKET_BYTES_MAX or "\0" in name:
            raise Unreadable(
                "a host name, an address or the path of a Unix socket", f"A path has {_SOCKET_BYTES_MAX} bytes at most."
            )
        return name
    if not name or not _is_host(name):
        raise Unreadable("a host name or an address", "Write it without blanks; between dots stand 1 to 63 characters.")
    return name


def _is_host(name: str) -> bool:
    if len(name) > _HOST_LENGTH_MAX or any(letter.isspace() or letter < " " or letter in "/@#?" for letter in name):
        return False
    try:
        name.encode("idna")
    except UnicodeError:
        return False  # the resolver would raise the same, in the middle of something else
    return True


def whole(low: int, high: int) -> Reader:
    """A reader of whole numbers within bounds, in plain decimal digits."""

    def read(value: str) -> int:
        digits = value.strip()
        # The length is checked first, so that Python never converts a number of a million digits.
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", digits) or not low <= int(digits) <= high:
            raise Unreadable(f"a whole number from {low} to {high}")
        return int(digits)

    return read


def flag(value: str) -> bool:
    """`true` or `false`, in any case.

    Raises:
        Unreadable: the text is neither.
    """
    lowered = value.strip().lower()
    if lowered not in {"true", "false"}:
        raise Unreadable("true or false")
    return lowered == "true"


def one_of(*choices: str, reason: str = "") -> Reader:
    """A reader of one word out of several, returned as it is spelled here.

    Case does not matter and `-` and `_` are the same, as in Flink. `reason` says, as a hint, why nothing else will do.
    """
    canonical = {_fold(choice): choice for choice in choices}

    def read(value: str) -> str:
        found = canonical.get(_fold(value.strip()))
        if found is None:
            raise Unreadable(" or ".join(f"`{choice}`" for choice in choices), reason)
        return found

    return read


def some_of(*choices: str) -> Reader:
    """A reader of a list of words out of several, with commas between them, each once and in the order given here; empty for none."""
    one = one_of(*choices, reason=f"They are {', '.join(choices)}, with commas between them.")

    def read(value: str) -> tuple[str, ...]:
        found = {one(word) for word in value.split(",")} if value.strip() else set()
        return tuple(choice for choice in choices if choice in found)

    return read


def duration(shortest: timedelta, longest: timedelta) -> Reader:
    """A reader of durations in Flink's or ISO 8601's spelling: `30s`, `500 ms`, `PT30S`; a bare number is in ms."""

    def read(value: str) -> timedelta:
        span = _duration(value.strip())
        if span is None:
            raise Unreadable("a duration such as `30s`, `500 ms` or `PT30S`")
        if not shortest <= span <= longest:
            raise Unreadable(
                f"a duration from {_spell(shortest)} to {_spell(longest)}",
                "A number without a unit counts milliseconds, as in Flink.",
            )
        return span

    return read


def server_ids(value: str) -> ServerIdRange:
    """One server id or a range: `5400`, `5400-5408`.

    Raises:
        Unreadable: the text is neither, an id is out of bounds, or the range runs backwards.
    """
    match = re.fullmatch(r"\s*([0-9]{1,10})\s*(?:-\s*([0-9]{1,10})\s*)?", value)
    expected = "a server id or a range such as `5400-5408`"
    if match is None:
        raise Unreadable(expected)
    low = int(match[1])
    high = int(match[2] or match[1])
    try:
        return ServerIdRange(low, high)
    except ValueError:
        raise Unreadable(expected, f"Ids go from 1 to {SERVER_ID_MAX}, and the lower one comes first.") from None


def gtid_set(value: str) -> GtidSet:
    """A set of GTIDs in MySQL's spelling, or MariaDB's list of them, with at least one.

    Raises:
        Unreadable: the text is none.
    """
    found = GtidSet({})
    for read in (domains.parse, GtidSet.parse):
        with suppress(ValueError):
            found = found or read(value)
    if not found or is_place(found):
        raise Unreadable("a GTID set such as `3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77`, or of a MariaDB `0-1-77`")
    return found


def pem_file(value: str) -> str:
    """The path of a PEM file.

    Raises:
        Unreadable: it is none, such as the file's own text.
    """
    found = value.strip()
    if not found or "\n" in found or "-----BEGIN" in found:
        raise Unreadable("the path of a PEM file", "Not what is in it: a job file is stored, and must hold no secret.")
    return found


def columns(value: str) -> ColumnPatterns:
    """Patterns of columns.

    Raises:
        Unreadable: one is none.
    """
    try:
        return ColumnPatterns.parse(filled(value))
    except InvalidJob as error:
        raise Unreadable("patterns such as `shop.user.phone`", f"{error.message} {error.hint}") from None


def row_filters(value: str) -> RowFilters:
    """Conditions of rows by patterns of tables.

    Raises:
        Unreadable: one is none.
    """
    try:
        return RowFilters.parse(filled(value))
    except InvalidJob as error:
        raise Unreadable("filters such as `shop.user:deleted = 0`", f"{error.message} {error.hint}") from None


def headers(value: str) -> tuple[Header, ...]:
    """Headers and their values, `name:value` each; empty for none. Flink CDC's page has commas between them, its code semicolons.

    Raises:
        Unreadable: a part is no such pair, or a name comes twice.
    """
    if not value.strip():
        return ()
    expected = "headers such as `origin:shop,region:eu`"
    found: dict[str, bytes] = {}
    for part in re.split("[,;]", value):
        name, colon, text = (piece.strip() for piece in part.partition(":"))
        if not name or not colon or ":" in text:
            raise Unreadable(expected, "Write name:value for each; neither may have a comma, a semicolon or a colon.")
        if name in found:
            raise Unreadable(expected, "Give each header once.")
        found[name] = text.encode()
    return tuple(found.items())


def binlog_file(value: str) -> str:
    """The name of a binlog file.

    Raises:
        Unreadable: it does not end in a number, or holds what no such name does.
    """
    try:
        file_number(value)
    except ValueError:
        raise Unreadable("a binlog file such as `binlog.000003`", "SHOW BINARY LOGS lists them.") from None
    if re.search(r"[\s:,@/]", value) or value.startswith("."):
        raise Unreadable("a binlog file such as `binlog.000003`", "Without a folder, as SHOW BINARY LOGS has it.")
    return value


def size(low: int, high: int) -> Reader:
    """A reader of numbers of bytes in Flink's spelling: `512kb`, `64 mb`; a bare number is in bytes, a unit is 1024 times
    the one below.
    """

    def read(value: str) -> int:
        match = _FLINK_SIZE.fullmatch(value.strip().lower())
        factor = _SIZES.get(match[2]) if match else None
        found = int(match[1]) * factor if match and factor else -1
        if not low <= found <= high:
            raise Unreadable("a number of bytes such as `512kb` or `64 mb`", f"It goes from {low} to {high} bytes.")
        return found

    return read


def addresses(default_port: int) -> Reader:
    """A reader of servers, `host` or `host:port`, separated by commas."""

    def read(value: str) -> tuple[Address, ...]:
        found = []
        for part in value.split(","):
            match = _ADDRESS.fullmatch(part.strip())
            port = int(match[2] or default_port) if match else 0
            if match is None or not _is_host(match[1]) or not 1 <= port <= 65535:
                raise Unreadable("servers such as `replica1:3306, replica2:3306`")
            found.append(Address(match[1], port))
        return tuple(found)

    return read


def cleanup_policy(value: str) -> str:
    """Kafka's `cleanup.policy`, which must contain `compact`.

    Raises:
        Unreadable: the topic would forget rows.
    """
    if "compact" not in {part.strip() for part in value.split(",")}:
        raise Unreadable("`compact`", "Without compaction the topic would forget rows that MySQL still has.")
    return value


def _fold(word: str) -> str:
    return word.lower().replace("_", "-")


def _duration(value: str) -> timedelta | None:
    """The time span, or None when the text is none (or more than Python can count)."""
    try:
        if match := _FLINK_DURATION.fullmatch(value.lower()):
            unit = _UNITS.get(match[2])
            return None if unit is None else int(match[1]) * unit
        match = _ISO_DURATION.fullmatch(value)
        if match is None or not any(match.groups()):
            return None
        days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=float(match[4] or 0))
    except OverflowError:
        return None


def _spell(span: timedelta) -> str:
    milliseconds = span // timedelta(milliseconds=1)
    return f"{milliseconds} ms" if milliseconds % 1000 else f"{milliseconds // 1000} s"
