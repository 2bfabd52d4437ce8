"""A query's syntax tree, as DuckDB writes it: which tables it names, and what identifies a row of its result. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeAlias

from scheduler.console.names import Match, Reference

Tree: TypeAlias = dict[str, Any]

#: Joins after which the columns of both sides can be named.
_JOINS = frozenset(("INNER", "LEFT", "RIGHT", "OUTER", "FULL"))

#: What makes several rows of one, or one of several.
_MANY = frozenset(("unnest", "unlist", "generate_subscripts"))


def references(tree: Tree, where: Callable[[int], str]) -> list[Reference]:
    """The tables that a query names, each once; those that it defines itself (WITH) are none.

    Args:
        tree: what DuckDB made of the query.
        where: gives an offset in the query as the end of a sentence.
    """
    nodes = list(_walk(tree))
    own = {entry["key"].casefold() for node in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    found: dict[tuple[str, str], Reference] = {}
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            schema, name = node["schema_name"], node["table_name"]
            if schema or name.casefold() not in own:
                found.setdefault((schema, name), Reference(schema, name, where(node["query_location"])))
    return list(found.values())


def keyed(tree: Tree, matches: Sequence[Match], aggregates: Collection[str]) -> tuple[Tree, list[str]] | None:
    """The same query with further columns that identify a row of its result: the primary keys of its tables.

    Args:
        tree: what DuckDB made of the query.
        matches: its tables.
        aggregates: names of DuckDB's aggregate functions.

    Returns:
        The tree, and the names of the further columns; None where a row does not come from one row of each table.
    """
    changed = copy.deepcopy(tree)
    node = changed["statements"][0]["node"]
    if not _is_plain(node, aggregates):
        return None
    by_name = {(match.reference.schema, match.reference.name): match for match in matches}
    tables = list(_tables(node["from_table"]))
    names = [(table["alias"] or table["table_name"]).casefold() for table in tables if table]
    if len(names) != len(tables) or len(set(names)) != len(names):
        return None
    identity: list[str] = []
    for table in tables:
        match = by_name.get((table["schema_name"], table["table_name"])) if table else None
        if table is None or match is None:
            return None
        for column in match.source.key_names(key_value=match.key_value):
            identity.append(f"__key{len(identity)}")
            node["select_list"].append(_column(table["alias"] or table["table_name"], column, identity[-1]))
    return changed, identity


def _is_plain(node: Tree, aggregates: Collection[str]) -> bool:
    if node["type"] != "SELECT_NODE" or node["aggregate_handling"] != "STANDARD_HANDLING" or node["cte_map"]["map"]:
        return False
    if any(node.get(part) for part in ("modifiers", "group_expressions", "group_sets", "having", "qualify", "sample")):
        return False
    for part in _walk(node):
        if part.get("class") in ("SUBQUERY", "WINDOW"):
            return False
        if part.get("class") == "FUNCTION" and part["function_name"].lower() in (_MANY | set(aggregates)):
            return False
    return True


def _tables(node: Tree) -> Iterator[Tree | None]:
    """The tables of a FROM clause; None for what is none."""
    if node["type"] == "JOIN" and node["join_type"] in _JOINS:
        yield from _tables(node["left"])
        yield from _tables(node["right"])
    elif node["type"] == "BASE_TABLE" and not node["sample"] and not node["column_name_alias"]:
        yield node
    else:
        yield None


def _column(table: str, column: str, alias: str) -> Tree:
    return {
        "class": "COLUMN_REF",
        "type": "COLUMN_REF",
        "alias": alias,
        "query_location": 0,
        "column_names": [table, column],
    }


def _walk(value: Any) -> Iterator[Tree]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from _walk(child)
