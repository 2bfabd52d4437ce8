"""What a person sees in Flower: in a browser, two workers and a chunk that is being read, then what became of it; and
nowhere, neither in events nor on pages nor in logs, a password.
"""

from __future__ import annotations

import ast
import base64
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from confluent_kafka.admin import AdminClient

from shared import settings
from shared.model.orders import CHUNK_TASK, SNAPSHOT_QUEUE
from shared.runtime.celery_app import make_app
from tests.integration.test_job import execute, job, streaming
from tests.plugins.fix_flower import Flower, running_flower
from tests.plugins.fix_headrace import Cluster

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

DATABASE = "order_dw"
ROWS, CHUNK_ROWS = 1600, 200

#: MySQL computes the virtual column for each row that it sends, once it is there. Two of the eight chunks take seconds by
#: that, with any codec; `note` fills its send buffer after a few rows, so that they arrive one by one.
TABLES = f"""
CREATE TABLE `order` (
  id INT PRIMARY KEY, product VARCHAR(50) NOT NULL, note VARCHAR(2000) NOT NULL, weight INT NOT NULL);
SET SESSION cte_max_recursion_depth = {ROWS};
INSERT INTO `order` (id, product, note, weight)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
  SELECT i * 1000, CONCAT('product ', i), REPEAT('n', 2000), IF(i BETWEEN 1001 AND 1400, 3000000, 1) FROM n;
ALTER TABLE `order` ADD COLUMN seal CHAR(128) AS (SHA2(REPEAT('x', weight), 512)) VIRTUAL;
ANALYZE TABLE `order`;
CREATE TABLE category (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE feedback (id INT PRIMARY KEY, comment VARCHAR(20));
CREATE TABLE shop (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE user (id INT PRIMARY KEY, name VARCHAR(20));
INSERT INTO category VALUES (1, 'Balls');
INSERT INTO feedback VALUES (1, 'Good.'), (2, 'Very good');
INSERT INTO user VALUES (1, 'Tom'), (2, 'Jerry')"""

VIEW = {"width": 1600, "height": 640}


@dataclass
class Wire:
    """Everything that anybody tells Redis, as its MONITOR command shows it."""

    connection: socket.socket
    heard: bytearray = field(default_factory=bytearray)

    def listen(self) -> None:
        while data := self.connection.recv(65536):
            self.heard += data

    def text(self) -> str:
        """All of it, and what Celery's messages carry in base64."""
        text = self.heard.decode(errors="replace")
        bodies = re.findall(r'body\\": ?\\"([A-Za-z0-9+/=]{4,})\\"', text)
        return "\n".join([text, *(base64.b64decode(body).decode(errors="replace") for body in bodies)])


@contextmanager
def listening(port: int) -> Iterator[Wire]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        wire = Wire(connection)
        connection.sendall(b"MONITOR\r\n")
        thread = threading.Thread(target=wire.listen)
        thread.start()
        yield wire
        connection.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@dataclass(frozen=True)
class Passwords:
    mysql: str = field(default_factory=lambda: secrets.token_hex(12))
    redis: str = field(default_factory=lambda: secrets.token_hex(12))
    flower: str = field(default_factory=lambda: secrets.token_hex(12))

    def found_in(self, text: str) -> list[str]:
        """The names of those that stand in a text."""
        spellings = {name: (word, base64.b64encode(word.encode()).decode()) for name, word in vars(self).items()}
        return [name for name, words in spellings.items() if any(word in text for word in words)]


