"""A short torture belongs to every CI run; `make torture MINUTES=30` is the long one. And what judges it can find fault."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.plugins.fix_headrace import REPOSITORY
from tests.torture import check
from tests.torture.campaign import Story
from tests.torture.proxy import Mode, Proxy
from tests.torture.report import report
from tests.torture.tables import TABLES, expected

MINUTES = os.environ.get("TORTURE_MINUTES", "1.5")
LEAST_FAULTS = 6


@pytest.mark.timeout(900)
def test_no_row_is_wrong_after_faults_of_all_kinds(tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    command = [sys.executable, "-m", "tests.torture", "--minutes", MINUTES, "--faults", str(LEAST_FAULTS)]
    command += ["--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=850)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    text = out.read_text()
    assert "| **differences** | **0** |" in text
    (faults,) = re.findall(r"\| faults \| (\d+) of", text)
    assert int(faults) >= LEAST_FAULTS, text


# The judge.


def table(name: str):
    return next(one for one in TABLES if one.name == name)


def test_rows_are_expected_as_docs_types_says() -> None:
    assert expected(table("t_bytes"), (b"\x01\x00", 5, None)) == (("AQA=",), ("AQA=", 5, None))
    assert expected(table("t_dec"), (Decimal("-250.125"), 5, "x"))[0] == (Decimal("-250.125"),)
    assert expected(table("t_time"), (datetime(2024, 2, 29, 0, 0, 0, 977_000), 5, ""))[0] == (
        "2024-02-29 00:00:00.977",
    )


def test_every_kind_of_difference_is_found() -> None:
    truth = {(1,): (1, 10), (2,): (2, 20), (3,): (3, 30)}
    seen = {(1,): (1, 10), (2,): (2, 21), (4,): (4, 40)}
    assert list(check._compare(truth, seen)) == [
        "missing (3,): MySQL (3, 30), topic None",
        "ghost (4,): MySQL None, topic (4, 40)",
        "stale (2,): MySQL (2, 20), topic (2, 21)",
    ]
    assert list(check._compare(truth, truth)) == []


def test_two_spellings_of_one_key_and_other_columns_are_found() -> None:
    row = b'{"id":1,"v":1,"note":null}'
    with pytest.raises(ValueError, match="two spellings"):
        check._seen(table("t_int"), {b'{"id":1}': row, b'{"id": 1}': row})
    with pytest.raises(ValueError, match="instead of"):
        check._seen(table("t_int"), {b'{"id":1}': b'{"id":1,"v":1}'})


def test_the_report_tells_what_was_seen() -> None:
    story = Story(7, 1.0, resumed_seconds=[1.0, 2.0, 9.0], differences=["t_int: missing"])
    story.faults.update({"leader killed": 3})
    text = report(story, "command", "machine")
    assert "p50 2.0 s, p95 9.0 s, longest 9.0 s (3 seen)" in text
    assert "| **differences** | **1** |" in text
    assert "- t_int: missing" in text


def test_keys_of_a_table_are_as_many_as_it_says() -> None:
    chance = random.Random(1)
    for one in TABLES:
        keys = {tuple(str(cell).lower() for cell in one.spell(n, chance)) for n in range(one.rows)}
        assert len(keys) == one.rows, one.name


# The proxy.


@pytest.fixture
def echo() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def proxy(echo: socket.socket) -> Iterator[Proxy]:
    made = Proxy(echo.getsockname()[1])
    yield made
    made.close()


def test_the_proxy_passes_stalls_and_cuts(echo: socket.socket, proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
        client.settimeout(5)
        client.sendall(b"one")
        server, _ = echo.accept()
        server.settimeout(5)
        assert server.recv(10) == b"one"
        proxy.set(Mode.STALL)
        client.sendall(b"two")
        server.settimeout(0.3)
        with pytest.raises(TimeoutError):
            server.recv(10)
        proxy.set(Mode.OPEN)
        server.settimeout(5)
        assert server.recv(10) == b"two"
        proxy.set(Mode.SLOW)
        began = time.monotonic()
        server.sendall(b"three")
        assert client.recv(10) == b"three"
        assert time.monotonic() - began >= 0.05
        proxy.set(Mode.CUT)
        with pytest.raises(ConnectionError):
            while client.recv(10):
                pass
            raise ConnectionResetError  # a plain end is as good
        server.close()
