"""The last screen: where everything is, and what to try next. Commands are made to be copied into a shell."""

import shlex
import shutil
from collections.abc import Mapping

from headrace_local.java import find_java
from headrace_local.kafka import KAFKA_VERSION
from headrace_local.mysql import HEADRACE_USER, ROOT_USER

from headrace_demo.fleet import FLOWER_USER, Fleet
from headrace_demo.jobs import JOBS, scheduler_words
from headrace_demo.place import Place, shown
from headrace_demo.sample import DATABASE
from headrace_demo.screen import Screen

_CHANGE = "UPDATE user SET name = 'Thomas' WHERE id = 1"
_TOPIC = JOBS[1].topics["user"]


def closing(fleet: Fleet, leaders: Mapping[str, str], screen: Screen) -> None:
    """Print the screen."""
    place = fleet.place
    mysql, kafka, redis = place.stack.mysql, place.stack.kafka, place.stack.redis
    servers_logs = place.stack.layout.stack / "*" / "server.log"
    screen.facts(
        "Where everything is (on this machine only: all of it listens on the loopback address)",
        [
            ("MySQL", f"{mysql.host}:{mysql.port}, user {HEADRACE_USER} or {ROOT_USER} (no password)"),
            ("Kafka", kafka.bootstrap),
            ("Valkey", redis.url),
            ("Flower", f"{fleet.flower.url}  user {FLOWER_USER}, password {fleet.flower_password}"),
            ("programs", ", ".join(f"{daemon.name} (pid {daemon.pid})" for daemon in fleet.daemons)),
            ("logs", f"{shown(place.folder / '*' / 'server.log')}; the servers': {shown(servers_logs)}"),
        ],
    )
    scheduler = " ".join(scheduler_words())
    screen.commands(
        "What to try next",
        [
            ("once in every new shell:", f". {shown(place.exports)}"),
            ("what all jobs do:", f"{scheduler} status"),
            ("one job, second by second (Ctrl-C ends the watching, not the job):", f"{scheduler} watch {JOBS[0].name}"),
            (
                "see how a query's result changes (Ctrl-C ends it):",
                f'{scheduler} sql {JOBS[0].name} "FROM user" --follow',
            ),
            ("follow a topic in one terminal:", _follow(place)),
            ("and change a row in another:", _change(place)),
            _failover(fleet, leaders),
            ("start again what died, and see live changes once more:", "make demo"),
            ("stop everything; the data stays:", "make down"),
        ],
    )


def _follow(place: Place) -> str:
    """Return a command that reads a topic from its beginning, with what this machine has for it."""
    bootstrap = place.stack.kafka.bootstrap
    if shutil.which("kcat"):
        return f"kcat -C -b {bootstrap} -t {_TOPIC} -K ' '"
    java = "java" if shutil.which("java") == find_java() else find_java()
    jars = shlex.quote(shown(place.stack.layout.install / f"kafka-{KAFKA_VERSION}" / "*"))
    consumer = "org.apache.kafka.tools.consumer.ConsoleConsumer"
    options = "--from-beginning --isolation-level read_committed --property print.key=true"
    return f"{java} -cp {jars} {consumer} --bootstrap-server {bootstrap} --topic {_TOPIC} {options}"


def _change(place: Place) -> str:
    """Return a command that changes a row, with what this machine has for it."""
    mysql = place.stack.mysql
    if shutil.which("mysql"):
        return f'mysql --host={mysql.host} --port={mysql.port} --user={ROOT_USER} {DATABASE} -e "{_CHANGE}"'
    where = f"host='{mysql.host}', port={mysql.port}, user='{ROOT_USER}', database='{DATABASE}', autocommit=True"
    return f'python -c "import pymysql; pymysql.connect({where}).cursor().execute(\\"{_CHANGE}\\")"'


def _failover(fleet: Fleet, leaders: Mapping[str, str]) -> tuple[str, str]:
    """Return a command that kills the binlog worker which leads the first job."""
    job = JOBS[0].name
    # A worker in a lease is its name and what tells this very process from others of that name.
    leads = [worker for worker in fleet.binlog if f"{leaders.get(job)}-".startswith(f"{worker.name}-")]
    leader = leads[0] if leads else fleet.binlog[0]
    return f"kill the leader of {job}; the other binlog worker takes over within seconds:", f"kill -9 {leader.pid}"
