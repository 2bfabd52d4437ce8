"""From the YAML tree to settings: one per option, its name dotted, its text as the file has it.

Here a job file is found to have unknown, misspelt, refused, doubled or missing options. What their values mean is for
`shared.job.reading`.

Law of this file: it reads names and kinds, never values.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shared.errors import InvalidJob
from shared.job import document
from shared.job.document import Node, Scalar
from shared.job.options import OPTIONS, Option, find
from shared.job.placeholders import has_placeholder
from shared.job.records import located


@dataclass(frozen=True, slots=True)
class Setting:
    """One option as the file has it; `path` is its whole name, such as `source.server-id`."""

    path: str
    name: str
    option: Option
    text: str = field(repr=False)  # may be a secret
    line: int

    @property
    def is_literal(self) -> bool:
        """True when the text needs no placeholder."""
        return not has_placeholder(self.text)

    @property
    def target(self) -> str:
        """The record's field, where a family puts the rest of the name as the key; empty for no effect."""
        option = self.option
        if option.field and option.is_family:
            return option.field.removesuffix("*") + self.name.removeprefix(option.name[:-1])
        return option.field


#: The settings of one block, or of one rule of `route`, by dotted name.
Settings = dict[str, Setting]


@dataclass(frozen=True, slots=True)
class Structure:
    """All settings of a file; `lines` has the line of every path."""

    blocks: dict[str, Settings]
    rules: tuple[Settings, ...]
    lines: dict[str, int]

    def settings(self) -> list[Setting]:
        """All settings in the order of the file."""
        every = [*self.blocks.values(), *self.rules]
        return sorted((s for group in every for s in group.values()), key=lambda s: s.line)


def read_structure(text: str, file: str) -> Structure:
    """Read a job file's text as far as its names and kinds.

    Raises:
        InvalidJob: the text is no YAML, or a block or an option does not belong where it stands.
    """
    return _Builder(file).structure(text)


class _Builder:
    """Collects settings and lines; one object per file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[str, int] = {}

    def structure(self, text: str) -> Structure:
        nodes: dict[str, Node | None] = {"pipeline": None, "route": None}
        for entry in document.read(text, self._file).entries:
            self._lines[entry.key] = entry.line
            self._check_block(entry.key)
            nodes[entry.key] = entry.value
        for name in ("source", "sink"):
            if name not in nodes:
                what = f"The block `{name}:` is missing"
                raise self._error(name, what, "A job file has `source:` and `sink:`.")
        blocks = {name: self._block(name, name, nodes[name]) for name in ("source", "sink", "pipeline")}
        self._check_aliyun(blocks["sink"])
        return Structure(blocks, tuple(self._rules(nodes["route"])), self._lines)

    def _check_block(self, name: str) -> None:
        if name == "transform":
            raise self._error(
                name,
                "`transform` is not supported yet",
                "Remove the block. To leave out or mask columns: source.columns.exclude, source.columns.mask.*.",
            )
        if name not in OPTIONS:
            hint = _elsewhere("", name) or _meant(name, list(OPTIONS))
            raise self._error(name, f"There is no block `{name}`", hint)

    def _block(self, block: str, path: str, node: Node | None) -> Settings:
        """The settings of one block; `path` is `route[0]` and so on where `block` is `route`."""
        settings: Settings = {}
        if isinstance(node, document.Mapping):
            self._flatten(block, path, "", node, settings)
        elif not _is_empty(node):
            what = f"Expected options, found {_kind(node)}"
            raise self._error(path, what, "Write one `option: value` per line.")
        for option in OPTIONS[block]:
            if option.required and option.name not in settings:
                what = f"The option `{option.name}` is missing"
                hint = f"Add it to `{path}`."
                raise self._error(f"{path}.{option.name}", what, hint, at=path)
        return settings

    def _flatten(self, block: str, path: str, prefix: str, node: document.Mapping, settings: Settings) -> None:
        """Add the options of a mapping; nested keys are joined with dots."""
        for entry in node.entries:
            name = prefix + entry.key
            full = f"{path}.{name}"
            if name in settings:
                what = f"The option is on line {settings[name].line} already"
                self._lines[full] = entry.line
                raise self._error(full, what, "Keep one of the two spellings.")
            self._lines[full] = entry.line
            option = find(block, name)
            if option is not None and option.refusal is not None:
                reason, hint = option.refusal
                raise self._error(full, f"`{name}` is refused. {reason}", hint)
            if isinstance(entry.value, document.Mapping):
                self._flatten(block, path, f"{name}.", entry.value, settings)
            elif option is None:
                raise self._unknown(block, path, name)
            else:
                text = self._text(full, entry.value)
                settings[name] = Setting(full, name, option, text, entry.line)

    def _text(self, path: str, node: Node) -> str:
        if not isinstance(node, Scalar):
            what = f"Expected one value, found {_kind(node)}"
            raise self._error(path, what, "Separate several values by commas.")
        if node.is_null:
            raise self._error(
                path,
                "The option has no value",
                'Fill it in or remove the line; an empty text is "". After a blank `#` begins a '
                "comment, save for a placeholder such as #{name}.",
            )
        return node.text

    def _rules(self, node: Node | None) -> Iterator[Settings]:
        if _is_empty(node):
            return
        if not isinstance(node, document.Sequence):
            what = f"Expected a list of rules, found {_kind(node)}"
            raise self._error("route", what, "Begin each rule with `- source-table: …`.")
        for index, item in enumerate(node.items):
            path = f"route[{index}]"
            self._lines[path] = item.line
            yield self._block("route", path, item)

    def _check_aliyun(self, sink: Settings) -> None:
        names = [o.name for o in OPTIONS["sink"] if o.field.startswith("aliyun.")]
        given = [name for name in names if name in sink]
        for name in names:
            if given and name not in given:
                raise self._error(
                    f"sink.{name}",
                    f"The option `{name}` is missing beside `{given[0]}`",
                    "Give all five `aliyun.kafka.*` options, or none for a plain Kafka cluster.",
                    at=f"sink.{given[0]}",
                )

    def _unknown(self, block: str, path: str, name: str) -> InvalidJob:
        names = [option.name for option in OPTIONS[block] if not option.refusal]
        hint = _meant(name, names) if _close(name, names) else _elsewhere(block, name)
        what = f"There is no option `{name}` in `{path}`"
        return self._error(f"{path}.{name}", what, hint or _meant(name, names))

    def _error(self, path: str, what: str, hint: str, at: str = "") -> InvalidJob:
        line = self._lines.get(at or path, 0)
        return located(InvalidJob(what, hint, path), self._file, {path: line})


def _is_empty(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.is_null)


def _kind(node: Node | None) -> str:
    if isinstance(node, document.Mapping):
        return "a mapping"
    return "a list" if isinstance(node, document.Sequence) else "a single value"


def _close(name: str, names: Sequence[str]) -> str:
    """The known name that this one is likely a slip of; empty when none is near."""
    folded = {known.lower().replace("_", "-").removesuffix(".*"): known for known in names}
    near = difflib.get_close_matches(name.lower().replace("_", "-"), list(folded), n=1, cutoff=0.7)
    return folded[near[0]] if near else ""


def _meant(name: str, names: Sequence[str]) -> str:
    if close := _close(name, names):
        return f"Did you mean `{close}`?"
    return "docs/job-file.md lists all options."


def _elsewhere(block: str, name: str) -> str:
    """A hint when the option belongs into another block."""
    owners = [other for other in OPTIONS if other != block and find(other, name)]
    return f"It belongs into the block `{owners[0]}:`." if owners else ""
