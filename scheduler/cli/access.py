"""Opens what the verbs need, from the environment: the one place, so that tests can put fakes there."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Protocol

from scheduler import preflight
from scheduler.cli.jobs import Jobs
from scheduler.cli.stored import StoredJob, aliyun_options, sink_options, stored_parallelism
from shared import clock
from shared import settings as configuration
from shared.adapters.kafka.clients import CLIENT_LOG
from shared.adapters.kafka.properties import to_client_config
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.samples import Sampler
from shared.adapters.kafka.snapshot import TopicReader, partitions_of
from shared.adapters.kafka.topics import Topics, TopicState
from shared.adapters.redis import progress
from shared.adapters.redis.client import connect
from shared.adapters.redis.lease import leader_of
from shared.adapters.redis.verify import VerifyRun
from shared.codec import FormatOptions
from shared.job.placeholders import Resolver
from shared.job.spec import JobSpec, parse
from shared.machines.ledger import StoredState
from shared.model.job import Wanted, state_topic
from shared.model.label import PLAIN, Label
from shared.model.orders import VERIFY_TASK
from shared.model.topic import TopicMaker
from shared.model.verify import Difference, Report, VerifyPart
from shared.runtime.connections import format_options, open_registry, reach_registry, registry_config, topic_maker

#: Redis is asked for what a person waits for, once a second: a slow answer is worth no more than none.
_REDIS_SECONDS = 3.0


class Stored(Protocol):
    """What `StoredJob` does for us."""

    def read(self) -> StoredState | None:
        """The state as committed by now; None while there is none."""

    def close(self) -> None:
        """Frees the client."""


class Run(Protocol):
    """What `shared.adapters.redis.verify.VerifyRun` does for us."""

    def renew(self) -> None:
        """Says that somebody waits."""

    def end(self) -> None:
        """Says that nobody waits any more."""

    def report(self, part: str) -> Report | None:
        """What the part's worker told last."""

    def take_differences(self, part: str) -> list[Difference]:
        """What the part has found."""


