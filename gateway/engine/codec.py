"""Frozen dataclasses to JSON text and back, for nouns, events, dispatches and answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_REMEMBERED_MAX = 1024  # texts of each class, a few kilobytes each

# Building an adapter takes milliseconds, using it microseconds: its own call layer would be a quarter of them.
_readers: dict[type[Any], Callable[[str | bytes], Any]] = {}
_rereaders: dict[type[Any], Callable[[str], Any]] = {}
_writers: dict[type[Any], Callable[[Any], bytes]] = {}


def _build(cls: type[Any]) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(cls)
    _readers[cls], _writers[cls] = adapter.validator.validate_json, adapter.serializer.to_json
    _rereaders[cls] = lru_cache(_REMEMBERED_MAX)(adapter.validator.validate_json)


def encode(value: Any) -> str:
    """The JSON text of a dataclass; instants keep their offset, money its minor units."""
    cls = type(value)
    if cls not in _writers:
        _build(cls)
    return _writers[cls](value).decode()


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
    if cls not in _rereaders:
        _build(cls)
    value: T = _rereaders[cls](text)
    return value
