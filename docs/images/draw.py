"""Draws the pictures of the documents: `python docs/images/draw.py` writes them beside this file.

A picture is either a sequence (lanes from left to right, time downwards) or made of boxes. The law: the same text gives
the same bytes, so that a test can tell whether the pictures are current.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent

INK, GREY, PAPER = "#1f2933", "#7b8794", "#ffffff"
#: By the kind of a step or a box: colour of its line and text, and of its ground.
COLOURS = {
    "plain": ("#1f2933", "#f0f4f8"),
    "mysql": ("#1d5fa8", "#e3eefb"),
    "kafka": ("#2f6f44", "#e3f4e8"),
    "good": ("#2f6f44", "#e3f4e8"),
    "bad": ("#b42318", "#fdeae7"),
    "hold": ("#9a6700", "#fff3d1"),
    "quiet": ("#7b8794", "#ffffff"),
}
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
SIZE, LINE = 13, 17
#: Room between lanes must hold the texts of arrows; a character of this font is about so wide.
CHARACTER = 7.2
#: From the picture's edge to the first and the last lane.
MARGIN = 116


@dataclass(frozen=True)
class Arrow:
    """Something that goes from one lane to another."""

    source: int
    target: int
    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Note:
    """Something that happens in one lane; a wide one reaches over several."""

    lane: int
    text: str
    kind: str = "plain"
    last: int | None = None


@dataclass(frozen=True)
class Begin:
    """From here on the lane is in some state, which is drawn as a bar beside its line."""

    lane: int
    kind: str


@dataclass(frozen=True)
class End:
    """The state ends."""

    lane: int


Step = Arrow | Note | Begin | End


class Canvas:
    """Collects SVG elements."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []

    def rect(self, x: float, y: float, w: float, h: float, kind: str, radius: int = 4) -> None:
        """Draw a box."""
        line, ground = COLOURS[kind]
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius}" fill="{ground}" stroke="{line}"/>'
        )

    def line(
        self, points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False, arrow: str = ""
    ) -> None:
        """Draw a line through the points, with an arrow's head of a kind at its end."""
        places = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = ' stroke-dasharray="4 4"' if dashed else ""
        head = f' marker-end="url(#{arrow})"' if arrow else ""
        self._parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}{head}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        colour: str,
        anchor: str = "middle",
        *,
        bold: bool = False,
        over: bool = False,
    ) -> None:
        """Write lines; `y` is the base of the first. Text `over` lines has paper around it."""
        weight = ' font-weight="bold"' if bold else ""
        halo = f' stroke="{PAPER}" stroke-width="4" paint-order="stroke"' if over else ""
        for number, line in enumerate(text.split("\n")):
            self._parts.append(
                f'<text x="{x:g}" y="{y + number * LINE:g}" fill="{colour}" text-anchor="{anchor}"{weight}{halo}>'
                f"{escape(line, quote=False)}</text>"
            )

    def extend(self, other: Canvas) -> None:
        """Put another drawing on top."""
        self._parts += other._parts

    def svg(self, width: float, height: float) -> str:
        """Return the whole file."""
        heads = "".join(
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0,0.5 L8,4 L0,7.5 z" fill="{line}"/></marker>'
            for kind, (line, _) in COLOURS.items()
        )
        body = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" font-family="{FONT}" font-size="{SIZE}" role="img">\n'
            f"<title>{escape(self._title)}</title>\n<defs>{heads}</defs>\n"
            f'<rect width="{width:g}" height="{height:g}" fill="{PAPER}"/>\n{body}\n</svg>\n'
        )


def width_of(text: str) -> float:
    """Estimate the width of a text in pixels."""
    return max(len(line) for line in text.split("\n")) * CHARACTER


# Sequences.


def sequence(title: str, lanes: Sequence[tuple[str, str]], gaps: Sequence[int], steps: Iterable[Step]) -> str:
    """Draw a sequence.

    Args:
        title: what the picture says, for those who do not see it.
        lanes: name and kind of each, from left to right.
        gaps: pixels from one lane to the next.
        steps: from the top downwards.
    """
    xs = [float(MARGIN)]
    for gap in gaps:
        xs.append(xs[-1] + gap)
    width, head = xs[-1] + MARGIN, 26 + LINE
    picture, above = Canvas(title), Canvas(title)
    y, begun = head + 40.0, {}
    for step in steps:
        if isinstance(step, Begin):
            begun[step.lane] = (y, step.kind)
        elif isinstance(step, End):
            top, kind = begun.pop(step.lane)
            picture.rect(xs[step.lane] - 5, top - 22, 10, y - top, kind, radius=2)
        elif isinstance(step, Arrow):
            y = _arrow(above, xs, y, step)
        else:
            y = _note(above, xs, y, step)
    lines = Canvas(title)
    for x, (name, kind) in zip(xs, lanes, strict=True):
        lines.line([(x, head + 8), (x, y - 6)], GREY, dashed=True)
        lines.rect(x - 78, 12, 156, head - 4, kind)
        first = 12 + (head - 4) / 2 + 5 - LINE / 2 * name.count("\n")
        lines.text(x, first, name, COLOURS[kind][0], bold=True)
    lines.extend(picture)
    lines.extend(above)
    return lines.svg(width, y + 6)


