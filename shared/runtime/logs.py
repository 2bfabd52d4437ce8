"""Logging: one line an event, an event name and fixed keys; text for people or JSON for machines. Goes to stderr."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from shared.settings import Settings

#: Libraries that log what an operator need not read at INFO.
_QUIET = ("headrace.kafka", "kombu", "amqp", "celery.redirected")


def configure(settings: Settings) -> None:
    """Sets up structlog and the standard library's logging alike."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a program part."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
