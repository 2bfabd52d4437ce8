"""Entry point of `scheduler` and `python -m scheduler`."""

from __future__ import annotations

from scheduler.cli import cli


def main() -> None:
    """Runs one command and ends the process with its exit code."""
    cli.main(prog_name="scheduler")


if __name__ == "__main__":
    main()
