"""What a program must let itself be told to be measured: headrace and every peer."""

from typing import Protocol


class Reader(Protocol):
    """One program that copies tables to Kafka. A run is one job of it, with topics of its own."""

    name: str
    #: Whether it follows changes of one table while it copies another.
    streams_while_snapshotting: bool

    def up(self) -> None:
        """Installs and starts what is to run before anything is measured. Raises NotMeasured."""

    def close(self) -> None:
        """Ends all that was started."""

    def pids(self) -> list[int]:
        """Its processes, without their children."""

    def roles(self) -> dict[str, list[int]]:
        """The same by what they do."""

    def topic(self, run: str, table: str) -> str:
        """Where the rows of a table go."""

    def copy(self, run: str, tables: list[str]) -> None:
        """Begins to copy tables and to follow them; returns at once."""

    def hold(self, run: str) -> None:
        """Stops a run whose copy is complete; it keeps its position."""

    def go_on(self, run: str) -> None:
        """Lets a held run go on; returns at once."""

    def follow(self, run: str, table: str) -> None:
        """Begins to follow a table; returns when its changes stream."""

    def drop(self, run: str) -> None:
        """Ends a run and deletes its topics."""

    def alive(self) -> None:
        """Raises NotMeasured when it has failed."""

    def facts(self, run: str) -> str:
        """What a reader of the table should know about it."""
