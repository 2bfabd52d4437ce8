"""Where the demo's files are, and the environment in which headrace's programs and the user's shell find the stack.

The law: a daemon sees the settings of this file and no HEADRACE_* variable of the shell that ran the demo, so that a
shell which points at another cluster cannot send the demo there.
"""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from headrace_local.layout import REPOSITORY
from headrace_local.mysql import HEADRACE_PASSWORD, HEADRACE_USER
from headrace_local.stack import Stack, exports

# Programs that the demo starts read these as well: Flower turns every FLOWER_* variable into an option.
_FOREIGN_PREFIXES = ("HEADRACE_", "FLOWER_", "CELERY_")


@dataclass(frozen=True, slots=True)
class Place:
    """One stack as headrace's programs see it."""

    stack: Stack

    @property
    def folder(self) -> Path:
        """Return the folder of the demo's daemons, with their logs and pid files."""
        return self.stack.layout.stack / "headrace"

    @property
    def variables(self) -> Path:
        """Return the folder of the placeholders whose values are secrets: a file for each."""
        return self.folder / "vars"

    @property
    def exports(self) -> Path:
        """Return the file that a user's shell reads."""
        return self.folder / "env"

    def settings(self) -> dict[str, str]:
        """Return the HEADRACE_* variables of every program of this stack."""
        mysql = self.stack.mysql
        return {
            "HEADRACE_REDIS_URL": self.stack.redis.url,
            "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": self.stack.kafka.bootstrap,
            "HEADRACE_VAR_HOSTNAME": mysql.host,
            "HEADRACE_VAR_PORT": str(mysql.port),
            "HEADRACE_VAR_USERNAME": HEADRACE_USER,
            "HEADRACE_VAR_BOOTSTRAP": self.stack.kafka.bootstrap,
            "HEADRACE_VARS_DIR": str(self.variables),
        }

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a program of ours."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
        # Daemons run in folders of their own, and headrace need not be installed in this Python.
        return inherited | self.settings() | {"PYTHONPATH": str(REPOSITORY)}

    def prepare(self) -> None:
        """Write the secret's file, and the file that makes a user's shell fit this stack."""
        self.variables.mkdir(parents=True, exist_ok=True)
        write_secret(self.variables / "password", HEADRACE_PASSWORD)
        lines = [*exports(self.stack)]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in self.settings().items()]
        lines.append(f'export PATH={shlex.quote(str(programs()))}:"$PATH"')
        self.exports.write_text("".join(f"{line}\n" for line in dict.fromkeys(lines)))


def programs() -> Path:
    """Return the folder of this Python's programs; not resolved, since a venv's python is a link out of it."""
    return Path(sys.executable).parent


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody else on the machine may read."""
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")


def shown(path: Path) -> str:
    """Return the path as a user would type it here; `make demo` runs in the repository."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
