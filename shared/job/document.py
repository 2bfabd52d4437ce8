"""YAML text -> mappings, sequences and scalars, each with its place in the file.

To plain YAML, `hostname: #{hostname}` is a key without a value and a comment. Before the YAML parser sees the text, the
`#`, `{` and `}` of every placeholder are swapped for three characters that occur nowhere in it, one for one, so lines
and columns stay right; afterwards they are swapped back in the scalars.

Scalars stay text. What `3306`, `no` or `007` means is for the option to say (`shared.job.values`), so a password of
digits keeps its zeros and no value changes under YAML's guesses.

Law of this file: nothing is lost in silence. Duplicate keys, aliases, anchors, tags and second documents are errors,
and no error shows a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from shared.errors import Bug, InvalidJob
from shared.job.placeholders import PLACEHOLDER, has_placeholder

#: A job file of ten thousand routes is about 1 MB; more is a mistake, and the parser is slow.
TEXT_LENGTH_MAX = 2_000_000
#: The deepest honest spelling is `sink: {sink: {topic: {config: {a: {b: {c: …}}}}}}`.
DEPTH_MAX = 16
#: No option's name is nearly so long; the bound keeps errors short, which repeat it.
KEY_LENGTH_MAX = 200
#: Characters that Unicode leaves to private use, which YAML takes for ordinary letters.
_PRIVATE_USE = range(0xE000, 0xF900)
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as text; `plain` means that it stands in no quotes and is no block. Lines and columns count from 1."""

    text: str = field(repr=False)  # may be a secret
    plain: bool
    line: int
    column: int

    @property
    def is_null(self) -> bool:
        """True where YAML sees no value: nothing at all, `~` or an unquoted `null`."""
        return self.plain and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, in block or flow style."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value; line and column are the key's."""

    key: str
    value: Node
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with values, in the order of the file; a key comes once."""

    entries: tuple[Entry, ...]
    line: int
    column: int


Node: TypeAlias = Scalar | Sequence | Mapping


def read(text: str, file: str = "job.yaml") -> Mapping:
    """Parse one job file.

    Raises:
        InvalidJob: the text is no single YAML mapping, or uses YAML that a job file has no need of.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise InvalidJob(f"{file} is larger than 2 MB.", "Is this a job file?")
    masked, unmask = _mask(text.removeprefix("\ufeff"), file)
    return _Builder(file, unmask).document(_events(masked, file))


def _mask(text: str, file: str) -> tuple[str, dict[int, str]]:
    """The text with disguised placeholders, and the table that undoes it."""
    lowered = text.lower()
    # `"\ue000"` in double quotes spells such a character too, hence the look at its digits.
    unused = (chr(code) for code in _PRIVATE_USE if chr(code) not in text and f"{code:04x}" not in lowered)
    spare = list(islice(unused, 3))
    if len(spare) < 3:
        raise InvalidJob(f"{file} uses all private characters of Unicode.", "Remove some of them.")
    number, begin, end = spare
    masked = PLACEHOLDER.sub(lambda match: f"{number}{begin}{match[1]}{end}", text)
    return masked, {ord(number): "#", ord(begin): "{", ord(end): "}"}


