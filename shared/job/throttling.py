"""The limits in force: those of the job file, changed by what `scheduler throttle` has written since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.errors import InvalidJob
from shared.job.options import THROTTLE
from shared.job.values import Unreadable
from shared.model.throttle import Limits

#: What lifts one limit.
NONE = "none"

_PREFIX = "throttle."

#: The options that can be changed while a job runs, by their name without the prefix.
CHANGEABLE = {option.name.removeprefix(_PREFIX): option for option in THROTTLE}


def in_force(written: Limits, changed: Mapping[str, str]) -> Limits:
    """The limits of the job file with the changes on top.

    Raises:
        InvalidJob: a change names no limit, or its text is no value of it.
    """
    values: dict[str, Any] = {}
    for name, text in changed.items():
        option = CHANGEABLE.get(name)
        path = f"source.{_PREFIX}{name}"
        if option is None:
            raise InvalidJob(f"There is no limit `{name}`.", f"The limits are {', '.join(CHANGEABLE)}.", path)
        field = option.field.removeprefix(_PREFIX)
        if text == NONE:
            values[field] = () if field == "replicas" else None
            continue
        try:
            values[field] = option.read(text)
        except Unreadable as error:
            hint = error.hint or f"`{NONE}` lifts the limit."
            raise InvalidJob(f"Expected {error.expected}, found `{text}`.", hint, path) from None
    return replace(written, **values)


def as_json(limits: Limits) -> dict[str, int | float | list[str]]:
    """The limits that are set, by option name; durations in seconds."""
    found: dict[str, int | float | list[str]] = {}
    for name, option in CHANGEABLE.items():
        value = getattr(limits, option.field.removeprefix(_PREFIX))
        if value is None or value == ():
            continue
        if name == "replicas":
            found[name] = [str(address) for address in value]
        else:
            found[name] = value if isinstance(value, int) else value.total_seconds()
    return found
