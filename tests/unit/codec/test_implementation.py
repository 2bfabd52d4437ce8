"""Which codec is used: the one that is asked for, else the fastest that is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared import codec
from shared.errors import CodecMissing, HeadraceError, SchemaChanged, UnsupportedType
from shared.model.binlog import RowChanges
from shared.model.schema import Table
from shared.runtime import codecs
from shared.settings import Settings
from tests.unit.adapters.packed import OnlyPacked
from tests.unit.codec.packets import (
    CODECS,
    DAMAGED,
    TABLE,
    TABLES,
    UPDATE,
    damaged_stream,
    decoder,
    image,
    rows,
    table_map,
)

REPOSITORY = Path(__file__).parents[3]

#: The type of an event that holds a compressed transaction.
_TRANSACTION_PAYLOAD = 40
_XA_PREPARE = 38


def test_the_fastest_is_taken_unless_another_is_asked_for() -> None:
    assert codec.implementation("python") is codec.PYTHON
    assert codec.implementation() is (codec.NATIVE or codec.PYTHON)


def test_a_codec_that_was_not_built_is_an_error_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "NATIVE", None)
    assert codec.implementation() is codec.PYTHON
    with pytest.raises(CodecMissing) as caught:
        codec.implementation("native")
    assert "HEADRACE_CODEC=python" in caught.value.hint


def test_the_slow_codec_is_warned_of_unless_it_was_asked_for() -> None:
    for wanted, level in (("", "warning"), ("python", "info")):
        with structlog.testing.capture_logs() as logs:
            codecs.announce(codec.PYTHON, Settings(codec=wanted))
        assert [(entry["log_level"], entry["codec"]) for entry in logs] == [(level, "python")]


def test_the_native_codec_is_there_where_rust_is() -> None:
    assert codec.NATIVE is not None or shutil.which("cargo") is None, "the build failed; pip install -v . says why"


#: A program that runs as if the core had not been built.
WITHOUT_CORE = """
import runpy, sys
sys.modules["shared.codec.native._core"] = None
sys.argv = {arguments!r}
runpy.run_module({module!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("workers.binlog", ["binlog"]), ("celery", ["celery", "-A", "workers.app", "worker", "-Q", "snapshot"])],
    ids=["binlog worker", "snapshot worker"],
)
def test_a_worker_that_lacks_the_codec_it_is_told_to_use_does_not_start(module: str, arguments: list[str]) -> None:
    program = WITHOUT_CORE.format(module=module, arguments=arguments)
    environment = {**os.environ, "HEADRACE_CODEC": "native", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "The native codec is asked for, but it is not there" in done.stderr
    assert "HEADRACE_CODEC=python" in done.stderr


@pytest.mark.parametrize("one", CODECS, ids=lambda one: one.name)
def test_a_result_set_of_other_columns_is_refused(one: codec.Codec) -> None:
    encoder = one.snapshot_encoder(TABLE, codec.FormatOptions())
    encoder.check([8, 253])
    with pytest.raises(SchemaChanged):
        encoder.check([8])


@pytest.mark.parametrize("one", CODECS, ids=lambda one: one.name)
def test_rows_come_in_any_pieces_and_the_end_is_seen(one: codec.Codec) -> None:
    rows = {
        "text": [b"\x011\x03Tom", b"\x012\xfb"],
        "binary": [
            b"\0\0" + (1).to_bytes(8, "little") + b"\x03Tom",
            b"\0\x08" + (2).to_bytes(8, "little"),
        ],
    }
    expected = [(b'{"id":1}', b'{"id":1,"name":"Tom"}'), (b'{"id":2}', b'{"id":2,"name":null}')]
    for size in (1, 3, 1000):
        encoder = one.snapshot_encoder(TABLE, codec.FormatOptions())
        packets = [*rows[encoder.protocol], b"\xfe\0\0\2\0"]
        stream = b"".join(len(packet).to_bytes(3, "little") + b"\1" + packet for packet in packets)
        found = [row for at in range(0, len(stream), size) for row in encoder.feed(stream[at : at + size])]
        assert found == expected
        assert encoder.ended
        assert encoder.refusal is None


@pytest.mark.parametrize("one", CODECS, ids=lambda one: one.name)
def test_a_row_that_is_cut_short_and_a_servers_error(one: codec.Codec) -> None:
    cut = {"text": b"\x011\x09Tom", "binary": b"\0\0" + bytes(8) + b"\x09Tom"}
    encoder = one.snapshot_encoder(TABLE, codec.FormatOptions())
    packet = cut[encoder.protocol]
    with pytest.raises(UnsupportedType):
        encoder.feed(len(packet).to_bytes(3, "little") + b"\1" + packet)
    encoder = one.snapshot_encoder(TABLE, codec.FormatOptions())
    refusal = b"\xff\x2d\x04#70100Query execution was interrupted"
    assert encoder.feed(len(refusal).to_bytes(3, "little") + b"\1" + refusal) == []
    assert encoder.refusal == (1069, "Query execution was interrupted")


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
#: An XA PREPARE without its one byte, behind a transaction that changed nothing.
@example(damaged_stream(bytes([0] * 4 + [_XA_PREPARE] + [0] * 18), 0, 0, 0))
@given(DAMAGED)
def test_the_implementations_agree_on_damaged_packets(packets: list[bytes]) -> None:
    """The same events, or the same kind of error.

    Damage within compressed bytes is the one exception: two builds of zstd need not agree on which of them are none.
    (A server protects them, as all its events, by a checksum, which these streams are without.)
    """
    outcomes: list[object] = []
    for one in CODECS:
        made = decoder(*TABLES.values(), started=False, codec=one)
        try:
            outcomes.append([event for packet in packets for event in made.feed(packet)])
        except HeadraceError as error:
            outcomes.append(error.name)
    if packets[-1][4] == _TRANSACTION_PAYLOAD and "UnsupportedEvent" in outcomes:
        return
    assert outcomes[1:] == outcomes[:-1]


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(list(TABLES.values())), st.binary(max_size=300), st.sampled_from(CODECS))
def test_noise_in_a_result_set_gives_named_errors_only(table: Table, noise: bytes, one: codec.Codec) -> None:
    encoder = one.snapshot_encoder(table, codec.FormatOptions())
    head = b"\0" + bytes((len(table.columns) + 9) // 8) if encoder.protocol == "binary" else b""
    for packet in (head + noise, noise):
        try:
            encoder.feed(len(packet).to_bytes(3, "little") + b"\1" + packet)
        except (UnsupportedType, SchemaChanged) as error:
            assert error.message


@pytest.mark.parametrize("one", [one for one in CODECS if one is codec.NATIVE], ids=lambda one: one.name)
def test_what_the_native_codec_hands_on_is_a_sequence_and_one_piece_of_memory(one: codec.Codec) -> None:
    made = decoder(TABLE, codec=one)
    made.feed(table_map())
    (event,) = made.feed(rows(UPDATE, image(1, "a") + image(1, "b") + image(2, "c") + image(3, "c")))
    assert isinstance(event, RowChanges)
    expected = [
        (b'{"id":1}', b'{"id":1,"name":"b"}'),
        (b'{"id":2}', None),
        (b'{"id":3}', b'{"id":3,"name":"c"}'),
    ]
    changes: Any = event.changes
    assert changes.packed == OnlyPacked(expected).packed
    assert len(changes) == 3
    assert list(changes) == list(changes) == expected
    assert (changes[0], changes[-1], changes[1:]) == (expected[0], expected[-1], expected[1:])
    assert changes == expected
    assert expected == changes
    assert changes != expected[:2]
    assert "Tom" not in repr(changes)
    assert "name" not in repr(changes)
    with pytest.raises(IndexError):
        changes[3]
