"""The store on one SQLite file: one writing thread that commits in groups, one reading thread beside it.

SQLite has one writer at a time, so the writing thread takes everything that waits, runs each work in a savepoint of its
own and pays for one durable commit (WAL, `synchronous=FULL`) for all of them. Nobody is told anything before it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import sleep
from typing import Any, Generic, Protocol, TypeVar

from gateway.store.errors import DuplicateError, StoreError, StoreUnavailableError
from gateway.store.interface import Reader, Transaction
from gateway.store.reading import SqlReader
from gateway.store.session import Session
from gateway.store.transaction import SqlTransaction

_log = logging.getLogger(__name__)

T = TypeVar("T")
Handle = TypeVar("Handle", bound=SqlReader)

GROUP_MAX = 256  # works in one commit: at about 0.1 ms each nobody waits longer than some 25 ms for the others
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-65536")
PACE_S = 0.01  # between commits while several callers are at work: a commit costs as much as two or three works


class SqliteSession(Session):
    """Named queries on a sqlite3 connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__("sqlite")
        self._connection = connection
        self._columns: dict[str, tuple[str, ...]] = {}  # by query; they stay while the connection does

    def select(self, query: str, values: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        statement = self._statements[query]
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
        try:
            return self._connection.execute(statement.sql, statement.arrange(values)).rowcount
        except sqlite3.Error as error:
            raise translated(error) from error

    def change_each(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        statement = self._statements[query]
        try:
            return self._connection.executemany(statement.sql, map(statement.arrange, rows)).rowcount
        except sqlite3.Error as error:
            raise translated(error) from error


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


@dataclass(slots=True, eq=False)
class Job:
    """One work on its way through a thread, and what came of it."""

    work: Callable[[Any], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():  # cancelled by its caller
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Groups(ABC, Generic[Handle]):
    """A connection that runs works in groups; subclasses say how a group becomes transactions.

    `pace_s`: how long to gather works for the next group, if the last one held several.
    """

    pace_s = 0.0

    def __init__(self, name: str, connection: sqlite3.Connection, handle: Handle) -> None:
        self.name, self._connection, self._handle = name, connection, handle

    @abstractmethod
    def run(self, group: list[Job]) -> None:
        """Give every job its result or its error."""

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


class Worker(Protocol):
    """Brings works to the groups of one connection, in order, and their results to those who wait."""

    async def submit(self, work: Callable[[Any], T]) -> T:
        """Run `work` in some group."""

    async def close(self) -> None:
        """Finish what was handed in, then close the groups."""


class WorkerThread:
    """Works wait in a queue; a thread takes all that wait as one group.

    While groups are of several works the thread keeps their pace, so that more works share what a group costs. Somebody
    who is alone, one work after the other, never waits for it.
    """

    def __init__(self, groups: Groups[Any]) -> None:
        self._groups = groups
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=groups.name, daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[Any], T]) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        job = Job(work, asyncio.get_running_loop().create_future())
        self._queue.put(job)
        result: T = await job.future
        return result

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._take()
            if group:
                self._groups.run(group)
                _settle(group)
                if more and len(group) > 1:
                    sleep(self._groups.pace_s)
        self._groups.close()

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for one job, then take what else is there; False when closing was asked for."""
        group: list[Job] = []
        try:
            job = self._queue.get()
            while job is not None:
                group.append(job)
                if len(group) == GROUP_MAX:
                    return group, True
                job = self._queue.get_nowait()
        except Empty:
            return group, True
        return group, False


def _settle(group: Iterable[Job]) -> None:
    """Wake the callers, once per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in group:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, jobs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_here, jobs)


def _settle_here(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()


class _Writes(Groups[SqlTransaction]):
    """One commit for a group, a savepoint for each work in it."""

    pace_s = PACE_S

    def run(self, group: list[Job]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if len(group) == 1:
                self._attempt_alone(group[0])
                return
            for job in group:
                self._attempt(job)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(group, error)

    def _attempt_alone(self, job: Job) -> None:
        """Run one work that shares its transaction with no other: an error undoes the transaction."""
        try:
            job.result = job.work(self._handle)
        except BaseException as error:
            job.error = error
            self._connection.execute("ROLLBACK")
        else:
            self._connection.execute("COMMIT")

    def _attempt(self, job: Job) -> None:
        """Run one work; an error undoes it alone. When SQLite dropped the whole transaction (disk full), raise."""
        self._connection.execute("SAVEPOINT work")
        try:
            job.result = job.work(self._handle)
        except BaseException as error:
            job.error = error
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _give_up(self, group: list[Job], error: sqlite3.Error) -> None:
        """Nothing of the group is stored; those that failed by themselves keep their own reason."""
        _undo(self._connection)
        for job in group:
            if job.error is None:
                job.error = StoreUnavailableError(str(error))


def _undo(connection: sqlite3.Connection) -> None:
    """End the transaction, if there is one. A disk that refuses even that must not end the thread that all works need:
    the next group then finds the transaction open, fails too, and tries this again.
    """
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        _log.warning("not rolled back: %s", error)


class _Reads(Groups[SqlReader]):
    """One snapshot for a group of reads."""

    def run(self, group: list[Job]) -> None:
        try:
            self._connection.execute("BEGIN")
            for job in group:
                self._attempt(job)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            _undo(self._connection)
            for job in group:
                job.error = job.error or StoreUnavailableError(str(error))

    def _attempt(self, job: Job) -> None:
        try:
            job.result = job.work(self._handle)
        except BaseException as error:
            job.error = error


class SqliteStore:
    """`interface.Store` on one file. `worker` carries the works: threads, or what a simulation puts in their place."""

    def __init__(
        self, path: str, lock_timeout_s: float, worker: Callable[[Groups[Any]], Worker] = WorkerThread
    ) -> None:
        writing, reading = connect(path, lock_timeout_s), connect(path, lock_timeout_s, read_only=True)
        self._writer = worker(_Writes("store-writer", writing, SqlTransaction(SqliteSession(writing))))
        self._reader = worker(_Reads("store-reader", reading, SqlReader(SqliteSession(reading))))

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        return await self._writer.submit(work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        return await self._reader.submit(work)

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
