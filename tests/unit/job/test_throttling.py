"""`source.throttle.*` of the job file, and what `scheduler throttle` changes on top."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from shared.errors import InvalidJob
from shared.job.placeholders import Resolver
from shared.job.spec import parse
from shared.job.throttling import CHANGEABLE, as_json, in_force
from shared.model.throttle import Address, Limits

JOB = (Path(__file__).parent / "reference_whole_database.yaml").read_text()
VARIABLES = {
    f"HEADRACE_VAR_{name}": name.lower()
    for name in ("HOSTNAME", "USERNAME", "PASSWORD", "AK", "SK", "INSTANCEID", "ENDPOINT", "REGIONID")
}


def limits_of(*lines: str) -> Limits:
    written = "".join(f"  {line}\n" for line in lines)
    text = JOB.replace("  password:", f"{written}  password:", 1)
    return parse(text).resolve(Resolver.from_environment({}, VARIABLES)).source.throttle


def test_a_job_without_limits_has_none() -> None:
    assert limits_of() == Limits()
    assert not Limits().watch


def test_every_limit_can_be_written() -> None:
    found = limits_of(
        "throttle.rows-per-second: 20000",
        "throttle.bytes-per-second: 20mb",
        "throttle.max-threads-running: 40",
        "throttle.max-replica-lag: 10s",
        "throttle.replicas: r1, r2:3307",
    )
    replicas = (Address("r1", 3306), Address("r2", 3307))
    assert found == Limits(20_000, 20 * 2**20, 40, timedelta(seconds=10), replicas)
    assert as_json(found) == {
        "rows-per-second": 20_000,
        "bytes-per-second": 20 * 2**20,
        "max-threads-running": 40,
        "max-replica-lag": 10.0,
        "replicas": ["r1:3306", "r2:3307"],
    }


def test_changes_replace_and_lift() -> None:
    written = Limits(rows_per_second=10, max_threads_running=40, replicas=(Address("r1", 3306),))
    changed = in_force(written, {"rows-per-second": "20", "max-threads-running": "none", "replicas": "none"})
    assert changed == Limits(rows_per_second=20)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rows-per-second", "fast", "a whole number from 1 to 1000000000"),
        ("rows-per-second", "0", "a whole number from 1 to 1000000000"),
        ("bytes-per-second", "12 parsecs", "a number of bytes such as `512kb` or `64 mb`"),
        ("max-threads-running", "-1", "a whole number"),
        ("max-replica-lag", "soon", "a duration"),
        ("replicas", "a b", "servers such as"),
        ("replicas", "r1:99999", "servers such as"),
    ],
)
def test_a_value_that_is_none_is_told_with_its_option(name: str, text: str, expected: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        in_force(Limits(), {name: text})
    assert expected in caught.value.message
    assert caught.value.path == f"source.throttle.{name}"
    assert caught.value.hint


def test_an_unknown_limit_is_told_with_those_there_are() -> None:
    with pytest.raises(InvalidJob, match="no limit `speed`") as caught:
        in_force(Limits(), {"speed": "1"})
    assert all(name in caught.value.hint for name in CHANGEABLE)
