"""Watching a job second by second: bars for people, lines for logs, JSON for scripts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.live import Live

from scheduler.cli.access import Access
from scheduler.cli.exits import Exit
from scheduler.cli.jobs import Jobs
from scheduler.cli.observer import Observer
from scheduler.cli.output import Output
from scheduler.cli.pace import Pace, Patience
from scheduler.cli.picture import Picture, State
from scheduler.cli.views import progress_line, progress_view
from shared.errors import Transient
from shared.model.job import Wanted

#: The leader publishes once a second.
_LOOK_SECONDS = 1.0

#: A log gets one line in this time.
_LINE_SECONDS = 5.0

#: A job in one of these states does not go on by itself.
_ENDS = (State.FAILED, State.CANCELLED, State.FINISHED)


class Follower:
    """Looks at one job until it ends.

    Args:
        access: the world.
        jobs: the registry.
        output: where notes go.
        show: takes each picture, the rows per second by table (of all under the empty text), and the seconds since
            the beginning.
    """

    def __init__(
        self, access: Access, jobs: Jobs, output: Output, show: Callable[[Picture, dict[str, float], float], None]
    ) -> None:
        self._access = access
        self._jobs = jobs
        self._output = output
        self._show = show
        self._paces: dict[str, Pace] = {}
        self._patience = Patience()
        self._unavailable = ""

    def run(self, name: str, enough: Callable[[Picture], bool]) -> Picture:
        """Returns the picture that was enough, or that of a job which failed, was cancelled or has finished.

        Raises:
            InvalidJob: there is no such job.
        """
        observer = Observer(self._access, self._jobs)
        begin = self._access.monotonic()
        try:
            while True:
                self._refresh()
                picture = observer.look(self._jobs.get(name))
                now = self._access.monotonic()
                self._show(picture, self._rates(now, picture), now - begin)
                if picture.state in _ENDS or enough(picture):
                    return picture
                if sentence := self._patience.look(now, picture):
                    self._output.note(sentence)
                self._access.sleep(_LOOK_SECONDS)
        finally:
            observer.close()

    def _refresh(self) -> None:
        """Kafka may be away for a while: the job waits for it, so we do."""
        try:
            self._jobs.refresh(to_end=False)
        except Transient as error:
            if error.message != self._unavailable:
                self._output.note(str(error))
            self._unavailable = error.message
        else:
            self._unavailable = ""

    def _rates(self, now: float, picture: Picture) -> dict[str, float]:
        counts = {entry["table"]: entry["rows"] for entry in picture.figures["tables"]}
        if counts:  # what was read before anybody published figures is not the speed of now
            counts[""] = picture.figures["rows"]
        for table, rows in counts.items():
            self._paces.setdefault(table, Pace()).see(now, rows)
        return {table: self._paces[table].rows_per_second for table in counts}


class Bars:
    """Shows pictures as bars that move in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, picture: Picture, rates: dict[str, float], _elapsed: float) -> None:
        """Draws."""
        self._live.update(progress_view(picture, rates), refresh=True)


class Lines:
    """Shows pictures as plain lines, one in some seconds, and one whenever the state changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: tuple[State, bool] | None = None
        self._noted: set[str] = set()
        self._at = 0.0

    def __call__(self, picture: Picture, rates: dict[str, float], elapsed: float) -> None:
        """Prints when it is time."""
        for note in picture.notes:
            if note not in self._noted:
                self._noted.add(note)
                self._console.print(note, soft_wrap=True)
        key = (picture.state, picture.current)
        if key == self._shown and elapsed - self._at < _LINE_SECONDS:
            return
        self._shown, self._at = key, elapsed
        self._console.print(progress_line(picture, rates.get("", 0.0), elapsed), soft_wrap=True)


def nothing(_picture: Picture, _rates: dict[str, float], _elapsed: float) -> None:
    """Shows nothing."""


def live_display(output: Output) -> AbstractContextManager[Live | None]:
    """Bars that move where a person looks; None elsewhere. Notes are printed above them, since both are on stderr."""
    if output.interactive:
        return Live(console=output.notes, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    return nullcontext()


def wait_for_snapshot(access: Access, jobs: Jobs, output: Output, wanted: Wanted, result: dict[str, Any]) -> int:
    """Stays until the job is current, or cannot become so. With `--json`, prints the result and the last picture."""
    try:
        with live_display(output) as live:
            show = Bars(live) if live else nothing if output.json else Lines(output.notes)
            follower = Follower(access, jobs, output, show)
            picture = follower.run(wanted.name, lambda p: p.current or p.state in (State.PAUSED, State.CANCELLING))
    except KeyboardInterrupt:
        output.note(f"Stopped waiting; job {wanted.name} runs on: scheduler watch {wanted.name}")
        if output.json:
            output.document(result)
        return Exit.INTERRUPTED
    if output.json:
        output.document({**result, "status": picture.as_json()})
    return tell_end(output, picture)


def tell_end(output: Output, picture: Picture) -> int:
    """Says how a watched job ended, and gives the exit code."""
    name, figures = picture.wanted.name, picture.figures
    if picture.failed and picture.outcome is not None:
        outcome = picture.outcome
        hint = f" Hint: {outcome.hint}" if outcome.hint else ""
        output.note(f"Job {name} failed with {outcome.error}: {outcome.message}{hint}")
        return Exit.FAILED
    if picture.current or picture.state is State.FINISHED:
        word = "finished" if picture.state is State.FINISHED else "current"
        topics = {entry["topic"] for entry in figures["tables"]}  # tables may share one
        output.note(f"Job {name} is {word}: {figures['rows']:,} rows in {len(topics)} topics.")
        return Exit.OK
    output.note(f"Job {name} is {picture.state}.")
    return Exit.OK if picture.state is State.CANCELLED else Exit.FAILED
