"""Makes and deletes topics of an instance, one after the other: `TopicMaker` for ApsaraMQ for Kafka."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from math import ceil

from shared.adapters.alikafka import rules
from shared.adapters.alikafka.account import Account
from shared.adapters.alikafka.service import PAGE_SIZE, Listed, Page, Service
from shared.errors import HeadraceError, SinkRefused, Unavailable
from shared.machines.topic_request import Pace, Reply, Step, TopicRequest, Verdict
from shared.model.topic import TopicSpec

LOG = logging.getLogger("headrace.alikafka")

#: A topic for which the service is busy or silent for longer is given up for now; whoever wanted it tries again later.
_TOPIC_SECONDS = 90.0

#: A check does not wait that long.
_GREETING_SECONDS = 15.0

#: The lease of a leader that waits here is renewed in between.
_SLICE_SECONDS = 1.0


class AlikafkaTopics:
    """See `TopicMaker`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._service = Service(account)
        self._pace = Pace()

    def greeting(self) -> str:
        """See `TopicMaker`: asks for the first page of the topics, with the key."""
        deadline = time.monotonic() + _GREETING_SECONDS
        while True:
            answer = self._page(1, None, _nobody)
            if not isinstance(answer, Reply):
                return (
                    f"ApsaraMQ's API at {self._service.host} takes the access key; it makes the job's topics. Instance "
                    f"{self._account.instance_id} in {self._account.region_id} has {answer.total} by now."
                )
            if answer.verdict is not Verdict.BUSY or time.monotonic() > deadline:
                raise answer.error or Unavailable("The service gave no reason.")

    def refusals(self, specs: Iterable[TopicSpec]) -> dict[str, HeadraceError]:
        """See `TopicMaker`: by the rules of the service that are known; nobody is asked."""
        found = ((spec.name, rules.refusal(spec)) for spec in specs)
        return {name: error for name, error in found if error is not None}

    def create(self, specs: Iterable[TopicSpec], alive: Callable[[], None]) -> None:
        """See `TopicMaker`. All topics are checked before the first one is made."""
        for fields in [rules.create_fields(spec) for spec in specs]:
            self._drive(fields.topic, partial(self._service.create, fields), alive, present=True)
            LOG.info("topic %s is made", fields.topic)

    def delete(self, names: Iterable[str]) -> None:
        """See `TopicMaker`."""
        for name in names:
            self._drive(name, partial(self._service.delete, name), _nobody, present=False)
            LOG.info("topic %s is deleted", name)

    def _drive(self, topic: str, ask: Callable[[], Reply], alive: Callable[[], None], *, present: bool) -> None:
        request = TopicRequest(present, time.monotonic() + _TOPIC_SECONDS)
        while request.step is not Step.DONE:
            self._sleep_until(request.not_before, alive)
            if request.step is Step.ASK:
                self._sleep_until(self._pace.next_at(), alive)
                reply = ask()
                self._pace.asked(reply, time.monotonic())
                _tell(reply)
                request.asked(reply, time.monotonic())
            else:
                found = self._look(topic, alive)
                if isinstance(found, Listed) and present:
                    _check_kind(found)
                request.looked(found if isinstance(found, Reply) else found is not None, time.monotonic())

    def _look(self, topic: str, alive: Callable[[], None]) -> Listed | Reply | None:
        """The topic in the list. The search finds other names as well, and comes in pages."""
        number = 1
        while True:
            page = self._page(number, topic, alive)
            if isinstance(page, Reply):
                return page
            for listed in page.topics:
                if listed.name == topic:
                    return listed
            if not page.topics or number >= ceil(page.total / PAGE_SIZE):
                return None
            number += 1

    def _page(self, number: int, topic: str | None, alive: Callable[[], None]) -> Page | Reply:
        self._sleep_until(self._pace.next_at(), alive)
        page = self._service.page(number, topic)
        reply = page if isinstance(page, Reply) else None
        self._pace.asked(reply, time.monotonic())
        if reply is not None:
            _tell(reply)
        return page

    def _sleep_until(self, moment: float, alive: Callable[[], None]) -> None:
        alive()
        while (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
            alive()


def _check_kind(listed: Listed) -> None:
    if not listed.compact:
        raise SinkRefused(
            f"The topic {listed.name} of the instance exists and is not compacted: it would forget rows.",
            "Delete it in Alibaba's console, or route the table elsewhere.",
        )


def _tell(reply: Reply) -> None:
    if reply.verdict in (Verdict.BUSY, Verdict.SILENT) and reply.error is not None:
        LOG.warning("%s", reply.error.message)


def _nobody() -> None:
    """Nobody waits for us."""
