"""A peer's Java program: started, watched, ended; in a folder of its own that is gone afterwards."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace_local.java import find_java

from tests.bench.span import NotMeasured
from tests.plugins.fix_headrace import LOGS, REPOSITORY

HEAP_MB = 2048
_STOP_SECONDS = 60
_LOG_SECONDS = 2
_ERROR_CHARACTERS = 200
_LOG4J = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c{1})%n%throwable{short.message}
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
"""


class Program:
    """At most one Java process at a time, and the files that it keeps between two starts."""

    def __init__(self, name: str, given_up: str = "") -> None:
        """`given_up` is what a program logs that has failed and does not end."""
        self.name = name
        self._given_up = given_up
        self._looked = 0.0
        self.folder = REPOSITORY / ".local" / "bench-work" / f"{name}-{secrets.token_hex(3)}"
        self.folder.mkdir(parents=True)
        (self.folder / "log4j2.properties").write_text(_LOG4J)
        self._process: subprocess.Popen | None = None
        self._log = LOGS / f"bench-{name}.log"

    def write(self, name: str, properties: dict[str, object]) -> Path:
        """Writes a file of Java properties."""
        path = self.folder / name
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        return path

    def start(self, class_path: Sequence[Path], words: Sequence[str], options: Sequence[str] = ()) -> None:
        """Starts the program; each start has a log of its own."""
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"bench-{self.name}-{secrets.token_hex(3)}.log"
        heap = (f"-Xms{HEAP_MB}m", f"-Xmx{HEAP_MB}m")
        log4j = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        path = ":".join(map(str, class_path))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [find_java(), *heap, log4j, *options, "-cp", path, *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pids(self) -> list[int]:
        return [self._process.pid] if self._process is not None and self._process.poll() is None else []

    def says(self, text: str) -> bool:
        return text in self._log.read_text(errors="replace")

    def alive(self) -> None:
        """Raises NotMeasured, with the log's last error, when the program has ended or says that it has given up."""
        if self._process is not None and self._process.poll() is not None:
            raise NotMeasured(f"{self.name} ended: {self._last_error()}")
        # Its log is long, and this is asked many times a second.
        if self._given_up and time.monotonic() - self._looked > _LOG_SECONDS:
            self._looked = time.monotonic()
            if self.says(self._given_up):
                raise NotMeasured(f"{self.name} gave up: {self._last_error()}")

    def wait(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.alive()
            if time.monotonic() > deadline:
                raise NotMeasured(f"{self.name}: not within {seconds:.0f} s: {what}; {self._last_error()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM, which lets it keep its position; SIGKILL when it does not end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_error(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        told = [line for line in lines if "ERROR" in line or "Caused by" in line]
        return (told or lines or ["its log is empty"])[-1].strip()[:_ERROR_CHARACTERS]