def _events(text: str, file: str) -> Iterator[Event]:
    """The parser's events, with its errors in our words."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        what, hint = _explain(error.problem or "", text, mark.index if mark else 0)
        # `from None`: the original holds a snippet of the file, which may hold a password.
        raise InvalidJob(f"{what} ({place}).", hint) from None
    except YAMLError:
        raise InvalidJob(
            f"{file} holds a character that YAML does not allow.",
            "Save it as UTF-8 text without control characters.",
        ) from None
    except (ValueError, OverflowError):
        # The parser lets Python judge the digits of `\U…` and of `%YAML …`.
        raise InvalidJob(
            f"{file} holds a number that YAML cannot mean: a character that does not exist, or a version.",
            r"Look at escapes such as `\U0001F600` in double quotes, and at lines that begin with `%`.",
        ) from None


def _explain(problem: str, text: str, index: int) -> tuple[str, str]:
    """Our sentence and hint for what the YAML parser found."""
    here = text[index : index + 1]
    if "unknown escape character" in problem:
        return (
            "Inside double quotes YAML gives the backslash a meaning of its own",
            r"Write patterns in single quotes or in none: 'order_dw.\.*'.",
        )
    if here == "\t" or "'\\t'" in problem:
        return "A tab stands where YAML wants blanks", "Indent with blanks."
    if "while scanning an alias" in problem or "alphabetic or numeric" in problem:
        return _ALIAS
    if "mapping values are not allowed" in problem:
        return (
            "A `: ` stands where no new key can begin",
            "Check the indentation, and put a value that holds `: ` in quotes.",
        )
    if "cannot start any token" in problem:
        return (
            "A value begins with a character that YAML reserves",
            "Put the value in single quotes.",
        )
    # Quoted words in the parser's sentence may be pieces of a value; single characters and `<…>` are its own.
    safe = re.sub(r"'(?!<)[^']{2,}'|\"[^\"]{2,}\"", "…", problem) or "the parser gave no reason"
    return f"This is not YAML: {safe}", "Check indentation, quotes and brackets around this line."


_ALIAS = (
    "A leading `*` or `&` means an alias or anchor in YAML, which a job file cannot use",
    r"Put the value in single quotes; to match any text a pattern needs `\.*`.",
)


class _Builder:
    """Builds nodes out of events; one object per file."""

    def __init__(self, file: str, unmask: dict[int, str]) -> None:
        self._file = file
        self._unmask = unmask

    def document(self, events: Iterator[Event]) -> Mapping:
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                raise self._error("A second document begins", "Put each job into a file of its own.", event)
            if isinstance(event, NodeEvent):
                root = self._node(event, events, depth=1)
        if root is None or (isinstance(root, Scalar) and root.is_null):
            raise InvalidJob(f"{self._file} is empty.", "A job file has `source:` and `sink:`.")
        if not isinstance(root, Mapping):
            raise InvalidJob(
                f"{self._file} holds no mapping at its top level ({self._file}:{root.line}).",
                "A job file begins with `source:` or another block.",
            )
        return root

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._error(*_ALIAS, event)
        if depth > DEPTH_MAX:
            raise self._error("The file is nested too deep", "Check brackets and indentation.", event)
        if getattr(event, "tag", None) is not None:
            raise self._error(
                "A leading `!` means a tag in YAML, which a job file cannot use",
                "Put the value in single quotes.",
                event,
            )
        if isinstance(event, ScalarEvent):
            text = self._joined(str(event.value), event).translate(self._unmask)
            return Scalar(text, bool(event.implicit[0]), *_place(event))
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, events, depth)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, events, depth)
        raise Bug(f"the YAML parser gave a {type(event).__name__} where a node belongs")

    def _joined(self, text: str, event: Event) -> str:
        """The text with `"\\ud83d\\ude00"`, as JSON spells characters beyond the first 65,536, as one character each."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._error(
                "Half a character stands in a value",
                r"Write `\U0001F600`, or the character itself, instead of `\ud83d` alone.",
                event,
            ) from None

    def _sequence(self, start: Event, events: Iterator[Event], depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self._node(event, events, depth + 1))
        return Sequence(tuple(items), *_place(start))

    def _mapping(self, start: Event, events: Iterator[Event], depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            key = self._key(self._node(event, events, depth + 1), event)
            if key in entries:
                raise self._error(
                    f"The key `{key}` is already on line {entries[key].line}",
                    "Keep one of the two.",
                    event,
                )
            value = self._node(next(events), events, depth + 1)
            entries[key] = Entry(key, value, *_place(event))
        return Mapping(tuple(entries.values()), *_place(start))

    def _key(self, node: Node, event: Event) -> str:
        if not isinstance(node, Scalar):
            raise self._error(
                "A list or mapping stands where a key belongs",
                "Put values that begin with `[` or `{` in single quotes.",
                event,
            )
        if len(node.text) > KEY_LENGTH_MAX:
            raise self._error(f"A key has more than {KEY_LENGTH_MAX} characters", "Is this a job file?", event)
        if has_placeholder(node.text):
            raise self._error("A placeholder stands in a key", "Placeholders stand for values only.", event)
        return node.text

    def _error(self, what: str, hint: str, event: Event) -> InvalidJob:
        line, column = _place(event)
        return InvalidJob(f"{what} ({self._file}:{line}:{column}).", hint)


def _place(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
