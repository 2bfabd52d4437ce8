"""The registry: a compacted topic that holds every submitted job. The CLI and the binlog workers meet here."""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import KafkaError, Producer

from shared.adapters.kafka.clients import ClientConfig, client_config, translate, translated
from shared.adapters.kafka.log import TopicLog
from shared.adapters.kafka.sink import discard
from shared.adapters.kafka.topics import Topics
from shared.errors import NeedsOperator, Unavailable
from shared.model.job import Outcome, Wanted, decode_registry, encode_outcome, encode_wanted
from shared.model.topic import TopicMaker, TopicSpec

#: What is done with a topic of ours, as ACLs call it. It is created, too, unless it is there.
STATE_RIGHTS = ("Read", "Write", "DescribeConfigs")

_WRITE_SECONDS = 30.0


def log_topic(name: str) -> TopicSpec:
    """A topic of ours: one partition, compacted, early enough to stay short."""
    return TopicSpec(name, partitions=1, config={"cleanup.policy": "compact"}, wishes={"segment.ms": "600000"})


class Registry:
    """All jobs, as read so far; `refresh` reads on. The topic is created when it is missing, by `maker` if there is one.

    Raises (every method): SinkRefused, Unavailable, NeedsOperator when a newer headrace wrote the topic.
    """

    def __init__(self, config: ClientConfig, topic: str, maker: TopicMaker | None = None) -> None:
        self.topic = topic
        self.wanted: dict[str, Wanted] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._config = config
        Topics(config, maker).ensure([log_topic(topic)])
        self._log = TopicLog(config, topic)

    def refresh(self, *, to_end: bool = True) -> None:
        """Reads what is new; with `to_end` surely everything that was written before the call."""
        records = self._log.read_to(self._log.high_watermark()) if to_end else self._log.poll()
        for key, value in records:
            if value is None:
                continue
            try:
                record = decode_registry(key, value)
            except ValueError as error:
                hint = "Update headrace on this machine, or set HEADRACE_REGISTRY_TOPIC to headrace's own topic."
                raise NeedsOperator(f"Topic {self.topic} is not readable: {error}.", hint) from None
            if isinstance(record, Wanted):
                self.wanted[record.name] = record
            else:
                self.outcomes[record.name] = record

    def outcome(self, wanted: Wanted) -> Outcome | None:
        """How this revision of the job ended, None while it may run."""
        outcome = self.outcomes.get(wanted.name)
        return outcome if outcome and outcome.revision == wanted.revision else None

    def write(self, record: Wanted | Outcome) -> None:
        """Writes a record durably."""
        key, value = encode_wanted(record) if isinstance(record, Wanted) else encode_outcome(record)
        doing, needs = f"writing to topic {self.topic}", f"Write on topic {self.topic}"
        with translated(doing, needs):
            producer = Producer(client_config(self._config, enable_idempotence=True, acks="all"))
            failed: list[KafkaError] = []
            # A client that has no broker yet when it wants its idempotence id asks again half a second later.
            producer.list_topics(self.topic, _WRITE_SECONDS)
            producer.produce(
                self.topic, value, key, on_delivery=lambda error, _: failed.append(error) if error else None
            )
            left = producer.flush(_WRITE_SECONDS)
            discard(producer)
        if failed:
            raise translate(failed[0], doing, needs)
        if left:
            raise Unavailable(f"Topic {self.topic} took no record: no answer within {_WRITE_SECONDS:.0f} s.")

    def close(self) -> None:
        """Frees the client."""
        self._log.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
