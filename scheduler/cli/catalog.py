"""`scheduler catalog`: the topics of a Kafka cluster as tables, inferred from their messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.ddl import by_topic, stored_tables
from scheduler.cli.exits import Exit
from scheduler.cli.output import Output
from scheduler.cli.views import catalog_view
from scheduler.flink import (
    CatalogOptions,
    Described,
    Engine,
    Form,
    Messages,
    Style,
    catalog_options,
    client_properties,
    create_table,
    describe,
)
from shared.adapters.kafka.samples import Sampler
from shared.adapters.kafka.topics import TopicState
from shared.errors import HeadraceError, InvalidJob, SinkRefused
from shared.job.spec import parse
from shared.model.schema import Table

_TOPICS_HINT = "scheduler catalog without a topic lists all that there are."


@click.command()
@click.argument("topics", metavar="[TOPIC]...", nargs=-1)
@click.option("--job", "job", metavar="JOB", help="The cluster and the topics of this job, whose tables are known.")
@click.option(
    "--option", "arguments", metavar="NAME=VALUE", multiple=True, help="An option of the catalog; may be repeated."
)
@click.option("--ddl", "as_ddl", is_flag=True, help="Print CREATE TABLE statements.")
@options.engine
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="Longest time for a topic."
)
@options.as_json
@click.pass_obj
def catalog(
    access: Access, topics: tuple[str, ...], job: str | None, arguments: tuple[str, ...], as_ddl: bool, engine: str,
    seconds: float, json: bool,
) -> int:  # fmt: skip
    """Show topics as tables: columns of keys and values, inferred from some of their messages.

    TOPIC is a name or a pattern such as `order_dw.*`; without one, every topic is looked at but Kafka's own and
    headrace's records. Nothing is written, and no group's offsets change.

    \b
      scheduler catalog
      scheduler catalog 'order_dw.*' --option max.fetch.records=1000
      scheduler catalog --job orders --ddl
    """
    output, wishes = Output(json=json), catalog_options(arguments)
    cluster = _cluster(access, job, wishes)
    found = access.topics(cluster.options)
    names = _chosen(topics, found, cluster, access.settings.registry_topic)
    form = Form(Style.TEMPORARY, Engine(engine), wishes.key_prefix, wishes.value_prefix, wishes.startup)
    documents: list[dict[str, Any]] = []
    refused = False
    with closing(access.sampler(cluster.options, wishes.start.group)) as sampler:
        for number, name in enumerate(names, 1):
            try:
                with output.busy(f"Reading {name} ({number} of {len(names)})"):
                    described = _described(sampler, name, wishes, cluster, seconds)
            except SinkRefused as error:
                # A topic that we may see and not read must not hide the others.
                output.note(f"{name}: not read. {error}")
                refused = True
                continue
            if sampler.cut_short:
                count = described.inferred.messages
                output.note(f"{name}: the sample ended early, after {count} messages; try --seconds.")
            if as_ddl:
                _statement(output, described, found[name], cluster, wishes, form, documents)
            else:
                documents.append(_document(described, found[name], wishes))
    if json:
        output.document(documents)
    elif not as_ddl:
        output.show(catalog_view(documents))
    return Exit.FAILED if refused else Exit.OK


def _described(sampler: Sampler, name: str, wishes: CatalogOptions, cluster: _Cluster, seconds: float) -> Described:
    messages = Messages(wishes.rules, wishes.raw_column)
    for message in sampler.read(name, wishes.start, wishes.records, seconds):
        messages.see(message.key, message.value, (message.timestamp_ms, message.partition, message.offset))
    return describe(messages.infer(name), cluster.tables.get(name))


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A cluster and what is known of it. `options` may hold secrets; `properties` are for statements and hold none."""

    options: Mapping[str, str]
    properties: Mapping[str, str]
    tables: Mapping[str, Table]


def _cluster(access: Access, job: str | None, wishes: CatalogOptions) -> _Cluster:
    if job is not None and wishes.properties:
        raise InvalidJob("A job has its own `properties.*`.", "Give either --job or --option properties.*.", "--option")
    if job is None:
        sink, bootstrap = access.cluster_options(wishes.properties)
        return _Cluster(sink, client_properties(bootstrap, wishes.properties), {})
    with access.jobs() as jobs:
        wanted = jobs.get(job)
    sink = access.sink_options(wanted)
    written = parse(wanted.text, wanted.file).written_properties()
    tables = by_topic(stored_tables(access, wanted), access.format_options(wanted))
    return _Cluster(sink, client_properties(sink["bootstrap.servers"], written), tables)


def _chosen(patterns: Sequence[str], found: Mapping[str, TopicState], cluster: _Cluster, registry: str) -> list[str]:
    """The topics to look at, by name.

    Raises:
        InvalidJob: there is no such topic.
    """
    if not patterns and cluster.tables:
        patterns = sorted(cluster.tables)
    elif not patterns:
        own = (registry, f"{registry}.state.*")
        return [name for name in sorted(found) if not name.startswith("__") and not _matches(name, own)]
    for pattern in patterns:
        if not any(_matches(name, [pattern]) for name in found):
            raise InvalidJob(f"There is no topic `{pattern}`.", _TOPICS_HINT)
    return [name for name in sorted(found) if _matches(name, patterns)]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _document(described: Described, state: TopicState, wishes: CatalogOptions) -> dict[str, Any]:
    inferred = described.inferred
    topic = inferred.topic
    columns = [
        {
            "name": prefix + field.name,
            "side": side,
            "type": field.type,
            "nullable": True,
            "note": field.note,
            "mark": described.marks.get(field.name, "") if side == "value" else "",
        }
        for side, prefix, fields in (
            ("key", wishes.key_prefix, topic.keys),
            ("value", wishes.value_prefix, topic.values),
        )
        for field in fields
    ]
    return {
        "topic": topic.name,
        "partitions": state.partitions,
        "cleanup_policy": state.cleanup_policy,
        "messages": inferred.messages,
        "tombstones": inferred.tombstones,
        "key_format": topic.key_format if topic.keys else "",
        "value_format": topic.value_format if topic.values else "",
        "columns": columns,
    }


def _statement(
    output: Output,
    described: Described,
    state: TopicState,
    cluster: _Cluster,
    wishes: CatalogOptions,
    form: Form,
    documents: list[dict[str, Any]],
) -> None:
    """Prints one statement, or says why there is none; one topic must not hide the others."""
    topic = described.marked()
    if wishes.upsert and "compact" in state.cleanup_policy and topic.upsertable:
        form = replace(form, style=Style.UPSERT_KAFKA)
    try:
        statement = create_table((topic.name,), topic, form, cluster.properties)
    except HeadraceError as error:
        output.note(f"{topic.name}: no statement. {error}")
        return
    documents.append({"topic": topic.name, "statement": statement})
    if not output.json:
        output.text(statement)
