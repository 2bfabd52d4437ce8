"""Tables, bars and lines for people. Everything here turns pictures into text; nothing asks a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scheduler.cli.pace import seconds_left, share
from scheduler.cli.picture import Origin, Picture, State

#: What is not known.
_NONE = "-"

#: Wider, the eye would lose the line between a name and its figures.
_VIEW_WIDTH = 110

#: Leaves room for the figures in a window of 80 columns.
_BAR_WIDTH = 16

#: Bars of single tables at a time; the rest is in the total.
BARS_MAX = 10

_COLOURS: Mapping[State, str] = {
    State.SUBMITTED: "yellow",
    State.STARTING: "yellow",
    State.NO_LEADER: "yellow",
    State.SNAPSHOT: "cyan",
    State.STREAMING: "green",
    State.PAUSING: "magenta",
    State.PAUSED: "magenta",
    State.FAILED: "bold red",
    State.CANCELLING: "dim",
    State.CANCELLED: "dim",
    State.FINISHED: "green",
}

_WORDS: Mapping[State, str] = {State.SUBMITTED: "submitted, no leader", State.NO_LEADER: "no leader"}


def jobs_view(pictures: Sequence[Picture]) -> RenderableType:
    """One line per job, and below it what is wrong with which."""
    if not pictures:
        return Text("No job was submitted yet: scheduler submit job.yaml.")
    table = _table("JOB", "WANTED", "STATE", "LEADER", "EPOCH", ">LAG", ">ROWS", ">CHUNKS")
    for picture in pictures:
        figures = picture.figures
        table.add_row(
            picture.wanted.name,
            str(picture.wanted.desire),
            state_text(picture),
            leader_text(picture),
            str(figures["epoch"] or _NONE),
            lag_text(figures),
            _rows_text(figures) + _mark(picture),
            _chunks_text(figures),
        )
    remarks = [line for picture in pictures for line in remarks_of(picture)]
    if any(picture.origin is Origin.STORED for picture in pictures):
        remarks.append(Text("* as last stored in Kafka; nobody publishes live figures.", style="dim"))
    return Group(table, *remarks)


def job_view(picture: Picture) -> RenderableType:
    """Everything about one job: what it does, and each of its tables."""
    figures = picture.figures
    head = Table.grid(padding=(0, 2))
    for label, value in (
        ("job", f"{picture.wanted.name} (id {picture.wanted.id}, revision {picture.wanted.revision})"),
        ("file", f"{picture.wanted.file}, submitted {picture.wanted.submitted_at}"),
        ("wanted", str(picture.wanted.desire)),
        ("state", state_text(picture)),
        ("leader", f"{leader_text(picture)}, epoch {figures['epoch']}" if picture.leader else leader_text(picture)),
        ("lag", lag_text(figures)),
        ("position", Text(figures["position"] or _NONE, overflow="fold")),
        ("snapshot", f"{_rows_text(figures)} rows{_mark(picture)}, {_chunks_text(figures)} chunks{_end_text(figures)}"),
        ("throttle", _throttle_text(figures["throttle"])),
        ("binlog", _binlog_text(figures["binlog"])),
        ("cost", cost_text(figures["mysql"])),
    ):
        head.add_row(Text(label, style="bold"), value)
    table = _table("TABLE", "TOPIC", "STATE", ">ROWS", ">CHUNKS")
    for entry in figures["tables"]:
        version = entry.get("schema_version", 1)
        state = entry["state"] + (f", schema {version}" if version > 1 else "")
        table.add_row(entry["table"], entry["topic"], state, _rows_text(entry), _chunks_text(entry))
    body: list[RenderableType] = [head, *remarks_of(picture)]
    if figures["tables"]:
        body += [Text(), table]
    if picture.origin is Origin.STORED:
        body.append(Text("* as last stored in Kafka; nobody publishes live figures.", style="dim"))
    return Group(*body)


def remarks_of(picture: Picture) -> list[Text]:
    """Errors, hints and notes of a job, one line each."""
    name, lines = picture.wanted.name, []
    if picture.failed and picture.outcome is not None:
        lines.append(
            Text.assemble((f"{name} failed: ", "bold red"), f"{picture.outcome.error}: ", picture.outcome.message)
        )
        if picture.outcome.hint:
            lines.append(Text.assemble(("  Hint: ", "bold"), picture.outcome.hint))
        lines.append(Text(f"  Once that is mended: scheduler resume {name}", style="dim"))
    return lines + [Text(f"{name}: {note}", style="dim") for note in picture.notes]


def progress_view(picture: Picture, rates: Mapping[str, float]) -> RenderableType:
    """Bars: the tables that are being read, and all of them together.

    Args:
        rates: rows per second by table, and of all under the empty text.
    """
    figures = picture.figures
    head = Text.assemble(
        (picture.wanted.name, "bold"), "  ", state_text(picture), f"  leader {leader_text(picture)}",
        f"  lag {lag_text(figures)}", _changes_text(figures),
    )  # fmt: skip
    tables = figures["tables"]
    if not tables:
        return Group(head, *remarks_of(picture))
    entries = visible(tables)
    bars = [_bar(e["table"], e, rates.get(e["table"], 0.0), done=e["state"] == "live") for e in entries]
    if len(tables) > 1:
        hidden = len(tables) - len(entries)
        title = f"all {len(tables)} tables" + (f" ({hidden} not shown)" if hidden else "")
        bars.append(_bar(title, figures, rates.get("", 0.0), done=figures["snapshot_done"]))
    grid = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1), collapse_padding=True, expand=True)
    grid.add_column("table", no_wrap=True, overflow="ellipsis", ratio=1)  # in a narrow window the name gives way
    grid.add_column("", width=_BAR_WIDTH)
    for title in ("%", "rows", "chunks", "rows/s", "ETA"):
        grid.add_column(title, justify="right", no_wrap=True)
    for bar in bars:
        grid.add_row(*bar)
    return Group(head, Constrain(grid, _VIEW_WIDTH), *remarks_of(picture))


def visible(tables: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The tables that get a bar: those being read come first, then those that wait, then the complete ones."""

    def rank(entry: Mapping[str, Any]) -> int:
        if entry["state"] == "live":
            return 2
        return 0 if entry["rows"] or entry["chunks_done"] else 1

    chosen = {id(entry) for entry in sorted(tables, key=rank)[:BARS_MAX]}
    return [entry for entry in tables if id(entry) in chosen]


