r"""Java's way to write a login: `org.….PlainLoginModule required username="u" password="p";`.

As Kafka reads it: words and `name=value` pairs, a value in double or single quotes with backslash escapes, or bare;
`//` and `/* */` begin comments; a semicolon ends the entry.

Law of this file: an error tells what is missing and never repeats any of the text, for all of it may be secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from shared.errors import InvalidJob

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/"""
    r"""|"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)'"""
    r"""|(?P<mark>[=;])|(?P<word>[^\s=;"']+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2}|[0-7]{1,2})|(.))", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_FLAGS = frozenset({"required", "requisite", "sufficient", "optional"})


@dataclass(frozen=True, slots=True)
class LoginModule:
    """One entry: the class without its package, and its options, which may be secret."""

    name: str
    options: dict[str, str] = field(repr=False)


def parse_login(text: str, path: str) -> LoginModule:
    """The only entry of a `sasl.jaas.config`; `path` is for the error.

    Raises:
        InvalidJob: the text is no such entry.
    """
    tokens = _tokens(text)
    if tokens is None or len(tokens) < 3 or tokens[-1] != ("mark", ";"):
        raise _unreadable(path)
    (kind, module), (_, flag), rest = tokens[0], tokens[1], tokens[2:-1]
    triples = [rest[place : place + 3] for place in range(0, len(rest), 3)]
    pairs = all(len(t) == 3 and t[0][0] == "word" and t[1] == ("mark", "=") and t[2][0] != "mark" for t in triples)
    if kind != "word" or flag.lower() not in _FLAGS or not pairs:
        raise _unreadable(path)
    return LoginModule(module.rpartition(".")[2], {triple[0][1]: triple[2][1] for triple in triples})


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """Kind and text of each; None when a quote is not closed."""
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        place = match.end()
        kind = match.lastgroup
        if kind is not None:
            tokens.append((kind, _unescaped(match[kind]) if kind in ("double", "single") else match[kind]))
    return tokens


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 8)) if m[1] else _LETTERS.get(m[2], m[2]), text)


def _unreadable(path: str) -> InvalidJob:
    return InvalidJob(
        "The login cannot be read.",
        'Write it as: org.apache.kafka.common.security.plain.PlainLoginModule required username="…" password="…";',
        path,
    )
