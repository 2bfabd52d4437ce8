"""From where a job follows the binlog: what it asks for, or a refusal; never a position that leaves out a change."""

import pytest

from scheduler.preflight.startup import Past, check_startup, first_position
from shared.errors import InvalidJob
from shared.model.places import all_before
from shared.model.position import Coordinates, GtidSet
from shared.model.startup import StartMode, Startup

SERVER, OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
EXECUTED, PURGED = GtidSet.parse(f"{SERVER}:1-100,{OTHER}:1-7"), GtidSet.parse(f"{SERVER}:1-10")
FILES = {"binlog.000003": 900, "binlog.000004": 157}
PAST = Past(EXECUTED, PURGED, FILES, 1_700_000_000_000)
#: The same of a server without GTIDs.
PLACED = Past(
    all_before(SERVER, Coordinates("binlog.000004", 157)), all_before(SERVER, Coordinates("binlog.000003", 4)), FILES, 5
)


def given(text: str) -> Startup:
    return Startup(StartMode.SPECIFIC, GtidSet.parse(text))


@pytest.mark.parametrize("mode", [StartMode.INITIAL, StartMode.SNAPSHOT, StartMode.LATEST])
def test_most_begin_where_the_server_is(mode: StartMode) -> None:
    assert first_position(Startup(mode), PAST) == EXECUTED


def test_the_earliest_is_behind_what_was_purged() -> None:
    assert first_position(Startup(StartMode.EARLIEST), PAST) == PURGED


@pytest.mark.parametrize("text", [f"{SERVER}:1-10", f"{SERVER}:1-50,{OTHER}:1-7", str(EXECUTED)])
def test_a_set_that_the_server_can_go_on_from_is_taken(text: str) -> None:
    assert first_position(given(text), PAST) == GtidSet.parse(text)


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
        first_position(given(text), PAST)
    assert sentence in raised.value.message
    (finding,) = check_startup(given(text), PAST)
    assert finding.is_error
    assert finding.path == "source.scan.startup.specific-offset.gtid-set"


def test_the_check_tells_how_much_will_be_read() -> None:
    assert check_startup(Startup(), PAST) == []
    (finding,) = check_startup(given(f"{SERVER}:1-99,{OTHER}:1-7"), PAST)
    assert finding.ok
    assert finding.message == "The job follows the binlog from 1 transaction ago."
    (finding,) = check_startup(Startup(StartMode.EARLIEST), PAST)
    assert "97 transactions" in finding.message


def at(file: str, offset: int) -> Startup:
    return Startup(StartMode.SPECIFIC, file=file, offset=offset)


def test_what_was_found_in_the_binlog_is_taken() -> None:
    found = GtidSet.parse(f"{SERVER}:1-50")
    assert first_position(at("binlog.000003", 900), PAST, found) == found
    assert first_position(Startup(StartMode.TIMESTAMP, timestamp_millis=1_600_000_000_000), PAST, found) == found
    (finding,) = check_startup(at("binlog.000003", 4), PAST)
    assert finding.ok
    assert "place binlog.000003:4" in finding.message


@pytest.mark.parametrize(
    ("startup", "sentence", "path"),
    [
        (at("binlog.000002", 4), "no binlog file binlog.000002; it has from binlog.000003 to binlog.000004", "file"),
        (at("binlog.000003", 901), "binlog.000003 ends at 900, before 901", "pos"),
        (Startup(StartMode.TIMESTAMP, timestamp_millis=1_700_000_000_001), "has yet to come", "timestamp-millis"),
    ],
)
def test_a_place_that_is_not_there_and_a_moment_to_come_are_refused(startup: Startup, sentence: str, path: str) -> None:
    with pytest.raises(InvalidJob, match=sentence):
        first_position(startup, PAST)
    (finding,) = check_startup(startup, PAST)
    assert finding.is_error
    assert finding.path.endswith(path)


def test_a_server_without_gtids_tells_places() -> None:
    assert first_position(Startup(StartMode.EARLIEST), PLACED) == PLACED.purged
    with pytest.raises(InvalidJob, match="has no GTIDs"):
        first_position(given(f"{SERVER}:1-5"), PLACED)
    (finding,) = check_startup(Startup(StartMode.EARLIEST), PLACED)
    assert "the bytes from binlog.000003:4 to binlog.000004:157" in finding.message
    (finding,) = check_startup(Startup(StartMode.LATEST), PLACED)
    assert finding.message == "The job follows the binlog: its end."
