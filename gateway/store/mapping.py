"""Between rows as dataclasses and rows as the database has them: instants become integer microseconds and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, get_type_hints

R = TypeVar("R")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Writer = tuple[tuple[str, ...], tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
_WRITERS: dict[type[Any], _Writer] = {}
_READERS: dict[tuple[type[Any], tuple[str, ...]], Callable[[Sequence[Any]], Any]] = {}


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC.

    Raises:
        TypeError: a naive datetime; nobody guesses its zone.
    """
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """The aware UTC instant."""
    return _EPOCH + timedelta(microseconds=micros)


def to_values(row: Any) -> dict[str, Any]:
    """The named parameters of a row's statement."""
    names, instants, read = _WRITERS.get(type(row)) or _writer(type(row))
    values = dict(zip(names, read(row), strict=True))
    for name in instants:
        moment = values[name]
        if moment is not None:
            values[name] = to_micros(moment)
    return values


def _writer(cls: type[Any]) -> _Writer:
    """All field names, those of the instants, and what reads all fields at once."""
    plain, instants = _plan(cls)
    names = plain + instants
    _WRITERS[cls] = names, instants, attrgetter(*names)
    return _WRITERS[cls]


def reader(cls: type[R], columns: tuple[str, ...]) -> Callable[[Sequence[Any]], R]:
    """A function that makes a `cls` of a result tuple; columns the class does not know are passed over."""
    known = _READERS.get((cls, columns))
    if known is None:
        known = _READERS[cls, columns] = _make_reader(cls, columns)
    return known


def _make_reader(cls: type[R], columns: tuple[str, ...]) -> Callable[[Sequence[Any]], R]:
    plain, instants = _plan(cls)
    names = plain + instants
    pick = itemgetter(*(columns.index(name) for name in names))

    def read(values: Sequence[Any]) -> R:
        row = dict(zip(names, pick(values), strict=True))
        for name in instants:
            micros = row[name]
            if micros is not None:
                row[name] = _EPOCH + timedelta(microseconds=micros)
        return cls(**row)

    return read


def _plan(cls: type[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the plain fields, names of the instants."""
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)]
    instants = tuple(name for name in names if hints[name] in (datetime, datetime | None))
    return tuple(name for name in names if name not in instants), instants
