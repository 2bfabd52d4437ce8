"""From where a job that nobody has led yet follows the binlog. Pure: the wish and what the server tells of its history in, a
position out.

Law of this file: no position that leaves out a change in silence. A set that the server cannot go on from is refused.
"""

from __future__ import annotations

from scheduler.preflight.findings import Finding, failure_of, passed
from shared.errors import InvalidJob
from shared.model.places import named
from shared.model.position import GtidSet
from shared.model.startup import StartMode, Startup

_SET = "scan.startup.specific-offset.gtid-set"


def first_position(startup: Startup, executed: GtidSet, purged: GtidSet) -> GtidSet:
    """What the job takes for processed when it begins.

    Args:
        startup: the wish.
        executed: what the server has executed.
        purged: the part of it that its binlogs no longer hold.

    Raises:
        InvalidJob: the server has not come so far, or no longer has what follows.
    """
    if startup.mode is StartMode.EARLIEST:
        return purged
    if startup.mode is not StartMode.SPECIFIC:
        return executed
    wanted = startup.gtid_set or GtidSet({})
    if ahead := wanted.minus(executed):
        raise InvalidJob(
            f"`{_SET}` holds {named(ahead)}, which the server has not executed.",
            "Name what was processed of this server's history: a part of SELECT @@GLOBAL.gtid_executed.",
            f"source.{_SET}",
        )
    if gone := purged.minus(wanted):
        raise InvalidJob(
            f"`{_SET}` lacks {named(gone)}, whose binlogs the server has deleted.",
            "Add them if they are processed, or nothing of them matters. Else let the job copy its tables: "
            "scan.startup.mode: initial.",
            f"source.{_SET}",
        )
    return wanted


def check_startup(startup: Startup, executed: GtidSet, purged: GtidSet) -> list[Finding]:
    """Whether the job can begin there; nothing to say of one that copies its tables."""
    if startup.copies:
        return []
    try:
        processed = first_position(startup, executed, purged)
    except InvalidJob as error:
        return [failure_of("startup", error)]
    count = executed.minus(processed).count()
    return [passed("startup", f"The job follows the binlog from {count:,} transaction{'s' * (count != 1)} ago.")]
