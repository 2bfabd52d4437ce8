"""The Celery app of the command line: `celery -A workers.app worker -Q snapshot -E`. Nobody imports this module."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from celery import signals

from shared import settings as settings_module
from shared.codec import implementation
from shared.runtime import logs, metrics
from shared.runtime.celery_app import beat_in_loop, make_app
from shared.runtime.codecs import announce
from shared.runtime.exposition import Port
from shared.runtime.liveness import LOOP_SECONDS, Heart
from workers import tasks

_SETTINGS = settings_module.load()

# Before anything else: a codec that is not there must end the worker, not every task.
_CODEC = implementation(_SETTINGS.codec)

app = make_app(_SETTINGS)
tasks.register(app, _SETTINGS, _CODEC)
beat_in_loop(app, Heart(_SETTINGS.liveness_dir, "loop", LOOP_SECONDS))

#: Of the worker's first process; those that it forks join it.
_PORT = Port(_SETTINGS)


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _configure_logging_early(**_: Any) -> None:
    """Celery warns of what it sees before it sets up logging."""
    logs.configure(_SETTINGS)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _configure_logging(**_: Any) -> None:
    logs.configure(_SETTINGS)
    announce(_CODEC, _SETTINGS)


@signals.celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def _begin(instance: Any, **_: Any) -> None:
    """Logging is set up, and no process was forked yet."""
    instance.quiet = instance.quiet or _SETTINGS.log_format == "json"  # its banner on stdout is for people
    metrics.BUILD.labels(version("headrace"), _CODEC.name).set(1)
    _PORT.open()


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _join(**_: Any) -> None:
    _PORT.join()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _leave(**_: Any) -> None:
    _PORT.leave()


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _close_port(**_: Any) -> None:
    _PORT.close()
