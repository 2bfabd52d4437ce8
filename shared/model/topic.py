"""A topic as it is wanted, and who makes topics where the cluster does not do it itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.errors import HeadraceError


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as somebody wants it; None leaves the number to the cluster.

    `config` is asked for, and whoever cannot give it refuses. `wishes` are settings that are good to have: they are left
    out where there is no way to set them.
    """

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    wishes: Mapping[str, str] = field(default_factory=dict)


class Placing(NamedTuple):
    """By what a topic is known again, and by what its keys find their partitions."""

    id: str
    partitions: int


class TopicMaker(Protocol):
    """A service that makes the topics of a cluster in place of the cluster's own protocol.

    Raises (every method): SinkRefused, Unavailable, InvalidJob, ExtraMissing.
    """

    def greeting(self) -> str:
        """Asks something harmless, and says in one sentence who would make topics where. Creates nothing."""

    def refusals(self, specs: Iterable[TopicSpec]) -> dict[str, HeadraceError]:
        """Why these topics would not be made, by name, as far as that is known without asking. Creates nothing."""

    def create(self, specs: Iterable[TopicSpec], alive: Callable[[], None]) -> None:
        """Makes the topics; one that is there already will do. The cluster may show them a while later.

        `alive` is called before each request and once a second between them, and may raise to end it.
        """

    def delete(self, names: Iterable[str]) -> None:
        """Deletes the topics; one that is gone already will do."""
