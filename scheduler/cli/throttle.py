"""`scheduler throttle`: how much of MySQL a job's snapshot may take, changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.control import EFFECT_SECONDS, NO_WORKER, alive, awaited
from scheduler.cli.exits import Exit
from scheduler.cli.jobs import Jobs
from scheduler.cli.output import Output
from scheduler.cli.views import limits_view
from shared.errors import InvalidJob
from shared.job.throttling import in_force
from shared.model.job import Desire, Wanted
from shared.model.throttle import Limits


@click.command()
@options.job
@click.option("--rows-per-second", metavar="N", help="Rows that all readers together read in a second.")
@click.option("--bytes-per-second", metavar="SIZE", help="The same in bytes of MySQL's answers, such as `20mb`.")
@click.option("--max-threads-running", metavar="N", help="No chunk begins while MySQL's Threads_running is above.")
@click.option("--max-replica-lag", metavar="DURATION", help="No chunk begins while a replica is further behind: `10s`.")
@click.option(
    "--replicas", metavar="HOST:PORT,…", help="Whose lag counts; else that of the source, if it is a replica."
)
@click.option("--reset", is_flag=True, help="Forget all changes: the limits of the job file count again.")
@options.as_json
@click.pass_obj
def throttle(access: Access, /, job: str, reset: bool, json: bool, **given: str | None) -> int:
    """Show or change the limits on what JOB's snapshot takes of MySQL.

    Without an option, the limits in force are shown. `none` lifts a limit. A change lasts until the next one; it counts
    from the next chunk on, and never for the binlog: changes are always followed at full speed.

    \b
      scheduler throttle orders
      scheduler throttle orders --rows-per-second 20000 --max-threads-running 40
      scheduler throttle orders --rows-per-second none
      scheduler throttle orders --reset
    """
    output = Output(json=json)
    changes = {name.replace("_", "-"): text.strip() for name, text in given.items() if text is not None}
    if reset and changes:
        raise InvalidJob("--reset stands alone.", "Reset first, then change what you want.")
    in_force(Limits(), changes)
    with access.jobs() as jobs:
        wanted = alive(jobs, job)
        if reset or changes:
            wanted = _write(jobs, wanted, {} if reset else {**wanted.throttle, **changes})
            if not _in_effect(access, jobs, wanted, output):
                return Exit.OK
        return _show(access, wanted, output)


def _write(jobs: Jobs, wanted: Wanted, changed: Mapping[str, str]) -> Wanted:
    """No new revision: that would make the leader start anew."""
    wanted = replace(wanted, throttle=dict(changed))
    jobs.write(wanted)
    return wanted


def _in_effect(access: Access, jobs: Jobs, wanted: Wanted, output: Output) -> bool:
    if wanted.desire is Desire.PAUSED or jobs.outcome(wanted) is not None:
        output.note(f"Job {wanted.name} does not run now; the limits count when it does.")
        return False

    def taken() -> bool:
        throttle = _live(access, wanted)
        return throttle is not None and throttle.get("changed") == dict(wanted.throttle)

    if awaited(access, jobs, taken, output):
        return True
    output.note(f"The change is stored, and nobody has taken it up after {EFFECT_SECONDS:.0f} s. {NO_WORKER}")
    return False


def _live(access: Access, wanted: Wanted) -> dict[str, Any] | None:
    _, live = access.live(wanted)
    return None if live is None else live.get("throttle")


def _show(access: Access, wanted: Wanted, output: Output) -> int:
    throttle = _live(access, wanted)
    if output.json:
        output.document(throttle or {"limits": None, "changed": dict(wanted.throttle), "waits": ""})
    elif throttle is None:
        output.note(f"Nobody leads job {wanted.name}, so its limits are not known now. {NO_WORKER}")
    else:
        output.show(limits_view(wanted.name, throttle))
    return Exit.OK
