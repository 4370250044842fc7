"""Frozen dataclasses to JSON text and back, for nouns, events, dispatches and answers."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # building one takes milliseconds, using it microseconds


def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    adapter = _adapters.get(cls)
    if adapter is None:
        adapter = _adapters[cls] = TypeAdapter(cls)
    return adapter


def encode(value: Any) -> str:
    """The JSON text of a dataclass; instants keep their offset, money its minor units."""
    return _adapter(type(value)).dump_json(value).decode()


def decode(cls: type[T], text: str | bytes) -> T:
    """The dataclass a text was made from.

    Raises:
        pydantic.ValidationError: the text is not of this class (a broken store, never a caller's fault).
    """
    value: T = _adapter(cls).validate_json(text)
    return value
