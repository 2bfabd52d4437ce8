"""How far a MySQL server has got: GTID sets, and coordinates (file and offset) in one server's binlog.

The GTID algebra is our own because mysql-replication's set refuses tagged GTIDs (MySQL 8.4 and later).
Text form: `uuid:1-5:7,uuid:tag:1-3`, as MySQL prints @@gtid_executed; blanks and line breaks are ignored.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")
_LARGEST_NUMBER = 2**63 - 1

#: First and last transaction number of a run, both inside.
Interval = tuple[int, int]


class Gtid(NamedTuple):
    """One transaction's name: its source (`uuid`, or `uuid:tag`) and its number, from 1."""

    source: str
    number: int

    def __str__(self) -> str:
        return f"{self.source}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Gtid:
        """Reads `uuid:number` or `uuid:tag:number`.

        Raises:
            ValueError: the text is not one GTID.

        """
        source, _, number = text.rpartition(":")
        if not number.isdigit() or not source:
            raise ValueError(f"not a GTID: {text!r}")
        return cls(source, int(number))


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
        runs: dict[str, list[Interval]] = {}
        for part in re.sub(r"\s", "", text).lower().split(","):
            if part:
                _parse_part(part, runs)
        return cls({source: _merged(found) for source, found in sorted(runs.items()) if found})

    def __str__(self) -> str:
        return ",".join(f"{source}:{_intervals_text(runs)}" for source, runs in sorted(self.runs.items()))

    def __contains__(self, gtid: Gtid) -> bool:
        runs = self.runs.get(gtid.source)
        if not runs:
            return False
        index = bisect_right(runs, (gtid.number, _LARGEST_NUMBER)) - 1
        return index >= 0 and runs[index][0] <= gtid.number <= runs[index][1]

    def __bool__(self) -> bool:
        return bool(self.runs)

    def with_gtid(self, gtid: Gtid) -> GtidSet:
        """This set and one more transaction; the usual case, the next number of a source, costs little."""
        runs = self.runs.get(gtid.source, ())
        if runs and runs[-1][1] + 1 == gtid.number:
            grown = (*runs[:-1], (runs[-1][0], gtid.number))
        else:
            grown = _merged([*runs, (gtid.number, gtid.number)])
        return GtidSet({**self.runs, gtid.source: grown})

    def union(self, other: GtidSet) -> GtidSet:
        """All transactions of either set."""
        sources = {**self.runs, **other.runs}
        return GtidSet({s: _merged([*self.runs.get(s, ()), *other.runs.get(s, ())]) for s in sources})

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
        return not other.minus(self)

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
        return (_file_number(self.file), self.offset) >= (_file_number(other.file), other.offset)


def _file_number(file: str) -> int:
    suffix = file.rpartition(".")[2]
    if not suffix.isdigit():
        raise ValueError(f"binlog file {file!r} does not end in a number")
    return int(suffix)


def _parse_part(part: str, runs: dict[str, list[Interval]]) -> None:
    uuid, *rest = part.split(":")
    if not _UUID.fullmatch(uuid) or not rest:
        raise ValueError(f"not a GTID set: {part!r}")
    source = uuid
    for word in rest:
        interval = _INTERVAL.fullmatch(word)
        if interval:
            first = int(interval[1])
            last = int(interval[2]) if interval[2] else first
            if first < 1 or last > _LARGEST_NUMBER:
                raise ValueError(f"transaction number out of range in {part!r}")
            if first <= last:  # MySQL reads 5-4 as the empty run
                runs.setdefault(source, []).append((first, last))
        elif _TAG.fullmatch(word):
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
