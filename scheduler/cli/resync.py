"""`scheduler resync`: writes a table, or some of its keys, to its topic again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.control import alive
from scheduler.cli.ddl import stored_tables
from scheduler.cli.differences import Bars, Lines, nothing
from scheduler.cli.exits import Exit
from scheduler.cli.follow import live_display
from scheduler.cli.output import Output
from scheduler.cli.verify import exit_code
from scheduler.cli.verifying import TableRun, Verification, task_of
from scheduler.console.keys import key_bytes
from shared.errors import InvalidJob
from shared.machines.ledger import TableRecord
from shared.model.job import Wanted
from shared.model.verify import Action

#: Keys of one command: they travel as the arguments of a task.
KEYS_MAX = 10_000


@click.command()
@options.job
@click.argument("table", metavar="TABLE")
@click.option(
    "--where", default="", metavar="CONDITION", help="Only rows for which this SQL condition holds: `id < 1000`."
)
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="Only this key: a JSON object, or NAME=VALUE for a key of one column. May be given several times.",
)
@click.option(
    "--keys",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help=f"Only the keys of this file, a JSON object in each line, {KEYS_MAX:,} at most; `-` is standard input.",
)
@options.as_json
@click.pass_obj
def resync(
    access: Access, job: str, table: str, where: str, keys: tuple[str, ...], file: Path | None, json: bool
) -> int:
    """Write TABLE of JOB to its topic again while changes stream.

    A snapshot worker reads the rows and writes them, range by range, and then tombstones for keys of the topic that have no
    row any more. Readers never see an older version of a row because of it. Interrupted, it leaves what it has written, which is right;
    run it again.

    \b
      scheduler resync orders order_dw.user
      scheduler resync orders user --where "id BETWEEN 1000 AND 2000"
      scheduler resync orders user --key id=7 --key id=8
      scheduler verify orders --json | jq -c '.tables[].differences[].key' | scheduler resync orders user --keys -
    """
    output = Output(json=json)
    if bool(where) + bool(keys) + bool(file) > 1:
        raise InvalidJob("Several ways to say which rows.", "Give one of --where, --key and --keys.", "--where")
    with access.jobs() as jobs:
        wanted = alive(jobs, job)
    run = TableRun(_named(stored_tables(access, wanted), table, wanted))
    if not run.record.live:
        raise InvalidJob(f"Table {run.record.table.id} is being copied.", "Wait until its snapshot is done.", "TABLE")
    chosen = _keys([*keys, *_lines(file)], run.record) if keys or file else ()
    if file and not chosen:
        output.note("There are no keys; nothing is written.")
        return Exit.OK
    try:
        with live_display(output) as live:
            show = Bars(live) if live else nothing if json else Lines(output.notes)
            task = replace(task_of(wanted, Action.RESYNC), where=where, keys=chosen)
            Verification(access, output, wanted, task, show).run([run])
    except KeyboardInterrupt:
        output.note("Stopped; what was being written ends by itself.")
        return Exit.INTERRUPTED
    _tell(output, job, run, json=json)
    return exit_code([run])


def _named(records: Sequence[TableRecord], name: str, wanted: Wanted) -> TableRecord:
    """The table of that name, with or without its database.

    Raises:
        InvalidJob: there is none, or there are several.
    """
    found = [record for record in records if name in (str(record.table.id), record.table.id.table)]
    if len(found) != 1:
        known = ", ".join(str(record.table.id) for record in (found or records)[:20])
        problem = "has several tables" if found else "has no table"
        raise InvalidJob(f"Job `{wanted.name}` {problem} `{name}`.", f"Name one of: {known}.", "TABLE")
    return found[0]


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    with click.open_file(str(file), encoding="utf-8") as opened:
        return [line.strip() for line in opened if line.strip()]


def _keys(given: Sequence[str], record: TableRecord) -> tuple[str, ...]:
    if len(given) > KEYS_MAX:
        hint = "Give them in several files, or use --where."
        raise InvalidJob(f"There are {len(given):,} keys; {KEYS_MAX:,} at most.", hint, "--keys")
    return tuple(dict.fromkeys(key_bytes([each], record.table).decode() for each in given))


def _tell(output: Output, job: str, run: TableRun, *, json: bool) -> None:
    counts, failure = run.counts, run.failure
    notes = [part.report.waits for part in run.parts if part.report is not None and part.report.waits]
    if json:
        body: dict[str, Any] = {"job": job, "table": str(run.record.table.id), "topic": run.record.topic}
        error = {"name": failure.name, "message": failure.message, "hint": failure.hint} if failure else None
        output.document({**body, "written": counts.written, "notes": notes, "error": error})
        return
    if failure is not None:
        output.note(f"{failure.name}: {failure.message}{f' Hint: {failure.hint}' if failure.hint else ''}")
    else:
        output.show(
            f"{run.record.table.id}: {counts.written:,} rows and tombstones were written to {run.record.topic}."
        )
    for note in notes:
        output.note(note)
