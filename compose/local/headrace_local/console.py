"""What the user sees: progress lines and one kind of error.

Progress goes to stderr, because stdout of `stack.py env` is fed to `eval`. Everybody in this package
calls `say`; only `stack.py` catches `StackError`.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Enough of a failed program's output to hold its own error message, little enough to be read.
FAILED_OUTPUT_LINES_MAX = 15
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class StackError(Exception):
    """Something that the user can mend: `what` happened (and where), and the `hint` how to mend it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\n  what to do: {hint}")
        self.what = what
        self.hint = hint


def say(text: str) -> None:
    """Print one progress line; a single write, because servers are started in threads."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a piece of work, and say how long it took once it has succeeded."""
    say(f"{text} ...")
    begin = time.monotonic()
    yield
    say(f"{text}: done in {time.monotonic() - begin:.1f} s")


def tail(text: str) -> str:
    """Return the last lines of a program's output, indented for an error message."""
    lines = _COLOUR.sub("", text).strip().splitlines()[-FAILED_OUTPUT_LINES_MAX:]
    return "\n".join(f"    {line}" for line in lines)


def run(
    command: Sequence[str],
    *,
    what: str,
    hint: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    told: str | None = None,
) -> str:
    """Run a program to its end, `told` on its stdin, and return its stdout; a failure becomes one `StackError`."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, input=told, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise StackError(f"{what} failed: cannot run {command[0]}: {error.strerror}", hint) from error
    if done.returncode != 0:
        output = tail(done.stdout + done.stderr)
        raise StackError(f"{what} failed ({command[0]} ended with {done.returncode}):\n{output}", hint)
    return done.stdout
