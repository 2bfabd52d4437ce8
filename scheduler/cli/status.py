"""`scheduler status`: one look at all jobs, or closely at one."""

from __future__ import annotations

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.exits import Exit
from scheduler.cli.observer import Observer
from scheduler.cli.output import Output
from scheduler.cli.views import job_view, jobs_view


@click.command()
@click.argument("job", metavar="[JOB]", required=False)
@options.as_json
@click.pass_obj
def status(access: Access, job: str | None, json: bool) -> int:
    """Show what every job does, or the tables of one JOB.

    Figures are live (published by the leader every second) or, without a leader, those last stored in Kafka; the
    latter are marked with a star. With JOB, the exit code is 1 when that job has failed.

    \b
      scheduler status
      scheduler status orders
      scheduler status orders --json
    """
    output = Output(json=json)
    with access.jobs() as jobs:
        wanted = [jobs.get(job)] if job else jobs.all()
        observer = Observer(access, jobs)
        try:
            pictures = [observer.look(each) for each in wanted]
        finally:
            observer.close()
    if json:
        documents = [picture.as_json() for picture in pictures]
        output.document(documents[0] if job else documents)
    else:
        output.show(job_view(pictures[0]) if job else jobs_view(pictures))
    return Exit.FAILED if job and pictures[0].failed else Exit.OK
