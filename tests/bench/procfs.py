"""CPU time and memory of process trees, read from the kernel (Linux /proc)."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(roots: Iterable[int]) -> list[int]:
    """The processes and all that descend from them."""
    found: list[int] = []
    todo = list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):  # ended meanwhile
                todo += map(int, children.read_text().split())
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of the trees, with that of descendants that have ended and were waited for."""
    ticks = 0
    for pid in tree(roots):
        with suppress(OSError):
            # The program's name stands in brackets and may hold anything, so count from the last bracket.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def thread_seconds() -> dict[str, float]:
    """CPU time of this process by the names of its threads, "" for the main one; those that have ended are left out."""
    found: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            head, _, rest = (task / "stat").read_text().rpartition(")")
            name = "" if int(task.name) == os.getpid() else head.partition("(")[2]
            fields = rest.split()
            found[name] = found.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def machine_seconds() -> float:
    """CPU time that the whole machine has spent on work since it began."""
    user, nice, system, _idle, _wait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def peaks_mb(roots: Iterable[int]) -> list[float]:
    """The most memory (RSS) that each process of the trees has had since it began, in MiB, the largest first."""
    found = []
    for pid in tree(roots):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return sorted(found, reverse=True)
