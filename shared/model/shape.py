"""Whether a record is what its annotations say: the last step of decoding bytes that others have written.

JSON gives any type in any place. A list in place of a name would be taken, and would end the process that uses it much
later and without a name; a number of a hundred digits could not be written again.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Check: TypeAlias = Callable[[Any], bool]

#: What 64 bits hold, signed or not: no count, number or key of ours is larger, and JSON cannot be written with more.
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def checked(record: T) -> T:
    """The same record: a dataclass or a NamedTuple, all the way down.

    Raises:
        ValueError: a field is not of its annotated type, or a whole number needs more than 64 bits.
    """
    kind: type = type(record)
    for name, fits in _fields(kind):
        if not fits(getattr(record, name)):
            raise ValueError(f"the field `{name}` of {kind.__name__} is of another type")
    return record


@cache
def _fields(kind: type) -> tuple[tuple[str, Check], ...]:
    return tuple((name, _check(hint)) for name, hint in get_type_hints(kind).items())


def _check(hint: Any) -> Check:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        options = tuple(_check(one) for one in arguments)
        return lambda value: any(fits(value) for fits in options)
    if origin is tuple:
        return _of_tuple(arguments)
    if origin is Mapping:
        return _of_mapping(_check(arguments[0]), _check(arguments[1]))
    if hint is int:
        return lambda value: type(value) is int and _SMALLEST <= value <= _LARGEST
    if hint is float:
        return lambda value: type(value) in (int, float)
    if not isinstance(hint, type):
        raise TypeError(f"{hint!r} has no rule here")
    if is_dataclass(hint) or hasattr(hint, "_fields"):
        return lambda value: isinstance(value, hint) and all(fits(getattr(value, n)) for n, fits in _fields(hint))
    return lambda value: isinstance(value, hint)


def _of_tuple(arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        fits = _check(arguments[0])
        return lambda value: isinstance(value, tuple) and all(fits(one) for one in value)
    each = tuple(_check(one) for one in arguments)
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(each)
        and all(fits(one) for fits, one in zip(each, value, strict=True))
    )


def _of_mapping(key: Check, value: Check) -> Check:
    return lambda found: isinstance(found, Mapping) and all(key(name) and value(one) for name, one in found.items())
