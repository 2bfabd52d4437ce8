"""Logging: one line an event, an event name and fixed keys; text for people or JSON for machines. Goes to stderr.

Keys that recur: `job`, `table`, `chunk`, `gtid` (a set of them). Who works for one job or chunk says so once, by `of_process` or
`bound`, and each line then has it, also those of libraries.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import structlog

from shared.settings import Settings

#: Libraries that log what an operator need not read at INFO.
_QUIET = ("headrace.kafka", "kombu", "amqp", "celery.redirected")

#: What all lines of this process are about.
_ABOUT: dict[str, Any] = {}


def configure(settings: Settings) -> None:
    """Sets up structlog and the standard library's logging alike, and what nobody caught."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_what_the_process_is_about,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings.log_format)],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it shows each statement that it does not know
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _log_what_ended_the_process
    threading.excepthook = _log_what_ended_a_thread


def _rendering(log_format: str) -> list[Any]:
    """Tracebacks are plain in both forms. What structlog takes otherwise shows the variables of each frame, passwords too."""
    if log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a program part."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def of_process(**about: Any) -> None:
    """From now on every line of this process has these keys."""
    _ABOUT.update(about)


def bound(**about: Any) -> AbstractContextManager[None]:
    """Lines that are logged inside have these keys. A thread that is started inside has them by `inherited`."""
    return structlog.contextvars.bound_contextvars(**about)


def inherited(work: Callable[[], None]) -> Callable[[], None]:
    """The same work for another thread, with the keys that are bound here and now."""
    context = contextvars.copy_context()
    return lambda: context.run(work)


def _add_what_the_process_is_about(
    logger: Any,  # noqa: ARG001 - structlog's signature
    method: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    for key, value in _ABOUT.items():
        event.setdefault(key, value)
    return event


def _log_what_ended_the_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        get("headrace").critical("process_failed", error=kind.__name__, exc_info=(kind, error, trace))


def _log_what_ended_a_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        told = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        name = failed.thread.name if failed.thread else ""
        get("headrace").critical("thread_failed", thread=name, error=failed.exc_type.__name__, exc_info=told)
