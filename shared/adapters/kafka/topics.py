"""Looks at topics, and creates them or has them made. Both take effect later: `ensure` waits until leaders exist."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from shared.adapters.kafka.clients import ClientConfig, client_config, translate, translated
from shared.adapters.kafka.offsets import latest_offsets
from shared.adapters.kafka.sink import TRANSACTION_TIMEOUT_MS, discard
from shared.errors import HeadraceError, SinkRefused, Unavailable
from shared.model.topic import TopicMaker, TopicSpec

#: What a job does with its data topics, as ACLs call it. They are created, too, unless they are there.
DATA_RIGHTS = ("Write", "DescribeConfigs")

_TIMEOUT_SECONDS = 30.0

#: A service around the cluster says that it made a topic before the brokers know it.
_MADE_SECONDS = 120.0


#: Brokers refuse a request for more than 10,000 partitions; a hundred topics may have a hundred each.
_TOPICS_PER_REQUEST = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the cluster has it. `records` is true when any partition holds messages (or held them)."""

    name: str
    partitions: int
    cleanup_policy: str
    records: bool


class Topics:
    """The cluster's topics.

    Args:
        config: the client options of the cluster.
        maker: who creates and deletes topics there; None for the cluster itself.

    Raises (every method): SinkRefused, Unavailable, and what the maker raises.
    """

    def __init__(self, config: ClientConfig, maker: TopicMaker | None = None) -> None:
        self._admin = AdminClient(client_config(config))
        self._maker = maker

    def brokers(self) -> int:
        """How many brokers answer for the cluster."""
        with translated("asking for the cluster's brokers"):
            return len(self._admin.list_topics(timeout=_TIMEOUT_SECONDS).brokers)

    def names(self) -> frozenset[str]:
        """The names of all topics that we may see."""
        with translated("listing topics"):
            return frozenset(self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics)

    def describe(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Those of the named topics that exist."""
        with translated("listing topics"):
            found = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        existing = {name: len(found[name].partitions) for name in names if name in found and found[name].error is None}
        policies = self._cleanup_policies(existing)
        used = self._used(existing)
        return {name: TopicState(name, count, policies[name], name in used) for name, count in existing.items()}

    def refusals(self, specs: Iterable[TopicSpec]) -> dict[str, HeadraceError]:
        """Why these topics would not be created, by name; creates nothing."""
        if self._maker is not None:
            return self._maker.refusals(specs)
        found: dict[str, HeadraceError] = {}
        for some in _batches(list(specs)):
            found |= self._created(some, validate_only=True)
        return found

    def ensure(self, specs: Iterable[TopicSpec], alive: Callable[[], None] = lambda: None) -> None:
        """Creates the missing topics and waits until each has leaders.

        `alive` is called again and again while that lasts, and may raise to end it.
        """
        wanted = list(specs)
        present = self.names()
        missing = [spec for spec in wanted if spec.name not in present]
        if missing and self._maker is not None:
            self._maker.create(missing, alive)
        else:
            for some in _batches(missing):
                for error in self._created(some, validate_only=False).values():
                    raise error
                alive()
        self._await_leaders({spec.name for spec in wanted}, alive)
        if self._maker is not None:
            self._check_compaction(missing)

    def delete(self, names: Iterable[str], *, wait: bool = True) -> None:
        """Deletes the topics that exist. A service is believed when it says so, unless we shall `wait` for Kafka."""
        present = self.names()
        doomed = [name for name in names if name in present]
        if not doomed:
            return
        if self._maker is not None:
            self._maker.delete(doomed)
            if wait:
                self._await_absence(set(doomed))
            return
        for some in _batches(doomed):
            for name, future in self._admin.delete_topics(list(some), request_timeout=_TIMEOUT_SECONDS).items():
                with translated(f"deleting topic {name}", f"Delete on topic {name}"):
                    future.result()

    def _created(self, specs: Iterable[TopicSpec], *, validate_only: bool) -> dict[str, HeadraceError]:
        new = [
            NewTopic(s.name, s.partitions or -1, s.replication_factor or -1, config={**s.wishes, **s.config})
            for s in specs
        ]
        if not new:
            return {}
        futures = self._admin.create_topics(new, request_timeout=_TIMEOUT_SECONDS, validate_only=validate_only)
        errors: dict[str, HeadraceError] = {}
        for name, future in futures.items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    errors[name] = translate(error.args[0], f"creating topic {name}", f"Create on topic {name}")
        return errors

    @property
    def _patience(self) -> float:
        return _TIMEOUT_SECONDS if self._maker is None else _MADE_SECONDS

    def _await_leaders(self, names: set[str], alive: Callable[[], None]) -> None:
        deadline, most = time.monotonic() + self._patience, 0
        while True:
            with translated("listing topics"):
                found = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
            ready = {
                name
                for name in names
                if name in found
                and found[name].partitions
                and all(p.leader >= 0 for p in found[name].partitions.values())
            }
            if ready == names:
                return
            if len(ready) > most:  # thousands of topics take their time; only a standstill is a failure
                deadline, most = time.monotonic() + self._patience, len(ready)
            if time.monotonic() > deadline:
                raise Unavailable(f"Topics {sorted(names - ready)} have no leader after {self._patience:.0f} s.")
            alive()
            time.sleep(0.1)

    def _check_compaction(self, made: Iterable[TopicSpec]) -> None:
        """Kafka keeps its word about a topic or refuses; of a service it is not known."""
        wanted = [spec.name for spec in made if "compact" in spec.config.get("cleanup.policy", "")]
        for name, policy in self._cleanup_policies(wanted).items():
            if "compact" not in policy:
                raise SinkRefused(
                    f"The topic {name} was made with cleanup.policy={policy}: it would forget rows.",
                    "The instance makes no compacted topics (docs/apsaramq.md has the editions): delete the topic, and "
                    "use an instance that does.",
                )

    def _await_absence(self, names: set[str]) -> None:
        deadline = time.monotonic() + self._patience
        while left := names & self.names():
            if time.monotonic() > deadline:
                raise Unavailable(f"Topics {sorted(left)} are still there {self._patience:.0f} s after their deletion.")
            time.sleep(0.1)

    def _cleanup_policies(self, names: Iterable[str]) -> dict[str, str]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        policies: dict[str, str] = {}
        for resource, future in self._admin.describe_configs(resources, request_timeout=_TIMEOUT_SECONDS).items():
            needs = f"DescribeConfigs on topic {resource.name}"
            with translated(f"reading the configuration of topic {resource.name}", needs):
                policies[resource.name] = future.result()["cleanup.policy"].value
        return policies

    def _used(self, partitions: Mapping[str, int]) -> set[str]:
        parts = [TopicPartition(name, number) for name, count in partitions.items() for number in range(count)]
        ends = latest_offsets(self._admin, parts, IsolationLevel.READ_UNCOMMITTED)
        return {partition.topic for partition, end in ends.items() if end > 0}


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _TOPICS_PER_REQUEST):
        yield items[start : start + _TOPICS_PER_REQUEST]


def check_transactions(config: ClientConfig, transactional_id: str) -> None:
    """Proves that the cluster takes transactions, by opening a producer that writes nothing.

    Raises:
        SinkRefused: the cluster has no transactions for us.
        Unavailable: it did not answer.
    """

    with translated(f"opening a transaction as {transactional_id}"):
        producer = Producer(
            client_config(config, transactional_id=transactional_id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS)
        )
        try:
            producer.init_transactions(20)
        except KafkaException as error:
            if error.args[0].retriable():
                raise SinkRefused(
                    "Kafka does not take transactions: init_transactions did not end within 20 s.",
                    "Use Kafka 2.5 or later with transaction.state.log.replication.factor at most the number of brokers.",
                ) from None
            raise
        finally:
            discard(producer)