def _arrow(canvas: Canvas, xs: Sequence[float], y: float, step: Arrow) -> float:
    """Draw an arrow with its text above; return where the next step begins."""
    colour = COLOURS[step.kind][0]
    a, b = xs[step.source], xs[step.target]
    base = y + step.text.count("\n") * LINE
    away = 7 if b > a else -7
    canvas.text((a + b) / 2, y, step.text, colour, over=True)
    canvas.line([(a + away, base + 7), (b - away, base + 7)], colour, arrow=step.kind, dashed=step.kind == "quiet")
    return base + 36


def _note(canvas: Canvas, xs: Sequence[float], y: float, step: Note) -> float:
    """Draw a note in its lane or over several; return where the next step begins."""
    lines = step.text.count("\n") + 1
    last = step.lane if step.last is None else step.last
    middle = (xs[step.lane] + xs[last]) / 2
    width = max(width_of(step.text) + 18, xs[last] - xs[step.lane] + 60)
    height = lines * LINE + 9
    canvas.rect(middle - width / 2, y - 15, width, height, step.kind)
    canvas.text(middle, y, step.text, COLOURS[step.kind][0])
    return y + height + 18


# The pictures.


def lost_update() -> str:
    """A SELECT beside a binlog: the older value wins."""
    lanes = [
        ("application", "plain"),
        ("MySQL", "mysql"),
        ("stream\n(binlog)", "plain"),
        ("copy\n(SELECT)", "plain"),
        ("topic", "kafka"),
    ]
    steps = [
        Note(1, "row 1 is Tom", "mysql"),
        Arrow(1, 3, "SELECT: row 1 is Tom"),
        Arrow(0, 1, "UPDATE to Tim", "mysql"),
        Arrow(1, 2, "row 1 is Tim", "mysql"),
        Arrow(2, 4, "row 1 is Tim", "kafka"),
        Note(3, "slow: other rows,\na full buffer, …", "quiet"),
        Arrow(3, 4, "row 1 is Tom", "bad"),
        Note(4, "last value of key 1: Tom\nMySQL has Tim", "bad"),
    ]
    return sequence(
        "The copy read Tom, the stream wrote Tim, and then the copy wrote Tom.", lanes, [180, 175, 190, 190], steps
    )


def visibility() -> str:
    """The binlog is ahead of what a SELECT sees."""
    lanes = [
        ("application", "plain"),
        ("MySQL's\nbinlog", "mysql"),
        ("MySQL's\ntables", "mysql"),
        ("stream", "plain"),
        ("copy", "plain"),
    ]
    steps = [
        Arrow(0, 1, "COMMIT: Tom → Tim", "mysql"),
        Begin(1, "bad"),
        Arrow(1, 3, "Tim is in the binlog", "mysql"),
        Note(3, "processed: Tim"),
        Arrow(2, 4, "SELECT sees Tom: the commit is not through", "bad"),
        Note(4, '"the stream is past Tim,\nand I read after it"', "bad"),
        Arrow(1, 2, "now Tim is visible,\nand in gtid_executed", "mysql"),
        End(1),
        Note(1, "So a position in the binlog does not tell what a SELECT sees. gtid_executed does.", "good", last=3),
    ]
    return sequence("A transaction is in the binlog before a SELECT sees it.", lanes, [175, 190, 190, 190], steps)


def chunk() -> str:
    """One chunk, from the hint to the release."""
    lanes = [("snapshot worker", "plain"), ("leader", "plain"), ("MySQL", "mysql"), ("Kafka", "kafka")]
    steps = [
        Note(0, "1  a hint: chunk 7 waits.\nOpens a producer of a new id", "quiet"),
        Arrow(0, 1, "2  may I read chunk 7?"),
        Arrow(1, 3, "claim of chunk 7 by this id, and P (all that was processed): committed", "kafka"),
        Begin(1, "hold"),
        Note(1, "3  holds changes of chunk 7's keys", "hold"),
        Arrow(1, 0, "go(P)"),
        Arrow(0, 2, "4  wait until P is in gtid_executed, then SELECT chunk 7", "mysql"),
        Arrow(0, 3, "all rows and the done-mark: one transaction", "kafka"),
        Arrow(3, 1, "5  the done-mark, read committed", "kafka"),
        Arrow(1, 2, "where does the binlog end? E", "mysql"),
        Arrow(2, 1, "changes up to E; those of chunk 7 are held", "mysql"),
        Arrow(1, 3, "the last held change of each key; chunk 7 is released", "kafka"),
        End(1),
        Note(1, "from now on changes of chunk 7 are written at once", "good", last=2),
    ]
    return sequence("One chunk: hint, claim, wait, read, done-mark, release.", lanes, [300, 330, 260], steps)


