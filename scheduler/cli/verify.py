"""`scheduler verify`: compares tables with their topics while both go on changing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.control import alive
from scheduler.cli.ddl import stored_tables
from scheduler.cli.differences import Bars, Lines, differ_in_all, document, found_views, nothing
from scheduler.cli.exits import Exit, exit_of
from scheduler.cli.follow import live_display
from scheduler.cli.output import Output
from scheduler.cli.verifying import TableRun, Verification, task_of
from shared import errors
from shared.errors import HeadraceError, InvalidJob, NeedsOperator, Transient
from shared.job.patterns import TablePatterns
from shared.machines.ledger import TableRecord
from shared.model.job import Wanted
from shared.model.verify import EVERYTHING, Action, Failure


@click.command()
@options.job
@click.option(
    "--table",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Only tables that match: a pattern as in a job file (`order_dw.user_\\.*`), or a name without a database. "
    "May be given several times.",
)
@click.option(
    "--sample",
    default=EVERYTHING,
    metavar="PERCENT",
    type=click.FloatRange(0, EVERYTHING, min_open=True),
    help="Compare only about so many percent of the keys, chosen by their hash.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Write the keys that differ again: rows as MySQL has them, tombstones for keys that have none.",
)
@options.as_json
@click.pass_obj
def verify(access: Access, job: str, patterns: tuple[str, ...], sample: float, repair: bool, json: bool) -> int:
    """Compare MySQL with JOB's topics, row by row, while both go on changing.

    Snapshot workers do it; they read each table and its topic once. Keys that differ are looked at again until MySQL and
    the topic can be compared at a common position, so what only moved meanwhile is no difference. Without --repair
    nothing is changed. Exit code 1 when a key differs, with --repair when one still differs afterwards.

    \b
      scheduler verify orders
      scheduler verify orders --table user --sample 5
      scheduler verify orders --repair
      scheduler verify orders --json | jq '.tables[].differences[]'
    """
    output = Output(json=json)
    with access.jobs() as jobs:
        wanted = alive(jobs, job)
    tables = [_table_run(record) for record in _selected(stored_tables(access, wanted), patterns, wanted)]
    for table in tables:
        if table.skipped:
            output.note(f"{table.record.table.id} is left out: {table.skipped}")
    try:
        with live_display(output) as live:
            show = Bars(live) if live else nothing if json else Lines(output.notes)
            task = replace(task_of(wanted, Action.REPAIR if repair else Action.COMPARE), sample=sample)
            Verification(access, output, wanted, task, show).run(tables)
    except KeyboardInterrupt:
        output.note("Stopped; what was being compared ends by itself.")
        return Exit.INTERRUPTED
    if json:
        output.document(document(job, sample, tables))
    else:
        for view in found_views(tables, sample):
            output.show(view)
    return exit_code(tables)


def _selected(records: Sequence[TableRecord], patterns: Sequence[str], wanted: Wanted) -> list[TableRecord]:
    """The tables that match a pattern, each once; all of them without one.

    Raises:
        InvalidJob: a pattern is none, or matches no table.
    """
    chosen: set[int] = set()
    for text in patterns:
        # A dot that stands for itself divides database and table; a name alone is looked for in all databases.
        named = "." in text.replace("\\.", "")
        pattern = TablePatterns.parse(text if named else f"\\.*.{text}", "--table")
        found = {place for place, record in enumerate(records) if pattern.matches(record.table.id)}
        if not found:
            known = ", ".join(str(record.table.id) for record in records[:20])
            raise InvalidJob(f"No table of job `{wanted.name}` matches `{text}`.", f"Its tables: {known}.", "--table")
        chosen |= found
    return [record for place, record in enumerate(records) if not patterns or place in chosen]


def _table_run(record: TableRecord) -> TableRun:
    return TableRun(record, skipped="" if record.live else "it is being copied, and has no complete topic yet.")


def exit_code(tables: Sequence[TableRun]) -> Exit:
    """What the command ends with."""
    counts = differ_in_all(tables)
    if counts.left if counts.written else counts.differ:
        return Exit.FAILED
    for table in tables:
        if table.failure is not None:
            return exit_of(_error_of(table.failure))
    return Exit.REFUSED if any(table.skipped for table in tables) else Exit.OK


def _error_of(failure: Failure) -> HeadraceError:
    """The error that a worker met, as far as this process knows its name."""
    known = getattr(errors, failure.name, Transient if failure.transient else NeedsOperator)
    kind = known if isinstance(known, type) and issubclass(known, HeadraceError) else NeedsOperator
    return kind(failure.message, failure.hint)
