"""The store on PostgreSQL: a few links, every work a transaction of its own.

READ COMMITTED with locks: a noun is locked as it is read, an order key while it is added to or ended. What still meets
(two firsts of one noun or message, a deadlock) is run again a bounded number of times. A connection lost before the
commit was asked for is no more than a delay; lost during it, the caller hears "unavailable" and may find, asking again
with the same message id, that it was done.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.store.errors import (
    DuplicateError,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)
from gateway.store.interface import Reader, Transaction
from gateway.store.link import Control, Link, LostError, Rows, TryAgainError
from gateway.store.mapping import reader
from gateway.store.reading import SqlReader
from gateway.store.session import Otherwise, Session, Values
from gateway.store.transaction import SqlTransaction
from gateway.store.turns import Pressure, Turn, Turns

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS_MAX = 6  # of one work; more means something is wrong, not busy
CONNECT_PAUSE_S = 0.1  # between attempts to reach a server, while somebody waits for it
_KEPT_FREE = 4  # one connection in so many is not for the works of the other turn, however many wait for a lock
_AGAIN = (TryAgainError, LostError, VersionConflictError, DuplicateError)


class PostgresSession(Session):
    """Named queries over a link."""

    def __init__(self, link: Link) -> None:
        super().__init__("postgresql")
        self.link = link

    def select(self, query: str, values: Values) -> tuple[tuple[str, ...], Rows]:
        return self.select_each(query, [values])

    def select_each(self, query: str, each: Sequence[Values]) -> tuple[tuple[str, ...], Rows]:
        return self.link.fetch(query, map(self._statements[query].arrange, each))

    def ask(self, cls: type[R], query: str, each: Sequence[Values]) -> Callable[[], list[R]]:
        asked = self.link.ask(query, map(self._statements[query].arrange, each))

        def found() -> list[R]:
            columns, rows = asked()
            return list(map(reader(cls, columns), rows)) if rows else []

        return found

    def change(self, query: str, values: Values) -> int:
        self.write(query, [values])
        return self.link.settle().command_tuples or 0

    def change_each(self, query: str, rows: Sequence[Values]) -> int:
        return sum([self.change(query, values) for values in rows])

    def write(self, query: str, rows: Sequence[Values], otherwise: Otherwise | None = None) -> None:
        arrange = self._statements[query].arrange
        for values in rows:
            self.link.send(query, arrange(values), otherwise=otherwise)


@dataclass(slots=True, eq=False)
class _Job:
    """One work on its way, and what came of it."""

    work: Callable[[Any], Any]
    handle: Callable[[Session], SqlReader]
    begin: Control
    turn: Turn
    future: asyncio.Future[Any]
    attempts: int = 0
    error: Exception | None = None
    is_over: bool = False  # as far as its caller can tell

    def settle(self, result: Any) -> None:
        self.is_over = True
        if not self.future.done():  # else cancelled by its caller
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class PostgresStore:
    """`interface.Store` on a PostgreSQL database. It belongs to the loop it was opened on."""

    def __init__(self, dsn: str, lock_timeout_s: float, pool_size: int) -> None:
        self._dsn, self._lock_timeout_s, self._pool_size = dsn, lock_timeout_s, pool_size
        self._turn_max = pool_size - pool_size // _KEPT_FREE
        self._idle: list[Link] = []  # the last one used is the next to be used
        self._busy: dict[Link, _Job] = {}
        self._at_work: Counter[Turn] = Counter()
        self._waiting: Turns[_Job] = Turns(patience_s=lock_timeout_s, given_up=self._close_if_done)
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, dsn: str, lock_timeout_s: float, pool_size: int) -> PostgresStore:
        """Open it with a first connection.

        Raises:
            StoreUnavailableError: there is none to be had.
        """
        store = cls(dsn, lock_timeout_s, pool_size)
        store._idle.append(await Link.open(dsn, lock_timeout_s, store._gone))
        return store

    async def transact(self, work: Callable[[Transaction], T], turn: Turn = Turn.NEW) -> T:
        result: T = await self._submit(work, SqlTransaction, Control.WRITE, turn)
        return result

    async def read(self, work: Callable[[Reader], T], turn: Turn = Turn.NEW) -> T:
        result: T = await self._submit(work, SqlReader, Control.READ, turn)
        return result

    def waited_s(self, turn: Turn) -> float:
        return self._waiting.waited_s(turn)

    def pressure(self) -> Pressure:
        return self._waiting.pressure()

    async def close(self) -> None:
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
            self._close_if_done()
        await asyncio.shield(self._closed)

    def _submit(
        self, work: Callable[[Any], T], handle: Callable[[Session], SqlReader], begin: Control, turn: Turn
    ) -> asyncio.Future[Any]:
        if self._closed is not None:
            raise StoreUnavailableError("the store is closed")
        job = _Job(work, handle, begin, turn, asyncio.get_running_loop().create_future())
        self._start(job)
        return job.future

    # -- jobs and links -----------------------------------------------------------------------------------------------

    def _start(self, job: _Job) -> None:
        if self._idle and job.turn not in self._full():
            self._begin(self._idle.pop(), job)
            return
        self._waiting.add(job)
        self._connect()

    def _full(self) -> frozenset[Turn]:
        """Those that have as many connections as one turn may have."""
        return frozenset(turn for turn, count in self._at_work.items() if count >= self._turn_max)

    def _begin(self, link: Link, job: _Job) -> None:
        job.attempts += 1
        self._busy[link] = job
        self._at_work[job.turn] += 1
        link.run(lambda: _attempt(link, job), lambda: self._ended(link, job))

    def _ended(self, link: Link, job: _Job) -> None:
        """A link is free again; the job is done, or tried again before all others."""
        del self._busy[link]
        self._at_work[job.turn] -= 1
        again = isinstance(job.error, _AGAIN) and job.attempts < ATTEMPTS_MAX
        if not isinstance(job.error, StoreError) or isinstance(job.error, StoreBusyError):
            self._waiting.answered()
        if job.error is not None and not again:
            job.fail(_final(job.error))
        elif again:
            job.error = None
            self._waiting.add(job, first=True)
        self._free(link)

    def _free(self, link: Link) -> None:
        if link.is_lost:
            link.close()
        else:
            self._idle.append(link)
        while self._idle and (job := self._waiting.take(full=self._full())) is not None:
            self._begin(self._idle.pop(), job)
        if self._waiting:
            self._connect()
        self._close_if_done()

    def _gone(self, link: Link) -> None:
        """The server ended a connection that nobody used."""
        self._idle.remove(link)
        link.close()

    def _connect(self) -> None:
        """Open another connection for those who wait, if there may be one."""
        links = len(self._idle) + len(self._busy) + len(self._connecting)
        soon = len(self._connecting) + sum(job.is_over for job in self._busy.values())
        if links < self._pool_size and soon < len(self._waiting):
            task = asyncio.create_task(self._open_another(), name="connect to PostgreSQL")
            self._connecting.add(task)
            task.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        self._close_if_done()

    async def _open_another(self) -> None:
        while self._waiting:
            try:
                link = await Link.open(self._dsn, self._lock_timeout_s, self._gone)
            except StoreError as error:
                self._waiting.trouble = str(error)
                await asyncio.sleep(CONNECT_PAUSE_S)
            else:
                self._waiting.trouble = ""
                self._free(link)
                return

    def _close_if_done(self) -> None:
        if self._closed is None or self._closed.done() or self._busy or self._waiting:
            return
        while self._idle:
            self._idle.pop().close()
        if not self._connecting:
            self._closed.set_result(None)


def _attempt(link: Link, job: _Job) -> None:
    """Run a work as a transaction, on its side of the link. Who only reads need not wait for the end of it."""
    try:
        link.send(job.begin)
        result = job.work(job.handle(PostgresSession(link)))
        if job.begin is Control.READ:
            job.settle(result)
        link.commit()
    except Exception as error:
        job.error = error
        link.undo()
    else:
        job.settle(result)


def _final(error: Exception) -> Exception:
    """What the caller hears when trying again has not helped."""
    return StoreUnavailableError(str(error)) if isinstance(error, TryAgainError) else error
