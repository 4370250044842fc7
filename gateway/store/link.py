"""One connection to PostgreSQL, its socket watched by the event loop, and the work that goes on over it.

A work is a plain function. It runs in a greenlet and gives way to the loop wherever it has to wait for the server: no
threads, no hand-overs, and as many transactions under way as there are links. Statements are prepared when the
connection is made and sent through libpq's pipeline: nothing waits for an answer before somebody asks for it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import psycopg
from greenlet import greenlet
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGresult

from gateway.store.errors import DuplicateError, StoreBusyError, StoreError, StoreUnavailableError
from gateway.store.revisions import KNOWS, STANDS, SchemaError, check_served, known
from gateway.store.session import Otherwise, statements

Rows = list[tuple[Any, ...]]
_Sent = tuple[list[PGresult] | None, Otherwise | None]
_WATCHFUL = {  # a server that is gone without a word is known to be after some 25 s, not two hours; the DSN's own win
    "keepalives_idle": "10",  # seconds
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",  # milliseconds
}
_NAME_MAX_BYTES = 63  # PostgreSQL cuts off the rest; the end of ours tells one replica from another
_BINARY, _TEXT = pq.Format.BINARY, pq.Format.TEXT
_SURELY = " surely"  # after a query's name: the same, failing where it touches no row
_SURELY_WRITTEN = ("insert_inbox", "insert_journal", "insert_noun", "move_noun", "touch_noun", "update_noun")
_SURE = "WITH done AS ({sql} RETURNING 1) SELECT 1 / count(*) FROM done"


def application_name() -> str:
    """What this process is called in the server's list of connections: as at the console's foot and in leases."""
    return f"eherrac-gateway {socket.gethostname()}.{os.getpid()}"[-_NAME_MAX_BYTES:]


class Control(StrEnum):
    """Where transactions begin and end; prepared like the named queries, whose names have no blank in them."""

    WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    COMMIT = "COMMIT WORK"
    ROLLBACK = "ROLLBACK WORK"


class TryAgainError(StoreError):
    """The server undid the transaction because of another one."""


class LostError(StoreUnavailableError):
    """The connection broke before a commit was asked for."""


class Link:
    """One connection. `gone` is told when the server has ended it while nobody worked."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], gone: Callable[[Link], None]) -> None:
        self._connection, self._server, self._gone = connection, connection.pgconn, gone
        self._loop, self._socket = asyncio.get_running_loop(), connection.pgconn.socket
        self._values = Transformer(connection)
        self._columns: dict[str, tuple[str, ...]] = {}  # by query; they stay while the connection does
        self._owed: deque[_Sent] = deque()  # not yet answered
        self._marks = 0  # not yet answered
        self._work: greenlet | None = None
        self._ended: Callable[[], None] = lambda: None
        self._is_stale = False
        self._failed: StoreError | None = None  # the transaction cannot be committed any more
        self._is_proven = False  # the server has answered in this transaction
        self._server.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._heard)

    @classmethod
    async def open(cls, dsn: str, lock_timeout_s: float, gone: Callable[[Link], None]) -> Link:
        """Connect, and prepare every statement.

        Raises:
            StoreUnavailableError: no such server can be reached, or it does not know our tables.
            SchemaError: they are for a later program.
        """
        settings: dict[str, Any] = {
            **_WATCHFUL,
            "application_name": application_name(),
            "connect_timeout": max(2, round(lock_timeout_s)),
            **conninfo_to_dict(dsn),
        }
        try:
            connection = await psycopg.AsyncConnection.connect(
                make_conninfo(**settings), autocommit=True, client_encoding="utf8"
            )
        except psycopg.Error as error:
            raise StoreUnavailableError(str(error)) from error
        link = cls(connection, gone)
        try:
            await link._prepare(lock_timeout_s)
        except BaseException:
            link.close()
            raise
        return link

    @property
    def server_process(self) -> int:
        """The number of the server's process for this connection."""
        return self._server.backend_pid

    @property
    def is_lost(self) -> bool:
        """Whether the connection is of no more use."""
        return self._is_stale or self._server.status == pq.ConnStatus.BAD

    def close(self) -> None:
        """Let go of the connection. Only without a work."""
        self._loop.remove_reader(self._socket)
        self._server.finish()

    async def _prepare(self, lock_timeout_s: float) -> None:
        prepared: asyncio.Future[None] = self._loop.create_future()

        def work() -> None:
            standing: list[PGresult] = []
            try:
                self._send_all(lock_timeout_s, standing)
                self.settle()
                self._drain()
                check_served((standing[0].get_value(0, 0) or b"").decode())
            except SchemaError as error:
                prepared.set_exception(error)
            except (StoreError, psycopg.Error) as error:
                prepared.set_exception(StoreUnavailableError(str(error)))
            else:
                prepared.set_result(None)

        self.run(work, lambda: None)
        await prepared

    def _send_all(self, lock_timeout_s: float, standing: list[PGresult]) -> None:
        """All that a new connection must know, and be known by; the schema's revision goes to `standing`."""
        self._server.send_query_params(b"SET lock_timeout = %d" % (lock_timeout_s * 1000), None)
        self._server.send_query_params(KNOWS.format(number=known()[-1].number).encode(), None)
        self._server.send_query_params(STANDS.encode(), None)
        for name, sql in _statements().items():
            self._server.send_prepare(name.encode(), sql.encode())
        self._synchronise()
        self._owed.extend([(None, None), (None, None), (standing, None)])
        self._owed.extend([(None, None)] * len(_statements()))

    # -- on the loop's side -------------------------------------------------------------------------------------------

    def run(self, work: Callable[[], None], ended: Callable[[], None]) -> None:
        """Begin a work; it goes on until it first waits for the server. `ended` is called after its end."""
        self._work, self._ended, self._is_proven = greenlet(work), ended, False
        self._go_on()

    def _go_on(self) -> None:
        assert self._work is not None
        work = self._work
        work.switch()
        if work.dead:
            self._work = None
            self._ended()

    def _heard(self) -> None:
        """The server has said something, or takes more."""
        if self._work is not None:
            self._go_on()
            return
        try:
            self._server.consume_input()
        except psycopg.Error:
            self._gone(self)

    # -- on the work's side -------------------------------------------------------------------------------------------

    def send(
        self,
        query: str,
        values: Iterable[Any] = (),
        *,
        answers: list[PGresult] | None = None,
        otherwise: Otherwise | None = None,
    ) -> None:
        """Put a statement on its way. Its answer goes to `answers`; it fails with `otherwise` if it touches no row."""
        sent, formats = [], []
        for value in values:
            octets, format = _dumped(value)
            sent.append(octets)
            formats.append(format)
        name = query if otherwise is None else query + _SURELY
        try:
            self._server.send_query_prepared(name.encode(), sent, formats, pq.Format.BINARY)
        except psycopg.Error as error:
            raise self._translated(error) from error
        self._owed.append((answers, otherwise))

    def fetch(self, query: str, each: Iterable[Iterable[Any]]) -> tuple[tuple[str, ...], Rows]:
        """Column names and all rows of a statement with each of these values, in one trip."""
        return self.ask(query, each)()

    def ask(self, query: str, each: Iterable[Iterable[Any]]) -> Callable[[], tuple[tuple[str, ...], Rows]]:
        """`fetch`, of which the trip is made when the answer is wanted, if no other was made meanwhile."""
        results: list[PGresult] = []
        count = 0
        for values in each:
            self.send(query, values, answers=results)
            count += 1

        def answer() -> tuple[tuple[str, ...], Rows]:
            if len(results) < count:
                self.settle()
            return self._columns_of(query, results), [row for result in results for row in self._loaded(result)]

        return answer

    def _columns_of(self, query: str, results: list[PGresult]) -> tuple[str, ...]:
        known = self._columns.get(query, ())
        if not known and results:
            names = [results[0].fname(place) or b"" for place in range(results[0].nfields)]
            known = self._columns[query] = tuple([name.decode() for name in names])
        return known

    def _loaded(self, result: PGresult) -> Rows:
        self._values.set_pgresult(result, set_loaders=True, format=pq.Format.BINARY)
        return self._values.load_rows(0, result.ntuples, tuple)

    def settle(self) -> PGresult:
        """Wait until everything sent is answered; the last answer. Only where something was sent.

        Raises:
            StoreError: what the server said of the first statement that failed, or its `otherwise`.
        """
        if self._failed is not None:  # and the work went on all the same
            raise self._failed
        try:
            if not self._marks:  # else the server answers by itself, up to the mark
                self._server.send_flush_request()
            self._flush()
            while True:
                result = self._next()
                answers, otherwise = self._owed.popleft()
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    raise _failure(result, otherwise)
                if answers is not None:
                    answers.append(result)
                if not self._owed:
                    self._is_proven = True
                    return result
        except psycopg.Error as error:
            self._failed = self._translated(error)
            raise self._failed from error
        except StoreError as error:
            self._failed = error
            raise

    def commit(self) -> None:
        """Make durable what was sent; if anything of it fails, the server does not come to the commit.

        Raises:
            StoreUnavailableError: the connection was lost meanwhile; it may be done.
            StoreError: as `settle`; nothing is kept.
        """
        if self._failed is not None:
            raise self._failed
        if not self._is_proven:  # else a connection long lost would be lost while committing
            self.settle()
        self.send(Control.COMMIT)
        try:
            self._synchronise()
            result = self.settle()
            self._drain()
        except LostError as error:
            raise StoreUnavailableError(f"lost while committing: {error}") from error
        except psycopg.Error as error:
            raise StoreUnavailableError(str(error)) from error
        if result.command_status != b"COMMIT":
            raise StoreUnavailableError("the server did not commit")

    def undo(self) -> None:
        """Roll back, wherever the transaction stands; a connection on which that fails is lost."""
        self._owed.clear()
        try:
            self._synchronise()  # after an error the server passes over everything before it
            self.send(Control.ROLLBACK)
            self._synchronise()
            self._drain()
        except (StoreError, psycopg.Error):
            self._is_stale = True
        self._owed.clear()
        self._failed = None

    def _synchronise(self) -> None:
        """What fails before this mark is over with it: the server takes what is sent after it."""
        self._server.pipeline_sync()
        self._marks += 1

    def _drain(self) -> None:
        """Pass over everything up to the answer to the last mark."""
        self._flush()
        while self._marks:
            self._marks -= self._next().status == pq.ExecStatus.PIPELINE_SYNC

    def _flush(self) -> None:
        while self._server.flush():
            self._loop.add_writer(self._socket, self._heard)
            try:
                self._pause()
            finally:
                self._loop.remove_writer(self._socket)
            self._server.consume_input()  # else both sides might wait for the other to read

    def _next(self) -> PGresult:
        """The next answer; what libpq puts between the answers of two statements is passed over."""
        while True:
            while self._server.is_busy():
                self._pause()
                self._server.consume_input()
            result = self._server.get_result()
            if result is not None:
                return result
            if self._server.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")

    def _pause(self) -> None:
        """Give way to the loop until something is heard."""
        assert self._work is not None
        assert self._work.parent is not None
        self._work.parent.switch()

    def _translated(self, error: psycopg.Error) -> StoreError:
        if self._server.status == pq.ConnStatus.BAD:
            return LostError(str(error))
        if isinstance(error, errors.ReadOnlySqlTransaction | errors.FeatureNotSupported):
            self._is_stale = True  # a standby, or tables of another shape than when we connected
        return translated(error)


