"""Works on a SQLite connection (ADR 17): run on the loop in the turn of whoever brings them, committed in a thread.

SQLite has one writer at a time, so works share a transaction: the first begins it, what comes while it is open joins it
in a savepoint of its own, and one durable commit (WAL, `synchronous=FULL`) is paid for all. Nobody is told anything
before it. Only what waits for the disk (a commit, a read that may be long) goes to the thread; another program's lock
is waited for by looking again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from gateway.store.errors import StoreUnavailableError
from gateway.store.reading import SqlReader
from gateway.store.transaction import SqlTransaction
from gateway.store.turns import Turn, Turns

_log = logging.getLogger(__name__)
T = TypeVar("T")
Handle = TypeVar("Handle", bound=SqlReader)

GROUP_MAX = 64  # works in one commit: at some 0.3 ms each nobody waits longer than some 20 ms for the others
PACE_S = 0.01  # between commits while several callers are at work: a commit costs as much as two or three works
_LOCK_LOOK_S = 0.005


@dataclass(slots=True, eq=False)
class Job:
    """One work on its way, and what came of it."""

    work: Callable[[Any], Any]
    turn: Turn
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def run(self, handle: Any) -> None:
        """Keep the result or the error; say nothing yet."""
        try:
            self.result = self.work(handle)
        except BaseException as error:
            self.error = error

    def fail(self, error: StoreUnavailableError) -> None:
        """It is not done; one that failed by itself keeps its own reason."""
        self.error = self.error or error
        self.settle()

    def settle(self) -> None:
        if self.future.done():  # cancelled by its caller
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Aside(Protocol):
    """Where that is done which would keep the loop waiting; one thing at a time."""

    async def run(self, what: Callable[[], T]) -> T:
        """Do it, and give what it gave."""

    def close(self) -> None:
        """Nothing more will come."""


class Thread:
    """`Aside` in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, what)

    def close(self) -> None:
        self._executor.shutdown()


class _Works(ABC, Generic[Handle]):
    """Takes works for one connection until it is closed. `_drive` brings them to their end while there are any."""

    def __init__(
        self, connection: sqlite3.Connection, handle: Handle, aside: Aside, patience_s: float = math.inf
    ) -> None:
        self.connection, self._handle, self._aside = connection, handle, aside
        self.waiting: Turns[Job] = Turns(patience_s=patience_s)
        self._driving: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, work: Callable[[Handle], T], turn: Turn = Turn.NEW) -> T:
        """The result of `work`, once it may be told.

        Raises:
            StoreUnavailableError: nothing of it is stored, or it could not be read.
        """
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        loop = asyncio.get_running_loop()
        job = Job(work, turn, loop.create_future())
        self._take(job)
        if self._driving is None:
            self._driving = loop.create_task(self._drive())
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish what was handed in, then let go of the connection."""
        was_closed, self._closed = self._closed, True
        if self._driving is not None:
            await asyncio.wait([self._driving])
        if not was_closed:
            await self._aside.run(self.connection.close)  # the last one brings the log into the file
            self._aside.close()

    def _take(self, job: Job) -> None:
        self.waiting.add(job)

    @abstractmethod
    async def _drive(self) -> None: ...


class Writes(_Works[SqlTransaction]):
    """The one writing connection. While groups are of several works a pace is kept, so that more works share what a
    commit costs; somebody who is alone, one work after the other, never waits for it.

    Args:
        connection: in autocommit mode, and not itself waiting for locks.
        lock_timeout_s: how long a work waits for its place, or for another program's lock.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        handle: SqlTransaction,
        aside: Aside,
        *,
        lock_timeout_s: float,
        pace_s: float = PACE_S,
    ) -> None:
        super().__init__(connection, handle, aside, lock_timeout_s)
        self._pace_s = pace_s
        self._group: list[Job] = []  # done in the open transaction; there is one while this holds any
        self._is_taking = True  # no commit is under way, and no other program has the lock
        self._next_at = 0.0

    def _take(self, job: Job) -> None:
        """Run it now, if that can be."""
        is_free = self._is_taking and not self.waiting and len(self._group) < GROUP_MAX
        if not (is_free and self._runs(job)):
            self.waiting.add(job)

    async def _drive(self) -> None:
        try:
            while self._group or self.waiting:
                if self._group:
                    await asyncio.sleep(max(0.0, self._next_at - asyncio.get_running_loop().time()))
                self._is_taking = False
                await self._commit()
                await self._run_waiting()
                self._is_taking = not self.waiting
        finally:
            self._is_taking, self._driving = True, None

    async def _run_waiting(self) -> None:
        """As many as may share a commit; who finds another program's lock for too long hears so."""
        while len(self._group) < GROUP_MAX and (job := self.waiting.head()) is not None:
            if self._runs(job):
                self.waiting.take()
            else:
                await asyncio.sleep(_LOCK_LOOK_S)

    def _runs(self, job: Job) -> bool:
        """Run it in the open transaction, or begin one. False if another program has the lock: it was not run."""
        try:
            if self._group:
                self._run_beside(job)
            else:
                self.connection.execute("BEGIN IMMEDIATE")
                self._run_first(job)
        except sqlite3.Error as error:
            if not self._group and _is_lock(error):
                self.waiting.stuck("database is locked")
                return False
            self._give_up([*self._group, job], error)
            self._group = []
        return True

    def _run_first(self, job: Job) -> None:
        """Needs no savepoint: what it did is all that there is to undo."""
        job.run(self._handle)
        if job.error is None:
            self._group.append(job)
        else:
            _undo(self.connection)
            job.settle()

    def _run_beside(self, job: Job) -> None:
        """An error undoes it alone. When SQLite dropped the whole transaction (disk full), raise."""
        self.connection.execute("SAVEPOINT work")
        job.run(self._handle)
        if job.error is not None:
            self.connection.execute("ROLLBACK TO work")
        self.connection.execute("RELEASE work")
        self._group.append(job)

    async def _commit(self) -> None:
        group, self._group = self._group, []
        if not group:  # given up, or nothing was begun
            return
        if len(group) > 1:
            self._next_at = asyncio.get_running_loop().time() + self._pace_s
        error = await self._aside.run(self._try_commit)
        if error is not None:
            self._give_up(group, error)
            return
        self.waiting.answered()
        for job in group:
            job.settle()

    def _try_commit(self) -> sqlite3.Error | None:
        try:
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            return error
        return None

    def _give_up(self, group: Iterable[Job], error: sqlite3.Error) -> None:
        """Nothing of the group is stored; those that failed by themselves keep their own reason."""
        _undo(self.connection)
        reason = StoreUnavailableError(str(error))
        for job in group:
            job.fail(reason)


class Reads(_Works[SqlReader]):
    """A reading connection: what waits is read in one snapshot, in the thread, since nobody knows how long it takes."""

    async def _drive(self) -> None:
        try:
            while group := list(self.waiting.take_all()):
                await self._aside.run(partial(self._read, group))
                for job in group:
                    job.settle()
        finally:
            self._driving = None

    def _read(self, group: Iterable[Job]) -> None:
        try:
            self.connection.execute("BEGIN")
            for job in group:
                job.run(self._handle)
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            _undo(self.connection)
            for job in group:
                job.error = job.error or StoreUnavailableError(str(error))


def _is_lock(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _undo(connection: sqlite3.Connection) -> None:
    """End the transaction, if there is one. A disk that refuses even that must not stop the works that come: the next
    one then finds the transaction open, fails too, and tries this again.
    """
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        _log.warning("not rolled back: %s", error)
