"""What a comparison and those who wait for it tell each other: signs of life both ways, reports, and differences.

Differences hold values of rows. They expire, and whoever has read them deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice

import redis

from shared.adapters.redis import keys
from shared.adapters.redis.client import translated
from shared.errors import NeedsOperator
from shared.model.verify import Difference, Report, decode_difference, decode_report, encode_difference, encode_report

#: A side that is silent for so long counts as gone. Both tell of themselves once a second.
SIGN_SECONDS = 30

#: Results wait so long for whoever asked for them.
_RESULT_SECONDS = 600

_WANTED, _ENDED = b"wanted", b"ended"

#: Differences in one message to Redis.
_BATCH = 100

# KEYS: the run, the part's holder, its report. ARGV: who holds it, milliseconds, the report. Takes or keeps the part, and tells.
_TELL = """
local run = redis.call('GET', KEYS[1])
if run == 'ended' then return 'ended' end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return 'another' end
if not run then return 'unheard' end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[2])
return 'ours'
"""


class Heard(StrEnum):
    """What a worker hears when it tells how far it is."""

    OURS = "ours"  # go on
    ANOTHER = "another"  # another worker compares this part
    ENDED = "ended"  # nobody wants it any more
    UNHEARD = "unheard"  # whoever asked has given no sign for a while, or Redis has forgotten it


class VerifyRun:
    """The side of whoever asks. Raises Unavailable."""

    def __init__(self, client: redis.Redis, run: str) -> None:
        self._client = client
        self._run = run

    def renew(self) -> None:
        """Says that somebody waits; to be said once a second."""
        with translated(self._client, "asking for a comparison"):
            self._client.set(keys.verify_run(self._run), _WANTED, ex=SIGN_SECONDS)

    def end(self) -> None:
        """Says that nobody waits any more: tasks end within a second or two."""
        with translated(self._client, "ending a comparison"):
            self._client.set(keys.verify_run(self._run), _ENDED, ex=_RESULT_SECONDS)

    def report(self, part: str) -> Report | None:
        """What the part's worker told last; None when there is none (any more).

        Raises:
            NeedsOperator: another version of headrace told it.
        """
        with translated(self._client, "looking at a comparison"):
            data = self._client.get(keys.verify_report(part))
        try:
            return decode_report(data) if isinstance(data, bytes) else None
        except ValueError as error:
            hint = "Use one version of headrace for workers and commands."
            raise NeedsOperator(f"What a worker tells of a comparison is not readable: {error}.", hint) from None

    def take_differences(self, part: str) -> list[Difference]:
        """The differences that a part has found, which Redis then forgets."""
        key = keys.verify_found(part)
        with translated(self._client, "reading differences"):
            pipeline = self._client.pipeline()
            pipeline.lrange(key, 0, -1)
            pipeline.delete(key)
            found, _ = pipeline.execute()
        return [decode_difference(data) for data in found]


class VerifyDesk:
    """A worker's side, for one try of one part. Raises Unavailable.

    Args:
        client: of the worker.
        run: the run.
        part: the part, as `VerifyPart.name` has it.
        holder: a name that no other try has.
    """

    def __init__(self, client: redis.Redis, run: str, part: str, holder: str) -> None:
        self._client = client
        self._keys = (keys.verify_run(run), keys.verify_holder(part), keys.verify_report(part))
        self._found = keys.verify_found(part)
        self._holder = holder

    def tell(self, report: Report) -> Heard:
        """Takes or keeps the part, and says how far it is."""
        seconds = _RESULT_SECONDS if report.stage.over else SIGN_SECONDS
        arguments = (self._holder, str(seconds * 1000), encode_report(report))
        with translated(self._client, "telling of a comparison"):
            heard = self._client.eval(_TELL, len(self._keys), *self._keys, *arguments)
        return Heard(heard.decode() if isinstance(heard, bytes) else str(heard))

    def put_differences(self, differences: Iterable[Difference]) -> None:
        """Leaves differences for whoever asked, in place of those that were left before."""
        with translated(self._client, "telling of differences"):
            self._client.delete(self._found)
            for batch in _batches(encode_difference(difference) for difference in differences):
                pipeline = self._client.pipeline()
                pipeline.rpush(self._found, *batch)
                pipeline.expire(self._found, _RESULT_SECONDS)
                pipeline.execute()


def _batches(items: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
