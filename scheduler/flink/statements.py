"""CREATE TABLE statements of Flink SQL.

Apache Flink has `key.fields-prefix` and no `value.fields-prefix`; VVR (Alibaba's distribution) has both. So for
Apache Flink a field of the value is a column by its own name, and a computed column has the name with the prefix.
The computed form is plain SQL of Flink.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scheduler.flink.topics import JSON, RAW, Field, Topic
from shared.errors import InvalidJob

_WITH_OFFSET = "ISO-8601-WITH-OFFSET"
_PREFIX_HINT = "Choose another --key-prefix or --value-prefix."


class Style(StrEnum):
    """What kind of table."""

    TEMPORARY = "temporary"
    UPSERT_KAFKA = "upsert-kafka"
    CATALOG = "catalog"


class Engine(StrEnum):
    """Whose Flink runs the statement."""

    APACHE = "apache"
    VVR = "vvr"


@dataclass(frozen=True, slots=True)
class Form:
    """How statements are written. `startup` are the `scan.startup.*` options of the `kafka` connector."""

    style: Style = Style.TEMPORARY
    engine: Engine = Engine.APACHE
    key_prefix: str = "key_"
    value_prefix: str = "value_"
    startup: tuple[tuple[str, str], ...] = (("scan.startup.mode", "earliest-offset"),)

    def __post_init__(self) -> None:
        key, value = self.key_prefix, self.value_prefix
        if self.engine is Engine.VVR and key and value and (key.startswith(value) or value.startswith(key)):
            raise InvalidJob(f"One of the prefixes `{key}` and `{value}` begins with the other.", _PREFIX_HINT)


def identifier(name: str) -> str:
    """A quoted name."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A quoted text."""
    return "'" + text.replace("'", "''") + "'"


def create_database(name: str) -> str:
    """The statement that makes a database, unless it is there."""
    return f"CREATE DATABASE IF NOT EXISTS {identifier(name)};"


def create_table(name: Sequence[str], topic: Topic, form: Form, properties: Mapping[str, str]) -> str:
    """The statement that declares a topic as a table.

    Args:
        name: the table's name, with its database in front where the style is `catalog`.
        topic: what the topic holds.
        form: the style and the prefixes.
        properties: the options of the Kafka client, with `properties.` in front.

    Raises:
        InvalidJob: the topic cannot be declared so; the message says why.
    """
    _check(topic, form)
    lines = list(_columns(topic, form))
    names = [column for column, _, _ in lines]
    doubled = [column for column, count in Counter(names).items() if count > 1]
    if doubled:
        raise InvalidJob(f"Two columns of topic {topic.name} would be called `{doubled[0]}`.", _PREFIX_HINT)
    if not lines:
        raise InvalidJob(f"Topic {topic.name} has no column.", "Leave it out: there is nothing to read.")
    body = [(f"{identifier(column)} {declared}", note) for column, declared, note in lines]
    if form.style is not Style.TEMPORARY:
        key = ", ".join(identifier(form.key_prefix + field.name) for field in topic.keys)
        body.append((f"PRIMARY KEY ({key}) NOT ENFORCED", ""))
    options = ",\n".join(f"  {literal(k)} = {literal(v)}" for k, v in _options(topic, form, properties).items())
    head = "CREATE TABLE IF NOT EXISTS" if form.style is Style.CATALOG else "CREATE TEMPORARY TABLE"
    return f"{head} {'.'.join(map(identifier, name))} (\n{_listed(body)}) WITH (\n{options}\n);"


def _check(topic: Topic, form: Form) -> None:
    if form.style is not Style.TEMPORARY and not topic.upsertable:
        raise InvalidJob(
            f"Topic {topic.name} has no keys that could be a primary key, as {form.style} tables need it.",
            "Use --style temporary for it.",
        )
    if form.engine is Engine.APACHE and topic.formats.get("timestamp-format.standard") == _WITH_OFFSET:
        raise InvalidJob(
            f"The timestamps of topic {topic.name} are {_WITH_OFFSET}, which Apache Flink cannot read.",
            "Use --engine vvr, or json.timestamp-format.standard: ISO-8601 in the job file.",
        )


