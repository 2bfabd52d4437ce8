"""The demo, step by step: servers, programs, sample, jobs, topics, live changes, joins, and where to go from there."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace_local.layout import Layout
from headrace_local.stack import Programs, Stack, as_running, install
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from headrace_demo import changes, jobs, sample
from headrace_demo.closing import closing
from headrace_demo.fleet import fleet
from headrace_demo.history import History
from headrace_demo.place import Place, shown
from headrace_demo.reader import Expected, Reader, cleanup_policies, reading
from headrace_demo.screen import Screen

# A change takes a fraction of a second; a takeover by the other binlog worker, should it come now, some seconds.
ARRIVAL_TIMEOUT_S = 30.0
# What only stops programs must work whatever is installed.
_NO_PROGRAMS = Programs(Path(os.devnull), Path(os.devnull), Path(os.devnull))
_TOPICS = [topic for job in jobs.JOBS for topic in job.topics.values()]


def run(layout: Layout, screen: Screen) -> None:
    """Show everything. Raise StackError for the first thing that is not as it must be."""
    screen.part("MySQL, Kafka and Valkey")
    stack = _stack_up(layout)
    screen.part("headrace's programs: two binlog workers, two snapshot workers, and Flower")
    programs = fleet(Place(stack))
    programs.start()
    with sample.connected(stack.mysql) as connection:
        screen.part(f"The sample database {sample.DATABASE}")
        for sentence in sample.create_missing(connection) or ["it is there already"]:
            screen.say(sentence)
        screen.part("Three jobs")
        _submit(programs.place, screen)
        programs.check()
        with reading(stack.kafka.bootstrap, _TOPICS) as reader:
            screen.part("Their topics, read from the beginning")
            _show_topics(programs.place, connection, reader, screen)
            screen.part("Live changes, as a read_committed consumer sees them")
            _change(programs.place, connection, reader, screen)
    screen.part("Who does what now")
    _scheduler(programs.place, screen, ["status"])
    programs.check()
    screen.part("The topics are tables again: what Flink would join, without Flink")
    for join in jobs.JOINS:
        _scheduler(programs.place, screen, jobs.join_words(join))
    closing(programs, jobs.leaders(programs.place), screen)


def stop(layout: Layout) -> None:
    """End the demo's programs; the servers stay."""
    fleet(Place(Stack(as_running(layout), _NO_PROGRAMS))).stop()


def _stack_up(layout: Layout) -> Stack:
    """Start the servers that are down; those that run stay on their ports, whatever the environment says by now."""
    layout = as_running(layout)
    stack = Stack(layout, install(layout.install))
    stack.up()
    return stack


def _submit(place: Place, screen: Screen) -> None:
    screen.command(f". {shown(place.exports)}", "this stack's addresses, and headrace's programs, for a shell")
    for job in jobs.JOBS:
        _scheduler(place, screen, jobs.submit_words(job))


def _scheduler(place: Place, screen: Screen, arguments: list[str]) -> None:
    screen.command(" ".join([*jobs.scheduler_words(), *(_shell_word(word) for word in arguments)]))
    jobs.run_scheduler(place, arguments)


def _shell_word(word: str) -> str:
    return f'"{word}"' if " " in word else word


def _show_topics(place: Place, connection: "Connection[DictCursor]", reader: Reader, screen: Screen) -> None:
    rows = {table.name: sample.sample_rows(connection, table) for table in sample.TABLES}
    history = History(_expected(rows))
    for record in reader.to_end():
        history.add(record)
    # The newest changes of a user who types beside us may still be on their way.
    for record in reader.await_all(history.missing(), ARRIVAL_TIMEOUT_S, _where_to_look(place)):
        history.add(record)
    screen.topics(_TOPICS, cleanup_policies(place.stack.kafka.bootstrap, _TOPICS), history)
    count = sum(len(each) for each in rows.values())
    screen.say(
        f"Compared with MySQL: each of the {count} sample rows is the last value of its key in all three topics."
    )


def _expected(rows: Mapping[str, list[sample.Row]]) -> Iterator[Expected]:
    for job in jobs.JOBS:
        for table, topic in job.topics.items():
            for row in rows[table]:
                yield Expected(topic, sample.as_json({"id": row["id"]}), sample.as_json(row))


def _change(place: Place, connection: "Connection[DictCursor]", reader: Reader, screen: Screen) -> None:
    for change in changes.plan(connection):
        screen.change(change)
        sent_at = changes.commit(connection, change)
        records = reader.await_all(change.expected(), ARRIVAL_TIMEOUT_S, _where_to_look(place))
        screen.arrivals(records, sent_at)


def _where_to_look(place: Place) -> str:
    return f"see `scheduler status`, and the workers' logs: {shown(place.folder / '*' / 'server.log')}"
