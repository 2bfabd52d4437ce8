"""A real Flink in a process of its own: statements in, rows out.

Its jars come from Maven's repository once, into the folder of the local stack's programs; the small Java program that
runs the statements is compiled beside them.
"""

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace_local.console import run
from headrace_local.installed import install_once
from headrace_local.java import find_compiler, find_java, install_java
from headrace_local.layout import default_install
from headrace_local.maven import LOG4J, copy_jars

FLINK = "1.20.1"
_NAME = f"flink-{FLINK}-sql"
_ARTIFACTS = (
    "org.apache.flink:flink-connector-kafka:3.4.0-1.20",
    f"org.apache.flink:flink-connector-base:{FLINK}",
    f"org.apache.flink:flink-json:{FLINK}",
    f"org.apache.flink:flink-clients:{FLINK}",
    f"org.apache.flink:flink-table-planner-loader:{FLINK}",
    f"org.apache.flink:flink-table-runtime:{FLINK}",
    f"org.apache.flink:flink-table-api-java-bridge:{FLINK}",
    LOG4J,
)
_SOURCE = Path(__file__).parent / "flink_sql" / "FlinkSql.java"
# Java 17 shuts what Flink's serializers look into.
_OPENS = ("lang", "util", "util.concurrent", "time", "net", "io", "nio", "math", "text")
_SETTINGS = {
    "execution.target": "local",
    "parallelism.default": 1,
    "restart-strategy.type": "none",  # what fails shall be told of, not tried for ever
    "rest.port": 0,
    "rest.bind-port": 0,
    "table.local-time-zone": "UTC",
    "taskmanager.memory.network.min": "16m",
    "taskmanager.memory.network.max": "16m",
    "taskmanager.memory.managed.size": "32m",
}
_LOG = """\
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c{1})%n%throwable{short.message}
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
"""


def install_flink() -> Path:
    """The folder of Flink's jars and of our compiled program, made first if it is missing."""
    folder = default_install(os.environ)
    install_java(maven=not (folder / _NAME).is_dir(), compiler=True)
    return install_once(folder, _NAME, lambda target, work: copy_jars(f"Flink {FLINK}", _ARTIFACTS, target, work))


class Flink:
    """One Java process with one session; print tables write to `printed`."""

    def __init__(self, folder: Path) -> None:
        jars, compiler = install_flink(), find_compiler()
        assert compiler is not None
        run(
            [compiler, "--release", "17", "-cp", f"{jars}/*", "-d", str(folder), str(_SOURCE)],
            what="compiling a Java program for Flink",
            hint=f"remove {jars} to install Flink again",
        )
        (folder / "log4j2.properties").write_text(_LOG)
        settings = folder / "flink.properties"
        settings.write_text("".join(f"{name}={value}\n" for name, value in _SETTINGS.items()))
        self.log = folder / "flink.log"
        self.printed: list[str] = []
        self._answers: list[str] = []
        self._told = threading.Condition()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    find_java(),
                    "-Xmx1g",
                    "-XX:TieredStopAtLevel=1",
                    f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
                    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENS),
                    "-cp",
                    f"{folder}:{jars}/*",
                    "FlinkSql",
                    str(settings),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "TZ": "UTC"},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def execute(self, statement: str, seconds: float = 90) -> list[tuple[str, list[Any]]]:
        """Runs one statement; the rows of a SELECT, each with its kind."""
        assert self._process.stdin is not None
        self._process.stdin.write(base64.b64encode(statement.strip().rstrip(";").encode()) + b"\n")
        self._process.stdin.flush()
        rows = []
        while True:
            kind, _, rest = self._answer(statement, seconds).partition(" ")
            if kind == "@row":
                change, values = json.loads(rest)
                rows.append((change, values))
            elif kind == "@error":
                raise AssertionError(f"{json.loads(rest)}\n{statement}")
            else:
                return rows

    def changelog(self, table: str) -> Counter[str]:
        """What a print table holds: its changes, added up."""
        rows: Counter[str] = Counter()
        for line in list(self.printed):
            name, _, change = line.partition("> ")
            if name == table:
                rows[change[3:-1]] += 1 if change.startswith("+") else -1
        return +rows

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self._alive(what)
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.printed}\n{self._tail()}"
            time.sleep(0.1)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(20)
        self._reader.join(20)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _answer(self, statement: str, seconds: float) -> str:
        with self._told:
            told = self._told.wait_for(lambda: self._answers or self._process.poll() is not None, seconds)
            if not (told and self._answers):
                raise AssertionError(f"no answer within {seconds} s: {statement}\n{self._tail()}")
            return self._answers.pop(0)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode().rstrip("\n")
            with self._told:
                (self._answers if line.startswith("@") else self.printed).append(line)
                self._told.notify_all()
        with self._told:
            self._told.notify_all()

    def _alive(self, what: str) -> None:
        assert self._process.poll() is None, f"Flink ended: {what}\n{self._tail()}"

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


def statements(text: str) -> list[str]:
    """The statements of a script as `scheduler ddl` prints it."""
    return [statement for statement in text.split(";\n") if statement.strip()]


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