#: Name, what follows it, note.
_Line = tuple[str, str, str]


def _columns(topic: Topic, form: Form) -> Iterator[_Line]:
    for field in topic.keys:
        # A column of the primary key is never null; of other keys nobody knows.
        sure = " NOT NULL" if form.style is not Style.TEMPORARY else ""
        yield form.key_prefix + field.name, field.type + sure, field.note
    values = _values(topic, form)
    if form.engine is Engine.VVR or topic.value_format == RAW:
        # A raw value is one column, whatever its name.
        yield from ((form.value_prefix + field.name, field.type, field.note) for field in values)
        return
    yield from _physical(values, form)
    yield from _computed(values, form)


def _values(topic: Topic, form: Form) -> list[Field]:
    """The fields of the value that become columns; without any prefix those of the key are the key's."""
    if form.key_prefix or form.value_prefix:
        return list(topic.values)
    keys = {field.name for field in topic.keys}
    return [field for field in topic.values if field.name not in keys]


def _physical(values: Iterable[Field], form: Form) -> Iterator[_Line]:
    """The value's fields by their own names; members of objects inside of their objects."""
    tree: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for field in values:
        *outer, last = field.path
        node = tree
        for name in outer:
            inner = node.setdefault(name, {})
            if not isinstance(inner, dict):
                raise InvalidJob(f"`{name}` is an object and a plain value.", "Do not flatten nested columns.")
            node = inner
        node[last] = field.type
        if not form.value_prefix and not outer:
            notes[last] = field.note
    for name, node in tree.items():
        yield name, _row(node), notes.get(name, "")


def _row(node: object) -> str:
    if not isinstance(node, dict):
        return str(node)
    return f"ROW<{', '.join(f'{identifier(name)} {_row(inner)}' for name, inner in node.items())}>"


def _computed(values: Iterable[Field], form: Form) -> Iterator[_Line]:
    for field in values:
        if form.value_prefix or len(field.path) > 1:
            yield form.value_prefix + field.name, f"AS {'.'.join(map(identifier, field.path))}", field.note


def _options(topic: Topic, form: Form, properties: Mapping[str, str]) -> dict[str, str]:
    upsert = form.style is not Style.TEMPORARY
    options = {"connector": "upsert-kafka" if upsert else "kafka", "topic": topic.name, **properties}
    if topic.keys:
        options["key.format"] = topic.key_format
        if not upsert:
            options["key.fields"] = ";".join(_listable(form.key_prefix + field.name) for field in topic.keys)
        if form.key_prefix:
            options["key.fields-prefix"] = form.key_prefix
        options |= _formats("key", topic.key_format, topic)
    options["value.format"] = topic.value_format
    if form.engine is Engine.VVR and form.value_prefix:
        options["value.fields-prefix"] = form.value_prefix
    options |= _formats("value", topic.value_format, topic)
    if form.engine is Engine.VVR and any(len(field.path) > 1 for field in topic.values):
        options["value.json.infer-schema.flatten-nested-columns.enable"] = "true"
    if topic.keys:
        options["value.fields-include"] = "EXCEPT_KEY"
    return options if upsert else options | dict(form.startup)


def _formats(part: str, kind: str, topic: Topic) -> dict[str, str]:
    return {f"{part}.json.{name}": text for name, text in topic.formats.items()} if kind == JSON else {}


def _listable(name: str) -> str:
    """A name in a list of Flink's options, where `;` separates and quotes enclose."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(";\"'") else name


def _listed(body: Sequence[tuple[str, str]]) -> str:
    """Lines with commas between them; a note is a comment behind the comma."""
    text = ""
    for number, (line, note) in enumerate(body, 1):
        comma = "," if number < len(body) else ""
        text += f"  {line}{comma}" + (f" -- {' '.join(note.split())}" if note else "") + "\n"
    return text
