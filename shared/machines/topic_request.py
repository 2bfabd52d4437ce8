"""Gets one topic made, or deleted, by a service that may be busy, silent, or right for the wrong reason.

A service in front of Kafka limits how often it may be asked, answers late or not at all when the work is done, and may have
no telling code for a topic that is there already. So a busy service is asked again, with growing pauses; and after
silence or a refusal its list of topics decides.

Law of this file: no I/O and no clock; times are seconds of a clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from shared.errors import HeadraceError, Unavailable
from shared.machines.backoff import Backoff


class Verdict(Enum):
    """What an answer means for whoever asked."""

    DONE = "done"
    BUSY = "busy"  # nothing was done; asking again later helps
    SILENT = "silent"  # nobody knows whether it was done
    REFUSED = "refused"  # asking again does not help


class Step(Enum):
    """What to do next."""

    ASK = "ask"  # for the creation, or for the deletion
    LOOK = "look"  # into the list, whether the topic is there
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `error` tells what went wrong, `pause` how many seconds the service asks us to wait."""

    verdict: Verdict
    error: HeadraceError | None = None
    pause: float = 0.0


@dataclass(slots=True)
class TopicRequest:
    """One topic on its way. Take `step` no earlier than `not_before`, and tell what came of it.

    Args:
        present: whether the topic shall be there in the end (creation) or not (deletion).
        deadline: when to stop asking a service that is busy or silent.
    """

    present: bool
    deadline: float
    step: Step = Step.ASK
    not_before: float = float("-inf")
    _backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, longest=15.0))
    _refusal: HeadraceError | None = None

    def asked(self, reply: Reply, now: float) -> None:
        """The service answered to ASK.

        Raises:
            Unavailable: it was busy or silent for too long.
        """
        if reply.verdict is Verdict.DONE:
            self.step = Step.DONE
        elif reply.verdict is Verdict.REFUSED:
            # It may be refused for being done already: by another process, or by our own request whose answer was lost.
            self._refusal = reply.error
            self.step = Step.LOOK
        else:
            if reply.verdict is Verdict.SILENT:
                self.step = Step.LOOK
            self._wait(reply, now)

    def looked(self, found: bool | Reply, now: float) -> None:
        """The list has the topic, or has it not, or could not be read.

        Raises:
            Unavailable: the service was busy or silent for too long.
            HeadraceError: the service's own refusal, which the list confirms.
        """
        if isinstance(found, Reply):
            if found.verdict is not Verdict.REFUSED:
                self._wait(found, now)
            else:
                raise self._refusal or found.error or Unavailable("The service refused without a reason.")
        elif found is self.present:
            self.step = Step.DONE
        elif self._refusal is not None:
            raise self._refusal
        else:
            self.step = Step.ASK

    def _wait(self, reply: Reply, now: float) -> None:
        self._backoff.failed(now)
        if now >= self.deadline:
            raise reply.error or Unavailable("The service did not answer in time.")
        self.not_before = max(self._backoff.until, now + reply.pause)


@dataclass(slots=True)
class Pace:
    """How often the service is asked: quickly, until it says once that this is too often. Pauses in seconds."""

    quick: float = 0.1
    slow: float = 1.1
    _throttled: bool = False
    _next: float = float("-inf")

    def next_at(self) -> float:
        """When the next question may go out."""
        return self._next

    def asked(self, reply: Reply | None, now: float) -> None:
        """A question was answered; None for an answer that says nothing about the pace."""
        if reply is not None and reply.verdict is Verdict.BUSY:
            self._throttled = True
        self._next = now + (self.slow if self._throttled else self.quick)
