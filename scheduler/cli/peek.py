"""`scheduler peek`: the last value and the history of one key of a topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson
from rich.table import Table as View
from rich.text import Text

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.exits import Exit
from scheduler.cli.output import Output
from scheduler.cli.reading import Bars
from scheduler.cli.tables import tables_of
from scheduler.console.history import History, history_of
from scheduler.console.keys import key_bytes
from scheduler.flink import shared_table
from shared.adapters.kafka.snapshot import TopicMessage
from shared.model.schema import Table
from shared.runtime.connections import registry_config


@click.command()
@click.argument("topic", metavar="TOPIC")
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    required=True,
    help="NAME=VALUE, once for each column of the key, or the key as a JSON object.",
)
@click.option(
    "--history",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="How many messages to show; older ones are counted.",
)
@options.as_json
@click.pass_obj
def peek(access: Access, topic: str, keys: tuple[str, ...], history: int, json: bool) -> int:
    """Show the last value and the history of one key of TOPIC.

    Only the key's partition is read, and the others when it is not there. Of a topic that no job writes, the
    registry's cluster is asked. Exit code 1 when no message has the key.

    \b
      scheduler peek order_dw.user --key id=1
      scheduler peek order_dw.part --key order_id=7 --key line=2
      scheduler peek order_dw.user --key '{"id":1}' --json
    """
    output = Output(json=json)
    try:
        table, cluster = _find(access, output, topic)
        key = key_bytes(keys, table)
        everything = access.partitions(cluster, topic)
        with Bars(output) as bars:
            found = history_of(
                key, everything, history, lambda part: access.open_topic(cluster, topic, part), bars.of(topic)
            )
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    if json:
        output.document(_document(topic, found))
    else:
        _show(output, topic, found, everything)
    return Exit.OK if found.count else Exit.FAILED


def _find(access: Access, output: Output, topic: str) -> tuple[Table | None, Mapping[str, str]]:
    """The table of the topic, or all that share it as one, and its cluster; of a topic that no job writes, the registry's cluster."""
    with access.jobs() as jobs:
        tables = tables_of(access, jobs, None)
    found = [source for source in tables.sources if source.topic == topic]
    if found:
        first, *_ = found
        shared = shared_table([one.table for one in found], first.shard_key, topic) if first.shard_key else first.table
        return shared, tables.clusters[first.job]
    for note in tables.notes:
        output.note(note)
    return None, registry_config(access.settings)


def _show(output: Output, topic: str, found: History, partitions: Sequence[int]) -> None:
    key = as_text(found.key)
    if found.last is None:
        output.note(f"No message of {topic} has the key {key} ({len(partitions)} partitions read).")
        return
    hidden = found.count - len(found.messages)
    messages = f"{found.count:,} {'message' if found.count == 1 else 'messages'}"
    output.show(f"{topic}, key {key}: {messages}{f', the latest {len(found.messages)}' if hidden else ''}")
    if found.last.partition != found.expected:
        output.note(
            f"By its key it belongs to partition {found.expected}; it was written with another partitioner, or before the topic got more partitions."
        )
    view = View(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("OFFSET", "PARTITION"):
        view.add_column(title, justify="right")
    view.add_column("TIME (UTC)")
    view.add_column("VALUE", overflow="fold")
    for message in found.messages:
        value = Text("deleted (tombstone)", style="red") if message.value is None else Text(as_text(message.value))
        view.add_row(str(message.offset), str(message.partition), _time(message), value)
    output.show(view)


def _document(topic: str, found: History) -> dict[str, Any]:
    messages = [_message(message) for message in found.messages]
    return {
        "topic": topic,
        "key": as_json(found.key),
        "partition": found.last.partition if found.last else found.expected,
        "partitions_read": sorted(found.read),
        "messages": found.count,
        "last": messages[-1] if messages else None,
        "history": messages,
    }


def _message(message: TopicMessage) -> dict[str, Any]:
    return {
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "deleted": message.value is None,
        "value": None if message.value is None else as_json(message.value),
    }


def as_json(data: bytes) -> Any:
    """The bytes as JSON with all their digits, or as a text where they are none."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return as_text(data)
    return orjson.Fragment(data)


def as_text(data: bytes) -> str:
    """The bytes as text; what is no UTF-8 is escaped."""
    return data.decode(errors="backslashreplace")


def _time(message: TopicMessage) -> str:
    if message.timestamp < 0:
        return ""
    return datetime.fromtimestamp(message.timestamp / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
