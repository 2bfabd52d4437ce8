"""Which tables a query means. Pure.

A name is a table's (`order`), or has its database before it (`order_dw.order`); with `_source` behind it, it is the table with
`key_` and `value_` columns. A name as MySQL spells it comes before one that differs in case.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scheduler.console.sources import KEY_VALUE_SUFFIX, Source
from shared.errors import InvalidQuery

#: DuckDB's own tables, which are not ours to look up.
_OWN_SCHEMAS = frozenset(("information_schema", "pg_catalog"))


@dataclass(frozen=True, slots=True)
class Reference:
    """A table as a query names it; `schema` is empty when it names none. `where` ends the sentence of an error."""

    schema: str
    name: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Match:
    """A reference and the table that it means; `key_value` when it means the one with key_ and value_ columns."""

    reference: Reference
    source: Source
    key_value: bool


def resolve(references: Iterable[Reference], sources: Sequence[Source]) -> list[Match]:
    """The tables of a query; names that only DuckDB can know (its own tables, files) are left out.

    Raises:
        InvalidQuery: a name means no table, or more than one; says which are near.
    """
    found = [_match(reference, sources) for reference in references if not _of_duckdb(reference)]
    _refuse_twins(found)
    return found


def _of_duckdb(reference: Reference) -> bool:
    is_file = not reference.schema and ("." in reference.name or "/" in reference.name)
    return is_file or reference.schema.lower() in _OWN_SCHEMAS or reference.name.startswith(("duckdb_", "pragma_"))


def _match(reference: Reference, sources: Sequence[Source]) -> Match:
    hits = _hits(reference, reference.name, sources)
    key_value = False
    if not hits and reference.name.lower().endswith(KEY_VALUE_SUFFIX):
        hits = _hits(reference, reference.name[: -len(KEY_VALUE_SUFFIX)], sources)
        key_value = True
    if not hits:
        raise InvalidQuery(f"There is no table `{reference}`{reference.where}.", _near(reference, sources))
    if len(hits) > 1:
        raise _several(reference, hits)
    return Match(reference, hits[0], key_value)


def _hits(reference: Reference, name: str, sources: Sequence[Source]) -> list[Source]:
    def same(exactly: bool) -> list[Source]:
        fold = (lambda text: text) if exactly else str.casefold
        return [
            source
            for source in sources
            if fold(source.id.table) == fold(name)
            and (not reference.schema or fold(source.id.database) == fold(reference.schema))
        ]

    return same(exactly=True) or same(exactly=False)


def _several(reference: Reference, hits: Sequence[Source]) -> InvalidQuery:
    tables = sorted({str(source.id) for source in hits})
    jobs = sorted({source.job for source in hits})
    if len(tables) > 1:
        return InvalidQuery(
            f"`{reference}` is the name of several tables{reference.where}: {', '.join(tables)}.",
            "Write the database before it.",
        )
    return InvalidQuery(
        f"Table `{reference}` is copied by several jobs{reference.where}: {', '.join(jobs)}.",
        f'Name one of them: scheduler sql {jobs[0]} "SELECT …".',
    )


def _near(reference: Reference, sources: Sequence[Source]) -> str:
    short = {source.id.table for source in sources}
    every = sorted(
        {f"{name}{suffix}" for name in short for suffix in ("", KEY_VALUE_SUFFIX)}
        | {str(source.id) for source in sources}
    )
    near = difflib.get_close_matches(str(reference), every, n=3, cutoff=0.6)
    meant = f"Did you mean {' or '.join(f'`{name}`' for name in near)}? " if near else ""
    shown = sorted({str(source.id) for source in sources})
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return f"{meant}Tables: {', '.join(shown[:20]) or 'none'}{more}."


def _refuse_twins(matches: Sequence[Match]) -> None:
    """DuckDB's names do not differ by case alone."""
    seen: dict[str, Match] = {}
    for match in matches:
        other = seen.setdefault(str(match.reference).casefold(), match)
        if (other.source.id, other.key_value) != (match.source.id, match.key_value):
            raise InvalidQuery(
                f"`{other.reference}` and `{match.reference}` differ in case alone, which DuckDB takes for one name.",
                "Ask for them in two queries, or with their databases.",
            )
