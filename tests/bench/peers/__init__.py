"""Other programs that copy MySQL tables to Kafka, tuned as well as we can and run by the same harness.

Their jars come from Maven's repository into the git-ignored folder `.local/bench-peers`.
"""

from collections.abc import Callable

from tests.bench.peers.debezium import Debezium
from tests.bench.peers.flink import Flink
from tests.bench.peers.maxwell import Maxwell
from tests.bench.place import Place
from tests.bench.reader import Reader


def _debezium(place: Place) -> list[Reader]:
    """Both settings of its snapshot threads; the better one counts."""
    return [Debezium(place, 1), Debezium(place, 2)]


#: By the name that is told on the command line.
PEERS: dict[str, Callable[[Place], list[Reader]]] = {
    "debezium": _debezium,
    "maxwell": lambda place: [Maxwell(place)],
    "flink": lambda place: [Flink(place)],
}
