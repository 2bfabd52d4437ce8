"""What the checks found, and the whole of it.

Law of this file: records. A finding is safe to show and to store: it names settings, tables and topics, never a value of
a row or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scheduler.discovery import ServerFacts
from scheduler.planner import Plan
from shared.errors import HeadraceError, InvalidJob, Transient

#: Tables or topics that one finding names; more would hide the other findings.
NAMED_MAX = 10


class Severity(StrEnum):
    """What a finding that is not ok means for the job."""

    ERROR = "error"  # the job cannot run, or would copy wrong
    WARNING = "warning"  # it can, and the user should know


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    `subject` is the check's name, as docs/preflight.md has it; `path` is the option in the job file that is to be
    mended, where there is one. `hint` is empty when all is well. `transient` tells that a server did not answer, so
    that trying again may help.
    """

    subject: str
    ok: bool
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    path: str = ""
    transient: bool = False

    @property
    def is_error(self) -> bool:
        """True when the job cannot be started like this."""
        return not self.ok and self.severity is Severity.ERROR


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, the most basic ones first. There is a plan when no finding is an error."""

    findings: tuple[Finding, ...]
    plan: Plan | None
    facts: ServerFacts | None

    @property
    def ok(self) -> bool:
        """True when the job can be started; there may be warnings."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What must be mended first."""
        return tuple(finding for finding in self.findings if finding.is_error)

    @property
    def transient(self) -> bool:
        """True when the first error is a server that did not answer."""
        return any(finding.transient for finding in self.errors[:1])

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What the user should know."""
        return tuple(f for f in self.findings if not f.ok and f.severity is Severity.WARNING)


def passed(subject: str, message: str) -> Finding:
    """All is well."""
    return Finding(subject, ok=True, message=message)


def failed(subject: str, message: str, hint: str, path: str = "") -> Finding:
    """The job cannot be started like this."""
    return Finding(subject, ok=False, message=message, hint=hint, path=path)


def warned(subject: str, message: str, hint: str, path: str = "") -> Finding:
    """The job can be started, and the user should know."""
    return Finding(subject, ok=False, message=message, hint=hint, severity=Severity.WARNING, path=path)


def failure_of(subject: str, error: HeadraceError, fallback_hint: str = "") -> Finding:
    """An error that a check ran into, as a finding."""
    path = error.path if isinstance(error, InvalidJob) else ""
    hint = error.hint or fallback_hint
    return Finding(subject, False, error.message, hint, path=path, transient=isinstance(error, Transient))


def listed(names: list[str]) -> str:
    """Names in one sentence, the first ones of many."""
    rest = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {rest} more" if rest > 0 else "")
