"""Entry point of `scheduler` and `python -m scheduler`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs one command and ends the process with its exit code."""
    try:
        # Loading the commands takes most of a second; Ctrl-C in that time should end like any other.
        from scheduler.cli import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main(prog_name="scheduler")


if __name__ == "__main__":
    main()
