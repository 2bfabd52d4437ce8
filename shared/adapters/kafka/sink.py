"""The upsert-Kafka sink: the one module through which rows, changes and state reach Kafka.

Every message is written inside a transaction of one `transactional.id`. Rows and changes come first and state records
last, just before the commit, so that an open transaction never hides a committed state record (DESIGN rule 8).
librdkafka may not be used across a fork: a sink is made and closed in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Producer

from shared import clock
from shared.adapters.kafka import enqueue
from shared.adapters.kafka.clients import ClientConfig, client_config, translate, translated
from shared.adapters.kafka.delivery import Undelivered, change_at, too_large_for_us
from shared.adapters.kafka.rights import lacking, missing_on_topics
from shared.errors import HeadraceError, Superseded, Unavailable
from shared.model.change import Change
from shared.model.label import PLAIN, Label, Origin

#: A transaction may last this long, which bounds the longest MySQL transaction and the longest chunk. Whoever dies in
#: one keeps readers waiting only until it is fenced. Kafka's own bound, transaction.max.timeout.ms, is 15 minutes.
TRANSACTION_TIMEOUT_MS = 600_000

#: Messages that are sent together have so many bytes at most; one that is larger goes alone.
BATCH_BYTES = 1_000_000

#: librdkafka's own bound.
_MESSAGE_BYTES_MAX = 1_000_000_000

#: Longest wait for room in the send buffer before Kafka counts as unavailable.
_FULL_BUFFER_SECONDS = 60.0

#: A transaction that has failed is asked for its reason for so long.
_REASON_SECONDS = 1.0

#: While messages do not arrive, their topics are looked at so often.
_LOOK_SECONDS = 2.0

#: Longest wait for an abort on the way out.
_ABORT_SECONDS = 5.0

#: Messages between two looks at delivery reports; a look costs about as much as enqueueing a few messages.
_POLL_EVERY = 10_000

#: A small transaction begins so long after the one before at the earliest. The broker writes that one's markers behind the
#: producer's back, refuses new partitions meanwhile, and librdkafka asks again 20 ms later: a rest is shorter. What
#: arrives in it goes together. Measured: docs/performance.md.
_REST_SECONDS = 0.008

#: Transactions of fewer messages are small; between others the client has enough to do.
_SMALL_MESSAGES = 2_000


#: Labels that are kept: those of so many tables, or of the last transactions where messages tell of theirs.
_LABELS = 8192


class UpsertSink:
    """One transactional producer.

    Args:
        config: the user's client options.
        transactional_id: opening a sink with this id ends every older one for good.
        state_topic: where `commit` writes the state records.
        buffer_kbytes: bound of the send buffer in KiB.
        committed: told how long each commit took that succeeded, in seconds.
        label: what the messages of a table have besides its rows.

    `guard` is called before each commit with the topics that rows went to, and may raise to prevent it.

    Raises (every method): Superseded, SinkRefused, Unavailable. After any of them the sink is of no more use: close it.
    A commit that failed may have happened.
    """

    def __init__(
        self,
        config: ClientConfig,
        transactional_id: str,
        state_topic: str,
        *,
        buffer_kbytes: int = 65536,
        committed: Callable[[float], object] | None = None,
        label: Callable[[Origin], Label] = lambda _: PLAIN,
    ) -> None:
        self.transactional_id = transactional_id
        self._config = config
        self._committed = committed
        self._label = lru_cache(_LABELS)(label)
        self.guard: Callable[[Collection[str]], None] = lambda _: None
        self._state_topic = state_topic
        self._open = False
        self._unpolled = 0
        self._messages = 0
        self._rests_until = 0.0
        self._topics: set[str] = set()
        plugin = enqueue.plugin()
        self._undelivered = Undelivered()
        with translated(f"making producer {transactional_id}"):
            self._producer = Producer(
                {
                    # Defaults that users may override under properties.*.
                    "compression.type": "lz4",
                    # Fuller batches, which spare the broker; a commit sends what waits at once.
                    "linger.ms": 50,
                    "batch.size": BATCH_BYTES,
                    # How large a message may be is the topic's to say; the client only needs room for it.
                    "message.max.bytes": min(buffer_kbytes * 1024, _MESSAGE_BYTES_MAX),
                    **client_config(
                        config,
                        transactional_id=transactional_id,
                        enable_idempotence=True,
                        acks="all",
                        partitioner="murmur2_random",  # Java's default, so that Java and we agree on partitions
                        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                        queue_buffering_max_kbytes=buffer_kbytes,
                        queue_buffering_max_messages=1_000_000,
                    ),
                    "delivery.report.only.error": True,
                    **({} if plugin is None else {"plugin.library.paths": plugin.path}),
                    "on_delivery": self._undelivered.note,
                }
            )
        self._queue = None if plugin is None else plugin.made()

    def open(self) -> None:
        """Fences every older producer of the same id and aborts what it left open."""
        with translated(f"opening producer {self.transactional_id}"):
            self._producer.init_transactions()

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin | None = None) -> None:
        """Enqueues upserts, or where the value is None tombstones, in the open transaction; opens one where there is
        none. `origin` says of which table they are; None for records of our own.
        """
        label = PLAIN if origin is None else self._label(origin)
        if not self._open:
            self._begin()
        # What the native codec made and nobody has taken apart is `shared.model.change.Packed`.
        packed = getattr(changes, "packed", None)
        try:
            if packed is None or self._queue is None:
                self._produce(topic, changes, label)
            else:
                self._enqueue(self._queue, topic, label, *packed)
        except KafkaException as error:
            raise self._why_not(error.args[0], topic) from None
        self._topics.add(topic)
        self._messages += len(changes)
        self._unpolled += len(changes)
        if self._unpolled >= _POLL_EVERY:
            self._served(lambda: self._producer.poll(0))
            self._unpolled = 0

    def commit(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Writes the state records and commits. Returns when the transaction is durable and visible."""
        state = list(records)
        if state:
            self.write_all(self._state_topic, state)
        if not self._open:
            return
        begun = clock.monotonic_seconds()
        self._look(self._topics - {self._state_topic})
        try:
            self._producer.commit_transaction()
        except KafkaException as error:
            raise self._why(error.args[0]) from None
        self._open = False
        self._undelivered.forget()
        self._topics.clear()
        ended = clock.monotonic_seconds()
        self._rests_until = ended + _REST_SECONDS if self._messages < _SMALL_MESSAGES else 0.0
        self._messages = 0
        if self._committed is not None:
            self._committed(ended - begun)

    @property
    def pending(self) -> bool:
        """True when messages wait for a commit."""
        return self._open

    def close(self) -> None:
        """Aborts what is open and frees the client, without waiting long for a Kafka that does not answer."""
        discard(self._producer, aborting=self._open)
        self._open = False

    def __enter__(self) -> UpsertSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        time.sleep(max(0.0, self._rests_until - clock.monotonic_seconds()))
        with translated(f"beginning a transaction of {self.transactional_id}"):
            self._producer.begin_transaction()
        self._open = True

    def _look(self, topics: Collection[str]) -> None:
        """Lets the guard look once all messages have arrived, for until then some may have no partition yet. Where they do
        not arrive, it may know why.
        """
        while topics:
            left = self._served(lambda: self._producer.flush(_LOOK_SECONDS))
            self.guard(topics)
            if not left:
                return

    def _why_not(self, error: KafkaError, topic: str) -> HeadraceError:
        """Why a message was not taken; the transaction may have failed before, for the sake of another one."""
        if error.code() in (KafkaError._STATE, KafkaError._FATAL):
            return self._reason() or translate(error, f"writing to topic {topic}")
        return translate(error, f"writing to topic {topic}", f"Write on topic {topic}")

    def _served(self, serve: Callable[[], int]) -> int:
        """Has the client tell what has happened. A client that is fenced raises that from whatever is called next; and when it has a
        report to call back with in the same turn, Python finds the exception set there, and makes a SystemError of it.
        """
        try:
            return serve()
        except (KafkaException, SystemError) as error:
            fatal = error if isinstance(error, KafkaException) else error.__cause__
            if not isinstance(fatal, KafkaException):
                raise
            raise translate(fatal.args[0], f"writing by producer {self.transactional_id}") from None

    def _reason(self) -> HeadraceError | None:
        """Why the transaction has failed, of which the client has said so: a commit does nothing then, and says why."""
        try:
            self._producer.commit_transaction(_REASON_SECONDS)
        except KafkaException as reason:
            return self._why(reason.args[0])
        return None

    def _why(self, error: KafkaError) -> HeadraceError:
        """Why the commit failed. What is wrong with a message is told to that message, for which nobody waits."""
        found = translate(error, f"committing the transaction of {self.transactional_id}")
        if isinstance(found, Superseded):
            return found
        with suppress(KafkaException, SystemError):
            self._producer.poll(0)
        known = self._undelivered.cause()
        if known is None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            known = self._undelivered.suspect()
        if known is not None:
            return known
        if error.code() != KafkaError._INCONSISTENT:
            return found
        try:
            missing = missing_on_topics(self._config, dict.fromkeys(sorted(self._topics), ("Write",)))
        except HeadraceError:
            return found
        return lacking(missing) if missing else found

    def _produce(self, topic: str, changes: Sequence[Change], label: Label) -> None:
        produce = self._producer.produce
        if label.headers:
            produce = partial(produce, headers=list(label.headers))
        for key, value in label.on(changes) if label.key else changes:
            try:
                produce(topic, value, key)
            except BufferError:
                self._wait_for_room(produce, topic, key, value)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    raise too_large_for_us(topic, key, value) from None
                raise

    def _enqueue(self, queue: enqueue.Queue, topic: str, label: Label, data: bytes, lengths: bytes) -> None:
        """The same by native code, with the same errors."""
        self._undelivered.enqueued(topic, data, lengths)
        done, waited = 0, 0.0
        while waited < _FULL_BUFFER_SECONDS:
            before = done
            done, code = queue.enqueue(topic, data, lengths, before, label)
            if not code:
                return
            if code == KafkaError.MSG_SIZE_TOO_LARGE:
                raise too_large_for_us(topic, *label.on([change_at(data, lengths, done)])[0])
            if code != KafkaError._QUEUE_FULL:
                raise KafkaException(KafkaError(code))
            self._served(lambda: self._producer.poll(0.1))
            waited = waited + 0.1 if done == before else 0.0
        raise _no_room(topic)

    def _wait_for_room(self, produce: Callable[..., None], topic: str, key: bytes, value: bytes | None) -> None:
        waited = 0.0
        while waited < _FULL_BUFFER_SECONDS:
            self._served(lambda: self._producer.poll(0.1))
            try:
                produce(topic, value, key)
            except BufferError:
                waited += 0.1
            else:
                return
        raise _no_room(topic)


def _no_room(topic: str) -> Unavailable:
    return Unavailable(f"Kafka took no message of topic {topic} for {_FULL_BUFFER_SECONDS:.0f} s.")


def fence(config: ClientConfig, transactional_id: str) -> None:
    """Ends the producer of that id for good: its open transaction is aborted, its later calls fail (DESIGN rule 7).

    Raises:
        SinkRefused, Unavailable: the fence is not known to hold; nothing may be concluded.
    """
    with translated(f"fencing producer {transactional_id}"):
        producer = Producer(client_config(config, transactional_id=transactional_id))
        try:
            producer.init_transactions()
        finally:
            discard(producer)


def discard(producer: Producer, *, aborting: bool = False) -> None:
    """Ends a producer's use. `Producer.close` is not called: it flushes without a limit."""
    producer.purge()
    if aborting:
        # Only a courtesy to readers: an abort that fails is done by whoever fences the id, or by Kafka's time-out.
        with suppress(KafkaException):
            producer.abort_transaction(_ABORT_SECONDS)
