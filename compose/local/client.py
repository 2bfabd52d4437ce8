"""A MySQL client and a Kafka consumer for the local stack, on machines that have neither `mysql` nor `kcat`.

    python compose/local/client.py sql "UPDATE order_dw.user SET name = 'Tim' WHERE id = 1"
    python compose/local/client.py sql < statements.sql
    python compose/local/client.py topic order_dw.user

`sql` runs statements as MySQL's root, one after the other, and prints rows with tabs between their columns. `topic` prints
what is committed by now, from the beginning, partition by partition: key, tab, value. Folders and ports: as for stack.py.
"""

import argparse
import os
import sys

from headrace_local.console import StackError
from headrace_local.layout import from_environment


def main() -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(description="A MySQL client and a Kafka consumer for the local stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    sql = commands.add_parser("sql", help="run statements as root")
    sql.add_argument("statements", nargs="?", help="separated by semicolons; without them stdin is read")
    topic = commands.add_parser("topic", help="print what a topic holds")
    topic.add_argument("name")
    arguments = parser.parse_args()
    try:
        # A second of Kafka's and MySQL's code, in which Ctrl-C should end us as well as later.
        from headrace_demo import clients

        stack = clients.running(from_environment(os.environ))
        if arguments.command == "sql":
            text = sys.stdin.read() if arguments.statements is None else arguments.statements
            lines = clients.run_sql(stack.mysql, text)
        else:
            lines = clients.read_topic(stack.kafka.bootstrap, arguments.name)
        for line in lines:
            print(line)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