def progress_line(picture: Picture, rows_per_second: float, elapsed_seconds: float) -> str:
    """The same in one line, for logs."""
    figures = picture.figures
    done = figures["snapshot_done"]
    percent = int(100 * share(figures["rows"], figures["rows_estimate"], done=done))
    line = f"{duration_text(elapsed_seconds)} {picture.wanted.name} {_WORDS.get(picture.state, picture.state)}"
    if not figures["tables"]:
        return line
    line += f": {_rows_text(figures)} rows ({percent} %), {_chunks_text(figures)} chunks"
    if not done:
        left = seconds_left(figures["rows"], figures["rows_estimate"], rows_per_second)
        line += f", {rows_per_second:,.0f} rows/s, ETA {_left_text(left)}"
    return f"{line}, lag {lag_text(figures)}"


def state_text(picture: Picture) -> Text:
    """The state, coloured."""
    return Text(_WORDS.get(picture.state, picture.state), style=_COLOURS[picture.state])


def leader_text(picture: Picture) -> str:
    """Who leads."""
    return "unknown" if picture.leader is None else picture.leader or _NONE


def lag_text(figures: Mapping[str, Any]) -> str:
    """How far the job is behind MySQL."""
    seconds, size = figures["lag_seconds"], figures["lag_bytes"]
    parts = [] if seconds is None else [f"{seconds:.1f} s"]
    parts += [] if size is None else [bytes_text(size)]
    return " / ".join(parts) or _NONE


def limits_view(job: str, throttle: Mapping[str, Any]) -> RenderableType:
    """The limits in force, and what waits for them."""
    limits, changed = throttle["limits"], throttle["changed"]
    if not limits:
        return Text(f"Job {job} has no limits.")
    table = _table("LIMIT", ">VALUE", "FROM")
    for name, value in limits.items():
        table.add_row(name, limit_text(name, value), "scheduler throttle" if name in changed else "job file")
    waits = throttle["waits"]
    return Group(table, Text(f"The snapshot waits: {waits}.", style="yellow")) if waits else table


def limit_text(name: str, value: Any) -> str:
    """A limit as people write it."""
    if isinstance(value, list):
        return ", ".join(value)
    if name == "bytes-per-second":
        return bytes_text(value)
    return f"{value:g} s" if name.endswith("lag") else f"{value:,}"


