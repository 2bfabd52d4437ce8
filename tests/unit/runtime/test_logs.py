"""Every line has one form, says what it is about, and shows no variable of a frame."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.runtime import logs
from shared.settings import Settings

SECRET = "pa55" + "word"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process's own."""
    root = logging.getLogger()
    before = root.handlers, root.level, sys.excepthook, threading.excepthook
    yield
    root.handlers, level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    logs._ABOUT.clear()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def fail() -> None:
    password = SECRET
    raise ZeroDivisionError(f"{len(password)} / 0")


def test_lines_of_ours_and_of_libraries_are_json_with_the_same_keys(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    with logs.bound(job="orders", chunk="d.t#1"):
        logs.get("headrace.x").info("chunk_read", rows=3)
        logging.getLogger("celery.worker").warning("lost %s", "é")
    logging.getLogger("celery.worker").info("later")
    ours, theirs, later = lines(capsys)
    assert (ours["event"], ours["rows"], ours["job"], ours["chunk"]) == ("chunk_read", 3, "orders", "d.t#1")
    assert (ours["level"], ours["logger"]) == ("info", "headrace.x")
    assert (theirs["event"], theirs["logger"], theirs["job"]) == ("lost é", "celery.worker", "orders")
    assert set(ours) - {"rows"} == set(theirs)
    assert "job" not in later


def test_what_a_process_is_about_is_in_every_line_of_every_thread(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    logs.of_process(job="orders")
    log = logs.get("headrace.x")
    with logs.bound(table="d.t"):
        for work in (lambda: log.info("alone"), logs.inherited(lambda: log.info("inherited"))):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    alone, inherited = lines(capsys)
    assert (alone["job"], alone.get("table")) == ("orders", None)
    assert (inherited["job"], inherited["table"]) == ("orders", "d.t")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_variables(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    logs.configure(Settings(log_format=log_format))
    try:
        fail()
    except ZeroDivisionError:
        logging.getLogger("celery.app.trace").exception("Task failed")
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    said = capsys.readouterr().err
    assert said.count("ZeroDivisionError: 8 / 0") == 3
    assert said.count('raise ZeroDivisionError(f"{len(password)} / 0")') == 3 if log_format == "text" else True
    assert SECRET not in said
    if log_format == "json":
        task, process, of_thread = map(json.loads, said.splitlines())
        assert [one["event"] for one in (task, process, of_thread)] == [
            "Task failed",
            "process_failed",
            "thread_failed",
        ]
        assert all("fail" in one["exception"] for one in (task, process, of_thread))


def test_warnings_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", UserWarning, stacklevel=1)
    (line,) = lines(capsys)
    assert line["logger"] == "py.warnings"
    assert "UserWarning: old" in line["event"]


def test_secrets_in_settings_stay_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(log_format="json", redis_url=f"redis://:{SECRET}@h:1/0")  # type: ignore[arg-type]
    logs.configure(settings)
    logs.get("headrace.x").info("starts", settings=settings, redis=settings.redis_url)
    assert SECRET not in capsys.readouterr().err
