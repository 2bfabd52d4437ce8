r"""Which topic each table goes to: the `route` rules, and `database.table` where no rule matches.

    sink-table: user1                            the topic's name
    sink-table: topic_<>, replace-symbol: <>     `<>` stands for the table's name, never for the database's
    source-table: shop.t_(\d+), sink-table: t_$1 `$1` stands for the first group of the pattern
    source-table: shop.t_\d+, sink-table: t, shard-key: table_id   many tables, whose keys have that field as well

`$n` is expanded on the match of the whole name (the repaired rule of FLINK-40148). Kafka allows fewer characters than
MySQL; `escape` spells a MySQL name in Kafka's so that two different names stay different.

Law of this file: `route` gives every table one topic, and every topic one table or such as a shard key tells apart, or raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import InvalidJob
from shared.job.patterns import TablePatterns
from shared.model.schema import TableId

#: Kafka's own bound: a topic is a directory name, which also carries the partition.
TOPIC_LENGTH_MAX = 249

_TOPIC = re.compile(r"[a-zA-Z0-9._-]+")
_GROUP = re.compile(r"\$(\d+)")
#: What a name cannot keep: all that Kafka forbids, the dot (it separates database and table), and a `-` that would
#: read as the beginning of an escape.
_ESCAPED = re.compile(r"[^a-zA-Z0-9_-]|-(?=x[0-9a-f])")
_DEFAULT = "the default `database.table`"


class RouteMode(StrEnum):
    """What a table does that several rules match."""

    ALL_MATCH = "ALL_MATCH"  # Flink writes it to every sink table; here an error, since a table has one topic
    FIRST_MATCH = "FIRST_MATCH"


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One entry of `route`; build it with `parse`."""

    source: TablePatterns
    sink: str
    symbol: str | None
    description: str
    path: str
    shard_key: str = ""

    @classmethod
    def parse(
        cls,
        source_table: str,
        sink_table: str,
        replace_symbol: str | None = None,
        description: str = "",
        path: str = "route[0]",
        shard_key: str = "",
    ) -> RouteRule:
        """Build a rule from the texts of its options; `path` is the rule, for errors.

        Raises:
            InvalidJob: a pattern is wrong, or `sink-table` and `replace-symbol` do not fit together.
        """
        source = TablePatterns.parse(source_table, f"{path}.source-table")
        rule = cls(source, sink_table, replace_symbol, description, path, shard_key)
        if replace_symbol is not None:
            rule._check_symbol(replace_symbol)
        elif not _GROUP.search(sink_table):
            check_topic(sink_table, f"{path}.sink-table")
        else:
            rule._check_groups()
        return rule

    def _check_symbol(self, symbol: str) -> None:
        if _GROUP.search(self.sink):
            raise InvalidJob(
                "`$1` and `replace-symbol` cannot be used in one rule.",
                "Use the symbol for the table's name, or groups for parts of it.",
                f"{self.path}.sink-table",
            )
        if not symbol:
            raise InvalidJob("The symbol is empty.", "Use `<>`.", f"{self.path}.replace-symbol")
        if symbol not in self.sink:
            raise InvalidJob(
                "The symbol does not occur in `sink-table`.",
                f"Write it where the table's name belongs: sink-table: topic_{symbol}",
                f"{self.path}.replace-symbol",
            )

    def _check_groups(self) -> None:
        available = self.source.group_count
        for match in _GROUP.finditer(self.sink):
            if int(match[1][0]) > available:
                raise InvalidJob(
                    f"`${match[1][0]}` has no group: the pattern has {available}.",
                    r"Put the part of the name in round brackets: source-table: shop.order_(\.*)",
                    f"{self.path}.sink-table",
                )

    def topic(self, table: TableId, *, ignore_case: bool = False) -> str | None:
        """The table's topic by this rule, not yet checked; None when the rule does not match."""
        groups = self.source.groups(table, ignore_case=ignore_case)
        if groups is None:
            return None
        if self.symbol is not None:
            return self.sink.replace(self.symbol, escape(table.table))
        return _GROUP.sub(lambda match: _expand(match[1], table, groups), self.sink)


def route(
    tables: Sequence[TableId],
    rules: Sequence[RouteRule],
    *,
    mode: RouteMode = RouteMode.ALL_MATCH,
    ignore_case: bool = False,
) -> dict[TableId, str]:
    """The topic of every table, in the order of the tables.

    Raises:
        InvalidJob: a rule matches no table, a table is matched by several rules under ALL_MATCH, a topic's name is
            invalid, or two tables share a topic or a Kafka metric name.
    """
    topics: dict[TableId, str] = {}
    chosen: dict[TableId, RouteRule] = {}
    used: set[str] = set()
    for table in tables:
        hits = [rule for rule in rules if rule.source.matches(table, ignore_case=ignore_case)]
        used.update(rule.path for rule in hits)
        if len(hits) > 1 and mode is RouteMode.ALL_MATCH:
            raise _several_rules(table, hits)
        topic = default_topic(table)
        if hits:
            chosen[table] = hits[0]
            topic = hits[0].topic(table, ignore_case=ignore_case) or ""
        check_topic(topic, f"{hits[0].path}.sink-table" if hits else "source.tables", table)
        topics[table] = topic
    _check_used(rules, used)
    _check_distinct(topics, chosen)
    return topics


