"""What processes of different releases say to each other: names of tasks, and every form of a message or record that
a release has written. A golden file is never changed: a new form gets a new file, and all of them stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from celery import Celery

from shared.codec import PYTHON
from shared.machines.ledger import (
    ChunkRecord,
    DoneMark,
    FileRecord,
    PositionRecord,
    ResyncRecord,
    SaltRecord,
    TableRecord,
    TopicRecord,
    decode_record,
    encode_record,
)
from shared.model import orders
from shared.model.job import Outcome, Wanted, decode_registry, encode_outcome, encode_wanted
from shared.model.verify import VerifyPart, decode_difference, decode_report, encode_difference, encode_report
from shared.settings import Settings
from workers import tasks

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(folder: str) -> list[Path]:
    found = sorted((GOLDEN / folder).glob("*.json"))
    assert found, folder
    return found


def name_of(path: Path) -> str:
    return path.stem


def test_the_registered_tasks_are_those_of_the_wire() -> None:
    app = Celery("test", set_as_current=False)
    tasks.register(app, Settings(), PYTHON)
    registered = {name for name in app.tasks if not name.startswith("celery.")}
    assert registered == {orders.CHUNK_TASK, orders.SPLIT_TASK, orders.SWEEP_TASK, orders.VERIFY_TASK}


def test_names_on_the_wire_do_not_change() -> None:
    assert orders.CHUNK_TASK == "headrace.snapshot.chunk"
    assert orders.SPLIT_TASK == "headrace.snapshot.split"
    assert orders.VERIFY_TASK == "headrace.verify.part"
    assert orders.SWEEP_TASK == "headrace.mend.sweep"
    assert orders.SNAPSHOT_QUEUE == "snapshot"


@pytest.mark.parametrize("path", golden("orders"), ids=name_of)
def test_a_message_that_was_written_once_can_be_read(path: Path) -> None:
    data = path.read_bytes()
    message = orders.decode(data)
    if json.loads(data)["v"] == orders.VERSION:
        assert json.loads(orders.encode(message)) == json.loads(data)


def test_every_kind_of_message_has_a_golden_file() -> None:
    known = {one.__name__ for union in (orders.Question, orders.Answer) for one in union.__args__}
    assert {type(orders.decode(path.read_bytes())).__name__ for path in golden("orders")} == known


@pytest.mark.parametrize("path", golden("verify"), ids=name_of)
def test_what_a_comparison_has_once_said_can_be_read(path: Path) -> None:
    data = path.read_bytes()
    if path.stem == "part":
        assert VerifyPart.from_json(json.loads(data)).to_json() == json.loads(data)
    elif path.stem.startswith("report"):
        assert json.loads(encode_report(decode_report(data))) == json.loads(data)
    else:
        assert json.loads(encode_difference(decode_difference(data))) == json.loads(data)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'["stale"]', b'{"stage":"later"}'])
def test_what_is_no_word_of_a_comparison_is_refused(data: bytes) -> None:
    for decode in (decode_report, decode_difference):
        with pytest.raises(ValueError, match=r"."):
            decode(data)


@pytest.mark.parametrize("path", golden("state"), ids=name_of)
def test_a_state_record_that_was_written_once_can_be_read(path: Path) -> None:
    entry = json.loads(path.read_bytes())
    key, value = orjson.dumps(entry["key"]), orjson.dumps(entry["value"])
    record = decode_record(key, value)
    assert record is not None
    if not path.stem.startswith("old_"):
        # A key must be the same to the byte, or compaction would keep two.
        assert encode_record(record)[0] == key
        assert json.loads(encode_record(record)[1]) == entry["value"]


def test_every_kind_of_state_record_has_a_golden_file() -> None:
    entries = [json.loads(path.read_bytes()) for path in golden("state")]
    found = {type(decode_record(orjson.dumps(e["key"]), orjson.dumps(e["value"]))) for e in entries}
    assert found == {
        PositionRecord, TableRecord, ChunkRecord, DoneMark, TopicRecord, ResyncRecord, SaltRecord, FileRecord,
    }  # fmt: skip


@pytest.mark.parametrize("path", golden("registry"), ids=name_of)
def test_a_registry_record_that_was_written_once_can_be_read(path: Path) -> None:
    entry = json.loads(path.read_bytes())
    key, value = orjson.dumps(entry["key"]), orjson.dumps(entry["value"])
    record = decode_registry(key, value)
    if not path.stem.startswith("old_"):
        encoded = encode_wanted(record) if isinstance(record, Wanted) else encode_outcome(record)
        assert encoded[0] == key
        assert json.loads(encoded[1]) == entry["value"]


def test_every_kind_of_registry_record_has_a_golden_file() -> None:
    entries = [json.loads(path.read_bytes()) for path in golden("registry")]
    found = {type(decode_registry(orjson.dumps(e["key"]), orjson.dumps(e["value"]))) for e in entries}
    assert found == {Wanted, Outcome}


def test_a_newer_registry_record_is_refused() -> None:
    for path in golden("registry"):
        entry = json.loads(path.read_bytes())
        with pytest.raises(ValueError, match="newer"):
            decode_registry(orjson.dumps(entry["key"]), orjson.dumps(entry["value"] | {"v": 2}))
