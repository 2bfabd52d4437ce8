"""`scheduler ddl`: a job's topics as tables of Flink SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.output import Output
from scheduler.flink import (
    Engine,
    Form,
    Style,
    client_properties,
    create_database,
    create_table,
    shared_table,
    table_names,
    topic_of,
)
from shared.codec import FormatOptions
from shared.errors import InvalidJob
from shared.job.spec import parse
from shared.machines.ledger import TableRecord
from shared.model.job import Wanted
from shared.model.schema import Table


@click.command()
@options.job
@click.option("--table", "tables", metavar="TABLE", multiple=True, help="Only this table (`name` or `database.name`).")
@click.option(
    "--style",
    type=click.Choice([style.value for style in Style]),
    default=Style.TEMPORARY.value,
    show_default=True,
    help="Kind of table.",
)
@options.engine
@options.key_prefix
@options.value_prefix
@options.as_json
@click.pass_obj
def ddl(
    access: Access, job: str, tables: tuple[str, ...], style: str, engine: str, key_prefix: str, value_prefix: str,
    json: bool,
) -> None:  # fmt: skip
    """Print Flink SQL statements that declare the topics of JOB as tables.

    Columns have the types of MySQL's schema as the job knows it; MySQL is not asked. Secrets stay placeholders.

    \b
      scheduler ddl orders
      scheduler ddl orders --table order --style upsert-kafka
      scheduler ddl orders --style catalog > tables.sql
    """
    output = Output(json=json)
    form = Form(Style(style), Engine(engine), key_prefix, value_prefix)
    with access.jobs() as jobs:
        wanted = jobs.get(job)
    every = stored_tables(access, wanted)
    records = chosen(every, tables, job)
    documents = _documents(access, wanted, every, {record.topic for record in records}, form)
    if json:
        output.document(documents)
        return
    if form.style is Style.CATALOG:
        for database in dict.fromkeys(record.table.id.database for record in records):
            output.text(create_database(database))
    for document in documents:
        output.text(document["statement"])


def stored_tables(access: Access, wanted: Wanted) -> list[TableRecord]:
    """The job's tables, by name, as its state topic has them.

    Raises:
        InvalidJob: the job has none yet, or none any more.
    """
    stored = access.stored(wanted, access.sink_options(wanted))
    try:
        state = stored.read()
    finally:
        stored.close()
    if state is None or not state.tables:
        raise InvalidJob(
            f"Nothing is known of the tables of job `{wanted.name}`: it has not begun, or was cancelled.",
            "Start `python -m workers.binlog`, and look at `scheduler status`.",
        )
    return [state.tables[table] for table in sorted(state.tables)]


def by_topic(records: Sequence[TableRecord], spelling: FormatOptions) -> dict[str, Table]:
    """The table of each topic, as messages show it; tables that share a topic are one."""
    tables: dict[str, Table] = {}
    for topic in dict.fromkeys(record.topic for record in records):
        sharing = [record for record in records if record.topic == topic]
        shown, shard_key = [spelling.shown(record.table) for record in sharing], sharing[0].shard_key
        tables[topic] = shared_table(shown, shard_key, topic) if shard_key else shown[0]
    return tables


def chosen(records: Sequence[TableRecord], names: Iterable[str], job: str) -> list[TableRecord]:
    """The records of these tables, all without names.

    Raises:
        InvalidJob: the job has no such table, or several.
    """
    wanted = []
    for name in names:
        found = [r for r in records if name in (str(r.table.id), r.table.id.table)]
        if len(found) != 1:
            what = "no table" if not found else "several tables"
            known = ", ".join(str(record.table.id) for record in (found or records))
            raise InvalidJob(f"Job `{job}` has {what} `{name}`.", f"Its tables: {known}.", "--table")
        wanted += found
    return list(dict.fromkeys(wanted)) if wanted else list(records)


def _documents(
    access: Access, wanted: Wanted, every: Sequence[TableRecord], topics: Collection[str], form: Form
) -> list[dict[str, str]]:
    written, format_ = parse(wanted.text, wanted.file).written_properties(), access.format_options(wanted)
    bootstrap = access.resolver({}).substitute(written["bootstrap.servers"], "sink.properties.bootstrap.servers")
    properties = client_properties(bootstrap, written)
    tables = by_topic(every, format_)
    # Over all tables of the job, so that a table keeps its name whichever others are asked for.
    names = table_names([table.id for table in tables.values()], "_source")
    found = []
    for topic, table in tables.items():
        if topic not in topics:
            continue
        name = tuple(table.id) if form.style is Style.CATALOG else (names[table.id],)
        statement = create_table(
            name, topic_of(table, topic, replace(format_, excluded=None, masked=None)), form, properties
        )
        shared = ", ".join(str(record.table.id) for record in every if record.topic == topic)
        found.append({"table": shared, "topic": topic, "name": ".".join(name), "statement": statement})
    return found
