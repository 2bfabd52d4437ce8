"""How far a MySQL server has got: GTID sets, and coordinates (file and offset) in one server's binlog. `places` makes sets of those, and
`domains` of MariaDB's GTIDs.

The GTID algebra is our own because mysql-replication's set refuses tagged GTIDs (MySQL 8.4 and later).
Text form: `uuid:1-5:7,uuid:tag:1-3`, as MySQL prints @@gtid_executed; blanks and line breaks are ignored.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: Between a server's UUID and the basename of its binlog files, in the source of a place (see `places`).
PLACE_MARK = "@"
_BASENAME = re.compile(r"[^\s:,@]{1,512}")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
#: A MariaDB's domain and server (see `domains`).
DOMAIN = re.compile(r"[0-9]{1,10}-[0-9]{1,10}")
_SOURCE = re.compile(rf"{_UUID.pattern}(?::{_TAG.pattern})?|{DOMAIN.pattern}")
_LARGEST_NUMBER = 2**63 - 1
_LONGEST_FILE_NUMBER = 19
_LONGEST_RUN = 2 * len(str(_LARGEST_NUMBER)) + 1

#: First and last transaction number of a run, both inside.
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class GtidSet:
    """An immutable set of GTIDs: for each source its runs, ascending and apart from each other."""

    runs: Mapping[str, tuple[Interval, ...]]

    @classmethod
    def parse(cls, text: str) -> GtidSet:
        """Reads MySQL's text form; the empty text is the empty set.

        Raises:
            ValueError: the text is not a GTID set.

        """
        one = _one_run(text)
        if one:
            return cls(one)
        runs: dict[str, list[Interval]] = {}
        for part in re.sub(r"\s", "", text).split(","):
            if part:
                _parse_part(part, runs)
        return cls({source: _merged(found) for source, found in sorted(runs.items()) if found})

    def __str__(self) -> str:
        return ",".join(f"{source}:{_intervals_text(runs)}" for source, runs in sorted(self.runs.items()))

    def __bool__(self) -> bool:
        return bool(self.runs)

    def union(self, other: GtidSet) -> GtidSet:
        """All transactions of either set. Costs little where the other is small and follows this one."""
        grown = dict(self.runs)
        for source, runs in other.runs.items():
            mine = grown.get(source)
            if mine is None:
                grown[source] = runs
            elif len(runs) == 1 and mine[-1][1] + 1 == runs[0][0]:
                grown[source] = (*mine[:-1], (mine[-1][0], runs[0][1]))
            else:
                grown[source] = _merged([*mine, *runs])
        return GtidSet(grown)

    def intersection(self, other: GtidSet) -> GtidSet:
        """The transactions that both sets have."""
        common = {s: tuple(_common(runs, other.runs[s])) for s, runs in self.runs.items() if s in other.runs}
        return GtidSet({source: runs for source, runs in common.items() if runs})

    def minus(self, other: GtidSet) -> GtidSet:
        """The transactions of this set that the other lacks."""
        rest = {s: tuple(_difference(runs, other.runs.get(s, ()))) for s, runs in self.runs.items()}
        return GtidSet({source: runs for source, runs in rest.items() if runs})

    def covers(self, other: GtidSet) -> bool:
        """True when every transaction of the other set is in this one."""
        for source, runs in other.runs.items():
            mine = self.runs.get(source, ())
            for first, last in runs:
                index = bisect_right(mine, (first, _LARGEST_NUMBER)) - 1
                # Runs stand apart, so no two of ours cover one together.
                if index < 0 or mine[index][1] < last:
                    return False
        return True

    def intersects(self, other: GtidSet) -> bool:
        """True when some transaction is in both sets."""
        for source, runs in other.runs.items():
            mine = self.runs.get(source, ())
            for first, last in runs:
                index = bisect_right(mine, (last, _LARGEST_NUMBER)) - 1
                if index >= 0 and mine[index][1] >= first:
                    return True
        return False

    def count(self) -> int:
        """How many transactions the set holds."""
        return sum(last - first + 1 for runs in self.runs.values() for first, last in runs)


class Coordinates(NamedTuple):
    """A place in the binlog of one server. Comparing across servers means nothing; use `reaches`."""

    file: str
    offset: int

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"

    def reaches(self, other: Coordinates) -> bool:
        """True at or behind the other place. Files compare by number: 1000000 comes after 999999."""
        return (file_number(self.file), self.offset) >= (file_number(other.file), other.offset)


def file_number(file: str) -> int:
    """The number of a binlog file.

    Raises:
        ValueError: its name does not end in one.
    """
    suffix = file.rpartition(".")[2]
    if not suffix.isascii() or not suffix.isdigit() or len(suffix) > _LONGEST_FILE_NUMBER:
        raise ValueError(f"binlog file {file[:80]!r} does not end in a number")
    return int(suffix)


def _one_run(text: str) -> dict[str, tuple[Interval]] | None:
    """A set of one run, the form in which every transaction's GTID arrives; None for any other text."""
    source, _, run = text.rpartition(":")
    low, dash, high = run.partition("-")
    if len(run) > _LONGEST_RUN or not run.isascii() or not low.isdecimal() or not _is_source(source):
        return None
    if dash and not high.isdecimal():
        return None
    first = int(low)
    last = int(high) if dash else first
    return {source: ((first, last),)} if 1 <= first <= last <= _LARGEST_NUMBER else None


@lru_cache(256)
def _is_source(text: str) -> bool:
    uuid, mark, basename = text.partition(PLACE_MARK)
    if mark:
        return bool(_UUID.fullmatch(uuid) and _BASENAME.fullmatch(basename))
    return _SOURCE.fullmatch(text) is not None


def _parse_part(part: str, runs: dict[str, list[Interval]]) -> None:
    source, *rest = part.split(":")
    if PLACE_MARK not in source:  # the names of files have their case
        source, rest = source.lower(), [word.lower() for word in rest]
    uuid = source
    if not _is_source(source) or not rest:
        raise ValueError(f"not a GTID set: {part!r}")
    for word in rest:
        interval = _INTERVAL.fullmatch(word)
        if interval:
            first = int(interval[1])
            last = int(interval[2]) if interval[2] else first
            if first < 1 or last > _LARGEST_NUMBER:
                raise ValueError(f"transaction number out of range in {part!r}")
            if first <= last:  # MySQL reads 5-4 as the empty run
                runs.setdefault(source, []).append((first, last))
        elif _TAG.fullmatch(word) and PLACE_MARK not in uuid:
            source = f"{uuid}:{word}"
        else:
            raise ValueError(f"not a GTID set: {part!r}")


def _intervals_text(runs: Iterable[Interval]) -> str:
    return ":".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _merged(runs: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def _common(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> Iterator[Interval]:
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            yield first, last
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1


def _difference(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> Iterator[Interval]:
    j = 0
    for first, last in left:
        while j < len(right) and right[j][1] < first:
            j += 1
        k = j
        while k < len(right) and right[k][0] <= last:
            if first < right[k][0]:
                yield first, right[k][0] - 1
            first = right[k][1] + 1
            k += 1
        if first <= last:
            yield first, last
