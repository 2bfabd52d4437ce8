"""Topics in memory and sessions over them, for the console's unit tests: no Kafka, a real DuckDB."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from scheduler.console.cells import json_row, texts
from scheduler.console.changes import Change, Follow
from scheduler.console.session import Session
from scheduler.console.sources import Source
from shared.adapters.duckdb.engine import Engine
from shared.adapters.kafka.snapshot import TopicMessage
from shared.codec import FormatOptions
from shared.model.schema import Column, Table, TableId

BIGINT = Column("id", "bigint", "bigint", nullable=False)


def column(name: str, column_type: str, **more: Any) -> Column:
    return Column(name, column_type.partition("(")[0].partition(" ")[0], column_type, **more)


def source(
    name: str, *columns: Column, key: tuple[str, ...] = ("id",), job: str = "j", database: str = "shop", **options: Any
) -> Source:
    named = {each.name for each in columns}
    every = columns if named >= set(key) else (BIGINT, *columns)
    return Source(job, Table(TableId(database, name), every, key), f"{database}.{name}", FormatOptions(**options))


class MemoryTopic:
    """What `TopicReader` does, of messages that the test gives."""

    def __init__(self) -> None:
        self._waiting: deque[list[TopicMessage]] = deque()
        self._offsets: dict[int, int] = {}
        self.batches_read = 0
        self.closed = False

    def send(self, *messages: tuple[str, str | None], partition: int = 0, timestamp: int = 0) -> None:
        batch = []
        for key, value in messages:
            offset = self._offsets[partition] = self._offsets.get(partition, -1) + 1
            batch.append(TopicMessage(partition, offset, timestamp, key.encode(), value and value.encode()))
        self._waiting.append(batch)

    def put(self, batch: list[TopicMessage]) -> None:
        self._waiting.append(batch)

    @property
    def done(self) -> int:
        return self.batches_read

    @property
    def total(self) -> int:
        return self.batches_read + len(self._waiting)

    @property
    def at_end(self) -> bool:
        return not self._waiting

    def refresh(self) -> None:
        pass

    def to_end(self) -> Iterator[list[TopicMessage]]:
        while self._waiting:
            yield self.poll(0)

    def poll(self, wait_seconds: float) -> list[TopicMessage]:
        if not self._waiting:
            return []
        self.batches_read += 1
        return self._waiting.popleft()

    def close(self) -> None:
        self.closed = True


class Lab:
    """A session over topics in memory."""

    def __init__(self, folder: Path, *sources: Source, memory_limit: str = "200MB") -> None:
        self.topics = {each.topic: MemoryTopic() for each in sources}
        self.opened: list[str] = []
        self.notes: list[str] = []
        self.session = Session(
            Engine(memory_limit, folder), sources, self._open, self.notes.append, lambda _: lambda _done, _total: None
        )

    def _open(self, one: Source) -> MemoryTopic:
        self.opened.append(one.topic)
        return self.topics[one.topic]

    def send(self, name: str, *messages: tuple[str, str | None], **more: Any) -> None:
        self.topics[f"shop.{name}"].send(*messages, **more)

    def ask(self, text: str) -> list[list[str | None]]:
        question = self.session.prepare(text)
        return [texts(question.shape, row) for batch in self.session.rows(question) for row in batch]

    def ask_json(self, text: str) -> list[bytes]:
        question = self.session.prepare(text)
        return [orjson.dumps(json_row(question.shape, row)) for batch in self.session.rows(question) for row in batch]

    def types(self, text: str) -> dict[str, str]:
        shape = self.session.prepare(text).shape
        return dict(zip(shape.names, shape.types, strict=True))

    def follow(self, text: str) -> Following:
        return Following(self.session, text)


class Following:
    """A followed query, change by change."""

    def __init__(self, session: Session, text: str) -> None:
        self._follow = Follow(session, session.prepare(text))
        self.first = sorted(self._shown(self._follow.begin()))

    def next(self) -> list[str]:
        return self._shown(self._follow.changes())

    def _shown(self, changes: Iterable[Change]) -> list[str]:
        return [op + " " + " ".join(str(cell) for cell in row) for op, row in changes]
