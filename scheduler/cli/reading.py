"""A bar for a person while topics are read; nothing where no person looks."""

from __future__ import annotations

from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from scheduler.cli.output import Output
from scheduler.console.store import Report


class Bars:
    """The bars of one command; they vanish when what they show is done."""

    def __init__(self, output: Output) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} messages"),
            TimeRemainingColumn(),
            console=output.notes,
            transient=True,
            disable=output.json or not output.notes.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def of(self, topic: str) -> Report:
        """What shows the reading of a topic."""

        def report(done: int, total: int) -> None:
            task = self._tasks.get(topic)
            if task is None:
                if done >= total:
                    return
                self._progress.start()
                task = self._tasks[topic] = self._progress.add_task(f"Reading {topic}", total=total)
            self._progress.update(task, completed=done, total=total)
            if done >= total:
                self._progress.remove_task(self._tasks.pop(topic))
                if not self._tasks:
                    self._progress.stop()

        return report
