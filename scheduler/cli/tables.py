"""The tables of jobs as the console knows them: what their state topics say, and where the topics are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.cli.access import Access
from scheduler.cli.jobs import Jobs
from scheduler.console.sources import Source
from shared.errors import HeadraceError, InvalidJob, Transient
from shared.model.job import Wanted


@dataclass(slots=True)
class Tables:
    """Tables, and the client options of each job's cluster; `notes` says which jobs could not be looked at."""

    sources: list[Source] = field(default_factory=list)
    clusters: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False)  # may hold secrets
    notes: list[str] = field(default_factory=list)


def tables_of(access: Access, jobs: Jobs, name: str | None) -> Tables:
    """The tables of one job, or without a name those of all jobs that were not cancelled.

    Raises:
        InvalidJob: there is no such job, or it has no tables yet.
        HeadraceError: that job cannot be looked at. Of all jobs, one that cannot becomes a note.
    """
    found = Tables()
    if name is not None:
        _add(access, jobs.get(name), found)
        if not found.sources:
            raise InvalidJob(
                f"Job `{name}` has no tables yet, or no more.", f"See what it does: scheduler status {name}."
            )
        return found
    for wanted in jobs.all():
        if jobs.is_over(wanted):
            continue
        try:
            _add(access, wanted, found)
        except Transient:
            raise
        except HeadraceError as error:
            found.notes.append(f"Job {wanted.name} is left out. {error}")
    return found


def _add(access: Access, wanted: Wanted, found: Tables) -> None:
    options = access.sink_options(wanted)
    stored = access.stored(wanted, options)
    try:
        state = stored.read()
    finally:
        stored.close()
    spelling = access.format_options(wanted)
    found.clusters[wanted.name] = options
    for record in state.tables.values() if state else ():
        shown = spelling.shown(record.table)
        found.sources.append(
            Source(wanted.name, shown, record.topic, spelling, live=record.live, shard_key=record.shard_key)
        )
