"""What the messages of a table have besides its rows: the field that tells it from other tables in its topic, and headers.

A table that shares its topic with others has an added part in its keys, `{"<field>":"<database>.<table>", …}`, and the same field in
its values where these hold the key's columns. It comes first, so it is one and the same beginning of all the table's messages: the sink
puts it there, the reader of topics takes it away, and whoever stands between them knows keys and values as the table alone has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple, TypeAlias

from shared.model.change import Change
from shared.model.schema import TableId

#: Header and value; the same for all messages of a table, tombstones included.
Header: TypeAlias = tuple[str, bytes]

_ESCAPE = re.compile(r"\\(?:u00[0-9a-f]{2}|.)")


class Stamp(NamedTuple):
    """What is known of the transaction that wrote a change: when it was committed (microseconds since 1970), its GTID (empty where it has
    none), and the id of the server that executed it first.
    """

    microseconds: int
    gtid: str
    server_id: int


class Origin(NamedTuple):
    """Which table messages are of. `shard_key` is the field that says so in them; empty where its topic is its own. `stamp` is None for rows
    that were copied, and where nobody asks for it.
    """

    table: TableId
    shard_key: str = ""
    stamp: Stamp | None = None

    def stamped(self, stamp: Stamp | None) -> Origin:
        """The same, of a transaction."""
        return self if stamp is None else self._replace(stamp=stamp)


class Label(NamedTuple):
    """What is added: how each key begins, how each value begins (both empty for as it is), and headers."""

    key: bytes = b""
    value: bytes = b""
    headers: tuple[Header, ...] = ()

    def on(self, changes: Iterable[Change]) -> list[Change]:
        """The changes as they are written."""
        begin, value_begin = self.key, self.value
        return [
            (_opened(begin, key), value if value is None else _opened(value_begin, value)) for key, value in changes
        ]

    def has(self, key: bytes) -> bool:
        """True for the key of a message of this table."""
        return key.startswith(self.key)

    def off(self, key: bytes, value: bytes | None) -> Change:
        """Key and value of a message as the table has them. A value of somebody else stays what it is."""
        return _closed(self.key, key) or key, value if value is None else _closed(self.value, value) or value


#: The headers that name a table, as Flink CDC has them.
TABLE_HEADERS = ("namespace", "schemaName", "tableName")

#: Nothing is added.
PLAIN = Label()


def table_headers(table: TableId) -> tuple[Header, ...]:
    """The headers that name a table. What is a database in MySQL is a schema in them, and above it is nothing."""
    return tuple(zip(TABLE_HEADERS, (b"", table.database.encode(), table.table.encode()), strict=True))


#: The headers that tell of a transaction.
STAMP_HEADERS = ("op_ts", "gtid", "server_id")


def stamp_headers(stamp: Stamp | None, wanted: Collection[str]) -> tuple[Header, ...]:
    """Those of STAMP_HEADERS that are wanted and known, `op_ts` in milliseconds since 1970."""
    if stamp is None:
        return ()
    values = (str(stamp.microseconds // 1000), stamp.gtid, str(stamp.server_id))
    return tuple(
        (name, value.encode()) for name, value in zip(STAMP_HEADERS, values, strict=True) if name in wanted and value
    )


def label_of(origin: Origin, *, in_value: bool, headers: tuple[Header, ...] = ()) -> Label:
    """The label of a table's messages.

    Args:
        origin: the table.
        in_value: whether values hold the columns of the key.
        headers: what it has of them.
    """
    if not origin.shard_key:
        return Label(headers=headers)
    begin = f"{{{_quoted(origin.shard_key)}:{_quoted(str(origin.table))},".encode()
    return Label(begin, begin if in_value else b"", headers)


def _opened(begin: bytes, data: bytes) -> bytes:
    """An object with the field in front."""
    if not begin:
        return data
    return begin[:-1] + b"}" if data == b"{}" else begin + data[1:]


def _closed(begin: bytes, data: bytes) -> bytes | None:
    """The object without the field; None if it does not begin with it."""
    if data.startswith(begin):
        return b"{" + data[len(begin) :] if begin else data
    return b"{}" if data == begin[:-1] + b"}" else None


def _quoted(text: str) -> str:
    """A JSON string, with the escapes of docs/types.md."""
    return _ESCAPE.sub(lambda found: found[0][:2] + found[0][2:].upper(), json.dumps(text, ensure_ascii=False))
