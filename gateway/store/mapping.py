"""Between rows as dataclasses and rows as the database has them: instants become integer microseconds and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_type_hints

R = TypeVar("R")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLANS: dict[type[Any], tuple[tuple[str, ...], tuple[str, ...]]] = {}
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
    plain, instants = _plan(type(row))
    values = {name: getattr(row, name) for name in plain}
    for name in instants:
        moment = getattr(row, name)
        values[name] = None if moment is None else to_micros(moment)
    return values


def reader(cls: type[R], columns: tuple[str, ...]) -> Callable[[Sequence[Any]], R]:
    """A function that makes a `cls` of a result tuple; columns the class does not know are passed over."""
    known = _READERS.get((cls, columns))
    if known is None:
        known = _READERS[cls, columns] = _make_reader(cls, columns)
    return known


def _make_reader(cls: type[R], columns: tuple[str, ...]) -> Callable[[Sequence[Any]], R]:
    plain, instants = _plan(cls)
    place = {column: index for index, column in enumerate(columns)}
    plain_at = tuple((name, place[name]) for name in plain)
    instants_at = tuple((name, place[name]) for name in instants)

    def read(values: Sequence[Any]) -> R:
        row = {name: values[index] for name, index in plain_at}
        for name, index in instants_at:
            micros = values[index]
            row[name] = None if micros is None else _EPOCH + timedelta(microseconds=micros)
        return cls(**row)

    return read


def _plan(cls: type[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the plain fields, names of the instants."""
    known = _PLANS.get(cls)
    if known is None:
        known = _PLANS[cls] = _make_plan(cls)
    return known


def _make_plan(cls: type[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)]
    instants = tuple(name for name in names if hints[name] in (datetime, datetime | None))
    return tuple(name for name in names if name not in instants), instants
