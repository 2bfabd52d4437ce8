"""The three jobs of docs/examples, submitted by the real command line.

`scheduler` writes to our own stdout and stderr, so that a terminal shows its progress bars.
"""

import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace_local.console import StackError
from headrace_local.layout import REPOSITORY

from headrace_demo.place import Place, programs, shown

# The command says by itself what is missing; this only ends a wait that nobody would end.
_SUBMIT_TIMEOUT_S = 120.0
_STATUS_TIMEOUT_S = 60.0
_LEAVE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job file, and the topic of each table."""

    name: str
    topics: Mapping[str, str]

    @property
    def file(self) -> str:
        """Return the path of its file in the repository."""
        return f"docs/examples/{self.name}.yaml"


JOBS = (
    Job("whole-database", {"user": "order_dw.user", "order": "order_dw.order", "feedback": "order_dw.feedback"}),
    Job("renamed", {"user": "user1", "order": "order2", "feedback": "feedback3"}),
    Job("pattern", {"user": "topic_user", "order": "topic_order", "feedback": "topic_feedback"}),
)


#: What the topics are asked in SQL, as of tables of Flink with `key.fields-prefix` and `value.fields-prefix`.
JOINS = (
    "SELECT order_source.key_id AS order_id, value_product AS product, user_source.value_name AS user_name "
    "FROM order_source LEFT JOIN user_source ON order_source.value_user_id = user_source.key_id ORDER BY order_id",
    "SELECT feedback_source.key_id AS feedback_id, value_comment AS comment, user_source.value_name AS user_name "
    "FROM feedback_source LEFT JOIN user_source ON feedback_source.value_user_id = user_source.key_id "
    "ORDER BY feedback_id",
)


def scheduler_words() -> list[str]:
    """Return how a user in this environment calls the command line."""
    return ["scheduler"] if (programs() / "scheduler").exists() else ["python", "-m", "scheduler"]


def submit_words(job: Job) -> list[str]:
    """Return the arguments that submit a job and stay until its snapshot is complete."""
    return ["submit", job.file, "--wait"]


def join_words(join: str) -> list[str]:
    """Return the arguments that ask the topics of a job in SQL."""
    return ["sql", JOBS[1].name, join]


def run_scheduler(place: Place, arguments: Sequence[str], timeout_s: float = _SUBMIT_TIMEOUT_S) -> None:
    """Run the command line to its end, seen by the user."""
    child = subprocess.Popen(_command(arguments), cwd=REPOSITORY, env=place.environment())
    try:
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise _failed(place, arguments, f"did not end within {timeout_s:.0f} s") from None
    finally:
        _let_go(child)
    if code != 0:
        raise _failed(place, arguments, f"ended with {code}; its message is above")


def leaders(place: Place) -> dict[str, str]:
    """Return who leads each job."""
    arguments = ["status", "--json"]
    done = subprocess.run(
        _command(arguments),
        cwd=REPOSITORY,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=_STATUS_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise _failed(place, arguments, f"ended with {done.returncode}: {done.stderr.strip()}")
    return {job["job"]: job["leader"] for job in json.loads(done.stdout)}


def _let_go(child: "subprocess.Popen[bytes]") -> None:
    """See to it that the command has ended, and gives the terminal back in order."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            child.wait(_LEAVE_TIMEOUT_S)  # a Ctrl-C in the terminal has reached it as well
            return
        except subprocess.TimeoutExpired:
            child.send_signal(number)
    child.wait()


def _command(arguments: Sequence[str]) -> list[str]:
    words = scheduler_words()
    return [str(programs() / words[0]), *words[1:], *arguments]


def _failed(place: Place, arguments: Sequence[str], how: str) -> StackError:
    words = " ".join([*scheduler_words(), *arguments])
    logs = shown(place.folder / "binlog-*" / "server.log")
    return StackError(f"`{words}` {how}", f"mend that and run `make demo` again; the workers' logs: {logs}")