class Access:
    """The world outside of the command.

    Args:
        environment: the process environment.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    @classmethod
    def from_environment(cls) -> Access:
        """What this process was told."""
        return cls(os.environ)

    @cached_property
    def settings(self) -> configuration.Settings:
        """The settings. Raises InvalidJob."""
        found = configuration.load(self.environment)
        # librdkafka repeats on stderr what our own errors say once.
        CLIENT_LOG.setLevel(logging.DEBUG if found.log_level == "DEBUG" else logging.CRITICAL)
        return found

    @contextmanager
    def jobs(self) -> Iterator[Jobs]:
        """The registry, read to its end. Raises Unavailable, SinkRefused, InvalidJob."""
        options, topic = registry_config(self.settings), self.settings.registry_topic
        reach_registry(self.settings)
        jobs = Jobs(lambda: topic in Topics(options).describe([topic]), lambda: open_registry(self.settings))
        try:
            jobs.refresh()
            yield jobs
        finally:
            jobs.close()

    def resolver(self, variables: Mapping[str, str]) -> Resolver:
        """Gives placeholders their values, from `--var` first."""
        return Resolver.from_environment(variables, self.environment)

    def sink_options(self, wanted: Wanted) -> dict[str, str]:
        """Client options of the cluster that a job writes to. Raises MissingSecret, InvalidJob."""
        return sink_options(wanted.text, wanted.file, self.resolver({}))

    def format_options(self, wanted: Wanted) -> FormatOptions:
        """How a job spells its rows; no secret is looked up for it. Raises MissingSecret, InvalidJob."""
        return format_options(parse(wanted.text, wanted.file).rows(self.resolver({})))

    def open_topic(
        self, options: Mapping[str, str], topic: str, partitions: Iterable[int] | None = None, label: Label = PLAIN
    ) -> TopicReader:
        """The topic, or some of its partitions, from the beginning; of tables that share it the messages of one label. Raises
        Unavailable, SinkRefused.
        """
        return TopicReader(options, topic, partitions, label=label)

    def partitions(self, options: Mapping[str, str], topic: str) -> Sequence[int]:
        """The partitions of a topic. Raises Unavailable, SinkRefused."""
        return partitions_of(options, topic)

    def topic_maker(self, wanted: Wanted) -> TopicMaker | None:
        """Who makes and deletes a job's topics; None for their cluster. Raises MissingSecret, InvalidJob."""
        return topic_maker(aliyun_options(wanted.text, wanted.file, self.resolver({})))

    def state_topic(self, wanted: Wanted) -> str:
        """The job's state topic."""
        return state_topic(self.settings.registry_topic, wanted.id)

    def stored(self, wanted: Wanted, options: Mapping[str, str]) -> Stored:
        """The job's state topic on the cluster of these options."""
        return StoredJob(options, self.state_topic(wanted))

    def existing(self, options: Mapping[str, str], topics: Iterable[str]) -> set[str]:
        """Those of the topics that the cluster has. Raises Unavailable, SinkRefused."""
        count_brokers(options)
        return set(Topics(options).describe(topics))

    def cluster_options(self, written: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """Client options of a cluster that the user names by `properties.*`, and the addresses of its brokers.

        What is not named is as for the registry's cluster, if no address is. Raises MissingSecret, InvalidJob.
        """
        resolver = self.resolver({})
        given = {name: resolver.substitute(text, f"properties.{name}") for name, text in written.items()}
        base = {} if "bootstrap.servers" in given else self.settings.kafka_options()
        found = to_client_config(base | given)
        return found, found["bootstrap.servers"]

    def topics(self, options: Mapping[str, str]) -> dict[str, TopicState]:
        """All topics of the cluster. Raises Unavailable, SinkRefused."""
        count_brokers(options)
        topics = Topics(options)
        return topics.describe(topics.names())

    def sampler(self, options: Mapping[str, str], group: str) -> Sampler:
        """Reads samples of the cluster's topics. Raises Unavailable, SinkRefused."""
        return Sampler(options, group)

    def delete_topics(self, options: Mapping[str, str], maker: TopicMaker | None, topics: Iterable[str]) -> None:
        """Deletes topics for good. Raises Unavailable, SinkRefused."""
        Topics(options, maker).delete(topics)

    def live(self, wanted: Wanted) -> tuple[str, dict[str, Any] | None]:
        """The job's leader (empty for none) and what it published last. Raises Unavailable, InvalidJob."""
        leader = leader_of(self._redis, wanted.name)
        latest = progress.latest(self._redis, wanted.name) if leader else None
        # A job of the same name that was cancelled, or a leader that has gone, may have left its last words.
        ours = latest is not None and latest.get("job_id") == wanted.id and latest.get("leader") == leader
        return leader, latest if ours else None

    def failure(self, wanted: Wanted) -> dict[str, Any] | None:
        """Why the job's last tenure ended that is tried again; None when none has lately. Raises Unavailable, InvalidJob."""
        failure = progress.latest_failure(self._redis, wanted.name)
        return failure if failure is not None and failure.get("job_id") == wanted.id else None

    def preflight(self, spec: JobSpec, owned: frozenset[str]) -> preflight.Report:
        """Tries everything that the job needs, and writes nothing; `owned` topics are the job's own already.

        Raises HeadraceError.
        """
        return preflight.run(
            spec, owned_topics=owned, state_topic=state_topic(self.settings.registry_topic, "preflight")
        )

    def parallelism(self, wanted: Wanted) -> int:
        """How many readers of MySQL a job may have. Raises MissingSecret, InvalidJob."""
        return stored_parallelism(wanted.text, wanted.file, self.resolver({}))

    def verify_run(self, run: str) -> Run:
        """The way to those who compare, and back. Raises InvalidJob when HEADRACE_REDIS_URL is no URL."""
        return VerifyRun(self._redis, run)

    def hint_verify(self, part: VerifyPart, caption: str, expires_seconds: int) -> None:
        """Has a snapshot worker compare a part. Raises Unavailable."""
        self._send(VERIFY_TASK, part.to_json(), caption, expires_seconds)

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return clock.monotonic_seconds()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    @cached_property
    def _send(self) -> Callable[[str, Mapping[str, Any], str, int], None]:
        from shared.runtime.celery_app import make_app, send  # loading Celery takes long, and no other verb needs it

        return partial(send, make_app(self.settings))

    @cached_property
    def _redis(self) -> Any:
        return connect(self.settings.redis_url.get_secret_value(), timeout_seconds=_REDIS_SECONDS)
