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

from gateway.store.mapping import reader

R = TypeVar("R")


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
    """A query as a driver takes it quickest: by place. `arrange` brings named values into the places."""

    sql: str
    arrange: Callable[[Mapping[str, Any]], tuple[Any, ...]]


@cache
def statements(dialect: str) -> dict[str, Statement]:
    """Every named query with its placeholders in order of place."""
    named, mark = (re.compile(r":([a-z]\w*)"), "?") if dialect == "sqlite" else (re.compile(r"%\((\w+)\)s"), "%s")
    return {
        name: Statement(named.sub(mark, sql), _arranger(named.findall(sql)))
        for name, sql in named_queries(dialect).items()
    }


def _arranger(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])


class Session(ABC):
    """One connection and its named queries. Errors of the driver leave as StoreError."""

    def __init__(self, dialect: str) -> None:
        self._statements = statements(dialect)

    @abstractmethod
    def select(self, query: str, values: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Column names and all result rows."""

    @abstractmethod
    def change(self, query: str, values: Mapping[str, Any]) -> int:
        """Run a writing statement; how many rows it touched."""

    @abstractmethod
    def change_each(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a writing statement for each row, one after the other, in one call; how many rows all of them touched."""

    def has(self, query: str) -> bool:
        """Whether this dialect knows the query."""
        return query in self._statements

    def rows(self, cls: type[R], query: str, **values: Any) -> list[R]:
        """All results as dataclasses."""
        columns, tuples = self.select(query, values)
        return list(map(reader(cls, columns), tuples)) if tuples else []

    def row(self, cls: type[R], query: str, **values: Any) -> R | None:
        """The one result, or None."""
        found = self.rows(cls, query, **values)
        return found[0] if found else None

    def scalar(self, query: str, **values: Any) -> Any:
        """The first column of the first result; None if there is none."""
        _, tuples = self.select(query, values)
        return tuples[0][0] if tuples else None
