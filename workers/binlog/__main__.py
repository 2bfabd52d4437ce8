"""`python -m workers.binlog`: a binlog worker. With `--lead JOB` (its own child processes only): one tenure of a job."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from io import FileIO
from queue import SimpleQueue

import click
import orjson

from shared import clock
from shared import settings as settings_module
from shared.adapters.kafka.registry import Registry
from shared.adapters.redis import client as redis_client
from shared.adapters.redis import progress
from shared.adapters.redis.lease import Leases
from shared.codec import Codec, implementation
from shared.errors import HeadraceError, Superseded, Unavailable, policy_of
from shared.model.job import Desire, End, Outcome, Wanted
from shared.runtime import collector, connections, logs, metrics
from shared.runtime.codecs import announce
from shared.runtime.exposition import Membership, Port
from shared.settings import Settings
from workers.binlog.context import JobContext
from workers.binlog.opening import close_job
from workers.binlog.supervisor import EXIT_AGAIN, EXIT_DONE, Supervisor, worker_name
from workers.binlog.tenure import Tenure

LOG = logs.get("headrace.binlog")


@click.command()
@click.option("--lead", metavar="JOB", hidden=True, help="Lead one job; used by the worker for its children.")
@click.option("--holder", metavar="NAME", hidden=True, help="The worker's name in leases.")
@click.option(
    "--metrics", "address", metavar="SOCKET", default="", hidden=True, help="Where the worker asks for metrics."
)
def main(lead: str | None, holder: str | None, address: str) -> None:
    """Streams the binlog of every job that this worker comes to lead; start two or more for failover.

    Configured by HEADRACE_* variables (docs/configuration.md). Ends on SIGTERM or Ctrl-C.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings: Settings | None = None
    try:
        settings = settings_module.load()
        logs.configure(settings)
        if lead is not None:
            logs.of_process(job=lead)
        codec = implementation(settings.codec)
        announce(codec, settings)
        if lead is None:
            _supervise(settings, codec, stop)
        else:
            with Membership(address):
                code = _lead(settings, codec, lead, holder or worker_name(settings), stop)
            sys.exit(code)
    except HeadraceError as error:
        if settings is not None and settings.log_format == "json":
            LOG.critical("worker_failed", error=error.name, reason=error.message, hint=error.hint)
        else:
            click.echo(f"error: {error.name}: {error}", err=True)
        sys.exit(3 if policy_of(type(error)).retried else 2)


def _supervise(settings: Settings, codec: Codec, stop: threading.Event) -> None:
    metrics.BUILD.labels(version("headrace"), codec.name).set(1)
    with Port(settings) as port:
        Supervisor(settings, worker_name(settings), stop, port.address).run()


def _lead(settings: Settings, codec: Codec, name: str, holder: str, stop: threading.Event) -> int:
    """One tenure; its end is told by the exit code, and a final one in the registry."""
    parent = os.getppid()
    collector.relax()
    with connections.open_registry(settings) as registry:
        registry.refresh()
        wanted = registry.wanted.get(name)
        if wanted is None:
            return EXIT_DONE
        try:
            context = JobContext(settings, codec, wanted, connections.resolve(wanted, dict(os.environ)))
            if wanted.desire is Desire.CANCELLED:
                close_job(context)
                registry.write(Outcome(name, wanted.revision, End.CANCELLED))
            else:
                # A child whose parent was killed must not lead on unseen.
                stopped = lambda: stop.is_set() or os.getppid() != parent  # noqa: E731
                if Tenure(context, holder, stopped, _throttle_changes()).run():
                    registry.write(Outcome(name, wanted.revision, End.FINISHED))
        except HeadraceError as error:
            return _ended(settings, registry, wanted, holder, error)
    return EXIT_DONE


def _throttle_changes() -> SimpleQueue[Mapping[str, str]]:
    """What the parent writes to our standard input, a line for each change of the throttle."""
    changes: SimpleQueue[Mapping[str, str]] = SimpleQueue()

    def listen() -> None:
        # Not sys.stdin's own buffer: at the process's end the interpreter wants its lock, which a thread that waits
        # for a line would hold, and aborts.
        for line in FileIO(sys.stdin.fileno(), closefd=False):
            changes.put(orjson.loads(line))

    threading.Thread(target=listen, name="throttle", daemon=True).start()
    return changes


def _ended(settings: Settings, registry: Registry, wanted: Wanted, holder: str, error: HeadraceError) -> int:
    if not policy_of(type(error)).retried and not _still_leads(settings, holder, wanted.name):
        error = Superseded(f"Another binlog worker leads the job by now. This one met {error.name}: {error.message}")
    LOG.error("tenure_failed", error=error.name, reason=error.message, hint=error.hint)
    metrics.count_error(wanted.name, error)
    if policy_of(type(error)).retried:
        _publish(settings, wanted, error)
    else:
        with suppress(Unavailable):
            registry.write(Outcome(wanted.name, wanted.revision, End.FAILED, error.name, error.message, error.hint))
            return EXIT_DONE
    return EXIT_AGAIN


def _still_leads(settings: Settings, holder: str, job: str) -> bool:
    """False when another worker has the lease. What a process meets that was taken for dead may be what its successor has done since,
    such as topics that have rows, and ends no job.
    """
    with suppress(Unavailable):
        client = redis_client.connect(settings.redis_url.get_secret_value())
        return Leases(client, holder, settings.lease_seconds).lead(job)
    return True  # nobody knows


def _publish(settings: Settings, wanted: Wanted, error: HeadraceError) -> None:
    """Tells those who look at the job, which may never come so far as to show figures. Of who took over nothing is wrong."""
    if isinstance(error, Superseded):
        return
    told = {"name": error.name, "message": error.message, "hint": error.hint}
    with suppress(Unavailable):
        client = redis_client.connect(settings.redis_url.get_secret_value())
        progress.publish_failure(client, wanted.name, told | {"job_id": wanted.id, "at": clock.unix_seconds()})


if __name__ == "__main__":
    main()
