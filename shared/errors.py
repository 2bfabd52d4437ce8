"""The tree of errors that headrace raises, and what each asks of whom.

    HeadraceError
    ├── Transient            waiting can help: the process tries again with backoff
    │   ├── Unavailable      a server does not answer
    │   └── Superseded       another process took over; this one steps back
    ├── NeedsOperator        waiting cannot help: the job stops, keeps its checkpoint and shows the hint
    │   ├── InvalidJob       the job file, an option or an argument is wrong (exit code 2)
    │   ├── PreflightFailed  a server is not set up for the job (exit code 2)
    │   ├── InvalidQuery     a query of the console cannot be answered as it is written (exit code 2)
    │   ├── MissingSecret    a placeholder has no value here
    │   ├── SaltDiffers      a process has another salt for hashes than its job
    │   ├── ExtraMissing     an optional part of headrace is not installed here (exit code 2)
    │   ├── CodecMissing     HEADRACE_CODEC names a codec that was not built here
    │   ├── UnsupportedType  a column type that the codec does not know
    │   ├── UnsupportedEvent a binlog event that cannot be decoded without guessing
    │   ├── SchemaChanged    a table in the binlog is not the table that the job knows
    │   ├── TableGone        MySQL has no such table (any more)
    │   ├── BinlogLost       the server no longer has the binlog that the checkpoint needs
    │   ├── NotFollowing     a comparison needs the job to follow MySQL, and it does not (exit code 2)
    │   └── SinkRefused      Kafka refuses a topic, a message or a transaction for good
    │       ├── OversizedRow   a row is larger than a message may be
    │       └── TopicChanged   a topic of the job was deleted, made again or got more partitions
    └── Bug                  a law of the program is broken: stop, and report it

Law of this file: every error carries a sentence (what and where) and a hint (how to mend it); both are safe to
show, so neither may ever contain a cell's value or a secret; but `OversizedRow` names the key of its row, for nobody
could find the row without it. Errors are picklable, since they cross processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class HeadraceError(Exception):
    """Base of all errors that headrace raises on purpose.

    Args:
        message: what went wrong and where, one sentence.
        hint: how to mend it, one sentence; may be empty where there is nothing to mend.

    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message

    @property
    def name(self) -> str:
        """The error's stable name, as `scheduler status` and docs/errors.md print it."""
        return type(self).__name__


class Transient(HeadraceError):
    """Waiting can help: the process tries again with backoff."""


class Unavailable(Transient):
    """A server (MySQL, Kafka or Redis) does not answer or broke the connection."""


class Superseded(Transient):
    """Another process holds the lease or fenced our producer; this one steps back."""


class NeedsOperator(HeadraceError):
    """Waiting cannot help: the job stops, keeps its checkpoint and shows the hint."""


class InvalidJob(NeedsOperator):
    """The job file, an option or an argument is wrong.

    Args:
        message: what is wrong.
        hint: how to mend it.
        path: where in the file, such as `source.server-id` or `route[1].sink-table`; empty when it is no one place.

    """

    def __init__(self, message: str, hint: str = "", path: str = "") -> None:
        super().__init__(message, hint)
        self.args = (message, hint, path)
        self.path = path

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.path}: {text}" if self.path else text


class PreflightFailed(NeedsOperator):
    """A server is not set up for the job."""


class MissingSecret(NeedsOperator):
    """A placeholder has no value in this process."""


class SaltDiffers(NeedsOperator):
    """A process would hash the values of a masked column with another salt than its job."""


class InvalidQuery(NeedsOperator):
    """A query of the console cannot be answered as it is written."""


class ExtraMissing(NeedsOperator):
    """An optional part of headrace is not installed on this machine."""


class CodecMissing(NeedsOperator):
    """HEADRACE_CODEC names an implementation of the codec that was not built on this machine."""


class UnsupportedType(NeedsOperator):
    """A column type that the codec does not know; it is never guessed."""


class UnsupportedEvent(NeedsOperator):
    """A binlog event that cannot be decoded without guessing."""


class SchemaChanged(NeedsOperator):
    """A table in the binlog is not the table that the job knows."""


class TableGone(NeedsOperator):
    """MySQL has no such table (any more)."""


class BinlogLost(NeedsOperator):
    """The server no longer has the binlog that the checkpoint needs."""


class NotFollowing(NeedsOperator):
    """A comparison needs the job to follow MySQL, and it does not: it is paused, has failed, is led by nobody or stands still."""


class SinkRefused(NeedsOperator):
    """Kafka refuses a topic, a message or a transaction for good."""


class OversizedRow(SinkRefused):
    """A row is larger than a message may be; the message names its key, and no other value of it."""


class TopicChanged(SinkRefused):
    """A topic of the job is not the one that the job fills: deleted, made again, or with more partitions."""


class Bug(HeadraceError):
    """A law of the program is broken: stop, and report it."""


class Mend(StrEnum):
    """What makes a job go on that met an error, and who has to do it."""

    WAIT = "nothing: headrace tries again by itself"
    RESUME = "mend the cause, then `scheduler resume`"
    RESYNC = "`scheduler resume --on-gap resync`"
    COPY = "`scheduler resume --resync`, if its columns can be copied"
    ANEW = "`scheduler cancel --delete-topics`, then submit again"
    REPORT = "report it, then `scheduler resume`"


@dataclass(frozen=True, slots=True)
class Policy:
    """What follows from an error. Where it is not `retried` the job stops as failed; its checkpoint is kept in any case.

    `exit_code` is that of a command that ended with it (`scheduler.cli.exits` gives the codes their names).
    """

    retried: bool
    mend: Mend
    exit_code: int


#: The one table of what follows from which error. A class that is not in it follows the nearest one above it.
POLICIES: Mapping[type[HeadraceError], Policy] = {
    HeadraceError: Policy(False, Mend.REPORT, 1),
    Transient: Policy(True, Mend.WAIT, 3),
    NeedsOperator: Policy(False, Mend.RESUME, 1),
    InvalidJob: Policy(False, Mend.RESUME, 2),
    PreflightFailed: Policy(False, Mend.RESUME, 2),
    InvalidQuery: Policy(False, Mend.RESUME, 2),
    MissingSecret: Policy(False, Mend.RESUME, 2),
    SaltDiffers: Policy(False, Mend.RESUME, 2),
    ExtraMissing: Policy(False, Mend.RESUME, 2),
    NotFollowing: Policy(False, Mend.RESUME, 2),
    UnsupportedType: Policy(False, Mend.RESUME, 2),
    UnsupportedEvent: Policy(False, Mend.ANEW, 1),
    SchemaChanged: Policy(False, Mend.COPY, 1),
    BinlogLost: Policy(False, Mend.RESYNC, 1),
    TopicChanged: Policy(False, Mend.ANEW, 1),
    Bug: Policy(False, Mend.REPORT, 1),
}


def policy_of(kind: type[HeadraceError]) -> Policy:
    """What follows from an error of that class."""
    return next(POLICIES[one] for one in kind.__mro__ if one in POLICIES)
