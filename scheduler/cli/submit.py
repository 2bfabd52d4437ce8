"""`scheduler submit`: check a job file and register the job."""

from __future__ import annotations

import secrets
from typing import Any

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.check import refuse_errors
from scheduler.cli.draft import Draft, examine, read_draft, unchanged
from scheduler.cli.exits import Exit
from scheduler.cli.follow import wait_for_snapshot
from scheduler.cli.jobs import Jobs
from scheduler.cli.output import Output
from scheduler.preflight import as_json, print_report
from shared import clock
from shared.errors import InvalidJob
from shared.model.job import Desire, End, Wanted


@click.command()
@options.job_file
@options.name
@options.variables
@click.option("--wait", is_flag=True, help="Stay until the snapshot is complete and the job is close behind MySQL.")
@options.as_json
@click.pass_obj
def submit(access: Access, file: str, name: str | None, variables: tuple[str, ...], wait: bool, json: bool) -> int:
    """Start a job: check JOB.yaml (`-` is stdin), then register it for the workers.

    The job is stored in Kafka as the file has it, with its placeholders, so a secret must be one: `password:
    #{password}`. Submitting the same file again changes nothing. Workers begin within a second; this command does not
    have to stay.

    \b
      scheduler submit job.yaml
      scheduler submit job.yaml --wait
      scheduler submit job.yaml --name orders --var hostname=db1
    """
    output = Output(json=json)
    draft = read_draft(access, file, name, variables)
    with access.jobs() as jobs:
        result: dict[str, Any] = {"job": draft.name}
        code: int = Exit.OK
        wanted = unchanged(jobs, draft)
        if wanted is None:
            wanted = _register(access, jobs, draft, output, result)
        else:
            result |= {"action": "unchanged", "id": wanted.id}
            code = _tell_unchanged(jobs, wanted, output)
        if wait:
            return wait_for_snapshot(access, jobs, output, wanted, result)
        if json:
            output.document(result)
    return code


def _register(access: Access, jobs: Jobs, draft: Draft, output: Output, result: dict[str, Any]) -> Wanted:
    with output.busy("Asking MySQL and Kafka"):
        report = examine(access, jobs, draft)
    if not output.json:
        print_report(report, output.results)
    elif not report.ok:
        output.document({**result, "action": "refused", **as_json(report)})
    refuse_errors(report, draft)
    jobs.refresh()
    if unchanged(jobs, draft) is not None:
        raise InvalidJob(
            f"The job `{draft.name}` was submitted by somebody else just now.", "Look at scheduler status."
        )
    wanted = _wanted(jobs.find(draft.name), draft)
    jobs.write(wanted)
    result |= {"action": "submitted", "id": wanted.id, **as_json(report)}
    result["worker_variables"] = list(draft.worker_variables)
    if not output.json:
        output.show(f"Job {wanted.name} is submitted (id {wanted.id}). Follow it: scheduler watch {wanted.name}")
    if draft.worker_variables:
        names = ", ".join(draft.worker_variables)
        output.note(f"--var reached this command alone. Every binlog and snapshot worker needs: {names}.")
    return wanted


def _wanted(before: Wanted | None, draft: Draft) -> Wanted:
    """The new record. Its revision goes on from that of a cancelled namesake, whose outcome must not count for it."""
    return Wanted(
        name=draft.name,
        id=secrets.token_hex(4),
        text=draft.job.to_text(),
        file=draft.job.file,
        desire=Desire.RUNNING,
        revision=before.revision + 1 if before else 1,
        submitted_at=clock.utc_text(),
    )


def _tell_unchanged(jobs: Jobs, wanted: Wanted, output: Output) -> int:
    """Says what there is. A job that has failed is no success of a command that should start it."""
    known, outcome = f"Job {wanted.name} is submitted already from this very file", jobs.outcome(wanted)
    if outcome is not None and outcome.end is End.FINISHED:
        output.note(f"{known}, and is finished. To copy its tables again: scheduler resume {wanted.name} --resync")
        return Exit.OK
    if outcome is not None:
        output.note(f"{known}, and failed with {outcome.error}: {outcome.message}")
        output.note(f"Once that is mended: scheduler resume {wanted.name}")
        return Exit.FAILED
    if wanted.desire is Desire.PAUSED:
        output.note(f"{known}, and is paused: scheduler resume {wanted.name}")
    else:
        output.note(f"{known}, and runs; nothing was changed.")
    return Exit.OK
