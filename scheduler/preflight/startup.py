"""From where a job that nobody has led yet follows the binlog. Pure: the wish and what the server tells of its history in, a
position out.

Law of this file: no position that leaves out a change in silence. What the server cannot go on from is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.preflight.findings import Finding, failure_of, passed
from shared.errors import InvalidJob
from shared.model.domains import is_domains, with_elders
from shared.model.places import FILE_BEGIN, is_place, named
from shared.model.position import GtidSet
from shared.model.startup import StartMode, Startup

_SET, _FILE, _POS, _TIME = (
    f"scan.startup.{name}"
    for name in ("specific-offset.gtid-set", "specific-offset.file", "specific-offset.pos", "timestamp-millis")
)


@dataclass(frozen=True, slots=True)
class Past:
    """What the server tells: all that it has executed, the part of it that its binlogs no longer hold, its binlog files with their
    sizes in bytes, and its clock in milliseconds since 1970.
    """

    executed: GtidSet
    purged: GtidSet
    files: Mapping[str, int]
    now_millis: int


def require_possible(startup: Startup, past: Past) -> None:
    """Checks the wish, as far as it can be told without reading a binlog.

    Raises:
        InvalidJob: there is no such place, or the moment has yet to come.
    """
    if startup.gtid_set is not None:
        _require_set(startup.gtid_set, past)
    if (place := startup.place) is not None:
        if place.file not in past.files:
            have = f"from {next(iter(past.files))} to {list(past.files)[-1]}" if past.files else "none"
            raise InvalidJob(
                f"The server has no binlog file {place.file}; it has {have}.",
                "SHOW BINARY LOGS lists them. What is deleted cannot be read: let the job copy its tables, scan.startup.mode: initial.",
                f"source.{_FILE}",
            )
        if not FILE_BEGIN <= place.offset <= past.files[place.file]:
            raise InvalidJob(
                f"{place.file} ends at {past.files[place.file]}, before {place.offset}.",
                "SHOW BINARY LOGS tells sizes, SHOW BINLOG EVENTS where transactions end.",
                f"source.{_POS}",
            )
    if startup.timestamp_millis is not None and startup.timestamp_millis > past.now_millis:
        raise InvalidJob(
            f"The moment {startup.timestamp_millis} has yet to come: by the server's clock it is {past.now_millis}.",
            "Give milliseconds since 1970, of the past; to begin now: scan.startup.mode: latest-offset.",
            f"source.{_TIME}",
        )


def first_position(startup: Startup, past: Past, found: GtidSet | None = None) -> GtidSet:
    """What the job takes for processed when it begins.

    Args:
        startup: the wish.
        past: what the server tells.
        found: what a place or a moment that was wished for stands for.

    Raises:
        InvalidJob: the server has not come so far, or no longer has what follows.
    """
    require_possible(startup, past)
    if startup.mode is StartMode.EARLIEST:
        return past.purged
    if found is not None:
        return found
    if startup.gtid_set is None:
        return past.executed
    return _whole(startup.gtid_set, past)


def _whole(wanted: GtidSet, past: Past) -> GtidSet:
    """Who writes a position of a MariaDB names the last GTID of each domain alone."""
    return with_elders(wanted, past.executed) if is_domains(wanted) else wanted


def _require_set(wanted: GtidSet, past: Past) -> None:
    if is_place(past.executed):
        raise InvalidJob(
            "The server has no GTIDs (gtid_mode is not ON).",
            f"Give a place in its binlog instead, {_FILE} and {_POS}, as SHOW BINARY LOG STATUS tells it.",
            f"source.{_SET}",
        )
    wanted = _whole(wanted, past)
    if ahead := wanted.minus(past.executed):
        raise InvalidJob(
            f"`{_SET}` holds {named(ahead)}, which the server has not executed.",
            "Name what was processed of this server's history: a part of SELECT @@GLOBAL.gtid_executed (of a MariaDB, "
            "@@GLOBAL.gtid_binlog_pos or an earlier one).",
            f"source.{_SET}",
        )
    if gone := past.purged.minus(wanted):
        raise InvalidJob(
            f"`{_SET}` lacks {named(gone)}, whose binlogs the server has deleted.",
            "Add them if they are processed, or nothing of them matters. Else let the job copy its tables: "
            "scan.startup.mode: initial.",
            f"source.{_SET}",
        )


def check_startup(startup: Startup, past: Past) -> list[Finding]:
    """Whether the job can begin there; nothing to say of one that copies its tables."""
    if startup.copies:
        return []
    try:
        require_possible(startup, past)
    except InvalidJob as error:
        return [failure_of("startup", error)]
    if startup.place is not None or startup.timestamp_millis is not None:
        where = f"place {startup.place}" if startup.place else f"moment {startup.timestamp_millis}"
        return [passed("startup", f"The job finds the {where} in the binlog when it begins.")]
    missing = past.executed.minus(first_position(startup, past))
    if is_place(past.executed):
        since = named(missing) if missing else "its end"
        return [passed("startup", f"The job follows the binlog: {since}.")]
    count = missing.count()
    return [passed("startup", f"The job follows the binlog from {count:,} transaction{'s' * (count != 1)} ago.")]
