"""The options of the message format: from the job file to what the codec takes."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from shared.codec import FormatOptions
from shared.errors import InvalidJob
from shared.job.placeholders import Resolver
from shared.job.spec import parse
from shared.model.mask import Constant
from shared.model.schema import TableId
from shared.runtime.connections import format_options

SOURCE = "source: {type: mysql, hostname: db, username: app, password: '#{password}', tables: shop.orders"
SINK = "sink:\n  type: upsert-kafka\n  properties.bootstrap.servers: broker:9092\n"


def options(*sink: str, source: str = "") -> FormatOptions:
    text = SOURCE + source + "}\n" + SINK + "".join(f"  {line}\n" for line in sink)
    return format_options(parse(text).resolve(Resolver({"password": "p"})))


def test_without_options_the_defaults_of_the_codec_hold() -> None:
    assert options() == FormatOptions()


GIVEN = [
    ("value.fields-include: except-key", "fields_include", "EXCEPT_KEY"),
    ("json.timestamp-format.standard: iso_8601", "timestamp_format", "ISO-8601"),
    ("json.timestamp-format.standard: ISO-8601-WITH-OFFSET", "timestamp_format", "ISO-8601-WITH-OFFSET"),
    ("json.timestamp-format.standard: sql", "timestamp_format", "SQL"),
    ("json: {timestamp-format: {standard: ISO-8601}}", "timestamp_format", "ISO-8601"),
    ("json.encode.decimal-as-plain-number: 'FALSE'", "decimal_as_plain_number", False),
    ("json: {encode.ignore-null-fields: true}", "ignore_null_fields", True),
    ("binary.encoding: HEX", "binary_encoding", "hex"),
    ("json.columns: object", "json_columns", "object"),
    ("set: {encoding: string}", "set_encoding", "string"),
]


@pytest.mark.parametrize(("line", "field", "value"), GIVEN)
def test_each_option_reaches_its_field_and_no_other(line: str, field: str, value: object) -> None:
    assert dataclasses.asdict(options(line)) == dataclasses.asdict(FormatOptions()) | {field: value}


def test_the_job_file_can_set_every_field() -> None:
    fields = {field for _, field, _ in GIVEN} | {"treat_tinyint1_as_boolean", "excluded", "masked"}
    assert fields == {field.name for field in dataclasses.fields(FormatOptions)}
    assert options(source=", treat-tinyint1-as-boolean.enabled: false") == FormatOptions(False)
    excluded = options(source=", columns.exclude: shop.orders.note").excluded
    assert excluded is not None
    assert excluded(TableId("shop", "orders"), "note")
    masked = options(source=", columns.mask.null: shop.orders.note").masked
    assert masked is not None
    assert masked(TableId("shop", "orders"), "note") == Constant(None)


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("json.timestamp-format.standard: RFC3339", "json.timestamp-format.standard", "`ISO-8601`"),
        ("json.encode.decimal-as-plain-number: 1", "json.encode.decimal-as-plain-number", "true or false, found `1`"),
        ("json.encode.ignore-null-fields: maybe", "json.encode.ignore-null-fields", "true or false"),
        ("binary.encoding: base32", "binary.encoding", "`base64` or `hex`, found `base32`"),
        ("json.columns: array", "json.columns", "`string` or `object`"),
        ("set.encoding: csv", "set.encoding", "`array` or `string`"),
        ("json.timestamp-format.standart: SQL", "json.timestamp-format.standart", "no option"),
        ("json.pretty: true", "json.pretty", "no option"),
    ],
)
def test_a_bad_value_is_one_clear_error(line: str, path: str, message: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        options(line)
    assert caught.value.path == f"sink.{path}"
    assert message in caught.value.message
    assert "job.yaml:5" in caught.value.message
    assert caught.value.hint


def test_a_slip_is_pointed_out_and_options_for_reading_do_no_harm() -> None:
    with pytest.raises(InvalidJob) as caught:
        options("json.timestamp-format.standart: SQL")
    assert "`json.timestamp-format.standard`" in caught.value.hint
    idle = ("json.fail-on-missing-field: true", "json.ignore-parse-errors: false", "json.map-null-key.mode: DROP")
    assert options(*idle, "json.map-null-key.literal: x") == FormatOptions()


def test_the_law_of_the_format_names_each_option() -> None:
    law = (Path(__file__).parents[3] / "docs" / "types.md").read_text()
    section = law.partition("\n## Options\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([^:`]+): ", section, re.MULTILINE))
    given = {line.partition(":")[0] for line, _, _ in GIVEN if "{" not in line}
    assert named == given | {"json.encode.ignore-null-fields", "set.encoding", "treat-tinyint1-as-boolean.enabled"}
