"""The exit codes of `scheduler`: the one table. docs/cli.md is tested against it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from shared.errors import HeadraceError, policy_of


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    REFUSED = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILED: "the job has failed, a server refused for good, or `verify` found a difference",
    Exit.REFUSED: "bad usage, a bad job file, a bad query or a preflight error; nothing was created; "
    "or a table could not be verified as things stand",
    Exit.UNAVAILABLE: "a server (Kafka, Redis or MySQL) does not answer",
    Exit.INTERRUPTED: "ended by Ctrl-C; the job goes on",
}


def exit_of(error: HeadraceError) -> Exit:
    """The exit code of a command that ended with this error."""
    return Exit(policy_of(type(error)).exit_code)


def table() -> str:
    """The table as `--help` shows it."""
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
