"""The Celery app of the command line: `celery -A workers.app worker -Q snapshot -E`. Nobody imports this module."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging

from shared import settings as settings_module
from shared.runtime import logs
from shared.runtime.celery_app import make_app
from shared.runtime.codecs import chosen
from workers import tasks

_SETTINGS = settings_module.load()

app = make_app(_SETTINGS)
tasks.register(app, _SETTINGS)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _configure_logging(**_: Any) -> None:
    logs.configure(_SETTINGS)
    chosen(_SETTINGS)