def translated(error: psycopg.Error) -> StoreError:
    """What the caller can do about it. The server's DETAIL, which quotes data, is left out."""
    reason = error.diag.message_primary or str(error)
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
        return TryAgainError(reason)
    if isinstance(error, errors.UniqueViolation):
        return DuplicateError(reason)
    if isinstance(error, errors.LockNotAvailable):
        return StoreBusyError(f"another transaction kept its lock: {reason}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        lost = (error.sqlstate or "08").startswith(("08", "57P"))  # connection failures, the server going down
        return LostError(reason) if lost else StoreUnavailableError(reason)
    if isinstance(error, errors.ReadOnlySqlTransaction | errors.FeatureNotSupported):
        return StoreUnavailableError(reason)  # after a failover. Nothing we say is unsupported elsewhere.
    return StoreError(reason)


def _failure(result: PGresult, otherwise: Otherwise | None) -> StoreError | psycopg.Error:
    error = errors.error_from_result(result)
    return otherwise() if otherwise is not None and isinstance(error, errors.DivisionByZero) else error


def _dumped(value: Any) -> tuple[bytes | None, pq.Format]:
    """As the server takes it without asking back: texts with their length, so that none can end early."""
    if isinstance(value, str):
        return value.encode(), _BINARY
    if isinstance(value, int):
        return b"%d" % value, _TEXT
    if isinstance(value, list):
        return _array(value).encode(), _TEXT
    return value, _BINARY  # octets, or nothing


def _array(texts: Iterable[str]) -> str:
    """As PostgreSQL writes an array of texts."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def _statements() -> dict[str, str]:
    """What every link prepares, by name."""
    named = {name: statement.sql.rstrip("; \n") for name, statement in statements("postgresql").items()}
    surely = {name + _SURELY: _SURE.format(sql=named[name]) for name in _SURELY_WRITTEN}
    return {control.value: control.value for control in Control} | named | surely
