"""One topic, one job: which topics the other jobs write, and which are this job's own.

A running job's topics are those of its state topic. It lies on the cluster of the data, so state topics are looked for
on the new job's cluster: a job that is not found there writes to another cluster, or has not begun. Of the latter the
topics are worked out from its file, as far as its placeholders have values here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scheduler.cli.access import Access
from scheduler.cli.jobs import Jobs
from scheduler.cli.stored import topics_of
from scheduler.planner import Plan
from scheduler.preflight.findings import Finding, failed
from shared.errors import InvalidJob, MissingSecret
from shared.job.spec import JobSpec, parse
from shared.model.job import Wanted
from shared.runtime.connections import sink_config

_SUBJECT = "topic_owner"


class Owners:
    """Who writes which topic on one cluster, besides the job in question.

    Args:
        access: the world.
        jobs: the registry.
        name: the job in question.
        spec: that job, resolved.

    Raises (every method): HeadraceError.
    """

    def __init__(self, access: Access, jobs: Jobs, name: str, spec: JobSpec) -> None:
        self._access = access
        self._spec = spec
        self._options = sink_config(spec)
        alive = [wanted for wanted in jobs.all() if not jobs.is_over(wanted)]
        topics = [access.state_topic(wanted) for wanted in alive]
        begun = access.existing(self._options, topics) if topics else set()
        self.own: frozenset[str] = frozenset()
        self._others: dict[str, set[str]] = {}
        self._not_begun: list[Wanted] = []
        for wanted in alive:
            if access.state_topic(wanted) not in begun:
                self._not_begun += [wanted] if wanted.name != name else []
            elif wanted.name == name:
                self.own = frozenset(self._stored(wanted))
            else:
                self._others[wanted.name] = set(self._stored(wanted))

    @property
    def filled(self) -> frozenset[str]:
        """Topics whose messages a job of ours wrote: the preflight need not tell the user to delete them."""
        return self.own.union(*self._others.values())

    def conflicts(self, plan: Plan) -> list[Finding]:
        """A finding for each topic of the plan that another job writes."""
        planned = {table.topic: str(table.table.id) for table in plan.tables}
        others = dict(self._others)
        others.update(
            {wanted.name: _expected_topics(self._access, wanted, self._spec, plan) for wanted in self._not_begun}
        )
        return [finding for name, topics in others.items() for finding in _findings(name, planned, topics)]

    def _stored(self, wanted: Wanted) -> list[str]:
        stored = self._access.stored(wanted, self._options)
        try:
            return topics_of(stored.read())
        finally:
            stored.close()


def _findings(other: str, planned: Mapping[str, str], topics: set[str]) -> Iterator[Finding]:
    for topic in sorted(topics & planned.keys()):
        yield failed(
            _SUBJECT,
            f"Topic {topic} (of table {planned[topic]}) is written by the job `{other}`.",
            f"Route the table to another topic, or cancel that job first: scheduler cancel {other}.",
            "route",
        )


def _expected_topics(access: Access, wanted: Wanted, spec: JobSpec, plan: Plan) -> set[str]:
    """What a job that has not begun would write, if it reads the same server and writes to the same brokers."""
    try:
        other = parse(wanted.text, wanted.file).resolve(access.resolver({}))
        if not _same_servers(spec, other):
            return set()
        return set(other.topics(other.select([planned.table.id for planned in plan.tables])).values())
    except (InvalidJob, MissingSecret):
        return set()  # it selects other tables, or cannot be worked out here; its leader meets the topic's owner


def _same_servers(one: JobSpec, other: JobSpec) -> bool:
    servers = [{name.strip() for name in spec.sink.client_properties().get("bootstrap.servers", "").split(",")}
               for spec in (one, other)]  # fmt: skip
    same_source = (one.source.hostname, one.source.port) == (other.source.hostname, other.source.port)
    return same_source and bool(servers[0] & servers[1])
