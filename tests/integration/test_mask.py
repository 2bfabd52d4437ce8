"""Masked columns of a job: by both paths, for readers of all kinds, in a topic that tables share; the salt in nothing that is stored,
and no second one.
"""

from __future__ import annotations

import hmac
import json

from confluent_kafka.admin import AdminClient

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.plugins.fix_headrace import read_topic

SALT = "s4lt-that-nobody-stores"
SECRET = "not-for-kafka"


def digest(text: str, salt: str = SALT) -> str:
    return hmac.new(salt.encode(), text.encode(), "sha256").hexdigest()


def masks(db: str) -> str:
    return f"""\
  columns.mask.null: {db}.user.birthday, {db}.visit_\\d.place
  columns.mask.constant: {db}.user.(phone|shape)
  columns.mask.constant.value: '***'
  columns.mask.hash: {db}.user.pin, {db}.\\.*.mail
  columns.mask.salt: #{{salt}}
"""


def row(number: int, name: str, pin: int, mail: str | None) -> bytes:
    shown = {"id": number, "name": name, "birthday": None, "phone": "***", "pin": digest(str(pin)), "shape": "***"}
    return json.dumps(shown | {"mail": mail and digest(mail)}, separators=(",", ":")).encode()


def visit(db: str, shard: int, number: int, mail: str, name: str) -> tuple[bytes, bytes]:
    """A row of a table that shares a topic; the columns of the second one stand in another order."""
    of = {"of": f"{db}.visit_{shard}"}
    shown = {"id": number, "mail": digest(mail), "place": None, "name": name}
    shown = {
        column: shown[column]
        for column in (("id", "mail", "place", "name"), ("name", "place", "mail", "id"))[shard - 1]
    }
    key, value = (json.dumps(of | part, separators=(",", ":")).encode() for part in ({"id": number}, shown))
    return key, value


def test_what_is_masked_is_nowhere_and_joins_still_work(cluster, mysql_server, mysql_database) -> None:
    db = mysql_database
    execute(
        mysql_server,
        "CREATE TABLE user (id INT PRIMARY KEY, name VARCHAR(30), birthday DATE NOT NULL, phone VARCHAR(30), pin BIGINT,"
        " shape GEOMETRY, mail VARCHAR(60));\n"
        "CREATE TABLE letter (id INT PRIMARY KEY, mail CHAR(60));\n"
        f"INSERT INTO user VALUES (1, 'Tom', '2001-02-03', '{SECRET}1', 4711, POINT(1, 2), '\"{SECRET}\"@x'),"
        " (2, 'Jerry', '2001-02-03', NULL, 0, NULL, NULL);\n"
        f"INSERT INTO letter VALUES (7, '\"{SECRET}\"@x');\n"
        "CREATE TABLE visit_1 (id INT PRIMARY KEY, mail VARCHAR(60), place VARCHAR(30) NOT NULL, name VARCHAR(9));\n"
        "CREATE TABLE visit_2 (name VARCHAR(9), place TEXT, mail TEXT, id INT PRIMARY KEY);\n"
        f"INSERT INTO visit_1 VALUES (1, '{SECRET}', '{SECRET}', 'a');\nINSERT INTO visit_2 VALUES ('b', NULL, '{SECRET}', 1)",
        db,
    )
    route = f"route:\n  - source-table: {db}.visit_\\d\n    sink-table: {db}.visits\n    shard-key: of\n"
    text = job(rf"{db}.\.*", source=masks(db)) + route
    cluster.environment["HEADRACE_VAR_SALT"] = SALT
    for right, wrong, said in (
        ("user.birthday", "user.(id|pin)", "user.id"),
        ("#{salt}", SALT, "source.columns.mask.salt"),
    ):
        refused = cluster.cli_here("submit", "-", "--name", "no", stdin=text.replace(right, wrong))
        assert refused.exit_code == 2
        assert said in refused.output
        assert SALT not in refused.output

    cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(text, "masked")
    cluster.wait("the job streams", lambda: streaming(cluster, "masked"))
    execute(
        mysql_server,
        f"INSERT INTO user VALUES (3, 'Spike', '2001-02-03', '{SECRET}', -5, POINT(3, 4), '{SECRET}');\n"
        f"UPDATE user SET phone = '{SECRET}9', pin = 12 WHERE id = 1;\n"
        f"UPDATE visit_1 SET place = '{SECRET}8', name = 'c';\nINSERT INTO visit_2 VALUES ('d', '{SECRET}', 'x@{SECRET}', 2)",
        db,
    )
    mail = f'"{SECRET}"@x'
    rows = {
        b'{"id":1}': row(1, "Tom", 12, mail),
        b'{"id":2}': row(2, "Jerry", 0, None),
        b'{"id":3}': row(3, "Spike", -5, SECRET),
    }
    eventually_holds(cluster, f"{db}.user", rows)
    visits = [visit(db, 1, 1, SECRET, "c"), visit(db, 2, 1, SECRET, "b"), visit(db, 2, 2, f"x@{SECRET}", "d")]
    eventually_holds(cluster, f"{db}.visits", dict(visits))
    verified = cluster.cli_here("verify", "masked", "--json")
    assert verified.exit_code == 0, verified.output

    del cluster.environment["HEADRACE_VAR_SALT"]  # who reads topics needs none
    joined = cluster.cli_here(
        "sql", "masked", "SELECT name, phone FROM letter JOIN user USING (mail)", "--format", "json"
    )
    assert json.loads(joined.stdout) == {"name": "Tom", "phone": "***"}, joined.output
    statements = cluster.cli_here("ddl", "masked").stdout
    assert all(f"`{name}` STRING" in statements for name in ("birthday", "pin", "shape", "mail")), statements

    topics = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(timeout=20).topics
    ours = [name for name in topics if name.startswith((f"{db}.", cluster.environment["HEADRACE_REGISTRY_TOPIC"]))]
    assert len(ours) == 5, "two tables, those that share a topic, the registry and the job's state"
    stored = b"".join(
        part or b""
        for name in ours
        for message in read_topic(cluster.bootstrap, name, "read_uncommitted")
        for part in message
    )
    assert b"#{salt}" in stored
    assert SALT.encode() not in stored and SECRET.encode() not in stored
    for process in cluster.processes:
        assert not process.says(SALT) and not process.says(SECRET)


