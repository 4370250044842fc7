"""Between rows as dataclasses and rows as the database has them: instants become integer microseconds and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, get_type_hints

from gateway.domain.frozen import maker

R = TypeVar("R")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRITERS: dict[type[Any], tuple[tuple[str, ...], Callable[[Any], Sequence[Any]]]] = {}  # of all fields
_READERS: dict[tuple[type[Any], tuple[str, ...]], Callable[[Sequence[Any]], Any]] = {}


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC.

    Raises:
        TypeError: a naive datetime; nobody guesses its zone.
    """
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def to_values(row: Any) -> dict[str, Any]:
    """The named parameters of a row's statement."""
    cls = type(row)
    if cls not in _WRITERS:
        names = tuple([field.name for field in fields(cls)])
        _WRITERS[cls] = names, writer(cls, names)
    names, read = _WRITERS[cls]
    return dict(zip(names, read(row), strict=True))


def writer(cls: type[Any], names: tuple[str, ...]) -> Callable[[Any], Sequence[Any]]:
    """A function that gives these fields of a `cls`, in this order, as the database has them."""
    read, instants = attrgetter(*names), _plan(cls)[1]
    places = [place for place, name in enumerate(names) if name in instants]

    def write(row: Any) -> Sequence[Any]:
        values = list(read(row))
        for place in places:
            moment = values[place]
            if moment is not None:
                values[place] = to_micros(moment)
        return values

    return write


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
    make, places = maker(cls, names), range(len(plain), len(names))

    def read(values: Sequence[Any]) -> R:
        row = list(pick(values))
        for place in places:
            micros = row[place]
            if micros is not None:
                row[place] = _EPOCH + timedelta(microseconds=micros)
        return make(row)

    return read


def _plan(cls: type[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the plain fields, names of the instants."""
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)]
    instants = tuple(name for name in names if hints[name] in (datetime, datetime | None))
    return tuple(name for name in names if name not in instants), instants