@pytest.fixture
def passwords(cluster: Cluster, mysql_server, redis_server) -> Iterator[Passwords]:
    """A database, and a user with a password of their own on both servers."""
    made = Passwords()
    client = redis.Redis(redis_server.host, redis_server.port)
    client.execute_command("ACL", "SETUSER", "flowery", "on", f">{made.redis}", "~*", "&*", "+@all")
    execute(
        mysql_server,
        f"DROP DATABASE IF EXISTS {DATABASE};\nCREATE DATABASE {DATABASE};\nDROP USER IF EXISTS flowery;\n"
        f"CREATE USER flowery IDENTIFIED BY '{made.mysql}';\n"
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO flowery",
    )
    execute(mysql_server, TABLES, DATABASE)
    cluster.environment |= {
        "HEADRACE_REDIS_URL": f"redis://flowery:{made.redis}@127.0.0.1:{redis_server.port}/0",
        "HEADRACE_VAR_USERNAME": "flowery",
        "HEADRACE_VAR_PASSWORD": made.mysql,
    }
    yield made
    for process in cluster.processes:
        if process.popen.poll() is None:
            process.kill()  # nothing is left to it that is worth a farewell
    delete_topics(cluster.bootstrap)
    execute(mysql_server, f"DROP USER flowery;\nDROP DATABASE {DATABASE}")
    client.execute_command("ACL", "DELUSER", "flowery")
    client.close()


