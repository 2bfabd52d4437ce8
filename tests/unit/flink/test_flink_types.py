"""docs/types.md is the law of Flink's types: its table, read as text, against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduler.flink.types import flink_type
from shared.codec import FormatOptions
from shared.errors import UnsupportedType
from shared.model.schema import Column

TEXT = (Path(__file__).parents[3] / "docs" / "types.md").read_text()
#: The numbers that stand for the letters of the page.
LETTERS = {"p": 3, "s": 2, "n": 9}


def law() -> list[tuple[str, str]]:
    """Each MySQL type of the page's table of columns, in lower case, and its Flink type."""
    table = TEXT.partition("| MySQL type | JSON | Flink SQL type |")[2].partition("\n\n")[0]
    found = []
    for row in re.findall(r"^\| (.+) \|$", table, re.MULTILINE):
        types, _, flink, notes = (cell.strip() for cell in re.split(r"(?<!\\) \| ?", row + " ", maxsplit=3))
        if types.startswith("…"):
            continue
        for one in re.split(r", (?![^(]*\))", types):
            found.append((one.lower(), flink))
            unsigned = re.search(rf"\b{re.escape(one)} UNSIGNED: (\w+)|^UNSIGNED: (\w+)", notes)
            if unsigned:
                found.append((f"{one.lower()} unsigned", unsigned[1] or unsigned[2]))
    return found


def column(declared: str) -> Column:
    """A column as information_schema would describe it."""
    kind, inside = re.fullmatch(r"(\w+)(?:\(([^)]*)\))?.*", declared).groups()
    aliases = {"bool": "tinyint(1)", "boolean": "tinyint(1)", "serial": "bigint unsigned", "numeric": "decimal",
               "real": "double", "nchar": "char"}  # fmt: skip
    if kind in aliases:
        return column(declared.replace(kind, aliases[kind], 1))
    numbers = [LETTERS.get(word, word) for word in (inside or "").replace(" ", "").split(",")]
    first = int(numbers[0]) if str(numbers[0]).isdigit() else None
    precision = first if kind in ("decimal", "bit") else None
    scale = int(numbers[1]) if kind == "decimal" and len(numbers) > 1 else None
    fraction = (first or 0) if kind in ("datetime", "timestamp", "time") else None
    if kind == "decimal" and precision is not None:
        precision = 10
    return Column("c", kind, declared, precision=precision, scale=scale, fraction=fraction)


def with_numbers(flink: str, declared: str) -> str:
    kind, inside = re.fullmatch(r"(\w+)(?:\((.*)\))?", flink.partition(";")[0]).groups()
    if kind == "DECIMAL" and inside == "p, s":
        return "DECIMAL(10, 2)" if "(" in declared else "DECIMAL(10, 0)"
    return flink.partition(";")[0].replace("(p)", f"({LETTERS['p']})")


LAW = law()


def test_the_page_is_read() -> None:
    assert len(LAW) > 45
    assert ("int unsigned", "BIGINT") in LAW
    assert ("tinyint unsigned", "SMALLINT") in LAW


@pytest.mark.parametrize(("declared", "flink"), LAW)
def test_every_type_of_the_page(declared: str, flink: str) -> None:
    expected = flink if "<" in flink else with_numbers(flink, declared)
    assert flink_type(column(declared), FormatOptions(), "d.t") == expected


@pytest.mark.parametrize(
    ("declared", "options", "flink"),
    [
        ("tinyint(1)", FormatOptions(treat_tinyint1_as_boolean=False), "TINYINT"),
        ("varbinary(9)", FormatOptions(binary_encoding="hex"), "STRING"),
        ("bit(13)", FormatOptions(binary_encoding="hex"), "STRING"),
        ("bit(1)", FormatOptions(binary_encoding="hex"), "BOOLEAN"),
        ("set('a','b')", FormatOptions(set_encoding="string"), "STRING"),
        ("json", FormatOptions(json_columns="object"), "STRING"),
    ],
)
def test_options_change_types(declared: str, options: FormatOptions, flink: str) -> None:
    assert flink_type(column(declared), options, "d.t") == flink


def test_wide_decimals_and_zerofill() -> None:
    def of(precision: int, scale: int) -> str:
        made = Column("c", "decimal", f"decimal({precision},{scale})", precision=precision, scale=scale)
        return flink_type(made, FormatOptions(), "d.t")

    assert (of(38, 38), of(39, 0)) == ("DECIMAL(38, 38)", "STRING")
    assert flink_type(Column("c", "int", "int(8) unsigned zerofill"), FormatOptions(), "d.t") == "BIGINT"


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedType, match=r"Column c of d\.t is a hyperloglog"):
        flink_type(Column("c", "hyperloglog", "hyperloglog"), FormatOptions(), "d.t")
