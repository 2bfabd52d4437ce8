"""The compiled core; see src/python.rs."""

from collections.abc import Callable, Sequence
from typing import Any, final, overload

from shared.model.change import Change

@final
class Charset:
    def __new__(cls, kind: str, codes: list[tuple[bytes, str]]) -> Charset: ...

@final
class RowShape:
    def __new__(
        cls,
        fields: Sequence[dict[str, Any]],
        key: Sequence[tuple[bytes, int]],
        value: Sequence[tuple[bytes, int | None, bool]],
    ) -> RowShape: ...

@final
class Changes(Sequence[Change]):
    @property
    def packed(self) -> tuple[bytes, bytes]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int) -> Change: ...
    @overload
    def __getitem__(self, place: slice) -> list[Change]: ...

@final
class RowDecoder:
    ended: bool
    size: int
    refusal: tuple[int, str] | None
    def __new__(cls, shape: RowShape) -> RowDecoder: ...
    def feed(self, data: bytes) -> Sequence[tuple[bytes, bytes]]: ...

@final
class StreamDecoder:
    ended: bool
    more: bool
    refusal: tuple[int, str] | None
    def __new__(
        cls,
        bind: Callable[[str, str, bytes], tuple[Any, RowShape | None] | None],
        make: Sequence[Callable[..., Any]],
        fail: Callable[[str, str, str], Exception],
    ) -> StreamDecoder: ...
    def feed(self, data: bytes, *, merge: bool = False) -> list[Any]: ...
