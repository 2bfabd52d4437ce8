"""`scheduler pause|resume|cancel`: change what the user wants of a job, and see whether it takes effect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import click

from scheduler.cli import options
from scheduler.cli.access import Access
from scheduler.cli.exits import Exit
from scheduler.cli.jobs import Jobs
from scheduler.cli.output import Output
from scheduler.cli.stored import topics_of
from shared.errors import InvalidJob, Unavailable
from shared.model.job import Desire, End, OnGap, Wanted
from shared.model.topic import TopicMaker

#: A worker sees a new wish within a second, and a takeover lasts a few; later than this, none is there.
EFFECT_SECONDS = 20.0

_LOOK_SECONDS = 0.2

NO_WORKER = "It takes effect when a binlog worker runs: start `python -m workers.binlog`."


@click.command()
@options.job
@click.pass_obj
def pause(access: Access, job: str) -> int:
    """Stop JOB for a while; its position is kept.

    The leader commits what is whole and leaves. MySQL must keep its binlog until `scheduler resume`, which goes on
    without a gap.
    """
    output = Output(json=False)
    with access.jobs() as jobs:
        wanted = alive(jobs, job)
        _require_unfinished(jobs, wanted)
        if wanted.desire is Desire.PAUSED:
            output.show(f"Job {job} is paused already.")
            return Exit.OK
        wanted = _wish(jobs, wanted, Desire.PAUSED)
        if awaited(access, jobs, lambda: _leader(access, wanted) == "", output):
            output.show(f"Job {job} is paused; scheduler resume {job} goes on from there.")
        else:
            output.show(f"Job {job} shall pause, and its leader has not left after {EFFECT_SECONDS:.0f} s.")
            output.note(f"Look again with scheduler status {job}.")
    return Exit.OK


@click.command()
@options.job
@click.option(
    "--on-gap",
    type=click.Choice([gap.value for gap in OnGap]),
    default=OnGap.STOP.value,
    show_default=True,
    help="When MySQL has lost changes that the job has not read: stop, or resync, which copies every table again into "
    "its topic, and then removes what is gone.",
)
@click.option(
    "--resync",
    is_flag=True,
    help="Copy every table again into its topic, with its present columns, and then remove what is gone.",
)
@click.pass_obj
def resume(access: Access, job: str, on_gap: str, resync: bool) -> int:
    """Let JOB go on: after a pause, or after a failure that you have mended.

    A job that has failed with BinlogLost goes on with --on-gap resync, and one whose tables have changed with --resync.
    Its topics stay, and readers go on.
    """
    output = Output(json=False)
    with access.jobs() as jobs:
        wanted = alive(jobs, job)
        if wanted.desire is Desire.RUNNING and jobs.outcome(wanted) is None:
            if resync:
                raise InvalidJob(
                    f"Job {job} runs.", f"scheduler pause {job}, then resume it with --resync.", "--resync"
                )
            output.show(f"Job {job} runs already.")
            return Exit.OK
        if not resync:
            _require_unfinished(jobs, wanted)
        anew = wanted.revision + 1 if resync else wanted.resync
        wanted = _wish(jobs, replace(wanted, on_gap=OnGap(on_gap), resync=anew), Desire.RUNNING)
        if not awaited(access, jobs, _Back(access, jobs, wanted), output):
            output.show(f"Job {job} shall run, and nobody leads it after {EFFECT_SECONDS:.0f} s.")
            output.note(NO_WORKER)
            return Exit.OK
        return _tell_failure(jobs, wanted, output) or _say(output, f"Job {job} runs again.")


@click.command()
@options.job
@click.option(
    "--delete-topics", is_flag=True, help="Afterwards delete the topics that the job wrote, with all messages."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def cancel(access: Access, job: str, delete_topics: bool, yes: bool) -> int:
    """End JOB for good and forget its position.

    Its topics stay as they are, unless --delete-topics is given. The name is free again afterwards; a job that is
    submitted again begins with a new snapshot. To stop for a while, use `scheduler pause`.
    """
    output = Output(json=False)
    with access.jobs() as jobs:
        wanted = jobs.get(job)
        if jobs.is_over(wanted):
            output.show(f"Job {job} is cancelled already.")
            if delete_topics:
                output.note("Its topics are no longer known: its state is gone. Delete them with Kafka's own tools.")
                return Exit.FAILED
            return Exit.OK
        doomed = _topics(access, wanted) if delete_topics else _Doomed([])
        if not (yes or _confirmed(job, doomed.topics)):
            output.note("Nothing was changed.")
            return Exit.OK
        if wanted.desire is not Desire.CANCELLED or jobs.outcome(wanted) is not None:
            wanted = _wish(jobs, wanted, Desire.CANCELLED)
        if not awaited(access, jobs, lambda: jobs.outcome(wanted) is not None, output):
            return _not_cancelled(job, doomed.topics, output)
        if code := _tell_failure(jobs, wanted, output):
            return code
        output.show(f"Job {job} is cancelled.")
        if doomed.topics:
            access.delete_topics(doomed.sink, doomed.maker, doomed.topics)
            output.show(f"Deleted: {', '.join(doomed.topics)}.")
    return Exit.OK


def alive(jobs: Jobs, name: str) -> Wanted:
    """The job, unless it is cancelled.

    Raises:
        InvalidJob: there is no such job, or it is over.
    """
    wanted = jobs.get(name)
    if wanted.desire is Desire.CANCELLED:
        done = "is cancelled" if jobs.is_over(wanted) else "is being cancelled"
        raise InvalidJob(f"The job `{name}` {done}.", "Submit it again to copy its tables anew.")
    return wanted


def _require_unfinished(jobs: Jobs, wanted: Wanted) -> None:
    outcome = jobs.outcome(wanted)
    if outcome is not None and outcome.end is End.FINISHED:
        raise InvalidJob(
            f"The job `{wanted.name}` is finished: its tables are copied, and it should do no more.",
            f"To copy them again into the same topics: scheduler resume {wanted.name} --resync.",
        )


def _wish(jobs: Jobs, wanted: Wanted, desire: Desire) -> Wanted:
    """Writes the new wish. A new revision also clears an outcome, which counts only for its own."""
    changed = replace(wanted, desire=desire, revision=wanted.revision + 1)
    jobs.write(changed)
    return changed


def awaited(access: Access, jobs: Jobs, reached: Callable[[], bool], output: Output) -> bool:
    """True as soon as it is reached, False when it was not in time or nobody can tell."""
    deadline = access.monotonic() + EFFECT_SECONDS
    while True:
        jobs.refresh(to_end=False)
        try:
            if reached():
                return True
        except Unavailable as error:
            output.note(f"Whether it has taken effect is unknown. {error}")
            return False
        if access.monotonic() >= deadline:
            return False
        access.sleep(_LOOK_SECONDS)


def _leader(access: Access, wanted: Wanted) -> str:
    return access.live(wanted)[0]


class _Back:
    """True once the job is led again, or has failed again.

    A leader shows by publishing anew: what is found first may be the last word of an earlier one.
    """

    def __init__(self, access: Access, jobs: Jobs, wanted: Wanted) -> None:
        self._access = access
        self._jobs = jobs
        self._wanted = wanted
        self._first: object = None

    def __call__(self) -> bool:
        """Looks."""
        if self._jobs.outcome(self._wanted) is not None:
            return True
        _, live = self._access.live(self._wanted)
        if live is None:
            return False
        if self._first is None:
            self._first = live.get("updated_at")
        return bool(live.get("updated_at") != self._first)


@dataclass(frozen=True, slots=True)
class _Doomed:
    """Topics to delete, the client options of their cluster, and who deletes them there (None: the cluster)."""

    topics: list[str]
    sink: Mapping[str, str] = field(default_factory=dict)
    maker: TopicMaker | None = None


def _topics(access: Access, wanted: Wanted) -> _Doomed:
    """The job's topics, and how to reach them; asked for before the state that names them is gone."""
    sink, maker = access.sink_options(wanted), access.topic_maker(wanted)
    stored = access.stored(wanted, sink)
    try:
        return _Doomed(topics_of(stored.read()), sink, maker)
    finally:
        stored.close()


