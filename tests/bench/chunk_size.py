"""Times the snapshot of one table for several chunk sizes: `python -m tests.bench.chunk_size [ROWS]`.

Runs on the local stack (`make up`), with two snapshot workers, in random order, each size twice. Prints rows/s from the
first chunk's claim to the last release, of the whole system: admission, transactions and releases included.
"""

import os
import random
import secrets
import sys
import time
from types import SimpleNamespace

from tests.bench.tables import CREATE_ORDERS, FILL_ORDERS
from tests.plugins.fix_headrace import REPOSITORY, Cluster
from tests.plugins.fix_servers import root_connection

SIZES = (8_096, 25_000, 50_000, 100_000, 200_000)

JOB = """
source:
  type: mysql
  hostname: 127.0.0.1
  port: {port}
  username: headrace
  password: #{{password}}
  tables: {database}.orders
  server-id: 7801-7899
  scan.incremental.snapshot.chunk.size: {size}
sink:
  type: upsert-kafka
  properties.bootstrap.servers: {bootstrap}
pipeline:
  parallelism: 2
"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    server = SimpleNamespace(
        host="127.0.0.1",
        port=int(os.environ.get("HEADRACE_STACK_MYSQL_PORT", "13306")),
        root_user="root",
        root_password="",
    )
    bootstrap = f"127.0.0.1:{os.environ.get('HEADRACE_STACK_KAFKA_PORT', '19092')}"
    redis_port = os.environ.get("HEADRACE_STACK_REDIS_PORT", "16379")
    database = f"bench_{secrets.token_hex(3)}"
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"USE {database}")
        cursor.execute(CREATE_ORDERS.format(name="orders"))
        cursor.execute("SET SESSION cte_max_recursion_depth = 4294967295")
        cursor.execute(FILL_ORDERS.format(name="orders", rows=rows))
        cursor.execute("ANALYZE TABLE orders")
    environment = dict(os.environ) | {
        "PYTHONPATH": str(REPOSITORY),
        "HEADRACE_VAR_PASSWORD": "headrace-local",
        "HEADRACE_REGISTRY_TOPIC": f"{database}.registry",
        "HEADRACE_REDIS_URL": f"redis://127.0.0.1:{redis_port}/1",
        "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
    }
    cluster = Cluster(environment, bootstrap)
    try:
        cluster.binlog_worker()
        workers = [cluster.snapshot_worker(1), cluster.snapshot_worker(1)]
        cluster.wait("workers", lambda: all(worker.says("ready.") for worker in workers))
        runs = [*SIZES, *SIZES]
        random.shuffle(runs)
        for number, size in enumerate(runs):
            text = JOB.format(port=server.port, database=database, bootstrap=bootstrap, size=size)
            name = f"size-{number}"
            cluster.submit(text, name)
            cluster.wait("first rows", lambda name=name: cluster.status(name)["rows"], 60)
            began = time.monotonic()
            already = cluster.status(name)["rows"]
            cluster.wait("the end", lambda name=name: cluster.status(name)["snapshot_done"], 600)
            seconds = time.monotonic() - began
            print(f"chunk size {size:>7}: {(rows - already) / seconds:>8.0f} rows/s ({seconds:.1f} s)", flush=True)
            cluster.cli("cancel", name, "--yes", "--delete-topics")
    finally:
        cluster.stop()
        with root_connection(server) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {database}")


if __name__ == "__main__":
    main()
