"""`make demo`: headrace at work on the local stack, in less than a minute.

    python compose/local/demo.py [run]    start what is not running, submit the example jobs, change rows, show it all
    python compose/local/demo.py stop     end the programs that `run` has started; the servers stay

`run` leaves everything up, and may be run again. Folders and ports: as for stack.py, and HEADRACE_STACK_FLOWER_PORT.
"""

import argparse
import os
import sys

from headrace_local.console import StackError
from headrace_local.layout import from_environment


def main() -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(description="headrace at work on the local stack.")
    parser.add_argument("command", choices=("run", "stop"), nargs="?", default="run")
    arguments = parser.parse_args()
    try:
        # A second of Kafka's, MySQL's and rich's code, in which Ctrl-C should end us as well as later.
        from headrace_demo import show
        from headrace_demo.screen import Screen

        layout = from_environment(os.environ)
        if arguments.command == "stop":
            show.stop(layout)
        else:
            show.run(layout, Screen())
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was started goes on. `make demo` goes on from there, `make down` stops it",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
