"""`scheduler check`: everything that `submit` does before it writes."""

from __future__ import annotations

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.draft import Draft, examine, read_draft
from scheduler.cli.exits import Exit
from scheduler.cli.output import Output
from scheduler.preflight import Report, as_json, print_report
from shared.errors import PreflightFailed, Unavailable


@click.command()
@options.job_file
@options.name
@options.variables
@options.as_json
@click.pass_obj
def check(access: Access, file: str, name: str | None, variables: tuple[str, ...], json: bool) -> int:
    """Try a job file on its servers, and create nothing.

    Reads JOB.yaml (`-` is stdin), resolves its placeholders, asks MySQL and Kafka for all that the job needs, and prints
    the findings and the plan: tables, topics, rows, chunks, and the connections that MySQL will see. Ends with exit code
    2 when something must be mended first.

    \b
      scheduler check job.yaml
      scheduler check job.yaml --var password=secret
    """
    output = Output(json=json)
    draft = read_draft(access, file, name, variables)
    with output.busy("Asking MySQL and Kafka"), access.jobs() as jobs:
        report = examine(access, jobs, draft)
    if json:
        output.document({"job": draft.name, **as_json(report)})
    else:
        print_report(report, output.results)
    refuse_errors(report, draft)
    return Exit.OK


def refuse_errors(report: Report, draft: Draft) -> None:
    """Ends the command when the job cannot be started like this.

    Raises:
        PreflightFailed: a finding is an error.
        Unavailable: it is that a server does not answer.
    """
    if report.ok:
        return
    if report.transient:
        raise Unavailable(report.errors[0].message, report.errors[0].hint)
    first, more = report.errors[0], len(report.errors) - 1
    also = f" (and {more} more)" if more else ""
    raise PreflightFailed(
        f"The job `{draft.name}` cannot start{also}: {first.message} Nothing was created.", first.hint
    )
