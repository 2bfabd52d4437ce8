"""The leader of one job: moves events, questions and records between the world and the ledger.

It decides nothing about chunks (the ledger does) and does no I/O itself (the ports do). `step` is one turn of its loop;
it never waits, so that the process and the simulation each bring their own pace. Whatever it raises ends the tenure:
the next one starts from the state topic.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import groupby
from typing import Any

from scheduler.dispatch import Dispatch, Sweep
from shared.errors import UnsupportedEvent
from shared.machines.ledger import DoneMark, Grant, HeldRanges, Ledger, decode_record
from shared.machines.throttle import Throttle
from shared.model.binlog import (
    Event,
    Heartbeat,
    Rotate,
    RowChanges,
    Statement,
    TransactionBegin,
    TransactionEnd,
    Unread,
)
from shared.model.change import Change, ChunkKey, Tally, bytes_of
from shared.model.chunk import REREAD, ChunkId
from shared.model.chunk_key import are_bounds, needs_server_order
from shared.model.label import Stamp
from shared.model.orders import (
    AskChunks,
    AskReread,
    AskSplit,
    AskSweep,
    Beat,
    Bounds,
    GaveUp,
    Granted,
    Question,
    ReadChunks,
    Refused,
    Swept,
)
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import TableId
from shared.model.throttle import Limits, Pace
from workers.binlog.chores import Chores
from workers.binlog.continuity import ANEW, require_new
from workers.binlog.ddl import Ddl
from workers.binlog.ports import Policy, Ports, WorkerFailed
from workers.binlog.stamps import Stamps
from workers.binlog.takeover import understood
from workers.binlog.tallies import Tallies

#: Events handled in one step before questions and records get their turn.
_EVENTS_PER_STEP = 2000


class Leader:
    """One tenure. `reached` is where the stream stands; `changes` counts what was written; `fences` counts the attempts that were shut out;
    `worker_error` is the last error of a worker, until one has read a chunk; `signs` has what attempts said last. `reopen` is why the
    tenure must end, and the next one begin; empty while it need not.
    """

    def __init__(self, ledger: Ledger, ports: Ports, policy: Policy, limits: Limits | None = None) -> None:
        self.ledger = ledger
        self.throttle = Throttle(limits or Limits())
        self.reached = Coordinates("start.000000", 0)
        self.commit_microseconds = 0
        self.changes = 0
        self.fences = 0
        self.worker_error: GaveUp | None = None
        self.reopen = ""
        self._ports = ports
        self._policy = policy
        self._dispatch = Dispatch(policy.parallelism)
        self._events: deque[Event] = deque()
        # A look-up by type is many times cheaper than matching patterns, and this is done for every event.
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RowChanges: self._rows,
            TransactionBegin: self._begin,
            TransactionEnd: self._end,
            Statement: self._statement,
            Unread: self._unread,
            Rotate: self._place,
            Heartbeat: self._place,
        }
        #: Of each table of which a range was ever held: the reader of its keys, and whether the server must place them.
        self._keys: dict[TableId, tuple[Callable[[bytes], ChunkKey], bool]] = {}
        self._beats: dict[str, float] = {}
        self.signs: dict[str, Beat] = {}
        self._fencing: dict[str, int | None] = {}
        self._ddl = Ddl(ledger, ports.source, policy)
        self.chores = Chores(ledger, ports.mail.answer, policy.chore_silence)
        self._written = 0
        self._committed_at = 0.0
        self._tallies = Tallies()
        self._stamps = Stamps(policy.stamped)

    def step(self, now: float) -> bool:
        """One turn.

        Args:
            now: seconds of a clock that never goes back.

        Returns:
            True when it did something; False when the caller may wait for news.

        Raises:
            HeadraceError: the tenure is over.
        """
        worked = self._take_events()
        if self.ledger.in_transaction:
            return worked
        worked |= self._take_records()
        worked |= self._take_questions(now)
        self._finish_fences()
        self._end_holds()
        self.reopen = self.reopen or self._ddl.prove()
        self._suspect(now)
        self._send_hints(now)
        return self._commit_if_due(now, idle=not self._events) or worked

    def finish(self) -> None:
        """Commits what is whole, on the way out; what is not whole is left to the next tenure."""
        if not self.ledger.in_transaction:
            self._commit()

    def progress(self) -> dict[ChunkId, int]:
        """Rows that the running attempts say they have read of their chunks. Of small tables that are read together
        nothing is said: it takes a moment, and which rows belong to which table is not known before. What is read again
        is counted already.
        """
        claims = [(chunk, attempt) for chunk, attempt in self.ledger.claims() if chunk.number != REREAD]
        together = Counter(attempt for _, attempt in claims)
        return {chunk: self.signs[one].rows if one in self.signs else 0 for chunk, one in claims if together[one] == 1}

    def take_tallies(self) -> dict[TableId, Tally]:
        """What was committed since the last call, by table."""
        return self._tallies.take()

    # The stream.

    def _take_events(self) -> bool:
        """Handles what has arrived, and stops only between transactions, unless the rest has not arrived yet."""
        events, handlers, ledger = self._events, self._handlers, self.ledger
        taken = 0
        while taken < _EVENTS_PER_STEP or ledger.in_transaction:
            if not events:
                # Otherwise all are newer than R, and so newer than every hold: whatever becomes of one becomes of all.
                events.extend(self._ports.stream.events(merge=not (ledger.singly or self._stamps.wanted)))
                if not events:
                    break
            event = events.popleft()
            handlers[type(event)](event)
            taken += 1
            if not ledger.in_transaction and (self.reopen or self._written >= self._policy.commit_messages):
                break
        return taken > 0

    def _begin(self, event: TransactionBegin) -> None:
        if event.gtids is None:
            raise UnsupportedEvent(f"The binlog has a transaction without a GTID before {self.reached}.", ANEW)
        gtids = GtidSet.parse(event.gtids)
        if not self.ledger.replaying:
            require_new(gtids, self.ledger.processed, self.reached)
        self.ledger.begin(gtids)
        self._stamps.begin(event, gtids)
        self.commit_microseconds = event.committed_microseconds

    def _end(self, event: TransactionEnd) -> None:
        self.ledger.end()
        if event.end_position:
            self.reached = Coordinates(self.reached.file, event.end_position)

    def _place(self, event: Rotate | Heartbeat) -> None:
        self.reached = Coordinates(event.file, event.position)
        self.ledger.enter(event.file)

    def _rows(self, event: RowChanges) -> None:
        table, changes = event.table, event.changes
        held = self.ledger.held_ranges(table)
        if held is not None:
            places = self._places(table, changes, held)
            self._write_batches([(table, self.ledger.absorb(table, self._stamps.on(changes), places))])
            return
        written = self.ledger.absorb(table, changes)
        # The decoder has counted the bytes; nobody looks at a change for that.
        self._write(table, written, event.size if written is changes else bytes_of(written), self._stamps.now)

    def _places(self, table: TableId, changes: Sequence[Change], held: HeldRanges) -> Sequence[int | None]:
        """For each change the number of the held range that it falls into."""
        if held.whole is not None:
            return [held.whole] * len(changes)
        schema = self.ledger.tables[table].table
        if table not in self._keys:
            self._keys[table] = self._ports.key_readers(schema), needs_server_order(schema)
        read, by_server = self._keys[table]
        keys = [read(key) for key, _ in changes]
        return self._ports.source.place(schema, keys, held.ranges) if by_server else held.places(keys)

    def _write(self, table: TableId, changes: Sequence[Change], size: int, stamp: Stamp | None) -> None:
        if changes:
            record = self.ledger.tables[table]
            self._ports.sink.write_all(record.topic, changes, record.origin.stamped(stamp))
            self._written += len(changes)
            self.changes += len(changes)
            self._tallies.note(table, len(changes), size)

    def _write_batches(self, batches: Iterable[tuple[TableId, Sequence[Change]]]) -> None:
        """What was held, or went the same way."""
        for table, changes in batches:
            for stamp, some in self._stamps.off(changes):
                self._write(table, some, bytes_of(some), stamp)

    def _unread(self, event: Unread) -> None:
        self.reopen = self._ddl.unread(event) or self.reopen

    def _statement(self, event: Statement) -> None:
        place = Coordinates(self.reached.file, event.end_position or self.reached.offset)
        self.reopen = self._ddl.take(event, place) or self.reopen

    # Records and questions.

    def _take_records(self) -> bool:
        records = self._ports.log.poll()
        for key, value in records:
            if key.startswith(b'["done"'):  # our own records come by as well, and say nothing new
                with understood():
                    record = decode_record(key, value)
                if isinstance(record, DoneMark):
                    self.ledger.done(record.chunk, record.attempt, record.rows)
                    self.worker_error = None
        return bool(records)

    def _take_questions(self, now: float) -> bool:
        questions = self._ports.mail.receive()
        for question in questions:
            self._take_question(question, now)
        return bool(questions)

    def _take_question(self, question: Question, now: float) -> None:
        match question:
            case AskChunks(chunks, attempt, _):
                self._admit(chunks, attempt, now)
            case AskSplit() | Bounds() | AskSweep() | Swept():
                self.chores.take(question, now, self.throttle.reason(now))
            case AskReread():
                self._admit_reread(question, now)
            case Beat(attempt, rows, size):
                self.chores.heard(question, now)
                if attempt in self._beats:
                    self._beats[attempt] = now
                    self.signs[attempt] = question
                    self.throttle.count(attempt, rows, size, now)
            case GaveUp():
                self._gave_up(question)

    def _admit(self, chunks: tuple[ChunkId, ...], attempt: str, now: float) -> None:
        """Grants those of the chunks that wait, or turns the attempt away."""
        if attempt in self._beats:
            return  # the question came twice
        if throttled := self.throttle.reason(now):
            self._refuse(chunks, attempt, f"throttled: {throttled}")
            return
        refusals = [refusal for chunk in chunks if (refusal := self.ledger.ask(chunk, attempt))]
        if len(refusals) < len(chunks):
            self._beats[attempt] = now
        else:
            self._refuse(chunks, attempt, refusals[0].reason if refusals else "nothing was asked for")

    def _refuse(self, chunks: tuple[ChunkId, ...], attempt: str, reason: str) -> None:
        self._dispatch.refused(chunks)
        self._ports.mail.answer(Refused(attempt, reason))

    def _admit_reread(self, question: AskReread, now: float) -> None:
        """Grants a range of a live table, or turns the attempt away."""
        if question.attempt in self._beats:
            return
        self._look_at_load(now)
        record = self.ledger.tables.get(question.table)
        unfit = record is None or not are_bounds(record.table, [end for end in question.range if end is not None])
        if unfit:
            reason = "no range of a table of the job"
        elif throttled := self.throttle.reason(now):
            reason = f"throttled: {throttled}"
        elif refusal := self.ledger.ask_again(question.table, question.range, question.attempt):
            reason = refusal.reason
        else:
            self._beats[question.attempt] = now
            return
        self._ports.mail.answer(Refused(question.attempt, reason, final=unfit))

    def _gave_up(self, message: GaveUp) -> None:
        if message.attempt not in self._beats and not self.chores.does(message.attempt):
            self.worker_error = message  # it had not been admitted, and others may do it
            return
        claimed = {chunk.table for chunk, attempt in self.ledger.claims() if attempt == message.attempt}
        reason = self._ddl.unreadable(claimed | self.chores.tables_of(message.attempt), message)
        self.reopen = reason or self.reopen
        if reason is None and message.fatal:
            raise WorkerFailed(f"A snapshot worker stopped with {message.error}: {message.message}", message.hint)
        self.worker_error = message
        if message.attempt in self._beats:
            self._beats[message.attempt] = float("-inf")
        self.chores.end(message.attempt)

    # Holds, fences, hints.

    def _end_holds(self) -> None:
        if self.ledger.wants_binlog_end:
            self.ledger.binlog_end(self._ports.source.binlog_end())
        self._write_batches(self.ledger.ripe(self.reached))

    def _suspect(self, now: float) -> None:
        if not self._beats:
            return
        claims = {attempt for _, attempt in self.ledger.claims()}
        self._beats = {attempt: at for attempt, at in self._beats.items() if attempt in claims}
        self.signs = {attempt: seen for attempt, seen in self.signs.items() if attempt in claims}
        self.throttle.keep(claims)
        for attempt, at in self._beats.items():
            if now - at > self._policy.silence and attempt not in self._fencing:
                self._fencing[attempt] = None
                self.fences += 1
                self._ports.fencer.start(attempt)

    def _finish_fences(self) -> None:
        """A fenced attempt is judged once the state topic was read to its end as of after the fence (rule 7)."""
        if not self._fencing:
            return
        self._fencing.update(self._ports.fencer.fenced())
        for chunk, attempt in self.ledger.claims():
            end = self._fencing.get(attempt)
            if end is not None and self._ports.log.position >= end:
                self._write_batches(self.ledger.fenced(chunk, attempt))
        claims = {attempt for _, attempt in self.ledger.claims()}
        self._fencing = {attempt: end for attempt, end in self._fencing.items() if attempt in claims}

    def _send_hints(self, now: float) -> None:
        ledger = self.ledger
        if (swept := self.chores.hint_to_sweep(now)) is not None:
            self._ports.hints.send(Sweep(swept))
        to_split = self.chores.to_split(now)
        if not ledger.waiting and to_split is None:
            return
        self._look_at_load(now)
        if self.throttle.reason(now):
            return
        due = self._dispatch.due(ledger.waiting, ledger.small, ledger.claimed, to_split, now)
        for hint in due:
            self._ports.hints.send(hint)

    def _look_at_load(self, now: float) -> None:
        if self.throttle.wants_look(now):
            self.throttle.look(self._ports.gauge.pressure(self.throttle.limits), now)

    # Commits.

    def _commit_if_due(self, now: float, *, idle: bool) -> bool:
        age = now - self._committed_at
        if not (
            self.ledger.urgent or self.ledger.dirty or self._load_is_due(age, idle=idle) or self._position_is_due(age)
        ):
            return False
        self._commit()
        self._committed_at = now
        return True

    def _load_is_due(self, age: float, *, idle: bool) -> bool:
        full = self._written >= self._policy.commit_messages or age >= self._policy.commit_interval
        return self._ports.sink.pending and (idle or full)

    def _position_is_due(self, age: float) -> bool:
        return age >= self._policy.position_interval and self.ledger.moved

    def _commit(self) -> None:
        self._ports.sink.commit(self.ledger.checkpoint())
        self._written = 0
        self._tallies.close()
        # An attempt's claims were made in one turn, so its grants stand together. Their P differs by what tables joined behind.
        for attempt, grants in groupby(self.ledger.committed(), lambda grant: grant.attempt):
            some = list(grants)
            low = reduce(GtidSet.union, (grant.low for grant in some))
            answer = ReadChunks(attempt, low, tuple(map(self._granted, some)), self._pace())
            self._ports.mail.answer(answer)

    def _pace(self) -> Pace:
        """The limits are shared by all who can read at a time."""
        return self.throttle.pace(min(self._policy.parallelism, self.ledger.claimed + len(self.ledger.waiting)))

    def _granted(self, grant: Grant) -> Granted:
        record = self.ledger.tables[grant.chunk.table]
        return Granted(grant.chunk, record.table, record.topic, grant.range, shard_key=record.shard_key)
