"""Rules that are switched off, and for each the world in which that shows soonest: it is the same rule in all of them, and a
mutant that takes minutes to be caught would take them from seeds of the shipped protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.simulation.faults import NO_FAULTS, Faults
from tests.simulation.mutants import (
    AnswersBeforeTheClaimIsDurable,
    CommitsInHalves,
    ForgetsWhatRCovers,
    ForgetsWhatTablesJoinedBehind,
    GrantsTwice,
    GrowsOn,
    GrowsWhatIsRead,
    IgnoresRenames,
    KeepsEveryEvent,
    NeverHolds,
    NeverSweeps,
    PlacesMovedRowsByTheirOldKey,
    ResumesFromROnly,
    Rules,
    SkipsWhatNobodyHasRead,
    SweepsForLaterToo,
    TrustsTheCatalog,
)


@dataclass(frozen=True)
class Kind:
    """Worlds of one kind: what goes wrong in them, and for how many ticks."""

    faults: Faults
    ticks: int = 1500


CRASHING = Kind(Faults())
PEACEFUL = Kind(NO_FAULTS)
#: Questions and hints come twice, and attempts that have written are silent for long.
DOZING = Kind(Faults(alter=0, double=0.3, doze=0.3), 300)
#: Tables are swapped for others all the time, while attempts doze.
SWAPPING = Kind(Faults(alter=0, swap=0.03, crash=0.015, doze=0.3), 400)
EMPTYING = Kind(Faults(alter=0, truncate=0.15))
EMPTYING_SOON = Kind(Faults(alter=0, truncate=0.05), 200)
ALTERING = Kind(Faults(alter=0.1), 250)
#: The same, while ranges and keys are read again all the time.
REREADING = Kind(Faults(alter=0.1, reread=0.15), 250)
#: From the first moment on, before the job has begun.
ALTERING_SOON = Kind(Faults(alter=0.3), 100)

#: All of them but the first two, of which the most seeds are.
BUSY = {
    "dozing": DOZING,
    "swapping": SWAPPING,
    "emptying": EMPTYING,
    "emptying soon": EMPTYING_SOON,
    "altering": ALTERING,
    "altering soon": ALTERING_SOON,
    "rereading": REREADING,
}

#: By rule of DESIGN section 3: what is switched off, and where it shows.
MUTANTS: dict[str, tuple[Rules, Kind]] = {
    "a new table is looked for before MySQL shows it": (Rules(looks_early=True), PEACEFUL),
    "one id for every attempt at a chunk": (Rules(one_id_per_chunk=True), CRASHING),
    "1: a hint is sent once, as if none could be lost": (Rules(hints_once=True), CRASHING),
    "2: a chunk for all who ask": (Rules(ledger=GrantsTwice), DOZING),
    "2: go before the claim is durable": (Rules(leader=AnswersBeforeTheClaimIsDurable), CRASHING),
    "3: no hold": (Rules(ledger=NeverHolds), PEACEFUL),
    "5: every held event, not the last": (Rules(hold=KeepsEveryEvent), PEACEFUL),
    "6: no changes of chunks that wait": (Rules(ledger=SkipsWhatNobodyHasRead), DOZING),
    "8: resume from R alone": (Rules(ledger=ResumesFromROnly), CRASHING),
    "8: nothing is skipped": (Rules(ledger=ForgetsWhatRCovers), CRASHING),
    "8: what tables joined behind ends at R": (Rules(ledger=ForgetsWhatTablesJoinedBehind), SWAPPING),
    "9: a moved row by its old key": (Rules(leader=PlacesMovedRowsByTheirOldKey), PEACEFUL),
    "10: tombstones by an earlier read": (Rules(absence_read_early=True), PEACEFUL),
    "10: no sweep of an emptied table": (Rules(ledger=NeverSweeps), PEACEFUL),
    "10: a sweep counts for later statements": (Rules(ledger=SweepsForLaterToo), EMPTYING),
    "10: rows are read again with the columns of before": (Rules(reads_again_as_before=True), REREADING),
    "10: a sweep compares before MySQL is at P": (Rules(sweep_compares_early=True), EMPTYING_SOON),
    "11: by place, a wait for the place alone": (Rules(waits_for_the_place=True), CRASHING),
    "12: transactions in halves": (Rules(leader_sink=CommitsInHalves), PEACEFUL),
    "13: another table under the same name": (Rules(leader=IgnoresRenames), PEACEFUL),
    "13: the catalog tells what each statement did": (Rules(ledger=TrustsTheCatalog), ALTERING),
    "13: new columns without another tenure": (Rules(leader=GrowsOn), PEACEFUL),
    "13: the first look at columns is no later than R": (
        Rules(described=lambda tables, begin, seen: tables),
        ALTERING_SOON,
    ),
    "13: columns are added while readers know nothing of them": (Rules(ledger=GrowsWhatIsRead), ALTERING),
}


def without(rules: Rules, kind: Kind) -> Faults:
    """The faults of such worlds, where a rule is switched off."""
    return replace(kind.faults, rules=rules)
