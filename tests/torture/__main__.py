"""`make torture MINUTES=30`: real servers under random faults; exit code 1 when a topic is not its table.

python -m tests.torture [--minutes M] [--faults N] [--seed S] [--source SOURCE] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import signal
import sys
from pathlib import Path

from tests.plugins import fix_servers  # noqa: F401 - makes the local stack importable
from tests.torture.campaign import run
from tests.torture.place import SOURCES, own_place
from tests.torture.report import report


def main() -> int:
    """Runs a campaign and prints its report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--faults", type=int, default=0, help="goes on past the minutes until so many have hit")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--source", choices=SOURCES, default="mysql", help="what the rows come from")
    parser.add_argument("--out", type=Path, help="also writes the report into this file")
    arguments = parser.parse_args()
    with own_place(arguments.source) as place:
        story = run(place, arguments.seed, arguments.minutes, arguments.faults)
    asked = f"--minutes {arguments.minutes:g} --faults {arguments.faults} --seed {arguments.seed}"
    asked += f" --source {arguments.source}"
    command = f"python -m tests.torture {asked}"
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    text = report(story, command, machine)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 1 if story.differences else 0


if __name__ == "__main__":
    sys.exit(main())