def takeover() -> str:
    """A leader dies while a reader reads, and another one takes over."""
    lanes = [("reader of chunk 7", "plain"), ("old leader", "plain"), ("Kafka", "kafka"), ("new leader", "good")]
    steps = [
        Note(1, "freezes", "bad"),
        Note(3, "its lease has ended:\nmine now", "good"),
        Arrow(3, 2, "1  open the job's id: fences the old leader", "good"),
        Arrow(2, 3, "2  the state: chunk 7 is claimed by id a7", "kafka"),
        Arrow(3, 2, "3  open id a7: fences the reader", "good"),
        Arrow(2, 3, "4  the state to its end, as of after the fences", "kafka"),
        Note(2, "done-mark there: chunk 7 counts.   None: chunk 7 is read again.", "good", last=3),
        Arrow(3, 2, "5  goes on from the stored position", "good"),
        Note(1, "wakes up", "quiet"),
        Arrow(1, 2, "commit: refused", "bad"),
        Arrow(0, 2, "commit of rows and done-mark: refused", "bad"),
    ]
    return sequence("A takeover: fence, read, decide, go on.", lanes, [210, 230, 330], steps)


def positions() -> str:
    """The binlog of one chunk's time, and what becomes of each change of its keys."""
    picture = Canvas("Changes before P are in the SELECT, changes up to E are held, later ones are written at once.")
    left, p, seen, end, right = 40.0, 300.0, 480.0, 680.0, 930.0
    axis = 118.0
    for x, w, kind, text in (
        (left, p - left, "mysql", "the SELECT has them for certain"),
        (p, end - p, "hold", "held: the SELECT may have them or not"),
        (end, right - end, "good", "written at once"),
    ):
        picture.rect(x, axis - 62, w, 44, kind, radius=2)
        picture.text(x + w / 2, axis - 36, text, COLOURS[kind][0])
    picture.line([(left, axis), (right, axis)], INK, arrow="plain")
    picture.text(right, axis + 24, "the binlog", INK, "end")
    for x, text in (
        (p, "P: processed at the claim;\nexecuted before the SELECT"),
        (seen, "the SELECT's\nmoment"),
        (end, "E: end of the binlog,\nasked for after the done-mark"),
    ):
        picture.line([(x, axis - 76), (x, axis + 8)], GREY, dashed=True)
        picture.text(x, axis + 28, text, INK)
    picture.text(
        left, 24, "Changes of the keys of one chunk, by where they stand in the binlog", INK, "start", bold=True
    )
    picture.text(
        (p + end) / 2, axis + 84, "At E the last held change of each key goes out: the newest value wins,\n"
        "whether or not the SELECT saw it.", COLOURS["hold"][0],
    )  # fmt: skip
    return picture.svg(970, 232)


def overview() -> str:
    """All programs and servers."""
    picture = Canvas("One binlog worker reads the binlog, snapshot workers read tables, both write to Kafka.")
    boxes = {
        "mysql": (20, 110, 150, 110, "mysql", "MySQL"),
        "binlog": (330, 60, 220, 60, "plain", "binlog worker: leads the job\n(others stand by)"),
        "snapshot": (330, 210, 220, 60, "plain", "snapshot workers\n(Celery, any number)"),
        "kafka": (
            710,
            60,
            220,
            210,
            "kafka",
            "Kafka\n\na compacted topic a table\na state topic a job\nthe registry of jobs",
        ),
        "redis": (370, 330, 140, 44, "quiet", "Redis\n(may be lost)"),
        "readers": (1030, 135, 110, 60, "plain", "readers"),
        "cli": (710, 330, 220, 44, "plain", "scheduler\n(command line)"),
    }
    for x, y, w, h, kind, text in boxes.values():
        picture.rect(x, y, w, h, kind)
        first = y + h / 2 + 5 - LINE / 2 * text.count("\n")
        picture.text(x + w / 2, first, text, COLOURS[kind][0], bold=True)
    for points, text, at, kind in (
        ([(170, 130), (330, 80)], "one binlog", (240, 92), "mysql"),
        ([(170, 200), (330, 240)], "chunks of tables", (215, 256), "mysql"),
        ([(550, 90), (710, 90)], "changes", (640, 82), "kafka"),
        ([(550, 240), (710, 240)], "rows", (655, 232), "kafka"),
        ([(930, 165), (1030, 165)], "", (0, 0), "plain"),
        ([(820, 330), (820, 270)], "submit, pause, …", (886, 306), "plain"),
        ([(440, 330), (440, 270)], "", (0, 0), "quiet"),
        ([(410, 120), (410, 210)], "go, or not", (450, 170), "plain"),
        ([(550, 105), (600, 105), (600, 352), (510, 352)], "hints", (556, 344), "quiet"),
    ):
        picture.line(points, COLOURS[kind][0], arrow=kind, dashed=kind == "quiet")
        if text:
            picture.text(*at, text, COLOURS[kind][0])
    return picture.svg(1160, 394)


PICTURES = {
    "lost-update.svg": lost_update,
    "visibility.svg": visibility,
    "chunk.svg": chunk,
    "positions.svg": positions,
    "takeover.svg": takeover,
    "overview.svg": overview,
}


def main() -> None:
    """Write all pictures."""
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
