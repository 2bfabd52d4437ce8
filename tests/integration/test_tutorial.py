"""docs/tutorial.md does what it says: its commands are run in one shell, as a reader would, and print what the page shows.

A block of `sh` is run. A block of `text` behind it is what it prints: `…` stands for anything, blanks are not counted. What only
looks is asked again until it shows what it should, as a reader would look twice: a change takes a moment to arrive.
"""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from headrace_local.server import running_ports

from tests.integration.test_job import execute
from tests.plugins.fix_servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "tutorial.md"
TOPICS = ("order_dw.user", "order_dw.order", "order_dw.feedback")
LOOKS = ("scheduler status", "scheduler peek", "scheduler sql", "python compose/local/client.py topic")
PATIENCE_SECONDS = 30

#: Runs what it reads between zero bytes, and says so.
LOOP = r"""
set -eu -o pipefail
exec 3<&0 < /dev/null
while IFS= read -r -d '' out <&3 && IFS= read -r -d '' block <&3; do
  eval "$block" > "$out" 2> "$out.err" 3<&-
  echo done
done
"""


@dataclass(frozen=True)
class Example:
    """Commands, and what they print; None where the page does not say."""

    commands: str
    prints: str | None

    @property
    def only_looks(self) -> bool:
        return self.commands.startswith(LOOKS)


def examples() -> list[Example]:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found: list[Example] = []
    for kind, text in blocks:
        if kind == "sh":
            found.append(Example(text, None))
        else:
            assert kind == "text" and found and found[-1].prints is None, f"not the output of a command: {text}"
            found[-1] = Example(found[-1].commands, text)
    return found


def squeezed(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines() if line.strip())


def fits(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in squeezed(shown).split("…"))
    return re.fullmatch(pattern, squeezed(printed), re.DOTALL) is not None


class Shell:
    """A bash in a process group of its own; what it leaves running ends with it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._count = 0
        self._popen = subprocess.Popen(
            ["bash", "-c", LOOP], cwd=REPOSITORY, env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, commands: str) -> str:
        """What the commands print; a command that fails fails the test."""
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._count += 1
        out = self._folder / f"{self._count}.out"
        self._popen.stdin.write(f"{out}\0{commands}\0")
        self._popen.stdin.flush()
        said = self._popen.stdout.readline()
        printed = out.read_text()
        assert said == "done\n", f"{commands}\n{printed}\n{Path(f'{out}.err').read_text()}"
        return printed

    def close(self) -> None:
        for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                self._popen.poll()
                try:
                    os.killpg(self._popen.pid, 0)
                except ProcessLookupError:
                    break
                time.sleep(0.1)
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def shell(mysql_server, kafka_server, redis_server, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose local stack is the session's servers: `make up` finds them running."""
    stack = mysql_server.directory.parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    ports = [running_ports(stack / name) for name in ("mysql", "kafka", "redis")]
    environment |= {name: str(port) for found in ports for name, port in found.items()}
    environment |= {
        "HEADRACE_STACK_DIR": str(stack),
        "HEADRACE_STACK_INSTALL_DIR": os.environ.get("HEADRACE_STACK_INSTALL_DIR", ""),
        "HEADRACE_REGISTRY_TOPIC": f"t{secrets.token_hex(4)}.registry",
        "COLUMNS": "120",
    }
    clean(mysql_server, kafka_server)
    one = Shell(tmp_path, environment)
    yield one
    one.close()
    clean(mysql_server, kafka_server)


def clean(mysql_server, kafka_server) -> None:
    """Other tests have tables and topics of these names."""
    execute(mysql_server, "DROP DATABASE IF EXISTS order_dw")
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    there = [topic for topic in TOPICS if topic in admin.list_topics(timeout=20).topics]
    for future in (admin.delete_topics(there) if there else {}).values():
        future.result(30)


@pytest.mark.timeout(300)
def test_the_tutorial_does_what_it_says(shell: Shell) -> None:
    page = examples()
    assert sum(example.prints is not None for example in page) >= 10
    for example in page:
        printed = shell.run(example.commands)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while example.prints and not fits(example.prints, printed):
            again = example.only_looks and time.monotonic() < deadline
            assert again, f"$ {example.commands}\n--- shown\n{example.prints}\n--- printed\n{printed}"
            time.sleep(0.3)
            printed = shell.run(example.commands)


def test_the_small_clients_say_what_is_wrong_in_one_sentence(shell: Shell) -> None:
    for command, words in (
        ('sql "SELEC 1"', "You have an error in your SQL syntax"),
        ('sql "SELECT 1; SELECT nothing"', "Unknown column 'nothing'"),
        ("topic no.such.topic", "Kafka has no topic no.such.topic"),
    ):
        code = f"{sys.executable} compose/local/client.py {command} 2>&1 && echo done || echo code $?"
        printed = shell.run(code)
        assert words in printed
        assert "Traceback" not in printed
        assert printed.endswith("code 1\n")
