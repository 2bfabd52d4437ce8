"""From where a job follows the binlog: what it asks for, or a refusal; never a position that leaves out a change."""

import pytest

from scheduler.preflight.startup import check_startup, first_position
from shared.errors import InvalidJob
from shared.model.position import GtidSet
from shared.model.startup import StartMode, Startup

SERVER, OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
EXECUTED, PURGED = GtidSet.parse(f"{SERVER}:1-100,{OTHER}:1-7"), GtidSet.parse(f"{SERVER}:1-10")


def given(text: str) -> Startup:
    return Startup(StartMode.SPECIFIC, GtidSet.parse(text))


@pytest.mark.parametrize("mode", [StartMode.INITIAL, StartMode.SNAPSHOT, StartMode.LATEST])
def test_most_begin_where_the_server_is(mode: StartMode) -> None:
    assert first_position(Startup(mode), EXECUTED, PURGED) == EXECUTED


def test_the_earliest_is_behind_what_was_purged() -> None:
    assert first_position(Startup(StartMode.EARLIEST), EXECUTED, PURGED) == PURGED


@pytest.mark.parametrize("text", [f"{SERVER}:1-10", f"{SERVER}:1-50,{OTHER}:1-7", str(EXECUTED)])
def test_a_set_that_the_server_can_go_on_from_is_taken(text: str) -> None:
    assert first_position(given(text), EXECUTED, PURGED) == GtidSet.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{SERVER}:1-101", f"holds 1 transaction ({SERVER}:101), which the server has not executed"),
        (f"{SERVER}:1-20,5{OTHER[1:]}:3", "holds 1 transaction"),
        (f"{SERVER}:2-20", f"lacks 1 transaction ({SERVER}:1), whose binlogs the server has deleted"),
        (f"{OTHER}:1-7", "lacks 10 transactions"),
    ],
)
def test_another_one_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidJob) as raised:
        first_position(given(text), EXECUTED, PURGED)
    assert sentence in raised.value.message
    (finding,) = check_startup(given(text), EXECUTED, PURGED)
    assert finding.is_error
    assert finding.path == "source.scan.startup.specific-offset.gtid-set"


def test_the_check_tells_how_much_will_be_read() -> None:
    assert check_startup(Startup(), EXECUTED, PURGED) == []
    (finding,) = check_startup(given(f"{SERVER}:1-99,{OTHER}:1-7"), EXECUTED, PURGED)
    assert finding.ok
    assert finding.message == "The job follows the binlog from 1 transaction ago."
    (finding,) = check_startup(Startup(StartMode.EARLIEST), EXECUTED, PURGED)
    assert "97 transactions" in finding.message
