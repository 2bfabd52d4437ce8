"""What we cost MySQL, counted at the one door to it. Plain numbers: whoever makes a `Cost` may read it at any moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Cost:
    """The connections of one kind, of one process. `connections` are open now; everything else only grows.

    Law: one thread opens, asks and closes; another one may read the binlog, and so adds to `received_bytes` alone.
    """

    connections: int = 0
    """Open now."""

    opened: int = 0
    """Connections that MySQL let in."""

    queries: int = 0
    """Statements that were sent, those that set a connection up included: what MySQL counts as `Questions`."""

    locks: int = 0
    """Statements that may have waited for the locks of a table, of jobs that count in places; each gives them back at once."""

    rows: int = 0
    """Rows that MySQL sent; it may have looked at more to find them. Changes of the binlog are no rows."""

    received_bytes: int = 0
    """All that MySQL sent, packet headers included."""
