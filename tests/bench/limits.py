"""The limits beside which readers are measured: bare SELECT, bare binlog dump, bare produce, each in a process of its own.

python -m tests.bench.limits '{"what": "select_text", …}'    one measurement; its result is one line of JSON
"""

import json
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pymysql
from confluent_kafka import Producer

from tests.bench import wire
from tests.bench.procfs import cpu_seconds, machine_seconds, peaks_mb
from tests.bench.tables import messages
from tests.plugins.fix_headrace import REPOSITORY

_TRANSACTION_MESSAGES = 50_000
_DISTINCT_MESSAGES = 20_000


def measure(what: str, **order: Any) -> dict[str, Any]:
    """Runs one measurement in a fresh process."""
    command = [sys.executable, "-m", "tests.bench.limits", json.dumps({"what": what, **order})]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{what}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _read(order: dict[str, Any]) -> Any:
    """Connects; returns the function to time."""
    connection = pymysql.connect(
        host=order["host"], port=order["port"], user="root", password="", database=order["database"], read_timeout=300
    )
    if order["what"] == "dump_binlog":
        return lambda: wire.dump_binlog(connection, order["start"])
    select = {"select_text": wire.select_text, "select_binary": wire.select_binary}[order["what"]]
    return lambda: select(connection, f"SELECT * FROM {order['table']}")


def _produce(order: dict[str, Any]) -> Any:
    """Prepares messages; returns the function to time."""
    server = SimpleNamespace(host=order["host"], port=order["port"], root_user="root", root_password="")
    rows = order["rows"]
    sample = list(messages(server, order["database"], order["table"], min(rows, _DISTINCT_MESSAGES)))
    keys = [b'{"id":%d}' % number for number in range(rows)]
    values = [value for _, value in sample]
    producer = Producer(
        {
            "bootstrap.servers": order["bootstrap"],
            "compression.type": "lz4",
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
            "transactional.id": order["topic"],
            "delivery.report.only.error": True,
        }
    )
    producer.init_transactions()

    def produce() -> tuple[int, int]:
        topic, distinct = order["topic"], len(values)
        for first in range(0, rows, _TRANSACTION_MESSAGES):
            producer.begin_transaction()
            for number in range(first, min(rows, first + _TRANSACTION_MESSAGES)):
                producer.produce(topic, values[number % distinct], keys[number])
            producer.commit_transaction()
        return rows, sum(map(len, values)) // distinct

    return produce


def _main(order: dict[str, Any]) -> dict[str, Any]:
    timed = _produce(order) if order["what"] == "produce" else _read(order)
    servers = {name: [pid] for name, pid in order["servers"].items()}
    before = {name: cpu_seconds(pids) for name, pids in servers.items()}
    own, began, machine = time.process_time(), time.monotonic(), machine_seconds()
    count, size = timed()
    seconds, cpu = time.monotonic() - began, {"reader": time.process_time() - own}
    cpu |= {name: cpu_seconds(pids) - before[name] for name, pids in servers.items()}
    foreign = (machine_seconds() - machine - sum(cpu.values())) / seconds
    return {
        "foreign_cores": foreign,
        "count": count,
        "bytes": size,
        "seconds": seconds,
        "cpu": cpu,
        "peak_mb": peaks_mb(["self"])[0],
    }


if __name__ == "__main__":
    print(json.dumps(_main(json.loads(sys.argv[1]))))
