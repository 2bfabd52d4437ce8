"""Whether MySQL takes the conditions of `scan.snapshot.filters`.

Law of this file: like `source`, it ends with findings. No row is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.preflight.findings import Finding, failed, listed, passed
from shared.adapters.mysql.ranges import full_name
from shared.adapters.mysql.session import Session
from shared.errors import Bug, NeedsOperator
from shared.job.filters import RowFilters
from shared.model.schema import TableId

_SUBJECT, _PATH = "snapshot_filters", "source.scan.snapshot.filters"


def check_filters(
    session: Session, filters: RowFilters | None, tables: Sequence[TableId], *, all_tables: bool
) -> list[Finding]:
    """Every filter means a table, every table has one at most, and each is one condition.

    Args:
        session: to the server.
        filters: those of the job.
        tables: which can be read.
        all_tables: whether these are all of the job's; only then a filter can be found to mean none.
    """
    if filters is None:
        return []
    if all_tables and (idle := filters.idle(tables)):
        message = f"{idle} of the filters mean{'s' * (idle == 1)} no table of the job; case counts."
        return [failed(_SUBJECT, message, "Correct the pattern: what it should leave out would be copied.", _PATH)]
    found = {table: conditions for table in tables if (conditions := filters.conditions(table))}
    if several := [str(table) for table, conditions in found.items() if len(conditions) > 1]:
        return [failed(_SUBJECT, f"Several filters mean {listed(several)}.", "Write one for each table.", _PATH)]
    for table, (condition,) in found.items():
        try:
            # With and without brackets: what closes one and opens another would reach beyond the range that is read.
            for whole in (condition, f"({condition}\n)"):
                session.query(f"SELECT 1 FROM {full_name(table)} WHERE {whole} LIMIT 0")
        except (Bug, NeedsOperator) as error:
            hint = "Write what could stand behind WHERE in a query of this table; functions of your own with their database."
            return [failed(_SUBJECT, f"The filter of {table} is no condition. {error.message}", hint, _PATH)]
    return [passed(_SUBJECT, f"Of {len(found)} table{'s' * (len(found) != 1)} some rows are copied only.")]
