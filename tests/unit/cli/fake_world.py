"""A world without servers for the CLI's tests: a registry in memory, leaders that say what the test lets them say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from scheduler.cli import cli
from scheduler.cli.access import Access
from scheduler.cli.jobs import Jobs
from scheduler.planner import Estimate, make_plan
from scheduler.preflight import Report
from scheduler.preflight.findings import failed, passed
from shared.errors import HeadraceError, Unavailable
from shared.machines.ledger import PositionRecord, StoredState, TableRecord
from shared.model.job import Desire, End, Outcome, Wanted
from shared.model.position import GtidSet
from shared.model.schema import Column, Table, TableId
from shared.model.topic import TopicMaker

JOB = (Path(__file__).parents[1] / "job" / "reference_whole_database.yaml").read_text()
VARIABLES = {
    "HEADRACE_VAR_HOSTNAME": "mysql.example",
    "HEADRACE_VAR_USERNAME": "headrace",
    "HEADRACE_VAR_PASSWORD": "s3cret-word",
    "HEADRACE_VAR_AK": "a",
    "HEADRACE_VAR_SK": "s3cret-key",
    "HEADRACE_VAR_INSTANCEID": "i",
    "HEADRACE_VAR_ENDPOINT": "e",
    "HEADRACE_VAR_REGIONID": "r",
}
TABLES = tuple(
    Table(TableId("order_dw", name), (Column("id", "bigint", "bigint", nullable=False),), ("id",))
    for name in ("feedback", "order", "user")
)


def job(name: str = "orders", **changes: Any) -> Wanted:
    wanted = Wanted(name, f"id-{name}", JOB, "job.yaml", Desire.RUNNING, 1, "2026-01-01T00:00:00+00:00")
    return replace(wanted, **changes)


def failure(wanted: Wanted) -> Outcome:
    return Outcome(wanted.name, wanted.revision, End.FAILED, "BinlogLost", "The binlog is gone.", "Submit it again.")


def table_record(name: str, **changes: Any) -> TableRecord:
    record = TableRecord(next(t for t in TABLES if t.id.table == name), f"order_dw.{name}", 100, 50)
    return replace(record, **changes)


def stored_state(*records: TableRecord) -> StoredState:
    state = StoredState(position=PositionRecord(GtidSet.parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"), 3, "u"))
    state.tables = {record.table.id: record for record in records}
    return state


def published(wanted: Wanted, **changes: Any) -> dict[str, Any]:
    table = {"table": "order_dw.user", "topic": "order_dw.user", "state": "snapshot", "rows": 40, "rows_estimate": 100}
    table |= {"chunks_done": 1, "chunks_total": 3, "split_done": True, "schema_version": 1}
    totals = {name: table[name] for name in ("rows", "rows_estimate", "chunks_done", "chunks_total")}
    live = {"position": "u:1-5", "epoch": 7, "snapshot_done": False, "tables": [table], "lag_seconds": 0.4}
    live |= {"lag_bytes": 1200, "changes": 9, "held_events": 0, "coordinates": "binlog.000001:4", "codec": "python"}
    live |= {"mysql": {"connections": 2, "queries": 5}, "leader": "b1", "job_id": wanted.id, "updated_at": 1.0}
    return live | totals | changes


class MemoryRecords:
    """A registry that forgets with the test; like Kafka's, it shows what was written once it was read to its end."""

    def __init__(self) -> None:
        self.wanted: dict[str, Wanted] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.written: list[Wanted] = []
        self._unread: list[Wanted] = []

    def refresh(self, *, to_end: bool = True) -> None:
        if to_end:
            self.wanted.update({record.name: record for record in self._unread})
            self._unread.clear()

    def outcome(self, wanted: Wanted) -> Outcome | None:
        outcome = self.outcomes.get(wanted.name)
        return outcome if outcome and outcome.revision == wanted.revision else None

    def write(self, record: Wanted | Outcome) -> None:
        assert isinstance(record, Wanted)
        self.written.append(record)
        self._unread.append(record)

    def put(self, *records: Wanted | Outcome) -> None:
        for record in records:
            if isinstance(record, Wanted):
                self.wanted[record.name] = record
            else:
                self.outcomes[record.name] = record

    def close(self) -> None:
        pass


class FakeStored:
    def __init__(self, state: StoredState | HeadraceError | None) -> None:
        self._state = state

    def read(self) -> StoredState | None:
        if isinstance(self._state, HeadraceError):
            raise self._state
        return self._state

    def close(self) -> None:
        pass


class FakeWorld(Access):
    """Servers that the test sets up; sleeping advances the clock and lets `on_sleep` act."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        super().__init__(VARIABLES if environment is None else environment)
        self.records = MemoryRecords()
        self.registry_exists = True
        self.registry_error: HeadraceError | None = None
        self.lives: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, dict[str, Any]] = {}
        self.redis_error: Unavailable | None = None
        self.states: dict[str, StoredState | HeadraceError | None] = {}
        self.findings = [passed("mysql", "MySQL answers.")]
        self.owned: frozenset[str] | None = None
        self.deleted: list[str] = []
        self.deleted_by: TopicMaker | None = None
        self.now = 1000.0
        self.on_sleep: Callable[[float], None] = lambda _now: None

    @contextmanager
    def jobs(self) -> Iterator[Jobs]:
        if self.registry_error is not None:
            raise self.registry_error
        jobs = Jobs(lambda: self.registry_exists, lambda: self.records)
        jobs.refresh()
        yield jobs

    def stored(self, wanted, options):
        return FakeStored(self.states.get(wanted.name))

    def existing(self, options, topics):
        known = {self.state_topic(w) for w in self.records.wanted.values() if self.states.get(w.name) is not None}
        return known.intersection(topics)

    def delete_topics(self, options, maker, topics):
        self.deleted += topics
        self.deleted_by = maker

    def live(self, wanted):
        if self.redis_error is not None:
            raise self.redis_error
        live = self.lives.get(wanted.name)
        return (live["leader"], live) if live else ("", None)

    def failure(self, wanted):
        return self.failures.get(wanted.name)

    def preflight(self, spec, owned):
        self.owned = owned
        topics = {table.id: f"order_dw.{table.id.table}" for table in TABLES}
        plan = make_plan(TABLES, topics, {TABLES[0].id: Estimate(10, 100)}, 1000, 4)
        bad = any(finding.is_error for finding in self.findings)
        return Report(tuple(self.findings), None if bad else plan, None)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 2000, "the command would wait for ever"
        self.on_sleep(self.now)

    def fail_preflight(self) -> None:
        self.findings.append(failed("log_bin", "The server writes no binlog.", "Switch it on."))

    def run(self, *words: str, stdin: str = JOB) -> Result:
        return CliRunner().invoke(cli, list(words), input=stdin, obj=self, env={"COLUMNS": "180"})


def one_json(text: str) -> Any:
    """The only line of a stream, read as JSON."""
    (line,) = text.splitlines()
    return json.loads(line)
