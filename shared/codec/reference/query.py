"""QUERY events: statements in the binlog, most of them plumbing around transactions.

Law of this file: it tells plumbing, which the server writes in fixed words, from all else, and
judges nothing else. Used by `events`.
"""

from __future__ import annotations

from enum import Enum, auto

#: Thread, duration, length of the database's name, error, length of the status variables.
_FIXED_BYTES = 13
#: LOAD DATA as a statement has four more fields.
_LOAD_BYTES = 13


class Phrase(Enum):
    """What a statement is to the stream of transactions."""

    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    ROLLBACK_TO = auto()
    XA_COMMIT = auto()
    XA_ROLLBACK = auto()
    NOTHING = auto()  # savepoints and XA END
    OTHER = auto()


_WHOLE = {"BEGIN": Phrase.BEGIN, "COMMIT": Phrase.COMMIT, "ROLLBACK": Phrase.ROLLBACK}
_STARTS = (
    ("SAVEPOINT ", Phrase.NOTHING),
    ("RELEASE SAVEPOINT ", Phrase.NOTHING),
    ("ROLLBACK TO ", Phrase.ROLLBACK_TO),
    ("XA START ", Phrase.BEGIN),
    ("XA BEGIN ", Phrase.BEGIN),
    ("XA END ", Phrase.NOTHING),
    ("XA COMMIT ", Phrase.XA_COMMIT),
    ("XA ROLLBACK ", Phrase.XA_ROLLBACK),
)


def phrase_of(sql: str) -> Phrase:
    """What the statement is."""
    start = sql[:32].upper()
    if start in _WHOLE:
        return _WHOLE[start]
    for words, phrase in _STARTS:
        if start.startswith(words):
            return phrase
    return Phrase.OTHER


def parse_query(body: bytes, *, is_load: bool) -> tuple[str, str]:
    """Default database and statement, from a QUERY event behind the common header.

    A statement is in its client's charset, which is all but always UTF-8; bytes that are not are
    kept as \\xNN, since the statement is only read for the names of the tables that it changes.

    Raises:
        ValueError: the event is malformed.
    """
    fixed = _FIXED_BYTES + (_LOAD_BYTES if is_load else 0)
    if len(body) < fixed:
        raise ValueError("a QUERY event is cut short")
    status_length = int.from_bytes(body[11:13], "little")
    place = fixed + status_length
    end = place + body[8]
    if end + 1 > len(body):
        raise ValueError("a QUERY event is cut short")
    return body[place:end].decode(errors="backslashreplace"), body[end + 1 :].decode(errors="backslashreplace")
