"""Each option of the message format changes the types that it names, in keys and values, and nothing else."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec import FormatOptions
from shared.codec.reference.json_scalars import java_decimal
from shared.codec.reference.snapshot import SnapshotEncoder
from shared.errors import UnsupportedType
from shared.model.schema import Column, Table, TableId

ID = Column("id", "int", "int", nullable=False)

#: Columns with a value each, as a SELECT gives it, and its JSON without options.
PLAIN: dict[str, tuple[Column, bytes | None, str]] = {
    column.name: (column, cell, text)
    for column, cell, text in (
        (Column("bool", "tinyint", "tinyint(1)"), b"1", "true"),
        (Column("int", "int", "int"), b"-7", "-7"),
        (Column("big", "decimal", "decimal(30,0)"), b"1" + b"0" * 29, "1" + "0" * 29),
        (Column("small", "decimal", "decimal(9,9)"), b"0.000000270", "0.000000270"),
        (Column("zero", "decimal", "decimal(9,7)"), b"0.0000000", "0.0000000"),
        (Column("float", "float", "float"), b"1e-10", "1e-10"),
        (Column("bit1", "bit", "bit(1)", precision=1), b"\x01", "true"),
        (Column("bits", "bit", "bit(12)", precision=12), b"\x0a\xbc", '"Crw="'),
        (Column("binary", "binary", "binary(2)"), b"\xff\x00", '"/wA="'),
        (Column("blob", "longblob", "longblob"), b"", '""'),
        (Column("date", "date", "date"), b"2026-01-31", '"2026-01-31"'),
        (Column("time", "time", "time(1)"), b"-838:59:59.0", '"-838:59:59.0"'),
        (Column("datetime", "datetime", "datetime(3)"), b"2026-01-31 09:08:07.120", '"2026-01-31 09:08:07.120"'),
        (Column("timestamp", "timestamp", "timestamp"), b"2026-01-31 09:08:07", '"2026-01-31 09:08:07Z"'),
        (Column("zerodate", "date", "date"), b"2020-00-01", "null"),
        (Column("zerotime", "timestamp", "timestamp"), b"0000-00-00 00:00:00", "null"),
        (Column("null", "int", "int"), None, "null"),
        (Column("set", "set", "set('x','é','it''s')", labels=("x", "é", "it's")), b"5", '["x","it\'s"]'),
        (Column("none", "set", "set('x')", labels=("x",)), b"0", "[]"),
        (Column("json", "json", "json"), b'{"a": [1.0, "\\u001f"]}', r'"{\"a\": [1.0, \"\\u001f\"]}"'),
        (Column("jsonnull", "json", "json"), b"null", '"null"'),
        (Column("text", "text", "text", True, "utf8mb4"), b"null", '"null"'),
    )
}

#: What each option changes; None for a member that is left out.
CHANGED: list[tuple[FormatOptions, dict[str, str | None]]] = [
    (FormatOptions(), {}),
    (FormatOptions(treat_tinyint1_as_boolean=False), {"bool": "1"}),
    (FormatOptions(fields_include="EXCEPT_KEY"), {"id": None}),
    (
        FormatOptions(timestamp_format="ISO-8601"),
        {"datetime": '"2026-01-31T09:08:07.120"', "timestamp": '"2026-01-31T09:08:07Z"'},
    ),
    (
        FormatOptions(timestamp_format="ISO-8601-WITH-OFFSET"),
        {"datetime": '"2026-01-31T09:08:07.120Z"', "timestamp": '"2026-01-31T09:08:07Z"'},
    ),
    (FormatOptions(decimal_as_plain_number=False), {"small": "2.70E-7", "zero": "0E-7"}),
    (FormatOptions(ignore_null_fields=True), {"zerodate": None, "zerotime": None, "null": None}),
    (FormatOptions(binary_encoding="hex"), {"bits": '"0abc"', "binary": '"ff00"'}),
    (FormatOptions(json_columns="object"), {"json": r'{"a": [1.0, "\u001f"]}', "jsonnull": "null"}),
    (FormatOptions(set_encoding="string"), {"set": '"x,it\'s"', "none": '""'}),
    (
        FormatOptions(json_columns="object", ignore_null_fields=True, fields_include="EXCEPT_KEY"),
        {
            "id": None,
            "json": r'{"a": [1.0, "\u001f"]}',
            "jsonnull": None,
            "zerodate": None,
            "zerotime": None,
            "null": None,
        },
    ),
]


def encoded(
    columns: tuple[Column, ...], key: tuple[str, ...], cells: list[bytes | None], o: FormatOptions
) -> list[str]:
    (row,) = SnapshotEncoder(Table(TableId("d", "t"), columns, key), o).encode([cells])
    return [part.decode() for part in row]


def members(texts: dict[str, str | None]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text is not None) + "}"


@pytest.mark.parametrize(("options", "changed"), CHANGED)
def test_an_option_changes_the_value_of_its_types(options: FormatOptions, changed: dict[str, str | None]) -> None:
    columns, cells, _ = zip(*PLAIN.values(), strict=True)
    expected: dict[str, str | None] = {"id": "1", **{name: text for name, (_, _, text) in PLAIN.items()}, **changed}
    key, value = encoded((ID, *columns), ("id",), [b"1", *cells], options)
    assert (key, value) == ('{"id":1}', members(expected))


@pytest.mark.parametrize(("options", "changed"), CHANGED)
def test_an_option_changes_keys_as_it_changes_values(options: FormatOptions, changed: dict[str, str | None]) -> None:
    names = [name for name in PLAIN if name not in ("null", "zerodate", "zerotime", "text", "json", "jsonnull", "blob")]
    columns, cells, _ = zip(*(PLAIN[name] for name in names), strict=True)
    expected: dict[str, str | None] = {name: changed.get(name) or PLAIN[name][2] for name in names}
    key, value = encoded(columns, tuple(names), list(cells), options)
    assert key == members(expected)
    assert value == ("{}" if options.fields_include == "EXCEPT_KEY" else key)


@pytest.mark.parametrize(
    ("standard", "text"),
    [
        ("SQL", '{"a":"0000-00-00","b":"2020-00-01 00:00:00","c":"0000-00-00 00:00:00.0Z"}'),
        ("ISO-8601", '{"a":"0000-00-00","b":"2020-00-01T00:00:00","c":"0000-00-00T00:00:00.0Z"}'),
        ("ISO-8601-WITH-OFFSET", '{"a":"0000-00-00","b":"2020-00-01T00:00:00Z","c":"0000-00-00T00:00:00.0Z"}'),
    ],
)
def test_a_zero_date_in_a_key_is_never_null_or_left_out(standard: str, text: str) -> None:
    columns = (
        Column("a", "date", "date"),
        Column("b", "datetime", "datetime"),
        Column("c", "timestamp", "timestamp(1)"),
    )
    options = FormatOptions(timestamp_format=standard, ignore_null_fields=True)  # type: ignore[arg-type]
    cells: list[bytes | None] = [b"0000-00-00", b"2020-00-01 00:00:00", b"0000-00-00 00:00:00.0"]
    assert encoded(columns, ("a", "b", "c"), cells, options) == [text, text]


def test_a_value_may_lose_all_its_members() -> None:
    options = FormatOptions(ignore_null_fields=True, fields_include="EXCEPT_KEY")
    assert encoded((ID, PLAIN["int"][0]), ("id",), [b"1", None], options) == ['{"id":1}', "{}"]
    assert encoded((ID, PLAIN["int"][0]), ("id",), [b"1", b"5"], options) == ['{"id":1}', '{"int":5}']


def test_a_column_that_was_added_is_left_out_where_it_is_null() -> None:
    columns = (ID, Column("a", "int", "int"), Column("b", "int", "int", added=True))
    assert encoded(columns, ("id",), [b"1", None, None], FormatOptions())[1] == '{"id":1,"a":null}'
    assert encoded(columns, ("id",), [b"1", None, b"5"], FormatOptions())[1] == '{"id":1,"a":null,"b":5}'
    assert encoded(columns, ("id",), [b"1", b"2", None], FormatOptions(ignore_null_fields=True))[1] == '{"id":1,"a":2}'


def test_names_with_percent_signs_are_harmless_where_nulls_are_left_out() -> None:
    columns = (Column("100%b", "int", "int"), Column('a"', "int", "int"))
    options = FormatOptions(ignore_null_fields=True)
    assert encoded(columns, ("100%b",), [b"1", b"2"], options) == ['{"100%b":1}', '{"100%b":1,"a\\"":2}']


@given(st.integers(0, 30), st.integers(-(10**65) + 1, 10**65 - 1) | st.integers(-(10**9), 10**9))
def test_decimals_of_java_keep_their_value_and_their_scale(scale: int, units: int) -> None:
    digits = str(abs(units)).rjust(scale + 1, "0")
    plain = ("-" if units < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
    ours = java_decimal(plain.encode()).decode()
    # Java's rule, from the digits alone.
    place = len(str(abs(units))) - 1 - scale
    if place >= -6:
        assert ours == plain
        return
    head, tail = str(abs(units))[0], str(abs(units))[1:]
    assert ours == f"{'-' if units < 0 else ''}{head}{'.' if tail else ''}{tail}E{place}"
    assert Decimal(ours).as_tuple() == Decimal(plain).as_tuple()


def test_labels_that_look_like_none_are_refused_in_a_key() -> None:
    def check(kind: str, labels: tuple[str, ...], key: str, options: FormatOptions) -> None:
        columns = (ID, Column("x", kind, f"{kind}(…)", False, "utf8mb4", labels=labels))
        SnapshotEncoder(Table(TableId("d", "t"), columns, (key,)), options)

    plain, joined = FormatOptions(), FormatOptions(set_encoding="string")
    for kind, options in (("enum", plain), ("enum", joined), ("set", joined)):
        with pytest.raises(UnsupportedType, match=r"d\.t\.x.*empty label"):
            check(kind, ("", "b"), "x", options)
        check(kind, ("", "b"), "id", options)
        check(kind, ("a", "b"), "x", options)
    check("set", ("", "b"), "x", plain)


def test_a_set_as_a_string_knows_its_members() -> None:
    columns = (ID, Column("x", "set", "set(…)", labels=("", "b", "c")))
    options = FormatOptions(set_encoding="string")
    for cell, text in ((b"0", '""'), (b"1", '""'), (b"3", '",b"'), (b"6", '"b,c"')):
        assert encoded(columns, ("id",), [b"1", cell], options)[1] == f'{{"id":1,"x":{text}}}'
    with pytest.raises(UnsupportedType):
        encoded(columns, ("id",), [b"1", b"8"], options)
