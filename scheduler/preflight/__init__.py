"""Looks at MySQL and Kafka before a job is started, and says all that is wrong at once. docs/preflight.md has the list.

    report = run(spec)             what was found, and the plan
    print_report(report, console)  for people; as_json(report) for scripts

Laws of this room: it writes nothing anywhere; a check is one function with one subject; what a server does wrong is
a finding, never an exception.

Map: `run` calls `source` (MySQL) and `sink` (Kafka). `server`, `tables` and `grants` are the pure checks of the former.
"""

from scheduler.preflight.findings import Finding, Report, Severity
from scheduler.preflight.present import as_json, plan_to_json, print_plan, print_report
from scheduler.preflight.run import run
from scheduler.preflight.sink import wanted_topics

__all__ = [
    "Finding",
    "Report",
    "Severity",
    "as_json",
    "plan_to_json",
    "print_plan",
    "print_report",
    "run",
    "wanted_topics",
]
