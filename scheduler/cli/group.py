"""The click group: `--version`, `--help`, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from scheduler.cli import exits
from scheduler.cli.access import Access
from scheduler.cli.exits import Exit, exit_of
from scheduler.cli.output import Output
from shared.errors import HeadraceError

_EPILOG = f"""\b
Exit codes:
{exits.table()}

Servers are set by HEADRACE_* variables (HEADRACE_KAFKA_BOOTSTRAP_SERVERS, HEADRACE_REDIS_URL, ...); the defaults
fit the local stack. docs/cli.md explains every verb.
"""


def _version() -> str:
    try:
        return version("headrace")
    except PackageNotFoundError:
        return "(source tree)"


class Verbs(click.Group):
    """A group whose every way out has its exit code."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Runs a command and ends the process."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        sys.exit(int(self._run(words, Output(json="--json" in words), extra)))

    def _run(self, words: list[str], output: Output, extra: dict[str, Any]) -> int:
        try:
            code = super().main(words, **extra)
        except HeadraceError as error:
            output.error(error, exit_of(error))
            return exit_of(error)
        except click.Abort:
            output.note("Interrupted.")
            return Exit.INTERRUPTED
        except click.UsageError as error:
            usage = error.ctx.get_usage() if error.ctx else "Usage: scheduler --help"
            output.usage_error(error.format_message(), usage, Exit.REFUSED)
            return Exit.REFUSED
        except click.ClickException as error:
            output.usage_error(error.format_message(), "Usage: scheduler --help", Exit.REFUSED)
            return Exit.REFUSED
        return code if isinstance(code, int) else Exit.OK

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The verbs in the order in which a user meets them."""
        return list(self.commands)


@click.group(cls=Verbs, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="headrace")
@click.pass_context
def cli(context: click.Context) -> None:
    """Copy every table of a MySQL database into compacted Kafka topics, and keep them current.

    \b
    A first job:
      scheduler check  job.yaml            try everything, create nothing
      scheduler submit job.yaml --wait     start it and see it through the snapshot
      scheduler status                     what runs, who leads it, how far it is

    The work is done by `python -m workers.binlog` and `celery -A workers.app worker -Q snapshot -E`.
    """
    if context.obj is None:
        context.obj = Access.from_environment()
