"""The local stack's command line: real MySQL, Kafka and Valkey on this machine, without containers.

    python compose/local/stack.py up        install what is missing, start what is not running
    python compose/local/stack.py status    what runs where (exit code 1 unless all servers answer)
    eval "$(python compose/local/stack.py env)"
    python compose/local/stack.py down      stop the servers; the data stays

Folders and ports: HEADRACE_STACK_DIR, HEADRACE_STACK_INSTALL_DIR, HEADRACE_STACK_MYSQL_PORT,
HEADRACE_STACK_KAFKA_PORT, HEADRACE_STACK_KAFKA_CONTROLLER_PORT, HEADRACE_STACK_REDIS_PORT.
"""

import argparse
import os
import sys
from pathlib import Path

from headrace_local.console import StackError, say
from headrace_local.layout import Layout, from_environment
from headrace_local.stack import Programs, Stack, as_running, exports, install

# Commands that start nothing must work before anything is installed.
_NO_PROGRAMS = Programs(Path("/nonexistent"), Path("/nonexistent"), Path("/nonexistent"))


def _up(layout: Layout) -> int:
    stack = Stack(layout, install(layout.install))
    stack.up()
    say(f"up; data and logs are in {layout.stack}")
    return 0


def _down(layout: Layout) -> int:
    Stack(as_running(layout), _NO_PROGRAMS).down()
    return 0


def _status(layout: Layout) -> int:
    servers = Stack(as_running(layout), _NO_PROGRAMS).servers
    for server in servers:
        state = "down"
        if server.running:
            state = f"{'up' if server.ready else 'starting'}, pid {server.pid}"
        print(f"{server.name:<6} {server.host}:{server.port:<6} {state}  {server.log}")
    return 0 if all(server.running and server.ready for server in servers) else 1


def _env(layout: Layout) -> int:
    for line in exports(Stack(as_running(layout), _NO_PROGRAMS)):
        print(line)
    return 0


def _install(layout: Layout) -> int:
    install(layout.install)
    say(f"installed in {layout.install}")
    return 0


_COMMANDS = {"up": _up, "down": _down, "status": _status, "env": _env, "install": _install}


def main() -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(description="Real MySQL, Kafka and Valkey, without containers.")
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("--dir", type=Path, help="folder of data, logs and pid files")
    arguments = parser.parse_args()
    try:
        return _COMMANDS[arguments.command](from_environment(os.environ, arguments.dir))
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
