"""A campaign as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tests.torture.campaign import Story


def report(story: Story, command: str, machine: str) -> str:
    """The whole page."""
    faults = "\n".join(f"| {name} | {count} |" for name, count in story.faults.most_common())
    writes = ", ".join(f"{count:,} {name}" for name, count in sorted(story.writes.items()))
    verdict = "\n".join(f"- {one}" for one in story.differences) or "None."
    return f"""# Torture report

    {command}

{machine}

| | |
|---|---|
| faults | {story.faults.total()} of {len(story.faults)} kinds, {story.under_fire} of them before the snapshot was complete |
| rounds (a job each: snapshot and stream under fire, peace, comparison) | {story.rounds} |
| rows compared with MySQL, each by read_committed and by read_uncommitted | {story.rows:,} |
| **differences** | **{len(story.differences)}** |
| takeovers | {story.takeovers} |
| from SIGKILL of the leader to its successor's first figures | {_spread(story.resumed_seconds)} |
| lag while under fire, as leaders published it | {_spread(story.lags_seconds)} |
| from the writers' rest to the last row in Kafka | {_spread(story.caught_up_seconds)} |

Writers: {writes}.

## Differences

{verdict}

## Faults

| fault | times |
|---|---|
{faults}
"""


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "not seen"
    ordered = sorted(seconds)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.95))
    return f"p50 {p50:.1f} s, p95 {p95:.1f} s, longest {ordered[-1]:.1f} s ({len(ordered)} seen)"
