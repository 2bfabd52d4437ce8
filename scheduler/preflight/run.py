"""All checks of a job, and its plan when they pass.

Law of this file: every check that can run does run, so that a user mends everything at once; nothing is written
anywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from scheduler.planner import make_plan
from scheduler.preflight.findings import Finding, Report
from scheduler.preflight.sink import check_sink
from scheduler.preflight.source import check_source
from shared.job.spec import JobSpec


def run(spec: JobSpec, *, owned_topics: Collection[str] = (), state_topic: str = "") -> Report:
    """Check everything that the job needs.

    Args:
        spec: the job, with its placeholders resolved.
        owned_topics: topics that this very job has filled already, which therefore need not be empty.
        state_topic: a name as the job's state topic may have; empty to leave its ACLs unchecked.

    Raises:
        Bug: a law of the program is broken; anything else becomes a finding.
    """
    source = check_source(spec)
    found = [*source.findings, *check_sink(spec, list(source.topics.values()), owned_topics, state_topic)]
    findings = tuple(_located(finding, spec) for finding in found)
    if any(finding.is_error for finding in findings):
        return Report(findings, None, source.facts)
    plan = make_plan(source.tables, source.topics, source.estimates, spec.source.chunk_rows, spec.pipeline.parallelism)
    return Report(findings, plan, source.facts)


def _located(finding: Finding, spec: JobSpec) -> Finding:
    """The same with the file and line of its option; errors of the job file carry them already."""
    line = spec.lines.get(finding.path)
    if line is None or f"({spec.file}" in finding.message:
        return finding
    return replace(finding, message=f"{finding.message.removesuffix('.')} ({spec.file}:{line}).")
