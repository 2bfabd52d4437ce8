"""Positions of a MariaDB, as sets. Its GTIDs are `domain-server-number`, and a position is the last one of each domain.

So that one algebra serves all servers, a set here has the source `domain-server` where one of MySQL has a UUID, and a run from 1 up to
the last number that this server gave in this domain: `0-1:1-100,0-2:1-120`. A server numbers what it commits in a domain upwards
from all that it has seen there, so numbers of one source rise along a binlog, but with gaps. A transaction is therefore the run from
behind the last one of its source to its own number, and a position stays one run for each source.

Within a domain the order is that of the numbers, as long as nobody writes to a replica in its source's domain (gtid_strict_mode forbids
it). Source: MariaDB's documentation of GTIDs, "gtid_binlog_state" and "gtid_binlog_pos".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from shared.errors import BinlogLost
from shared.model.binlog import Event, TransactionBegin
from shared.model.position import DOMAIN, GtidSet

_GTID = re.compile(r"([0-9]{1,10})-([0-9]{1,10})-([0-9]{1,19})")
_ID_MAX = 2**32 - 1
_NUMBER_MAX = 2**63 - 1


def is_domains(position: GtidSet) -> bool:
    """True for a position of this kind; false for all others, and for the empty set."""
    return any(DOMAIN.fullmatch(source) for source in position.runs)


def parse(text: str) -> GtidSet:
    """The position up to these GTIDs, as MariaDB writes them: `0-1-100,0-2-120`, perhaps several of one domain.

    Raises:
        ValueError: it is no such list.
    """
    last: dict[str, int] = {}
    for part in re.sub(r"\s", "", text).split(","):
        if not part:
            continue
        found = _GTID.fullmatch(part)
        if not found or max(int(found[1]), int(found[2])) > _ID_MAX or not 0 < int(found[3]) <= _NUMBER_MAX:
            raise ValueError(f"not a GTID of MariaDB: {part[:80]!r}")
        source = f"{int(found[1])}-{int(found[2])}"
        last[source] = max(last.get(source, 0), int(found[3]))
    return GtidSet({source: ((1, number),) for source, number in sorted(last.items())})


def last_of_domains(position: GtidSet) -> str:
    """The last GTID of each domain, in MariaDB's form, from which a replica asks it to go on."""
    return ",".join(f"{domain}-{server}-{number}" for domain, (number, server) in sorted(_last(position).items()))


def filled(position: GtidSet) -> GtidSet:
    """The same without gaps: all numbers of a source up to its last."""
    return GtidSet({source: ((1, runs[-1][1]),) for source, runs in position.runs.items()})


def with_elders(position: GtidSet, known: GtidSet) -> GtidSet:
    """The position with what other servers of `known` had given in its domains before: MariaDB names the last GTID alone."""
    found = position
    for domain, (last, _) in _last(position).items():
        elders = {s: ((1, min(last, runs[-1][1])),) for s, runs in known.runs.items() if s.partition("-")[0] == domain}
        found = found.union(GtidSet(elders))
    return found


def _last(position: GtidSet) -> dict[str, tuple[int, str]]:
    """Of each domain the last number, and the server that gave it."""
    last: dict[str, tuple[int, str]] = {}
    for source, runs in position.runs.items():
        domain, _, server = source.partition("-")
        last[domain] = max(last.get(domain, (0, "")), (runs[-1][1], server))
    return last


class Domained:
    """Names transactions by the runs that they end.

    Args:
        position: where the stream begins.
    """

    def __init__(self, position: GtidSet) -> None:
        self._last = {source: runs[-1][1] for source, runs in position.runs.items()}

    def name(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events, with names.

        Raises:
            BinlogLost: the numbers of a source go back.
        """
        for event in events:
            if isinstance(event, TransactionBegin) and event.gtids is not None:
                yield event._replace(gtids=self._run(event.gtids))
            else:
                yield event

    def _run(self, gtids: str) -> str:
        named = []
        for source, runs in GtidSet.parse(gtids).runs.items():
            last, end = self._last.get(source, 0), runs[-1][1]
            if runs[0][0] <= last:
                domain, _, server = source.partition("-")
                raise BinlogLost(
                    f"The binlog has GTID {domain}-{server}-{runs[0][0]} behind {domain}-{server}-{last}: the numbers of its "
                    "server began anew, or servers wrote in one domain at the same time.",
                    "Set gtid_strict_mode=ON, or a domain for each that writes (gtid_domain_id). To copy the job's tables again "
                    "into the same topics: scheduler resume JOB --on-gap resync.",
                )
            self._last[source] = end
            named.append(f"{source}:{last + 1}-{end}")
        return ",".join(named)
