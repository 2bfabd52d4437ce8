"""From settings to records: placeholders resolved, texts read, defaults filled in.

Without a resolver only the settings that hold no placeholder are read, which checks a file with no secret at hand.

Law of this file: an error shows a value only when it is a literal of an option that is not secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from shared.errors import Bug, InvalidJob
from shared.job.options import OPTIONS, is_secret
from shared.job.patterns import TablePatterns
from shared.job.placeholders import Resolver, names_in
from shared.job.records import JobSpec, PipelineSpec, RowsSpec, SinkSpec, SourceSpec, located
from shared.job.routing import RouteRule
from shared.job.structure import Setting, Settings, Structure
from shared.job.values import Unreadable
from shared.model.label import TABLE_HEADERS
from shared.model.startup import StartMode

T = TypeVar("T")

#: A value is quoted in errors up to this many characters.
_SHOWN_LENGTH_MAX = 60
_MODE, _TIME = "scan.startup.mode", "scan.startup.timestamp-millis"
_GTID_SET, _FILE, _POS = (f"scan.startup.specific-offset.{name}" for name in ("gtid-set", "file", "pos"))
_TABLE_HEADERS, _CUSTOM_HEADERS = "sink.add-tableId-to-header-enabled", "sink.sink.custom-header"
_METADATA_HEADERS = "sink.metadata-headers"
#: By mode, the options that tell its position; other modes have none.
_POSITIONS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    StartMode.SPECIFIC: ((_GTID_SET,), (_FILE, _POS)),
    StartMode.TIMESTAMP: ((_TIME,),),
}
_NEEDED: Mapping[str, str] = {
    StartMode.SPECIFIC: f"`{_GTID_SET}`, or `{_FILE}` and `{_POS}`",
    StartMode.TIMESTAMP: f"`{_TIME}`",
}
_HOW: Mapping[str, str] = {
    StartMode.SPECIFIC: "Give what counts as processed: SELECT @@GLOBAL.gtid_executed shows it as GTIDs, SHOW BINARY LOG STATUS as a place.",
    StartMode.TIMESTAMP: "Give the moment in milliseconds since 1970 (UTC): what was committed before it counts as processed.",
}
_HASH, _SALT = "columns.mask.hash", "columns.mask.salt"
_CONSTANT = "columns.mask.constant"
#: An option of masks, another one without which it cannot be, and what to do about it.
_MASK_PAIRS = (
    (
        _HASH,
        _SALT,
        "Add a placeholder such as `columns.mask.salt: #{salt}`: without a salt, short values are found by trying all.",
    ),
    (_SALT, _HASH, "Say which columns are hashed, or remove the line."),
    (f"{_CONSTANT}.value", _CONSTANT, "Say which columns it stands in, or remove the line."),
)
#: Fields of the source that hold table patterns; those of `route` are parsed with their rule.
_PATTERN_FIELDS = frozenset(("tables", "tables_exclude"))


def resolve(structure: Structure, file: str, resolver: Resolver) -> JobSpec:
    """The whole job with all values.

    Raises:
        MissingSecret: a placeholder has no value.
        InvalidJob: a value is not what its option expects.
    """
    reader = _Reader(file, structure.lines, resolver)
    blocks = structure.blocks
    source = SourceSpec.model_validate(reader.block("source", blocks["source"]))
    _check_startup(source.startup.mode, structure, file)
    sink = SinkSpec.model_validate(reader.block("sink", blocks["sink"]))
    _check_headers(sink, structure, file)
    return JobSpec(
        source=source,
        sink=sink,
        pipeline=PipelineSpec.model_validate(reader.block("pipeline", blocks["pipeline"])),
        route=tuple(reader.rule(f"route[{index}]", rule) for index, rule in enumerate(structure.rules)),
        file=file,
        lines=structure.lines,
    )


def resolve_rows(structure: Structure, file: str, resolver: Resolver) -> RowsSpec:
    """How rows become messages, for those who need no other value of the file, and none of its secrets.

    Raises:
        MissingSecret: a placeholder of one of these options has no value.
        InvalidJob: a value is not what its option expects.
    """
    reader, fields = _Reader(file, structure.lines, resolver), RowsSpec.model_fields
    values: dict[str, object] = {}
    for block in ("source", "sink"):
        settings = structure.blocks[block].items()
        wanted = {n: s for n, s in settings if s.target.partition(".")[0] in fields and not is_secret(s.path)}
        values |= reader.block(block, wanted)
    return RowsSpec.model_validate({name: value for name, value in values.items() if name in fields})


def check_literals(structure: Structure, file: str) -> None:
    """Read every value that needs no placeholder, and forget it.

    Raises:
        InvalidJob: a value is not what its option expects.
    """
    reader = _Reader(file, structure.lines, None)
    for block, settings in structure.blocks.items():
        reader.block(block, _literals(settings))
    mode = structure.blocks["source"].get(_MODE)
    if mode is None or mode.is_literal:
        _check_startup(StartMode.INITIAL if mode is None else str(mode.option.read(mode.text)), structure, file)
    _check_masks(structure, file)
    for index, rule in enumerate(structure.rules):
        literals = _literals(rule)
        reader.block("route", literals)
        if len(literals) == len(rule):
            reader.rule(f"route[{index}]", rule)


def _check_startup(mode: str, structure: Structure, file: str) -> None:
    """A position belongs to its mode, and the mode to it: alone, one has no effect and the other would be guessed."""
    given = [name for name in (_GTID_SET, _FILE, _POS, _TIME) if name in structure.blocks["source"]]
    choices = _POSITIONS.get(mode, ((),))
    if tuple(given) in choices:
        return
    idle = [name for name in given if not any(name in choice for choice in choices)]
    if idle:
        path, of = idle[0], StartMode.TIMESTAMP if idle[0] == _TIME else StartMode.SPECIFIC
        what, hint = f"`{path}` has no effect without `{_MODE}: {of}`", "Add that mode, or remove this line."
    elif len(given) > 1:
        path, what, hint = given[0], f"`{given[0]}` and `{given[1]}` are two positions", "Remove one of them."
    else:
        path = given[0] if given else _MODE
        what, hint = f"`{_MODE}: {mode}` needs {_NEEDED[mode]}", _HOW[mode]
    raise located(InvalidJob(what, hint, f"source.{path}"), file, structure.lines)


def _check_masks(structure: Structure, file: str) -> None:
    given = structure.blocks["source"]
    for name, other, hint in _MASK_PAIRS:
        if name in given and other not in given:
            what = f"`{name}` needs `{other}`" if name == _HASH else f"`{name}` has no effect without `{other}`"
            raise located(InvalidJob(what, hint, f"source.{name}"), file, structure.lines)


def _check_headers(sink: SinkSpec, structure: Structure, file: str) -> None:
    """No header comes twice in a message: which one would a reader take?"""
    added = dict.fromkeys(TABLE_HEADERS, _TABLE_HEADERS) if sink.table_headers else {}
    added |= dict.fromkeys(sink.metadata_headers, _METADATA_HEADERS)
    for name, _ in sink.custom_headers:
        if name in added:
            what = f"The header `{name}` is one of those that `{added[name]}` adds"
            raise located(InvalidJob(what, "Choose another name.", _CUSTOM_HEADERS), file, structure.lines)


def _literals(settings: Settings) -> Settings:
    return {name: setting for name, setting in settings.items() if setting.is_literal}


class _Reader:
    """Reads values out of settings; without a resolver the settings must be literal."""

    def __init__(self, file: str, lines: dict[str, int], resolver: Resolver | None) -> None:
        self._file = file
        self._lines = lines
        self._resolver = resolver

    def block(self, block: str, settings: Settings) -> dict[str, object]:
        """The values by the record's field names, defaults filled in."""
        values: dict[str, object] = {}
        for option in OPTIONS[block]:
            if option.default is not None and option.name not in settings:
                _put(values, option.field, option.read(option.default))
        for setting in settings.values():
            value = self._value(setting)
            if setting.target:
                _put(values, setting.target, value)
        return values

    def rule(self, path: str, settings: Settings) -> RouteRule:
        """One rule of `route`."""
        values = self.block("route", settings)
        symbol = values.get("replace_symbol")

        def build() -> RouteRule:
            return RouteRule.parse(
                str(values["source_table"]),
                str(values["sink_table"]),
                None if symbol is None else str(symbol),
                str(values["description"]),
                path,
                str(values.get("shard_key", "")),
            )

        return self._guarded(list(settings.values()), build)

    def _value(self, setting: Setting) -> object:
        """The option's value, typed."""
        text = self._text(setting)
        if "\0" in text:
            raised = InvalidJob(
                "The value holds a NUL character, which would end it early in MySQL and Kafka.",
                "Remove it; a file that was mounted for a placeholder may be no text.",
                setting.path,
            )
            raise located(raised, self._file, self._lines)
        try:
            value = setting.option.read(text)
        except Unreadable as error:
            message = f"Expected {error.expected}, found {_shown(setting)}"
            raised = InvalidJob(message, error.hint or "Correct the value.", setting.path)
            raise located(raised, self._file, self._lines) from None
        if setting.target in _PATTERN_FIELDS:
            return self._guarded([setting], lambda: TablePatterns.parse(text, setting.path))
        return value

    def _text(self, setting: Setting) -> str:
        if self._resolver is None:
            return setting.text
        return self._resolver.substitute(setting.text, f"{setting.path} ({self._file}:{setting.line})")

    def _guarded(self, settings: list[Setting], build: Callable[[], T]) -> T:
        """Run `build`, adding the line to its error; the error's words are kept only if no placeholder is in them."""
        try:
            return build()
        except InvalidJob as error:
            names = [f"#{{{name}}}" for s in settings for name in names_in(s.text)]
            if names:
                message = f"What {' and '.join(names)} stands for does not fit here"
                hint = "Write the text in place of the placeholder once, to see what is wrong with it."
                error = InvalidJob(message, hint, error.path)
            raise located(error, self._file, self._lines) from None


def _shown(setting: Setting) -> str:
    """The value for an error, when it may be shown."""
    if not setting.is_literal:
        return "another value in place of " + " and ".join(f"#{{{name}}}" for name in names_in(setting.text))
    if is_secret(setting.path) or len(setting.text) > _SHOWN_LENGTH_MAX:
        return "another text"
    return f"`{setting.text}`" if setting.text.strip() else "an empty text"


def _put(values: dict[str, object], target: str, value: object) -> None:
    """Store a value under its field, or under `group.key` in the group's own mapping."""
    group, dot, key = target.partition(".")
    if not dot:
        values[target] = value
        return
    members = values.setdefault(group, {})
    if not isinstance(members, dict):
        raise Bug(f"the field {group} is both an option and a group of options")
    members[key] = value
