"""Bounds of chunks by arithmetic, for tables whose only key column is a whole number.

Theory: keys are unique, so a range of `chunk_rows` consecutive numbers holds at most `chunk_rows` rows. That needs no
look at the table, but a table with large gaps would fall into many empty chunks, each with a Kafka transaction of its
own; such a table is walked along its index instead (one look per chunk, every chunk full). `dense` chooses.

Law of this file: a bound is never outside (low, high], so the first and the last chunk, which are open-ended, both
hold a key that was there, and no bound can leave the column's domain.
"""

from __future__ import annotations

#: Numbers between the lowest and the highest key for each row, at most, if bounds are made by arithmetic. At 4 a chunk
#: is a quarter full on average: three chunks in vain for one that is full cost about 0.1 s of Kafka transactions,
#: which is what one step along the index costs at 50,000 rows. InnoDB's estimates err by a factor of up to 2, so
#: that a table with one number in two is still surely dense.
SPREAD_MAX = 4


def dense(low: int, high: int, rows_estimate: int) -> bool:
    """True when bounds should be made by arithmetic, False when they should be read from the index.

    Args:
        low: the lowest key.
        high: the highest key.
        rows_estimate: rows by the server's statistics; 0 or less when it knows none, which is never dense: stale
            statistics say so of a table that was loaded a moment ago.
    """
    return rows_estimate > 0 and high - low < SPREAD_MAX * rows_estimate


def integer_bounds(after: int | None, low: int, high: int, chunk_rows: int, limit: int) -> list[int]:
    """The next bounds, ascending: chunks lie between two of them, before the first one and from the last one on.

    Calling it again with the last bound as `after` goes on where it stopped; an empty list says that the rest, up
    to `high`, is one chunk.

    Args:
        after: the last bound that is known, None at the beginning.
        low: the lowest key of the table.
        high: the highest key of the table.
        chunk_rows: numbers in a chunk; therefore also the most rows that it can hold.
        limit: how many bounds to give at most.

    Raises:
        ValueError: `chunk_rows` or `limit` is not positive.
    """
    if chunk_rows < 1 or limit < 1:
        raise ValueError("a chunk has at least one row, and a list of bounds at least one place")
    # Nothing lies below the lowest key: rows that were deleted since the last bound leave no empty chunks behind.
    start = low if after is None else max(after, low)
    first = start + chunk_rows
    return list(range(first, min(high, start + chunk_rows * limit) + 1, chunk_rows))