def cost_text(mysql: Mapping[str, Any] | None) -> str:
    """What the job takes of MySQL now, and has taken since its leader began."""
    if mysql is None:
        return _NONE
    parts = [f"{mysql['connections']} connections", f"{mysql['queries']:,} queries of the leader"]
    if "rows" in mysql:
        parts.append(f"{mysql['rows']:,} rows read ({bytes_text(mysql['bytes'])})")
    return ", ".join(parts)


def _throttle_text(throttle: Mapping[str, Any] | None) -> str:
    if throttle is None:
        return _NONE
    limits = ", ".join(f"{name} {limit_text(name, value)}" for name, value in throttle["limits"].items())
    return (limits or "no limits") + (f"; waits: {throttle['waits']}" if throttle["waits"] else "")


def _binlog_text(binlog: Mapping[str, Any] | None) -> str:
    if binlog is None:
        return _NONE
    kept = binlog["kept_seconds"]
    return "kept without an end" if kept is None else f"kept for {duration_text(kept)} by the server"


def _end_text(figures: Mapping[str, Any]) -> str:
    left = figures["snapshot_seconds_left"]
    return "" if left is None else f", ends in about {duration_text(left)}"


def bytes_text(size: int) -> str:
    """A number of bytes, short."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def duration_text(seconds: float) -> str:
    """Minutes and seconds, and hours where there are some; from two days on, days and hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count_text(count: int) -> str:
    """A number of rows in at most six characters."""
    if count < 100_000:
        return f"{count:,}"
    return f"{count / 1e6:.2f}M" if count < 10**9 else f"{count / 1e9:.1f}G"


def _left_text(seconds: float | None) -> str:
    return _NONE if seconds is None else duration_text(seconds)


def _bar(title: str, entry: Mapping[str, Any], rate: float, *, done: bool) -> list[RenderableType]:
    rows, estimate = entry["rows"], entry["rows_estimate"]
    part = share(rows, estimate, done=done)
    return [
        title,
        ProgressBar(total=1.0, completed=part, width=_BAR_WIDTH, complete_style="cyan", finished_style="green"),
        f"{100 * part:.0f}",
        count_text(rows) if done else f"{count_text(rows)}/{count_text(estimate)}",
        _chunks_text(entry),
        "" if done else f"{rate:,.0f}",
        "live" if done else _left_text(seconds_left(rows, estimate, rate)),
    ]


def _changes_text(figures: Mapping[str, Any]) -> str:
    changes, held = figures["changes"], figures["held_events"]
    text = "" if changes is None else f"  changes {changes:,}"
    return text + (f" (+ {held:,} held)" if held else "")


def _rows_text(entry: Mapping[str, Any]) -> str:
    rows, estimate = entry["rows"], entry["rows_estimate"]
    return f"{rows:,}" if rows >= estimate else f"{rows:,} of ~{estimate:,}"


def _chunks_text(entry: Mapping[str, Any]) -> str:
    more = "" if entry.get("split_done", True) else "+"
    return f"{entry['chunks_done']:,}/{entry['chunks_total']:,}{more}"


def _mark(picture: Picture) -> str:
    return "*" if picture.origin is Origin.STORED else ""


def _table(*titles: str) -> Table:
    """A table without frames; `>` before a title puts its column to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left", overflow="fold")
    return table


def catalog_view(documents: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Each topic with its columns, as `scheduler catalog --json` has them."""
    if not documents:
        return Text("There is no topic.")
    parts: list[RenderableType] = []
    for document in documents:
        deleted = f", {document['tombstones']} of them tombstones" if document["tombstones"] else ""
        parts.append(
            Text.assemble(
                (document["topic"], "bold"),
                f"  {document['partitions']} partitions, {document['cleanup_policy']};"
                f" {document['messages']} messages read{deleted}",
            )
        )
        if not document["columns"]:
            parts += [Text("  nothing to infer columns from", style="dim"), Text()]
            continue
        table = _table("COLUMN", "TYPE", "NOTE")
        for column in document["columns"]:
            remarks = Text(column["note"])
            if column["mark"]:
                remarks = Text("; ".join(filter(None, (column["mark"], column["note"]))), style="yellow")
            table.add_row(Text(column["name"]), column["type"], remarks)
        parts += [table, Text()]
    return Group(*parts[:-1])
