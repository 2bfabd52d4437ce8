"""What the next commit must store of the ledger (rule 8)."""

from __future__ import annotations

from shared.machines.ledger.records import ChunkRecord, FileRecord, PositionRecord, Record, TableRecord, encode_record


class Journal:
    """The records that have changed since the last checkpoint. `stored` is the position of that one, None before the first.

    Args:
        server_uuid: the server that the stream comes from.
        file: the last file that was stored.
    """

    def __init__(self, server_uuid: str, file: FileRecord | None) -> None:
        self.stored: PositionRecord | None = None
        self._changed: dict[bytes, bytes | None] = {}
        self._server_uuid = server_uuid
        self._file = file

    def enter(self, file: str) -> None:
        """The stream has come to this file of the server's binlog."""
        record = FileRecord(self._server_uuid, file)
        if record != self._file:
            self._file = record
            self.put(record)

    def put(self, record: TableRecord | ChunkRecord | FileRecord) -> None:
        """A record has changed."""
        self._changed.update([encode_record(record)])

    def drop(self, key: bytes) -> None:
        """A record has nothing more to say."""
        self._changed[key] = None

    @property
    def dirty(self) -> bool:
        """True when there is more to store than that R moved."""
        return bool(self._changed) or self.stored is None

    def checkpoint(self, position: PositionRecord) -> list[Record]:
        """The records to store now, if any."""
        records = list(self._changed.items())
        self._changed = {}
        if records or self.stored != position:
            self.stored = position
            records.append(encode_record(position))
        return records
