r"""Table patterns as Flink CDC writes them: `shop.orders, shop_[0-9]+.order_\.*`.

    ,    separates patterns; blanks around it do not count
    .    separates the database from the table
    \.   is what `.` is in an ordinary regular expression: any character
    […]  holds a `.` or `,` as itself; a `,` inside (…) or {…} does not separate either

Each part is a regular expression that must match the whole name. The language is Java's; what differs from Python in a
trivial way is translated here, anything else is refused with its position.

Law of this file: a pattern either means what it means in Flink CDC or is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple, TypeAlias

import regex

from shared.errors import InvalidJob
from shared.model.schema import TableId

#: One pattern selects by two names of at most 64 characters.
PATTERN_LENGTH_MAX = 1000
#: `{…}` inside of `{…}` may come to so many; a name has 64 characters.
_REPEATS_MAX = 10_000
#: CPU seconds that one name may take; any honest pattern takes microseconds.
_MATCH_SECONDS = 2.0
#: All patterns of one option together.
TEXT_LENGTH_MAX = 100_000

_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[(?!\^?\])(?:\\.|[^\]\\])+\])|(?P<named>\(\?<(?=[A-Za-z]))|(?P<plain>.)",
    re.DOTALL,
)
_COUNTS = re.compile(r"\{([0-9]*)(?:,([0-9]*))?\}")
_JAVA_COUNT = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_OUTSIDE_SET = {
    r"\.": ".",
    r"\d": "[0-9]",
    r"\D": "[^0-9]",
    r"\w": "[a-zA-Z0-9_]",
    r"\W": "[^a-zA-Z0-9_]",
    r"\s": r"[ \t\n\v\f\r]",
    r"\S": r"[^ \t\n\v\f\r]",
    r"\z": r"\Z",
}
_INSIDE_SET = {r"\.": ".", r"\d": "0-9", r"\w": "a-zA-Z0-9_", r"\s": r" \t\n\v\f\r"}
#: Java unites and cuts sets with these; Python takes them for plain characters, or will one day not.
_SET_ALGEBRA = re.compile(r"\\.|(?P<found>\[|&&|--|\|\||~~)", re.DOTALL)


#: The language is that of `re`, which judges patterns. Names are matched by `regex`, which has the same language, goes round
#: most repeats that would never come to an end, and knows a limit for all others.
_Matcher: TypeAlias = "regex.Pattern[str]"


class _Token(NamedTuple):
    kind: str
    text: str
    position: int  # in the option's text, from 0


@dataclass(frozen=True)  # no slots: the compiled forms are cached in the object
class _Pattern:
    """One element of the list; `database` and `table` are Python regular expressions."""

    text: str
    database: str
    table: str
    path: str

    @cached_property
    def _exact(self) -> tuple[_Matcher, _Matcher]:
        return _matcher(self.database), _matcher(self.table)

    @cached_property
    def _any_case(self) -> tuple[_Matcher, _Matcher]:
        return _matcher(self.database, regex.IGNORECASE), _matcher(self.table, regex.IGNORECASE)

    def groups(self, table: TableId, *, ignore_case: bool) -> tuple[str, ...] | None:
        """What the groups of both parts caught (empty where a group took no part), or None without a match.

        Raises:
            InvalidJob: the pattern does not come to an end on this name.
        """
        database, name = self._any_case if ignore_case else self._exact
        try:
            database_match = database.fullmatch(table.database, timeout=_MATCH_SECONDS)
            if database_match is None:
                return None
            name_match = name.fullmatch(table.table, timeout=_MATCH_SECONDS)
        except TimeoutError:
            # Its text is not shown: it may have come from a placeholder.
            raise InvalidJob(
                f"A pattern of the list does not come to an end on the name {table}.",
                "Repeats inside of repeats, such as `(a+)+`, do that: write each repeat once.",
                self.path,
            ) from None
        return None if name_match is None else database_match.groups("") + name_match.groups("")

    @property
    def group_count(self) -> int:
        return sum(part.groups for part in self._exact)


@dataclass(frozen=True, slots=True)
class TablePatterns:
    """A parsed list of patterns; build it with `parse`.

    `warnings` are sentences about patterns that are legal and rarely meant so.
    """

    text: str
    path: str
    warnings: tuple[str, ...]
    _patterns: tuple[_Pattern, ...]

    @classmethod
    def parse(cls, text: str, path: str = "source.tables") -> TablePatterns:
        """Parse an option's text; `path` is the option, for errors.

        Raises:
            InvalidJob: an element is empty, has no database or no table, or is no regular expression.
        """
        if len(text) > TEXT_LENGTH_MAX:
            raise InvalidJob(
                f"The list of patterns has more than {TEXT_LENGTH_MAX} characters.",
                "Use regular expressions instead of naming every table.",
                path,
            )
        tokens = _tokens(text)
        elements = _split_list(tokens)
        patterns = tuple(_pattern(element, number, path) for number, element in elements)
        return cls(text, path, _warnings(tokens), patterns)

    def matches(self, table: TableId, *, ignore_case: bool = False) -> bool:
        """True when at least one pattern matches; `ignore_case` for servers with lower_case_table_names 1 or 2."""
        return any(pattern.groups(table, ignore_case=ignore_case) is not None for pattern in self._patterns)

    def groups(self, table: TableId, *, ignore_case: bool = False) -> tuple[str, ...] | None:
        """The texts that `$1`, `$2`, … stand for, or None when nothing matches.

        As in Flink CDC the list counts as one regular expression: groups are numbered through all its patterns, and
        those of patterns other than the one that matched are empty.
        """
        before = 0
        for pattern in self._patterns:
            found = pattern.groups(table, ignore_case=ignore_case)
            if found is not None:
                after = self.group_count - before - len(found)
                return ("",) * before + found + ("",) * after
            before += pattern.group_count
        return None

    @property
    def group_count(self) -> int:
        """How many groups `$1`, `$2`, … can stand for."""
        return sum(pattern.group_count for pattern in self._patterns)

    def unmatched(self, tables: Iterable[TableId], *, ignore_case: bool = False) -> tuple[str, ...]:
        """The patterns, as written, that match none of these tables."""
        known = tuple(tables)
        return tuple(
            pattern.text
            for pattern in self._patterns
            if not any(pattern.groups(t, ignore_case=ignore_case) is not None for t in known)
        )

    def __repr__(self) -> str:
        return f"TablePatterns({self.path})"  # the text may have come from a placeholder


def select(
    tables: Sequence[TableId],
    include: TablePatterns,
    exclude: TablePatterns | None = None,
    *,
    ignore_case: bool = False,
) -> tuple[TableId, ...]:
    """The tables that the job copies: those that `include` matches, without those that `exclude` matches.

    Raises:
        InvalidJob: no table is left.
    """
    included = [t for t in tables if include.matches(t, ignore_case=ignore_case)]
    if not included:
        raise InvalidJob(*_no_match(tables, include, ignore_case=ignore_case), include.path)
    if exclude is None:
        return tuple(included)
    left = tuple(t for t in included if not exclude.matches(t, ignore_case=ignore_case))
    if not left:
        raise InvalidJob(
            f"All {len(included)} tables that the job selects are excluded again.",
            "Narrow the excluded patterns, or remove them.",
            exclude.path,
        )
    return left


def _no_match(tables: Sequence[TableId], include: TablePatterns, *, ignore_case: bool) -> tuple[str, str]:
    """Message and hint for a selection without tables."""
    if not ignore_case and any(include.matches(t, ignore_case=True) for t in tables):
        return "No table matches, save for upper and lower case.", (
            "This server tells `A` from `a` in table names: write them as the server does."
        )
    hint = "Check the spelling and that the MySQL user may see the tables."
    if include.warnings:
        hint = include.warnings[0]
    return f"None of the {len(tables)} tables that the MySQL user can see matches.", hint


def elements_of(text: str) -> list[list[str]]:
    """The elements of a list of patterns, each as its parts between plain dots."""
    elements = (tokens for _, tokens in _split_list(_tokens(text)))
    return ["".join("\0" if t[:2] == ("plain", ".") else t.text for t in tokens).split("\0") for tokens in elements]


def _compile(source: str) -> None:
    """Lets `re` judge the pattern. DOTALL: a table name may hold any character, and `\\.*` means every table."""
    re.compile(source, re.DOTALL)


def _matcher(source: str, flags: int = 0) -> _Matcher:
    return regex.compile(source, regex.VERSION0 | regex.DOTALL | flags)


def _tokens(text: str) -> list[_Token]:
    return [_Token(str(m.lastgroup), m[0], m.start()) for m in _TOKEN.finditer(text)]


def _split_list(tokens: list[_Token]) -> list[tuple[int, list[_Token]]]:
    """The elements of the list with their numbers from 1, without the blanks around them."""
    elements: list[list[_Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind in {"plain", "named"}:
            depth += (token.text[0] in "({") - (token.text in {")", "}"})
        if token.kind == "plain" and token.text == "," and depth <= 0:
            elements.append([])
        else:
            elements[-1].append(token)
    return [(number, _trim(element)) for number, element in enumerate(elements, start=1)]


def _trim(tokens: list[_Token]) -> list[_Token]:
    begin, end = 0, len(tokens)
    while begin < end and tokens[begin].text.isspace():
        begin += 1
    while end > begin and tokens[end - 1].text.isspace():
        end -= 1
    return tokens[begin:end]


def _pattern(tokens: list[_Token], number: int, path: str) -> _Pattern:
    text = "".join(token.text for token in tokens)
    if not tokens:
        raise InvalidJob(f"Pattern {number} of the list is empty.", "Remove the comma that is too many.", path)
    if len(text) > PATTERN_LENGTH_MAX:
        raise InvalidJob(
            f"Pattern {number} of the list has more than {PATTERN_LENGTH_MAX} characters.",
            "Split it with commas.",
            path,
        )
    dots = [i for i, t in enumerate(tokens) if t.kind == "plain" and t.text == "."]
    if not dots:
        raise InvalidJob(
            f"The pattern `{text}` names no database.",
            rf"Write database.table; all tables of a database are `{text}.\.*`.",
            path,
        )
    if len(dots) > 1:
        raise InvalidJob(
            f"The pattern `{text}` has more than one plain dot.",
            r"One `.` separates database and table; `\.` is any character, `[.]` is a dot.",
            path,
        )
    database = _regex(tokens[: dots[0]], "database", text, path)
    table = _regex(tokens[dots[0] + 1 :], "table", text, path)
    return _Pattern(text, database, table, path)


def _regex(tokens: list[_Token], part: str, text: str, path: str) -> str:
    """One part as a Python regular expression that is known to compile."""
    if not tokens:
        raise InvalidJob(
            f"The {part} part of the pattern `{text}` is empty.",
            r"Write database.table, with `\.*` for any name.",
            path,
        )
    pieces = [_translate(token, text, path) for token in tokens]
    source = "".join(pieces)
    if _repeats(source) > _REPEATS_MAX:
        raise _too_large(part, text, path)
    try:
        _compile(source)
        _check_braces(tokens, part, text, path)
        _matcher(source)
    except regex.error as error:
        raise InvalidJob(
            f"The {part} part of the pattern `{text}` is no regular expression that headrace can match: {error}.",
            "Write it in a plainer way.",
            path,
        ) from None
    except re.error as error:
        position = _position(tokens, pieces, error.pos or 0)
        raise InvalidJob(
            f"The {part} part of the pattern `{text}` is no regular expression: {error.msg} at "
            f"character {position + 1}.",
            _regex_hint(tokens),
            path,
        ) from None
    except (OverflowError, RecursionError):
        raise _too_large(part, text, path) from None
    return source


def _check_braces(tokens: list[_Token], part: str, text: str, path: str) -> None:
    """A brace that begins no count is an error in Java and itself in `re`; in `regex` it may begin something of its own."""
    texts = [token.text for token in tokens]
    for place, token in enumerate(tokens):
        if token.text == "{" and not _JAVA_COUNT.match("".join(texts[place:])):
            raise InvalidJob(
                f"The {part} part of the pattern `{text}` is no regular expression: the brace at character "
                f"{token.position + 1} begins no count.",
                r"Write `{2}` or `{2,5}` for a count, and `\{` for a brace.",
                path,
            )


def _repeats(source: str) -> int:
    """At most how often a piece of the pattern is repeated by `{…}`, one inside of the other; `regex` writes it all out."""
    return prod(max(int(low or 1), int(high or 1)) for low, high in _COUNTS.findall(source))


def _too_large(part: str, text: str, path: str) -> InvalidJob:
    return InvalidJob(
        f"The {part} part of the pattern `{text}` is too large a regular expression.",
        "Use smaller repeats and fewer brackets.",
        path,
    )


def _regex_hint(tokens: list[_Token]) -> str:
    if tokens[0].text in {"*", "+", "?"}:
        return rf"Any character is `\.` here: write `\.{tokens[0].text}`."
    return r"Patterns are Java regular expressions in which `\.` is any character."


def _translate(token: _Token, text: str, path: str) -> str:
    """What the token means, in Python."""
    if token.kind == "escape":
        return _OUTSIDE_SET.get(token.text, token.text)
    if token.kind == "named":
        return "(?P<"
    if token.kind == "set":
        if any(match["found"] for match in _SET_ALGEBRA.finditer(token.text, 1)):
            raise InvalidJob(
                f"The pattern `{text}` holds `{token.text}`: sets inside sets are not supported.",
                r"Write one plain set of characters, with `\[` for a bracket.",
                path,
            )
        return re.sub(r"\\.", lambda m: _INSIDE_SET.get(m[0], m[0]), token.text, flags=re.DOTALL)
    if token.text == "[":
        # Left to Python, it would swallow dots and commas that this module has already given a meaning.
        raise InvalidJob(
            f"The pattern `{text}` is no regular expression: the set at character {token.position + 1} is empty or "
            "not closed.",
            r"Write `[abc]` for one character out of a set, and `\[` for a bracket.",
            path,
        )
    return token.text


def _position(tokens: list[_Token], pieces: list[str], offset: int) -> int:
    """Where in the option's text the character at this offset of the translated part came from."""
    for token, piece in zip(tokens, pieces, strict=True):
        if offset < len(piece):
            return token.position
        offset -= len(piece)
    return tokens[-1].position


def _warnings(tokens: list[_Token]) -> tuple[str, ...]:
    return tuple(
        f"`{token.text}` is one character out of a set; for one of several names write `({token.text[1:-1]})`."
        for token in tokens
        if token.kind == "set" and "|" in token.text
    )
