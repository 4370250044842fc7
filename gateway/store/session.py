"""Running named queries on one connection: the little that differs between the two drivers is the subclass's."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from operator import itemgetter
from typing import Any, TypeVar

import aiosql

from gateway.store.errors import StoreError
from gateway.store.mapping import reader, writer

R = TypeVar("R")
Values = Any  # a statement's values by name: a mapping, or one of `gateway.store.rows`
Otherwise = Callable[[], StoreError]


@cache
def named_queries(dialect: str) -> dict[str, str]:
    """Query texts by name: the common files, then the dialect's own in their place.

    Only the texts are aiosql's; its call layer would cost as much again as the statement on SQLite.

    Args:
        dialect: "sqlite" or "postgresql"; decides the placeholders as well.
    """
    folder = resources.files("gateway.store.queries")
    driver = "sqlite3" if dialect == "sqlite" else "psycopg"
    texts: dict[str, str] = {}
    for part in (folder, folder / dialect):
        for file in sorted((f for f in part.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
            queries = aiosql.from_str(file.read_text(encoding="utf-8"), driver, mandatory_parameters=False)
            names = [name for name in queries.available_queries if not name.endswith("_cursor")]
            texts |= {name: getattr(queries, name).sql for name in names}
    return texts


@dataclass(frozen=True, slots=True)
class Statement:
    """A query as a driver takes it quickest: by place. `arrange` brings values into the places."""

    sql: str
    arrange: Callable[[Values], Sequence[Any]]


@cache
def statements(dialect: str) -> dict[str, Statement]:
    """Every named query with its placeholders in order of place."""
    place = _place_sqlite if dialect == "sqlite" else _place_postgresql
    return {name: place(sql) for name, sql in named_queries(dialect).items()}


def _place_sqlite(sql: str) -> Statement:
    """`:name` becomes `?`: a value for each mention."""
    named = re.compile(r":([a-z]\w*)")
    return Statement(named.sub("?", sql), _arranger(named.findall(sql)))


def _place_postgresql(sql: str) -> Statement:
    """`%(name)s` becomes `$1`, `$2`…: a value for each name."""
    named = re.compile(r"%\((\w+)\)s")
    names = list(dict.fromkeys(named.findall(sql)))
    return Statement(named.sub(lambda found: f"${names.index(found[1]) + 1}", sql), _arranger(names))


def _arranger(names: Sequence[str]) -> Callable[[Values], Sequence[Any]]:
    ways: dict[type[Any], Callable[[Any], Sequence[Any]]] = {dict: _getter(names)}

    def arrange(values: Values) -> Sequence[Any]:
        cls = type(values)
        if cls not in ways:
            ways[cls] = writer(cls, tuple(names))
        return ways[cls](values)

    return arrange


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])


class Session(ABC):
    """One connection and its named queries. Errors of the driver leave as StoreError."""

    def __init__(self, dialect: str) -> None:
        self._statements = statements(dialect)

    @abstractmethod
    def select(self, query: str, values: Values) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Column names and all result rows."""

    @abstractmethod
    def change(self, query: str, values: Values) -> int:
        """Run a writing statement; how many rows it touched."""

    @abstractmethod
    def change_each(self, query: str, rows: Sequence[Values]) -> int:
        """Run a writing statement for each row, one after the other, in one call; how many rows all of them touched."""

    def write(self, query: str, rows: Sequence[Values], otherwise: Otherwise | None = None) -> None:
        """Run a writing statement for each row where nobody waits for what comes of it.

        What the database says of it ends the transaction, at the commit at the latest; so does, where there is an
        `otherwise`, that error if a row touched nothing.
        """
        count = self.change_each(query, rows)
        if otherwise is not None and count < len(rows):
            raise otherwise()

    def select_each(self, query: str, each: Sequence[Values]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run a statement with each of these values, one after the other; column names and all result rows."""
        columns: tuple[str, ...] = ()
        found: list[tuple[Any, ...]] = []
        for values in each:
            columns, tuples = self.select(query, values)
            found += tuples
        return columns, found

    def ask(self, cls: type[R], query: str, each: Sequence[Values]) -> Callable[[], list[R]]:
        """Run a statement with each of these values; what comes of it, when it is wanted.

        To be asked in the transaction, where it waits, or once that is committed, where it need not.
        """
        rows = self.rows_each(cls, query, each)
        return lambda: rows

    def has(self, query: str) -> bool:
        """Whether this dialect knows the query."""
        return query in self._statements

    def rows(self, cls: type[R], query: str, **values: Any) -> list[R]:
        """All results as dataclasses."""
        columns, tuples = self.select(query, values)
        return list(map(reader(cls, columns), tuples)) if tuples else []

    def rows_each(self, cls: type[R], query: str, each: Sequence[Values]) -> list[R]:
        """All results of a statement with each of these values, as dataclasses."""
        columns, tuples = self.select_each(query, each)
        return list(map(reader(cls, columns), tuples)) if tuples else []

    def row(self, cls: type[R], query: str, **values: Any) -> R | None:
        """The one result, or None."""
        found = self.rows(cls, query, **values)
        return found[0] if found else None

    def scalar(self, query: str, **values: Any) -> Any:
        """The first column of the first result; None if there is none."""
        _, tuples = self.select(query, values)
        return tuples[0][0] if tuples else None
