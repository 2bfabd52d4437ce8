"""`scheduler watch`: look at a job every second."""

from __future__ import annotations

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.exits import Exit
from scheduler.cli.follow import Bars, Follower, Lines, live_display, tell_end
from scheduler.cli.output import Output
from scheduler.cli.picture import Picture


@click.command()
@options.job
@options.as_json
@click.pass_obj
def watch(access: Access, job: str, json: bool) -> int:
    """Follow JOB: rows/s, time left, lag, every second, until Ctrl-C.

    Watching does nothing to the job. It ends by itself when the job fails (exit code 1) or is cancelled. With --json,
    each second is one line of JSON as of `scheduler status JOB --json`.

    \b
      scheduler watch orders
      scheduler watch orders --json | jq .lag_seconds
    """
    output = Output(json=json)

    def lines_of_json(picture: Picture, _rates: dict[str, float], _elapsed: float) -> None:
        output.document(picture.as_json())

    try:
        with access.jobs() as jobs:
            jobs.get(job)
            with live_display(output) as live:
                show = Bars(live) if live else lines_of_json if json else Lines(output.results)
                picture = Follower(access, jobs, output, show).run(job, lambda _: False)
    except KeyboardInterrupt:
        output.note(f"Stopped watching; job {job} goes on as before.")
        return Exit.INTERRUPTED
    code = tell_end(output, picture)
    return Exit.OK if code == Exit.OK else Exit.FAILED
