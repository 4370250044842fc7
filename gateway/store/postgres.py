"""The store on PostgreSQL: a few threads, a connection each, every work a transaction of its own.

READ COMMITTED with locks: a noun is locked as it is read, an order key while it is added to or ended. What still meets
(two firsts of one noun or message, a deadlock) is run again a bounded number of times. A connection lost before the
commit was asked for is no more than a delay; lost during it, the caller hears "unavailable" and may find, asking again
with the same message id, that it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout

from gateway.store.errors import DuplicateError, StoreError, StoreUnavailableError, VersionConflictError
from gateway.store.interface import Reader, Transaction
from gateway.store.reading import SqlReader
from gateway.store.session import Session
from gateway.store.transaction import SqlTransaction

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

ATTEMPTS_MAX = 6  # of one work; more means something is wrong, not busy


class _TryAgainError(StoreError):
    """The server undid the transaction because of another one."""


class _LostError(StoreUnavailableError):
    """The connection broke before a commit was asked for."""


class PostgresSession(Session):
    """Named queries on a psycopg connection."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("postgresql")
        self._connection = connection

    def select(self, query: str, values: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        statement = self._statements[query]
        try:
            cursor = self._connection.execute(statement.sql, statement.arrange(values))
            return tuple([column.name for column in cursor.description or ()]), cursor.fetchall()
        except psycopg.Error as error:
            raise translated(error) from error

    def change(self, query: str, values: Mapping[str, Any]) -> int:
        statement = self._statements[query]
        try:
            return self._connection.execute(statement.sql, statement.arrange(values)).rowcount
        except psycopg.Error as error:
            raise translated(error) from error

    def change_each(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """All rows go to the server in one trip (libpq's pipeline)."""
        if len(rows) == 1:
            return self.change(query, rows[0])
        statement = self._statements[query]
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(statement.sql, [statement.arrange(row) for row in rows])
                return cursor.rowcount
        except psycopg.Error as error:
            raise translated(error) from error


def translated(error: psycopg.Error) -> StoreError:
    """What the caller can do about it. The server's DETAIL, which quotes data, is left out."""
    reason = error.diag.message_primary or str(error)
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
        return _TryAgainError(reason)
    if isinstance(error, errors.UniqueViolation):
        return DuplicateError(reason)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        lost = (error.sqlstate or "08").startswith(("08", "57P"))  # connection failures, the server going down
        return _LostError(reason) if lost else StoreUnavailableError(reason)
    if isinstance(error, errors.ReadOnlySqlTransaction | errors.FeatureNotSupported):  # a standby: the pool has not
        return StoreUnavailableError(reason)  # noticed a failover. Nothing we say is unsupported elsewhere.
    return StoreError(reason)


class PostgresStore:
    """`interface.Store` on a PostgreSQL database. Blocking to open: waits for its first connection."""

    def __init__(self, dsn: str, lock_timeout_s: float, pool_size: int) -> None:
        def configure(connection: Connection) -> None:
            connection.execute(f"SET lock_timeout = {int(lock_timeout_s * 1000)}".encode())
            connection.commit()

        self._lock_timeout_s = lock_timeout_s
        self._pool = ConnectionPool(dsn, min_size=1, max_size=pool_size, open=False, configure=configure)
        self._threads = ThreadPoolExecutor(pool_size, thread_name_prefix="store")
        try:
            self._pool.open(wait=True, timeout=lock_timeout_s)
        except PoolTimeout as error:
            self._pool.close()
            raise StoreUnavailableError(str(error)) from error

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        return await self._in_thread(self._transact, work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        return await self._in_thread(self._read, work)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._pool.close)

    async def _in_thread(self, run: Callable[[Callable[[Any], T]], T], work: Callable[[Any], T]) -> T:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, run, work)
        except RuntimeError as error:
            raise StoreUnavailableError("the store is closed") from error
        return await future

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self._once(work, SqlTransaction, psycopg.IsolationLevel.READ_COMMITTED, read_only=False)
            except (_TryAgainError, _LostError, VersionConflictError, DuplicateError) as error:
                if attempt == ATTEMPTS_MAX:
                    raise _final(error) from error
        raise AssertionError("the last attempt returns or raises")

    def _read(self, work: Callable[[Reader], T]) -> T:
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return self._once(work, SqlReader, psycopg.IsolationLevel.REPEATABLE_READ, read_only=True)
            except _LostError:
                continue
        return self._once(work, SqlReader, psycopg.IsolationLevel.REPEATABLE_READ, read_only=True)

    def _once(
        self,
        work: Callable[[Any], T],
        handle: Callable[[Session], SqlReader],
        isolation: psycopg.IsolationLevel,
        *,
        read_only: bool,
    ) -> T:
        try:
            with self._pool.connection(self._lock_timeout_s) as connection:
                connection.isolation_level, connection.read_only = isolation, read_only
                result = work(handle(PostgresSession(connection)))
                connection.commit()
                return result
        except PoolTimeout as error:
            raise StoreUnavailableError(str(error)) from error
        except errors.SerializationFailure as error:
            raise _TryAgainError(str(error)) from error
        except psycopg.Error as error:
            raise StoreUnavailableError(str(error)) from error


def _final(error: StoreError) -> StoreError:
    """What the caller hears when trying again has not helped."""
    return StoreUnavailableError(str(error)) if isinstance(error, _TryAgainError) else error
