"""The compiled core; see src/python.rs."""

from collections.abc import Callable, Sequence
from typing import Any, final

@final
class Charset:
    def __new__(cls, kind: str, codes: list[tuple[bytes, str]]) -> Charset: ...

@final
class RowShape:
    def __new__(
        cls,
        fields: Sequence[dict[str, Any]],
        key: Sequence[tuple[bytes, int]],
        value: Sequence[tuple[bytes, int]],
        ignore_nulls: bool,
    ) -> RowShape: ...

@final
class RowDecoder:
    ended: bool
    size: int
    refusal: tuple[int, str] | None
    def __new__(cls, shape: RowShape) -> RowDecoder: ...
    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]: ...

@final
class StreamDecoder:
    ended: bool
    more: bool
    refusal: tuple[int, str] | None
    def __new__(
        cls,
        bind: Callable[[str, str, bytes], tuple[Any, RowShape] | None],
        make: Sequence[Callable[..., Any]],
        fail: Callable[[str, str, str], Exception],
    ) -> StreamDecoder: ...
    def feed(self, data: bytes, *, merge: bool = False) -> list[Any]: ...