def shard_key(table: TableId, rules: Sequence[RouteRule], *, ignore_case: bool = False) -> str:
    """The field that tells the table's messages from those of others in its topic; empty where its rule has none."""
    hits = (rule.shard_key for rule in rules if rule.source.matches(table, ignore_case=ignore_case))
    return next(hits, "")


def default_topic(table: TableId) -> str:
    """The topic of a table without a rule: `database.table`, both names escaped."""
    return f"{escape(table.database)}.{escape(table.table)}"


def escape(name: str) -> str:
    """A MySQL name in characters that Kafka allows; different names stay different.

    Letters of ASCII, digits, `_` and `-` stay. Any other character becomes `-x<hex>-` (`ü` is `-xfc-`, a dot is
    `-x2e-`), and so does a `-` before an `x` with a hex digit, so that no name looks like another one's escape.
    """
    return _ESCAPED.sub(lambda match: f"-x{ord(match[0]):x}-", name)


def metric_name(topic: str) -> str:
    """The topic as it appears in Kafka's metrics; Kafka refuses a second topic with the same one."""
    return topic.replace(".", "_")


def check_topic(topic: str, path: str, table: TableId | None = None) -> None:
    """Check a topic's name by Kafka's rules; `path` and `table` are for the error.

    Raises:
        InvalidJob: Kafka would refuse the name.
    """
    of_table = f" of table {table}" if table else ""
    problem = ""
    if not topic:
        problem = "is empty"
    elif topic in {".", ".."}:
        problem = "is `.` or `..`"
    elif len(topic) > TOPIC_LENGTH_MAX:
        problem = f"has {len(topic)} characters, more than {TOPIC_LENGTH_MAX}"
    elif not _TOPIC.fullmatch(topic):
        problem = "has characters other than letters, digits, `.`, `_` and `-`"
    if problem:
        raise InvalidJob(
            f"The topic `{topic}`{of_table} {problem}.",
            "Give a route with a `sink-table` that Kafka accepts as a topic's name.",
            path,
        )


def _expand(digits: str, table: TableId, groups: tuple[str, ...]) -> str:
    """The text of `$<digits>`: as in Java, further digits belong to the number while such a group exists."""
    length = 1
    while length < len(digits) and int(digits[: length + 1]) <= len(groups):
        length += 1
    number, rest = int(digits[:length]), digits[length:]
    text = escape(groups[number - 1]) if number else default_topic(table)
    return text + rest


def _several_rules(table: TableId, hits: Sequence[RouteRule]) -> InvalidJob:
    return InvalidJob(
        f"The table {table} is matched by {hits[0].path} and by {hits[1].path}, and several topics "
        "per table are not supported.",
        "Set `pipeline.route-mode: FIRST_MATCH`, or make the patterns disjoint.",
        f"{hits[1].path}.source-table",
    )


def _check_used(rules: Sequence[RouteRule], used: set[str]) -> None:
    for rule in rules:
        if rule.path not in used:
            hint = "Check the pattern against `tables`, or remove the rule."
            if rule.source.warnings:
                hint = rule.source.warnings[0]
            raise InvalidJob("The rule matches none of the job's tables.", hint, f"{rule.path}.source-table")


def _check_distinct(topics: Mapping[TableId, str], chosen: Mapping[TableId, RouteRule]) -> None:
    by_metric: dict[str, TableId] = {}
    for table, topic in topics.items():
        other = by_metric.setdefault(metric_name(topic), table)
        keys = [chosen[t].shard_key if t in chosen else "" for t in (other, table)]
        if other is table or (topics[other] == topic and keys[0] and keys[0] == keys[1]):
            continue
        names = [chosen[t].path if t in chosen else _DEFAULT for t in (other, table)]
        rule = chosen.get(table) or chosen.get(other)
        path = f"{rule.path}.sink-table" if rule else "source.tables"
        if topics[other] == topic:
            raise InvalidJob(
                f"The tables {other} (by {names[0]}) and {table} (by {names[1]}) both go to the topic "
                f"`{topic}`, where rows with equal keys would overwrite each other.",
                "Give each table a topic of its own, or give the rules of both one `shard-key`.",
                path,
            )
        raise InvalidJob(
            f"The topics `{topics[other]}` of {other} (by {names[0]}) and `{topic}` of {table} "
            f"(by {names[1]}) have one name in Kafka's metrics, where `.` and `_` are the same.",
            "Kafka refuses the second of them: route one of the tables to another topic.",
            path,
        )