def delete_topics(bootstrap: str) -> None:
    """Other tests have a database of this name, too."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    named = [name for name in admin.list_topics(timeout=20).topics if name.startswith(f"{DATABASE}.")]
    for gone in admin.delete_topics(named).values() if named else ():
        gone.result(20)


@pytest.fixture
def flower(passwords: Passwords, cluster: Cluster, tmp_path: Path) -> Iterator[Flower]:
    with running_flower(cluster, tmp_path, f"admin:{passwords.flower}") as started:
        yield started


def test_a_person_sees_workers_a_running_snapshot_and_its_results_and_no_password(
    passwords: Passwords,
    flower: Flower,
    cluster: Cluster,
    redis_server,
    mysql_server,
    browser: Browser,
    screenshots: Path,
) -> None:
    with listening(redis_server.port) as wire:
        for number in (1, 2):
            cluster.snapshot_worker(1, f"snapshot-{number}")
        cluster.binlog_worker()
        page = logged_in(browser, flower)
        see_two_workers(cluster, flower, page)
        chunks = f"  scan.incremental.snapshot.chunk.size: {CHUNK_ROWS}"
        cluster.submit(job(rf"{DATABASE}.\.*", source=chunks, sink="pipeline:\n  parallelism: 2"), "orders")
        see_a_chunk_that_is_being_read(cluster, flower, page)
        page.screenshot(path=screenshots / "flower-running.png")
        cluster.wait("the job streams", lambda: streaming(cluster, "orders"))
        sent = send_a_doubled_hint_and_one_of_a_job_that_is_gone(cluster)
        see_what_became_of_it(cluster, flower, page, *sent)
        page.screenshot(path=screenshots / "flower-results.png")
        page.goto(f"{flower.address}/workers")
        see(cluster, page.locator("#workers-table tbody tr").first)
        page.screenshot(path=screenshots / "flower-workers.png")
        pages = [*seen_pages(flower), page.content()]
    told = wire.text()
    # What is looked through is what it is taken for.
    for word in ("task-sent", "task-progress", "task-succeeded", "task-failed", "rows so far", "broker_url"):
        assert word in told, word
    assert passwords.found_in(told) == []
    assert passwords.found_in("\n".join(pages)) == []
    for process in cluster.processes:
        assert passwords.found_in(process.log.read_text(errors="replace")) == [], process.log


def logged_in(browser: Browser, flower: Flower) -> Page:
    """A page of a browser that was refused without the login, and let in with it."""
    stranger = browser.new_context()
    answer = stranger.new_page().goto(flower.address)
    assert answer is not None and answer.status == 401
    stranger.close()
    user, _, password = flower.login.partition(":")
    known = browser.new_context(http_credentials={"username": user, "password": password}, viewport=VIEW)
    page = known.new_page()
    answer = page.goto(flower.address)
    assert answer is not None and answer.status == 200
    return page


def see(cluster: Cluster, locator: Locator) -> None:
    cluster.wait(f"the browser shows {locator}", locator.is_visible, 60)


def see_two_workers(cluster: Cluster, flower: Flower, page: Page) -> None:
    page.goto(f"{flower.address}/workers")
    for name in ("snapshot-1@localhost", "snapshot-2@localhost"):
        row = page.locator("#workers-table tbody tr").filter(has_text=name)
        see(cluster, row.filter(has_text="Online"))


def task_rows(flower: Flower, page: Page) -> Locator:
    """The rows of the page of tasks, as it is now; it does not change while it is looked at."""
    page.goto(f"{flower.address}/tasks", wait_until="networkidle")
    return page.locator("#tasks-table tbody tr")


def see_a_chunk_that_is_being_read(cluster: Cluster, flower: Flower, page: Page) -> None:
    def reading() -> bool:
        rows = task_rows(flower, page).filter(has_text=re.compile(r"order_dw\.order chunk [67]/8, id \d+\.\.\d+"))
        return rows.filter(has_text="PROGRESS").filter(has_text=re.compile(r"\d+ rows so far")).count() > 0

    cluster.wait("the browser shows a chunk that is being read", reading)


def send_a_doubled_hint_and_one_of_a_job_that_is_gone(cluster: Cluster) -> tuple[str, str]:
    """Their ids."""
    environment = {name: value for name, value in cluster.environment.items() if name.startswith("HEADRACE_")}
    app = make_app(settings.load(environment))
    sent = []
    for job_id, words in ((cluster.status("orders")["id"], "1/8, id ..201000"), ("0", "2/8, id 201000..401000")):
        arguments = {"job": "orders", "job_id": job_id, "chunks": [[DATABASE, "order", int(words[0]) - 1]]}
        caption = f"{DATABASE}.order chunk {words}"
        sent.append(app.send_task(CHUNK_TASK, kwargs=arguments, queue=SNAPSHOT_QUEUE, argsrepr=caption).id)
    app.close()
    return sent[0], sent[1]


def see_what_became_of_it(cluster: Cluster, flower: Flower, page: Page, doubled: str, gone: str) -> None:
    def tasks() -> dict[str, dict[str, Any]]:
        return flower.json("/api/tasks")

    def ended() -> bool:
        found = tasks()
        running = ("PENDING", "RECEIVED", "STARTED", "PROGRESS")
        return {doubled, gone} <= found.keys() and not any(task["state"] in running for task in found.values())

    cluster.wait("all tasks have ended", ended)
    told = tasks()
    found = list(told.values())
    chunk, result = done(found, "order_dw.order chunk 6/8, id 1001000..1201000")
    assert result["rows"] == CHUNK_ROWS
    assert result["bytes"] > CHUNK_ROWS * 2000
    assert 0 < result["seconds"] <= chunk["runtime"]
    _, group = done(found, "4 small tables: order_dw.category, order_dw.feedback, order_dw.shop …")
    assert (group["chunks"], group["rows"]) == (4, 5)
    _, split = done(found, f"order_dw.order split into chunks of {CHUNK_ROWS} rows")
    assert split == {"bounds": ROWS // CHUNK_ROWS - 1}
    assert told[doubled]["result"] == "'refused: copied already, or unknown'"
    assert (told[gone]["state"], told[gone]["exception"].partition("(")[0]) == ("FAILURE", "UnknownJob")
    rows = task_rows(flower, page)
    see(
        cluster,
        rows.filter(has_text="chunk 8/8, id 1401000..").filter(has_text="SUCCESS").filter(has_text="'rows': 200"),
    )
    see(cluster, rows.filter(has_text="FAILURE").filter(has_text="UnknownJob('Job orders (0) is not in topic"))


def done(tasks: list[dict[str, Any]], words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one task of that caption that did its work, and its result; a hint may come twice."""
    named = [task for task in tasks if task["args"] == words and task["state"] == "SUCCESS"]
    assert named, (words, sorted(task["args"] for task in tasks))
    ((task, result),) = ((task, ast.literal_eval(task["result"])) for task in named if task["result"][0] == "{")
    return task, result


def seen_pages(flower: Flower) -> Iterator[str]:
    """The pages and answers of Flower, those of each worker and task included."""
    yield from map(flower.text, ("/workers", "/tasks", "/broker", "/metrics", "/api/workers?refresh=1", "/api/tasks"))
    yield from (flower.text(f"/worker/snapshot-{number}@localhost") for number in (1, 2))
    yield from (flower.text(f"/task/{task}") for task in flower.json("/api/tasks"))