def error(cluster, name: str) -> dict[str, str]:
    return cluster.status(name)["error"] or {}


def test_no_process_writes_hashes_of_another_salt_than_its_job(cluster, mysql_server, mysql_database) -> None:
    topic = f"{mysql_database}.letter"
    execute(
        mysql_server,
        "CREATE TABLE letter (id INT PRIMARY KEY, mail CHAR(60));\nINSERT INTO letter VALUES (1, 'tom')",
        mysql_database,
    )
    ours, others = {"HEADRACE_VAR_SALT": SALT}, {"HEADRACE_VAR_SALT": "0ther", "HEADRACE_WORKER_NAME": "pepper"}

    def rows(salt: str, *mails: str) -> dict[bytes, bytes]:
        return {
            b'{"id":%d}' % number: b'{"id":%d,"mail":"%s"}' % (number, digest(mail, salt).encode())
            for number, mail in enumerate(mails, 1)
        }

    leader, worker = cluster.binlog_worker(**ours), cluster.snapshot_worker(1, **others)
    masks = f"  columns.mask.hash: {topic}.mail\n  columns.mask.salt: #{{salt}}\n"
    cluster.environment |= ours  # for the commands
    cluster.submit(job(topic, source=masks), "salted")
    cluster.wait("the job stops", lambda: error(cluster, "salted"))
    assert error(cluster, "salted")["name"] == "WorkerFailed"
    assert "SaltDiffers: Snapshot worker pepper has another" in error(cluster, "salted")["message"]
    assert "scheduler resume salted" in error(cluster, "salted")["hint"]

    leader.stop()
    leader = cluster.binlog_worker(**others)
    execute(mysql_server, "INSERT INTO letter VALUES (2, 'jerry')", mysql_database)
    assert "SaltDiffers" in cluster.cli_here("resume", "salted").output
    cluster.wait("the job stops again", lambda: error(cluster, "salted").get("name") == "SaltDiffers")
    assert "Binlog worker pepper has another" in error(cluster, "salted")["message"]
    assert read_topic(cluster.bootstrap, topic, "read_uncommitted") == []

    assert cluster.cli_here("resume", "salted", "--resync").exit_code == 0  # by which a salt is changed
    eventually_holds(cluster, topic, rows("0ther", "tom", "jerry"))
    cluster.wait("the job streams", lambda: streaming(cluster, "salted"))
    worker.stop()
    cluster.snapshot_worker(1, **ours)
    for command in (["verify", "salted", "--repair"], ["resync", "salted", "letter"]):
        refused = cluster.cli_here(*command)
        assert refused.exit_code == 2, refused.output
        assert "has another `source.columns.mask.salt` than job salted" in " ".join(refused.output.split())
    execute(mysql_server, "INSERT INTO letter VALUES (3, 'spike')", mysql_database)
    eventually_holds(cluster, topic, rows("0ther", "tom", "jerry", "spike"))
    assert not leader.says("WorkerFailed"), "a comparison that is refused stops no job"
