"""Opens the one binlog connection of a job, with a free id of its range."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from shared.adapters.mysql.session import MysqlTarget
from shared.adapters.mysql.stream import BinlogStream
from shared.adapters.redis.lease import Leases
from shared.codec import TableDecoder
from shared.errors import Superseded, Unavailable
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.runtime import metrics
from workers.binlog.context import JobContext


@dataclass(frozen=True, slots=True)
class Streams:
    """One tenure's.

    Args:
        context: the job.
        target: its server.
        server_uuid: the server that answers questions, and must send the binlog.
        leases: of ids.
        wake: called when something has arrived.
    """

    context: JobContext
    target: MysqlTarget
    server_uuid: str
    leases: Leases
    wake: Callable[[], None]

    def open(
        self, start: GtidSet, decoder_of: Callable[[TableId], TableDecoder | None], *, keep_names: bool = False
    ) -> tuple[BinlogStream, int]:
        """A stream from a position on, and the id that it goes by.

        Args:
            start: where.
            decoder_of: a table's decoder; None for tables that nobody wants.
            keep_names: see `BinlogStream`.

        Raises:
            HeadraceError: no id is free, or the server refuses.
        """
        context, target = self.context, self.target
        # The same uuid in every tenure: the server then ends a dead predecessor's connection when ours arrives.
        replica_uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, f"headrace.{context.wanted.id}"))
        cost = metrics.mysql_cost(context.wanted.name, metrics.BINLOG)
        refusal: Superseded | None = None
        for server_id in context.spec.source.server_ids.ids:
            if not self.leases.use_server_id(str(target), server_id, context.wanted.name):
                continue
            try:
                decoder = context.codec.event_decoder(decoder_of)
                stream = BinlogStream(
                    target,
                    start,
                    server_id,
                    replica_uuid,
                    decoder,
                    self.wake,
                    cost,
                    self.server_uuid,
                    keep_names=keep_names,
                )
                return stream, server_id
            except Superseded as error:
                refusal = error
        raise refusal or Unavailable(
            f"Every server-id of {context.spec.source.server_ids} is in use on {target}.",
            "Widen source.server-id; each running job needs one.",
        )
