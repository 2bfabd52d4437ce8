"""`scheduler sql`: queries over the topics of jobs, once, line by line at a prompt, or for as long as they change."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.answers import FORMS, head_of_changes, write_changes, write_rows
from scheduler.cli.exits import Exit
from scheduler.cli.output import Output
from scheduler.cli.prompt import Prompt
from scheduler.cli.reading import Bars
from scheduler.cli.tables import tables_of
from scheduler.console.changes import Follow
from scheduler.console.session import Session
from shared.adapters.duckdb.engine import Engine

#: A job's name has no other characters; a query has a blank at least.
_JOB = re.compile(r"[a-z0-9_-]+$")


@click.command()
@click.argument("words", metavar='[JOB] ["SELECT …"]', nargs=-1)
@click.option(
    "--follow", is_flag=True, help="Stay, and print how the result changes: +I, -U, +U and -D, as Flink does."
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMS, "parquet"]),
    help="How to print: table (default), csv, json (an object per line), or parquet (with --output).",
)
@click.option(
    "--output", "file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file."
)
@click.option(
    "--memory-limit",
    default="1GB",
    show_default=True,
    metavar="SIZE",
    help="What DuckDB may take; beyond it spills to disk.",
)
@click.option(
    "--spill-dir",
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Where to spill to; default: the system's folder for temporary files.",
)
@options.as_json
@click.pass_obj
def sql(
    access: Access,
    words: tuple[str, ...],
    follow: bool,
    form: str | None,
    file: Path | None,
    memory_limit: str,
    spill_dir: Path | None,
    json: bool,
) -> int:
    """Ask the topics of JOB, or of all jobs, in DuckDB's SQL.

    A table is called as in MySQL (`user`, order_dw.order); with _source behind its name its columns have key_ and
    value_ before theirs. Only topics that a query names are read, from their beginning up to now. Without a query, a
    terminal gets a prompt, and else stdin is the query.

    \b
      scheduler sql orders "SELECT * FROM order_dw.order WHERE user_id = 1"
      scheduler sql orders "SELECT count(*) FROM user" --follow
      scheduler sql orders "SELECT * FROM user" --format parquet --output user.parquet
      scheduler sql orders
    """
    output = Output(json=json)
    job, text = _job_and_query(words)
    form = _form(form, file, json, follow)
    asks = text is None and file is None and not follow and not json and sys.stdin.isatty()
    if text is None and not asks:
        text = sys.stdin.read()
    try:
        with _session(access, job, output, memory_limit, spill_dir) as session:
            if text is None:
                Prompt(session, output, form).run()
            elif follow:
                _follow(session, output, text, form)
            else:
                _answer(session, output, text, form, file)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


def _job_and_query(words: tuple[str, ...]) -> tuple[str | None, str | None]:
    match words:
        case ():
            return None, None
        case (word,) if _JOB.match(word):
            return word, None
        case (word,):
            return None, word
        case (job, text):
            return job, text
    raise click.UsageError("Give at most a job and one query; put the query in quotes.")


def _form(form: str | None, file: Path | None, json: bool, follow: bool) -> str:
    if json and form not in (None, "json"):
        raise click.UsageError("--json and --format contradict each other.")
    form = "json" if json else form or ("parquet" if file and file.suffix == ".parquet" else "table")
    if form == "parquet" and file is None:
        raise click.UsageError("--format parquet needs --output FILE.")
    if follow and file is not None:
        raise click.UsageError("--follow writes to stdout only: leave out --output and --format parquet.")
    return form


@contextmanager
def _session(
    access: Access, job: str | None, output: Output, memory_limit: str, spill_dir: Path | None
) -> Iterator[Session]:
    with (
        tempfile.TemporaryDirectory(prefix="headrace-sql-", dir=spill_dir) as folder,
        Bars(output) as bars,
        # First: where DuckDB is missing, nobody should wait for Kafka.
        closing(Engine(memory_limit, Path(folder))) as engine,
    ):
        with access.jobs() as jobs:
            tables = tables_of(access, jobs, job)
        for note in tables.notes:
            output.note(note)
        session = Session(
            engine,
            tables.sources,
            lambda source: access.open_topic(tables.clusters[source.job], source.topic, label=source.label),
            output.note,
            lambda source: bars.of(source.topic),
        )
        with closing(session):
            yield session


def _answer(session: Session, output: Output, text: str, form: str, file: Path | None) -> None:
    question = session.prepare(text)
    if file is None:
        write_rows(form, question.shape, session.rows(question), output.piece)
        return
    if form == "parquet":
        count = session.save_parquet(question, file)
    else:
        with _opened(file) as stream:
            count = write_rows(form, question.shape, session.rows(question), stream.write)
    output.note(f"Wrote {count:,} rows to {file}.")


def _opened(file: Path) -> TextIO:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from None


def _follow(session: Session, output: Output, text: str, form: str) -> None:
    question = session.prepare(text)
    follow = Follow(session, question)
    output.piece(head_of_changes(form, question.shape))
    write_changes(form, question.shape, follow.begin(), output.piece)
    while True:
        write_changes(form, question.shape, follow.changes(), output.piece)
