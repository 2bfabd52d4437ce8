"""Options of a Kafka JSON catalog: VVR's names, Flink's start modes with what belongs to them, and clear refusals."""

from __future__ import annotations

import pytest

from scheduler.flink import catalog_options
from scheduler.flink.shapes import Rules
from shared.errors import InvalidJob
from shared.model.sampling import Mode, Start


def test_defaults_are_those_of_vvr() -> None:
    found = catalog_options([])
    assert (found.key_prefix, found.value_prefix, found.raw_column, found.records) == ("key_", "value_", "col", 100)
    assert (found.rules, found.upsert, found.start) == (Rules(), True, Start(Mode.EARLIEST_OFFSET))
    assert found.startup == (("scan.startup.mode", "earliest-offset"),)


def test_every_option() -> None:
    found = catalog_options(
        [
            "infer-schema.flatten-nested-columns.enable=true",
            "infer-schema.primitive-as-string=TRUE",
            "infer-schema.parse-key-error.field-name=bytes",
            "infer-schema.compacted-topic-as-upsert-table=false",
            "max.fetch.records=7",
            "timestamp-format.standard=ISO-8601",
            "key.fields-prefix=",
            "value.fields-prefix=v=",
            "properties.sasl.mechanism=PLAIN",
        ]
    )
    assert found.rules == Rules(True, True, "ISO-8601")
    assert (found.raw_column, found.upsert, found.records) == ("bytes", False, 7)
    assert (found.key_prefix, found.value_prefix, found.properties) == ("", "v=", {"sasl.mechanism": "PLAIN"})


@pytest.mark.parametrize(
    ("mode", "companion", "start"),
    [
        ("latest-offset", "", Start(Mode.LATEST_OFFSET)),
        ("timestamp", "scan.startup.timestamp-millis=1700000000000", Start(Mode.TIMESTAMP, 1700000000000)),
        (
            "specific-offsets",
            "scan.startup.specific-offsets=partition:0,offset:42;partition:1,offset:300",
            Start(Mode.SPECIFIC_OFFSETS, offsets={0: 42, 1: 300}),
        ),
        ("group-offsets", "properties.group.id=g", Start(Mode.GROUP_OFFSETS, group="g")),
    ],
)
def test_modes_and_their_companions(mode: str, companion: str, start: Start) -> None:
    options = [f"scan.startup.mode={mode}", *filter(None, [companion])]
    found = catalog_options(options)
    assert (found.start, found.upsert) == (start, False)
    assert found.properties == {}
    if companion:
        with pytest.raises(InvalidJob, match=f"`scan.startup.mode={mode}` needs"):
            catalog_options(options[:1])


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["max.fetch.record=1"], "no option `max.fetch.record`", "Did you mean `max.fetch.records`?"),
        (["max.fetch.records"], "has no value", "NAME=VALUE"),
        (["max.fetch.records=0"], "a number from 1 to 100000", ""),
        (["max.fetch.records=٣"], "a number from 1 to 100000", ""),
        (["max.fetch.records=1", "max.fetch.records=2"], "given twice", ""),
        (["infer-schema.primitive-as-string=yes"], "true or false", ""),
        (["scan.startup.mode=newest"], "one of earliest-offset, latest-offset", ""),
        (["scan.startup.mode=specific-offsets", "scan.startup.specific-offsets=0:1"], "like partition:0,offset:42", ""),
        (["scan.startup.timestamp-millis=1"], "has no effect with `scan.startup.mode=earliest-offset`", ""),
        (["timestamp-format.standard=ISO"], "SQL or ISO-8601", ""),
    ],
)
def test_mistakes_are_told(arguments: list[str], message: str, hint: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        catalog_options(arguments)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.path == "--option"
