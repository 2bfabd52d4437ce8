"""What a small Kafka transaction takes, by how long its producer rests behind the one before: `python -m tests.bench.commits`.

On a broker of its own. Each transaction has ten messages of `orders`' size for one topic and one state record, as when changes trickle
in. The broker refuses a transaction's first partition while it writes the markers of the transaction before, and the client asks
again 20 ms later: a rest of a few milliseconds is shorter.
"""

import argparse
import statistics
import time

from shared.adapters.kafka.sink import UpsertSink
from tests.bench.place import own_stack
from tests.bench.topics import Topics

_RESTS_MS = (0, 1, 2, 3, 5, 8, 12, 20)
_MESSAGES = 10
_SIZE = 290
_ROUNDS = 3


def spans(sink: UpsertSink, topic: str, rest: float, count: int) -> list[float]:
    """Seconds of each transaction, from its first message to its commit; between them the producer rests so many seconds."""
    found = []
    for number in range(count):
        began = time.perf_counter()
        sink.write_all(topic, [(b"%d" % (number * _MESSAGES + index), b"x" * _SIZE) for index in range(_MESSAGES)])
        sink.commit([(b"position", b"%d" % number)])
        found.append(time.perf_counter() - began)
        time.sleep(rest)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.commits", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="transactions of each kind in a round")
    arguments = parser.parse_args()
    found: dict[int, list[float]] = {rest: [] for rest in _RESTS_MS}
    with own_stack("bench_commits") as place:
        topics = Topics(place.kafka.bootstrap)
        topics.create(["commits", "commits.state"])
        topics.wait_for(["commits", "commits.state"])
        with UpsertSink({"bootstrap.servers": place.kafka.bootstrap}, "commits", "commits.state") as sink:
            sink.open()
            spans(sink, "commits", 0.0, arguments.count)  # a broker that has just started
            for _ in range(_ROUNDS):
                for rest in _RESTS_MS:
                    found[rest] += spans(sink, "commits", rest / 1000, arguments.count)
    print("| rest, ms | transaction, ms: p50 | p90 | p99 | rest and transaction, p50 |\n|---|---|---|---|---|")
    for rest, seconds in found.items():
        cuts = [cut * 1000 for cut in statistics.quantiles(seconds, n=100)]
        print(f"| {rest} | {cuts[49]:.1f} | {cuts[89]:.1f} | {cuts[98]:.1f} | {rest + cuts[49]:.1f} |")


if __name__ == "__main__":
    main()
