"""A topic folded by key, and what differs from it, in a temporary SQLite file: memory does not grow with the topic.

Of a value only its digest is kept. The tables:

    fold   the last message of each key; after the comparison only of keys that differ
    mine   of each key that differs: what MySQL had, each time that it was read (`turn` is the last time)
    doubtful   keys behind whose last message there is one that was never committed
    seen   of each key that differs: every version that the topic has shown, from the fold's one on

A key is settled when something that MySQL had has been seen in the topic (docs/verify.md says why that is right).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType

from shared.errors import NeedsOperator
from shared.model.change import EncodedRow
from shared.model.verify import ABSENT, Counts, Open, Version, digest_of

#: What SQLite keeps in memory; beyond it pages go to disk.
CACHE_KBYTES = 64 * 1024

#: Keys in one answer.
_BATCH = 500

_TABLES = """
CREATE TABLE fold (key BLOB PRIMARY KEY, part INTEGER, place INTEGER, time INTEGER, digest BLOB) WITHOUT ROWID;
CREATE TABLE mine (key BLOB, digest BLOB, turn INTEGER, PRIMARY KEY (key, digest)) WITHOUT ROWID;
CREATE TABLE doubtful (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE seen (key BLOB, digest BLOB, PRIMARY KEY (key, digest)) WITHOUT ROWID;
"""

#: In a partition the later offset counts. A key that is in two partitions, since the topic got more of them, is the one that
#: Kafka wrote later, as for the console.
_FOLD = """
INSERT INTO fold VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET part = excluded.part, place = excluded.place, time = excluded.time, digest = excluded.digest
WHERE excluded.part = fold.part OR (excluded.time, excluded.part) > (fold.time, fold.part)
"""

_EQUAL = "DELETE FROM fold WHERE key = ? AND digest = ?"
_MINE = "INSERT OR REPLACE INTO mine VALUES (?, ?, ?)"
_SEEN = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
_IS_OPEN = "SELECT 1 FROM mine WHERE key = ? LIMIT 1"

#: What is left of the fold was not among MySQL's rows; a tombstone is right then.
_LEFT = (
    "DELETE FROM fold WHERE digest = x'' AND NOT EXISTS (SELECT 1 FROM mine WHERE mine.key = fold.key)",
    "INSERT INTO mine SELECT key, x'', 0 FROM fold WHERE NOT EXISTS (SELECT 1 FROM mine WHERE mine.key = fold.key)",
    "INSERT INTO seen SELECT DISTINCT key, coalesce((SELECT digest FROM fold WHERE fold.key = mine.key), x'') FROM mine",
)

_GONE = """
INSERT OR REPLACE INTO mine
SELECT DISTINCT key, x'', :turn FROM mine AS m
WHERE NOT EXISTS (SELECT 1 FROM mine WHERE mine.key = m.key AND mine.turn = :turn)
"""

_SETTLE = (
    "DELETE FROM mine WHERE key IN (SELECT m.key FROM mine AS m JOIN seen AS s ON s.key = m.key AND s.digest = m.digest)",
    "DELETE FROM seen WHERE NOT EXISTS (SELECT 1 FROM mine WHERE mine.key = seen.key)",
    "DELETE FROM fold WHERE NOT EXISTS (SELECT 1 FROM mine WHERE mine.key = fold.key)",
)

#: SQLite takes the digest from the row with the greatest turn.
_OPEN = """
SELECT m.key, m.digest, coalesce(f.digest, x''), f.part, f.place
FROM (SELECT key, digest, max(turn) FROM mine WHERE key > ? GROUP BY key ORDER BY key LIMIT ?) AS m
LEFT JOIN fold AS f ON f.key = m.key ORDER BY m.key
"""


class FoldStore:
    """The file; it is nameless, and vanishes with the process.

    Call `fold` for the whole topic, `compare` for all rows, `compared` once; then, in turns, `reread` and `gone`, `follow`,
    and `settle`.

    Args:
        cache_kbytes: what is kept in memory.

    Raises (every method): NeedsOperator when the disk is full.
    """

    def __init__(self, cache_kbytes: int = CACHE_KBYTES) -> None:
        with _translated():
            self._file = sqlite3.connect("")  # the empty name is a temporary file, deleted when it is closed
            self._file.execute("PRAGMA journal_mode = OFF")
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute(f"PRAGMA cache_size = -{cache_kbytes}")
            self._file.executescript(_TABLES)

    def fold(self, versions: Iterable[Version]) -> None:
        """Takes messages, each partition's in their order."""
        # Of a key that comes twice only the last one costs something.
        last = {(version.partition, version.key): version for version in versions}
        with _translated():
            self._file.executemany(_FOLD, last.values())

    def doubt(self, versions: Iterable[Version]) -> None:
        """Takes the messages of the same part of the topic once more, with those that were never committed: a reader of all takes
        the last of a key for its value.
        """
        with _translated():
            found = [(one.key,) for one in versions if not self._is_last(one)]
            self._file.executemany("INSERT OR IGNORE INTO doubtful VALUES (?)", found)

    def doubtful(self) -> Iterator[list[bytes]]:
        """The keys that `doubt` has found, in batches."""
        after = b""
        sql = "SELECT key FROM doubtful WHERE key {} ? ORDER BY key LIMIT ?"
        with _translated():
            keys = [key for (key,) in self._file.execute(sql.format(">="), (after, _BATCH))]
        while keys:
            yield keys
            with _translated():
                keys = [key for (key,) in self._file.execute(sql.format(">"), (keys[-1], _BATCH))]

    def live_keys(self) -> int:
        """How many keys have a value."""
        return self._count("SELECT count(*) FROM fold WHERE digest <> x''")

    def keys_before(self, ends: Mapping[int, int]) -> Iterator[list[bytes]]:
        """The keys whose last message has a value and stands before its partition's offset in `ends`, in batches.

        Args:
            ends: an offset by partition; of a partition that is not named there is no key.
        """
        after = None
        while True:
            with _translated():
                rows = self._file.execute(
                    "SELECT key, part, place, digest FROM fold WHERE ?1 IS NULL OR key > ?1 ORDER BY key LIMIT ?2",
                    (after, _BATCH),
                ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            if found := [key for key, part, place, digest in rows if digest != ABSENT and place < ends.get(part, 0)]:
                yield found

    def compare(self, rows: Sequence[EncodedRow]) -> None:
        """Rows of MySQL, each key at most once: what is equal is settled and forgotten."""
        digests = [(key, digest_of(value)) for key, value in rows]
        with _translated():
            run = self._file.execute
            # The row count tells whether there was an equal one; looking first would cost a second search.
            differ = [(key, digest, 0) for key, digest in digests if run(_EQUAL, (key, digest)).rowcount == 0]
            self._file.executemany(_MINE, differ)

    def compared(self) -> None:
        """All rows were compared: keys that are left in the fold are not in MySQL."""
        self._run(_LEFT)

    def open(self) -> int:
        """How many keys differ so far."""
        return self._count("SELECT count(DISTINCT key) FROM mine")

    def keys(self) -> Iterator[list[bytes]]:
        """The keys that differ, in batches; the store may change meanwhile."""
        for found in self.differing():
            yield [one.key for one in found]

    def reread(self, rows: Iterable[EncodedRow], turn: int) -> None:
        """Rows of MySQL that were read again, in this turn; those that nobody asked for are passed over."""
        with _translated():
            known = [(key, digest_of(value), turn) for key, value in rows if self._is_open(key)]
            self._file.executemany(_MINE, known)

    def gone(self, turn: int) -> None:
        """All keys were read again in this turn: what was not found is not in MySQL."""
        with _translated():
            self._file.execute(_GONE, {"turn": turn})

    def follow(self, versions: Iterable[Version]) -> None:
        """Takes messages behind those of `fold`; only keys that differ count."""
        with _translated():
            found = [version for version in versions if self._is_open(version.key)]
            self._file.executemany(_SEEN, [(version.key, version.digest) for version in found])
            self._file.executemany(_FOLD, found)

    def settle(self) -> None:
        """Forgets the keys of which the topic has shown something that MySQL had."""
        self._run(_SETTLE)

    def differing(self) -> Iterator[list[Open]]:
        """The keys that differ, with what is known of them, in the order of their bytes, in batches; the store may change
        meanwhile.
        """
        after = b""
        with _translated():
            rows = self._file.execute(_OPEN.replace("key > ?", "key >= ?"), (after, _BATCH)).fetchall()
        while rows:
            yield [Open(*row) for row in rows]
            after = rows[-1][0]
            with _translated():
                rows = self._file.execute(_OPEN, (after, _BATCH)).fetchall()

    def count(self, rows: int) -> Counts:
        """How many keys differ, by kind.

        Args:
            rows: how many rows were compared.
        """
        kinds = {"missing": 0, "stale": 0, "ghost": 0}
        for found in self.differing():
            for one in found:
                kinds[one.kind] += 1
        return Counts(rows, **kinds)

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def __enter__(self) -> FoldStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_last(self, one: Version) -> bool:
        """True when the fold has this message of its key, or one that counts more."""
        last = self._file.execute("SELECT part, place FROM fold WHERE key = ?", (one.key,)).fetchone()
        return last is not None and (last[0] != one.partition or last[1] >= one.offset)

    def _is_open(self, key: bytes) -> bool:
        return self._file.execute(_IS_OPEN, (key,)).fetchone() is not None

    def _count(self, sql: str) -> int:
        with _translated():
            count: int = self._file.execute(sql).fetchone()[0]
        return count

    def _run(self, statements: Iterable[str]) -> None:
        with _translated():
            for statement in statements:
                self._file.execute(statement)


@contextmanager
def _translated() -> Iterator[None]:
    """Turns SQLite's errors into ours; their texts hold no data."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise NeedsOperator(
            f"The temporary file of a comparison failed: {error}.",
            "Make room in the folder for temporary files, or name another one in SQLITE_TMPDIR.",
        ) from None