def person_at_stdin() -> bool:
    """True when somebody is there to answer."""
    return sys.stdin.isatty()


def _confirmed(job: str, topics: list[str]) -> bool:
    """A script that says `cancel` means it; a person is asked."""
    if not person_at_stdin():
        return True
    count = "1 topic" if len(topics) == 1 else f"{len(topics)} topics"
    also = f" and delete {count} with all messages ({', '.join(topics)})" if topics else ""
    return click.confirm(f"End the job {job} for good{also}?", err=True)


def _not_cancelled(job: str, topics: list[str], output: Output) -> int:
    output.show(f"Job {job} shall end, and no binlog worker has ended it after {EFFECT_SECONDS:.0f} s.")
    output.note(NO_WORKER)
    if not topics:
        return Exit.OK
    output.note(
        f"No topic was deleted, for a worker may still write. Once one runs, repeat the command: {', '.join(topics)}."
    )
    return Exit.FAILED


def _tell_failure(jobs: Jobs, wanted: Wanted, output: Output) -> int:
    outcome = jobs.outcome(wanted)
    if outcome is None or outcome.end is not End.FAILED:
        return Exit.OK
    output.note(f"Job {wanted.name} failed with {outcome.error}: {outcome.message}")
    if outcome.hint:
        output.note(f"Hint: {outcome.hint}")
    return Exit.FAILED


def _say(output: Output, sentence: str) -> int:
    output.show(sentence)
    return Exit.OK
