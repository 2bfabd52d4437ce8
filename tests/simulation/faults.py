"""What goes wrong in a world, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.mutants import AS_SHIPPED, Rules


@dataclass(frozen=True)
class Faults:
    """Chances per opportunity, and rules that are switched off to see the checkers catch it. `fence`, `log` and `stream` are how
    fast fences, state records and the binlog come; `doze` is for attempts that have written and then are silent for long.
    """

    crash: float = 0.004
    lose: float = 0.05
    double: float = 0.05
    lose_commit: float = 0.03
    rival: float = 0.002
    reread: float = 0.02
    truncate: float = 0.003
    swap: float = 0.001
    alter: float = 0.004
    fence: float = 0.3
    log: float = 0.4
    stream: float = 0.4
    doze: float = 0
    no_wait_for_low: bool = False
    no_fence: bool = False
    end_before_fence: bool = False
    no_hold_after_read: bool = False
    rows_apart_from_mark: bool = False
    merged_replay: bool = False
    rules: Rules = AS_SHIPPED


NO_FAULTS = Faults(crash=0, lose=0, double=0, lose_commit=0, rival=0)

#: Attempts that commit just when they are fenced, under a leader that is late in all it hears.
LATE = Faults(fence=0.05, log=0.03, stream=0.1, doze=0.3, crash=0, rival=0)
