"""Signs of life for whoever may restart us: every loop that must turn keeps a file, and says by when it will touch it again.

The file's modification time is that moment, and its loop holds a lock on it, which the kernel drops when the process ends.
So a file without a lock means nothing, and one with a lock whose time is past means a loop that hangs. A server that
is away is no such thing: the loops go on turning then, or say that they wait (`beat` with a longer allowance).

`workers.probe` is the other side; it starts every few seconds, so this module imports next to nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from shared import clock
from shared.errors import InvalidJob

#: The variable that names the folder; without it nothing is written.
VARIABLE = "HEADRACE_LIVENESS_DIR"

#: A loop of a process that only waits for work turns several times a second; this is for a busy machine.
LOOP_SECONDS = 60.0

#: One step of work may wait for MySQL or Kafka, at the longest as long as a Kafka transaction may last (10 minutes).
WORK_SECONDS = 900.0

#: Touching a file more often than this would only cost.
_PAUSE_SECONDS = 1.0


class Heart:
    """The sign of life of one loop, for the process that makes it (not for a fork of it). As a context manager: of one
    piece of work, with no sign before and after it.

    Args:
        folder: where the file is; None to write none.
        name: of the loop; the file's name, with the process's id.
        seconds: how long the loop may take from one `beat` to the next.

    Raises:
        InvalidJob: the folder cannot be written; only at the first `beat`.
    """

    def __init__(self, folder: Path | None, name: str, seconds: float) -> None:
        self._folder = folder
        self._name = name
        self._seconds = seconds
        self._handle: int | None = None
        self._beaten = -_PAUSE_SECONDS

    def beat(self) -> None:
        """The loop turns. Cheap enough for every turn."""
        now = clock.monotonic_seconds()
        if now - self._beaten >= _PAUSE_SECONDS:
            self._beaten = now
            self._promise(self._seconds)

    def wait(self, seconds: float) -> None:
        """The loop does not turn from now on and that is right, at the longest for so many seconds."""
        self._beaten = -_PAUSE_SECONDS
        self._promise(seconds)

    def rest(self) -> None:
        """No work: no sign is due until the next `beat`."""
        if self._folder is not None and self._handle is not None:
            _path(self._folder, self._name).unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None
            self._beaten = -_PAUSE_SECONDS

    def __enter__(self) -> Heart:
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rest()

    def _promise(self, seconds: float) -> None:
        if self._folder is None:
            return
        until = clock.unix_seconds() + seconds
        try:
            if self._handle is None:
                self._handle = _create(_path(self._folder, self._name), until)
            else:
                os.utime(self._handle, (until, until))
        except OSError as error:
            hint = "Make it a folder that this process may write, or leave the variable out."
            raise InvalidJob(
                f"No sign of life can be written to {self._folder}: {error.strerror}.", hint, VARIABLE
            ) from None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}-{os.getpid()}"


def _create(path: Path, until: float) -> int:
    """Makes the file under another name first, so that nobody finds it before it is locked and has its time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}")
    handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.utime(handle, (until, until))
    hidden.rename(path)
    return handle


def examine(folder: Path) -> str:
    """What is wrong with the loops that keep files in the folder, in one sentence; empty if all is well.

    Files that a dead process left behind are removed.
    """
    now = clock.unix_seconds()
    alive = 0
    for path in sorted(folder.glob("[!.]*")):
        until = _promised(path)
        if until is None:
            continue
        alive += 1
        if until < now:
            return f"{path.name} is {now - until:.0f} s late."
    return "" if alive else f"No process shows a sign of life in {folder}."


def _promised(path: Path) -> float | None:
    """By when the file's loop wants to turn again; None if nobody holds the file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.fstat(handle).st_mtime
    else:
        path.unlink(missing_ok=True)
        return None
    finally:
        os.close(handle)
