"""From a job file to a checked draft, and what the registry already has of that name.

Law of this file: it reads; only `submit` writes, and only a draft whose report is free of errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from scheduler.cli.access import Access
from scheduler.cli.jobs import Jobs
from scheduler.cli.ownership import Owners
from scheduler.preflight import Report
from shared.errors import HeadraceError, InvalidJob
from shared.job.document import TEXT_LENGTH_MAX
from shared.job.placeholders import environment_name, parse_variables
from shared.job.spec import JobFile, JobSpec, job_name, parse
from shared.model.job import Desire, Wanted

_STDIN = "-"

#: A character of UTF-8 has at most four bytes.
_BYTES_MAX = 4 * TEXT_LENGTH_MAX


@dataclass(frozen=True, slots=True)
class Draft:
    """A job file with its name and values. `worker_variables` are known to this process alone so far."""

    name: str
    job: JobFile = field(repr=False)
    spec: JobSpec
    worker_variables: tuple[str, ...]


def read_draft(access: Access, file: str, name: str | None, arguments: Iterable[str]) -> Draft:
    """Reads and resolves a job file.

    Args:
        access: the world.
        file: its path; `-` is stdin.
        name: the job's name; None for that of the file.
        arguments: those of `--var`.

    Raises:
        InvalidJob: the file cannot be read or is wrong, or holds a secret in clear text.
        MissingSecret: a placeholder has no value.
    """
    variables = parse_variables(arguments)
    shown = "stdin" if file == _STDIN else Path(file).name
    job = parse(_text(file), shown)
    _refuse_literal_secrets(job)
    chosen = _name(job, file, name)
    needed = tuple(environment_name(p) for p in job.placeholders() if p in variables)
    return Draft(chosen, job, job.resolve(access.resolver(variables)), needed)


def examine(access: Access, jobs: Jobs, draft: Draft) -> Report:
    """The preflight, and whether another job writes one of these topics already. Raises HeadraceError."""
    try:
        owners = Owners(access, jobs, draft.name, draft.spec)
    except HeadraceError:
        # What is wrong with the sink's cluster is wrong for the preflight too, which tells all the rest besides.
        report = access.preflight(draft.spec, frozenset())
        if report.ok:
            raise
        return report
    report = access.preflight(draft.spec, owners.filled)
    found = owners.conflicts(report.plan) if report.plan else []
    return replace(report, findings=(*report.findings, *found), plan=None) if found else report


def unchanged(jobs: Jobs, draft: Draft) -> Wanted | None:
    """The job of that name when this very file was submitted before; None when the draft is news.

    Raises:
        InvalidJob: another job has the name.
    """
    wanted = jobs.find(draft.name)
    if wanted is None or jobs.is_over(wanted):
        return None
    if wanted.desire is Desire.CANCELLED:
        hint = "A binlog worker ends it soon (scheduler status tells when); or use another --name."
        raise InvalidJob(f"The job `{draft.name}` is still being cancelled.", hint)
    if wanted.text == draft.job.to_text():
        return wanted
    raise InvalidJob(
        f"There is a job `{draft.name}` already, submitted from another text ({wanted.file}, {wanted.submitted_at}).",
        f"Cancel it first (scheduler cancel {draft.name}), or submit this one under another --name.",
    )


def _text(file: str) -> str:
    try:
        data = _bytes(file)
        if len(data) > _BYTES_MAX:
            raise InvalidJob(f"{file} is larger than {_BYTES_MAX // 1_000_000} MB.", "Is this a job file?")
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidJob(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        raise InvalidJob(f"{file} cannot be read: {error.strerror}.", "Give the path of a job file.") from None


def _bytes(file: str) -> bytes:
    """No more of it than shows that it is too long: there are files without an end."""
    if file == _STDIN:
        return sys.stdin.buffer.read(_BYTES_MAX + 1)
    with Path(file).open("rb") as opened:
        return opened.read(_BYTES_MAX + 1)


def _name(job: JobFile, file: str, name: str | None) -> str:
    if name is not None:
        try:
            return job_name(name)
        except InvalidJob as error:
            raise InvalidJob(error.message, error.hint, "--name") from None
    try:
        return job.name("" if file == _STDIN else Path(file).stem)
    except InvalidJob:
        hint = "Give --name NAME, or write pipeline.name into the file."
        raise InvalidJob("The job has no name.", hint, "pipeline.name") from None


def _refuse_literal_secrets(job: JobFile) -> None:
    paths = job.literal_secrets()
    if not paths:
        return
    name = _placeholder(paths[0])
    also = f" The same holds for {', '.join(paths[1:])}." if len(paths) > 1 else ""
    raise InvalidJob(
        f"A secret stands in clear text in {job.file}; the file as written is stored in Kafka.{also}",
        f"Write #{{{name}}} in its place and give the value as {environment_name(name)} to this command and to "
        f"every worker (or here alone with --var {name}=…).",
        paths[0],
    )


def _placeholder(path: str) -> str:
    """A name for the placeholder of this option: its last word."""
    return path.rpartition(".")[2]
