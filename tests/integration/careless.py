"""A snapshot worker with rule 4 switched off: it takes for visible what its leader has seen, and reads at once.

`celery -A tests.integration.careless worker …`
"""

from collections.abc import Collection

from shared.model.position import GtidSet
from shared.model.schema import TableId
from workers.app import app
from workers.snapshot.reading import ChunkReader

__all__ = ["app"]


def _at_once(self: ChunkReader, low: GtidSet, tables: Collection[TableId]) -> bool:
    return True


ChunkReader.executed = _at_once  # type: ignore[method-assign]
