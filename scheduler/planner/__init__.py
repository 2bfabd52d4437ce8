"""How a job is cut: tables into chunks, chunks by arithmetic where that is cheap.

Law of this room: pure. What it needs to know of the server comes in as arguments, from `scheduler.discovery`.
"""

from scheduler.planner.bounds import SPREAD_MAX, dense, integer_bounds
from scheduler.planner.estimate import Estimate
from scheduler.planner.plan import CHUNK_BYTES, Connections, Plan, PlannedTable, make_plan, rows_per_chunk

__all__ = [
    "CHUNK_BYTES",
    "SPREAD_MAX",
    "Connections",
    "Estimate",
    "Plan",
    "PlannedTable",
    "dense",
    "integer_bounds",
    "make_plan",
    "rows_per_chunk",
]
