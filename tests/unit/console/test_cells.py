"""What is printed is what the value is, in every form."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.console.cells import Columns, Shape, csv_line
from tests.unit.console.topics_lab import Lab


def test_json_keeps_every_digit_and_every_column(tmp_path) -> None:
    lab = Lab(tmp_path)
    (row,) = lab.ask_json(
        "SELECT 12345678901234567890.1234567890::DECIMAL(38,10) AS d, sum(9223372036854775807) AS h, 1.1::FLOAT AS f,"
        " 'nan'::DOUBLE AS n, true AS b, NULL AS z, 'x' AS z, x'00ff' AS raw, [1.50::DECIMAL(9,2), -0.5::DECIMAL(1,1)] AS l,"
        " {'a': 1, 'b': ['x']} AS s, '{\"k\": 1.10}'::JSON AS j, '-inf'::FLOAT AS i, [[1, 2]] AS ll,"
        " INTERVAL 36 HOURS AS t, map {'k': 1} AS m"
    )
    assert row == (
        b'{"d":12345678901234567890.1234567890,"h":9223372036854775807,"f":1.1,"n":"NaN","b":true,"z":null,"z_1":"x",'
        b'"raw":"AP8=","l":[1.50,-0.50],"s":{"a":1,"b":["x"]},"j":{"k": 1.10},"i":"-Infinity","ll":[[1,2]],"t":"36:00:00",'
        b'"m":{"k":1}}'
    )
    json.loads(row)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_csv_reads_back(cells) -> None:
    assert list(csv.reader(io.StringIO(csv_line(cells), newline=""), strict=True)) == [cells]


def test_csv_tells_null_from_the_empty_text() -> None:
    assert csv_line(["a", None, "", 'x"y', "1,5", " "]) == 'a,,"","x""y","1,5"," "\n'


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "a\nb", "\r", "\x07", "\x00", "\x7f"])
def test_a_terminal_gets_no_control_characters(hostile) -> None:
    columns = Columns(Shape((hostile,), ("VARCHAR",)), [[hostile]])
    text = columns.head + columns.row([hostile])
    assert not any(character < " " or character == "\x7f" for character in text.replace("\n", "", 3))
    assert text.count("\n") == 3


def test_a_table_is_aligned_by_what_a_terminal_shows() -> None:
    shape = Shape(("n", "text"), ("BIGINT", "VARCHAR"))
    columns = Columns(shape, [["1", "中文"], ["100", None]])
    assert columns.head.splitlines() == ["  n  text", "---  ----"]
    assert columns.row(["1", "中文"]) == "  1  中文\n"
    assert columns.row(["20", None]) == " 20  NULL\n"
