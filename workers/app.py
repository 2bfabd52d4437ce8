"""The Celery app of the command line: `celery -A workers.app worker -Q snapshot -E`. Nobody imports this module."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging

from shared import settings as settings_module
from shared.codec import implementation
from shared.runtime import logs
from shared.runtime.celery_app import beat_in_loop, make_app
from shared.runtime.codecs import announce
from shared.runtime.liveness import LOOP_SECONDS, Heart
from workers import tasks

_SETTINGS = settings_module.load()

# Before anything else: a codec that is not there must end the worker, not every task.
_CODEC = implementation(_SETTINGS.codec)

app = make_app(_SETTINGS)
tasks.register(app, _SETTINGS, _CODEC)
beat_in_loop(app, Heart(_SETTINGS.liveness_dir, "loop", LOOP_SECONDS))


@setup_logging.connect  # type: ignore[untyped-decorator]
def _configure_logging(**_: Any) -> None:
    logs.configure(_SETTINGS)
    announce(_CODEC, _SETTINGS)
