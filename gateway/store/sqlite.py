"""The store on one SQLite file: a connection that writes and one that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from gateway.store.errors import DuplicateError, StoreError, StoreUnavailableError
from gateway.store.interface import Reader, Transaction
from gateway.store.reading import SqlReader
from gateway.store.session import Session
from gateway.store.sqlite_works import Aside, Reads, Thread, Writes
from gateway.store.transaction import SqlTransaction
from gateway.store.turns import Pressure, Turn

T = TypeVar("T")

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-65536")


class SqliteSession(Session):
    """Named queries on a sqlite3 connection, in a transaction that somebody began.

    SQLite ends a transaction by itself where the disk fails. What came after would be committed at once, alone: half of
    a work. So every statement looks first.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__("sqlite")
        self._connection = connection
        self._columns: dict[str, tuple[str, ...]] = {}  # by query; they stay while the connection does

    def select(self, query: str, values: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        statement = self._statements[query]
        self._check_open()
        try:
            cursor = self._connection.execute(statement.sql, statement.arrange(values))
            columns = self._columns.get(query)
            if columns is None:
                columns = self._columns[query] = tuple([column[0] for column in cursor.description])
            return columns, cursor.fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error

    def change(self, query: str, values: Mapping[str, Any]) -> int:
        statement = self._statements[query]
        self._check_open()
        try:
            return self._connection.execute(statement.sql, statement.arrange(values)).rowcount
        except sqlite3.Error as error:
            raise translated(error) from error

    def change_each(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        statement = self._statements[query]
        self._check_open()
        try:
            return self._connection.executemany(statement.sql, map(statement.arrange, rows)).rowcount
        except sqlite3.Error as error:
            raise translated(error) from error

    def _check_open(self) -> None:
        if not self._connection.in_transaction:
            raise StoreUnavailableError("SQLite has dropped the transaction")


def translated(error: sqlite3.Error) -> StoreError:
    """Whose fault it is: a constraint is the caller's, what OperationalError says (disk, locks) is the database's."""
    if isinstance(error, sqlite3.IntegrityError):
        return DuplicateError(str(error))
    if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.ProgrammingError
    ):
        return StoreUnavailableError(str(error))
    return StoreError(str(error))


def connect(path: str, lock_timeout_s: float, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are begun by hand), durable at every commit."""
    connection = sqlite3.connect(
        path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


class SqliteStore:
    """`interface.Store` on one file. `aside` makes, by a name, what does a connection's slow things: a thread, or what
    a simulation puts in its place.
    """

    def __init__(self, path: str, lock_timeout_s: float, aside: Callable[[str], Aside] = Thread) -> None:
        writing = connect(path, lock_timeout_s)
        try:
            writing.execute("PRAGMA busy_timeout=0")  # a lock is waited for beside the loop's other work
            reading = connect(path, lock_timeout_s, read_only=True)
        except BaseException:
            writing.close()
            raise
        changes, reader = SqlTransaction(SqliteSession(writing)), SqlReader(SqliteSession(reading))
        self._writes = Writes(writing, changes, aside("store-writer"), lock_timeout_s=lock_timeout_s)
        self._reads = Reads(reading, reader, aside("store-reader"))

    async def transact(self, work: Callable[[Transaction], T], turn: Turn = Turn.NEW) -> T:
        return await self._writes.submit(work, turn)

    async def read(self, work: Callable[[Reader], T], turn: Turn = Turn.NEW) -> T:
        return await self._reads.submit(work, turn)

    def waited_s(self, turn: Turn) -> float:
        return self._writes.waiting.waited_s(turn)

    def pressure(self) -> Pressure:
        return self._writes.waiting.pressure()

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()
