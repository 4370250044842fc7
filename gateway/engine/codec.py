"""Frozen dataclasses to JSON text and back, for nouns, events, dispatches and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_REMEMBERED_MAX = 512  # texts of each class and generation, a few kilobytes each


class _Memory:
    """Values by the text they were read from or written as: those of late, and those before them."""

    def __init__(self) -> None:
        self._young: dict[str, Any] = {}
        self._old: dict[str, Any] = {}

    def find(self, text: str) -> Any | None:
        return self._young.get(text) or self._old.get(text)

    def keep(self, text: str, value: Any) -> None:
        """Threads may meet here: what one of them forgets is read again."""
        if len(self._young) >= _REMEMBERED_MAX:
            self._old, self._young = self._young, {}
        self._young[text] = value


# Building an adapter takes milliseconds, using it microseconds: its own call layer would be a quarter of them.
_readers: dict[type[Any], Callable[[str | bytes], Any]] = {}
_writers: dict[type[Any], Callable[[Any], bytes]] = {}
_memories: dict[type[Any], _Memory] = {}


def _build(cls: type[Any]) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(cls)
    _memories[cls] = _Memory()
    _readers[cls], _writers[cls] = adapter.validator.validate_json, adapter.serializer.to_json


def encode(value: Any) -> str:
    """The JSON text of a dataclass; instants keep their offset, money its minor units."""
    cls = type(value)
    if cls not in _writers:
        _build(cls)
    return _writers[cls](value).decode()


def encode_kept(value: Any) -> str:
    """`encode` for a frozen value that will soon be wanted again: `decode_again` finds it by its text."""
    text = encode(value)
    _memories[type(value)].keep(text, value)
    return text


def decode(cls: type[T], text: str | bytes) -> T:
    """The dataclass a text was made from.

    Raises:
        pydantic.ValidationError: the text is not of this class (a broken store, never a caller's fault).
    """
    if cls not in _readers:
        _build(cls)
    value: T = _readers[cls](text)
    return value


def decode_again(cls: type[T], text: str) -> T:
    """`decode` for what is read several times before it changes: the same text gives the very same, frozen, value."""
    if cls not in _readers:
        _build(cls)
    memory = _memories[cls]
    value: T | None = memory.find(text)
    if value is None:
        value = _readers[cls](text)
        memory.keep(text, value)
    return value
