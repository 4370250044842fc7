"""Works on SQLite live on whatever the disk says: nobody waits for ever, and what is not stored is not called so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from waiting import PATIENCE_S

from gateway.store import sqlite
from gateway.store.errors import StoreUnavailableError
from gateway.store.sqlite import connect
from gateway.store.sqlite_works import GROUP_MAX, Reads, Thread, Writes

T = TypeVar("T")


class Stubborn:
    """A connection that refuses these statements so many times each, and notes all."""

    def __init__(self, path: str = ":memory:", **refused: int) -> None:
        self._inner = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._inner.execute("CREATE TABLE IF NOT EXISTS kept (n INTEGER)")
        self.refused, self.said = refused, list[str]()

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def execute(self, statement: str) -> sqlite3.Cursor:
        word = statement.partition(" ")[0]
        self.said.append(word)
        if self.refused.get(word, 0):
            self.refused[word] -= 1
            raise sqlite3.OperationalError(f"disk I/O error at {word}")
        return self._inner.execute(statement)

    def close(self) -> None:
        self._inner.close()


class Gate:
    """`Aside` that does what it is given when it is let."""

    def __init__(self) -> None:
        self.open, self.asked = asyncio.Event(), asyncio.Event()

    async def run(self, what: Callable[[], T]) -> T:
        self.asked.set()
        await self.open.wait()
        return what()

    def close(self) -> None:
        """Nothing is held."""


def writes(connection: Any, aside: Any = None, *, lock_timeout_s: float = 5.0, pace_s: float = 0.0) -> Writes:
    return Writes(connection, connection, aside or Thread("w"), lock_timeout_s=lock_timeout_s, pace_s=pace_s)


def put(handle: Any) -> str:
    handle.execute("INSERT INTO kept VALUES (1)")
    return "put"


def count(handle: Any) -> int:
    return int(handle.execute("SELECT count(*) FROM kept").fetchone()[0])


def fall(handle: Any) -> None:
    put(handle)
    raise ZeroDivisionError


async def soon() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("rollbacks_refused", [0, 1, 3])
@pytest.mark.parametrize("together", [1, 3])
async def test_a_disk_that_refuses_even_to_roll_back_does_not_end_the_writer(
    rollbacks_refused: int, together: int
) -> None:
    connection: Any = Stubborn(COMMIT=1, ROLLBACK=rollbacks_refused)
    writer = writes(connection)
    async with asyncio.timeout(PATIENCE_S):
        ends = await asyncio.gather(*(writer.submit(put) for _ in range(together)), return_exceptions=True)
        assert {type(end) for end in ends} == {StoreUnavailableError}
        while connection.in_transaction:  # what was refused is never joined, nor committed
            with pytest.raises(StoreUnavailableError):
                await writer.submit(put)
        assert await writer.submit(count) == 0
        assert await writer.submit(put) == "put"
        assert await writer.submit(count) == 1
        await writer.close()


async def test_a_reader_that_could_not_end_its_snapshot_reads_on() -> None:
    connection: Any = Stubborn(COMMIT=1)
    reader = Reads(connection, connection, Thread("r"))
    with pytest.raises(StoreUnavailableError):
        await reader.submit(count)
    assert await reader.submit(count) == 0
    await reader.close()


async def test_nobody_is_told_before_the_commit_and_what_comes_meanwhile_is_in_the_next_one() -> None:
    connection: Any = Stubborn()
    gate = Gate()
    writer = writes(connection, gate)
    first = [asyncio.ensure_future(writer.submit(put)) for _ in range(2)]
    await gate.asked.wait()
    second = [asyncio.ensure_future(writer.submit(put)) for _ in range(3)]
    await soon()
    assert not any(told.done() for told in (*first, *second))
    assert connection.said == ["BEGIN", "INSERT", "SAVEPOINT", "INSERT", "RELEASE"]
    gate.open.set()
    assert await asyncio.gather(*first, *second) == ["put"] * 5
    assert connection.said.count("COMMIT") == 2
    await writer.close()


async def test_a_work_that_fails_undoes_itself_alone_and_hears_its_own_reason() -> None:
    connection: Any = Stubborn()
    writer = writes(connection)
    works = [fall, put, fall, put, fall]
    ends = await asyncio.gather(*(writer.submit(work) for work in works), return_exceptions=True)
    assert [type(end) for end in ends] == [ZeroDivisionError, str, ZeroDivisionError, str, ZeroDivisionError]
    assert await writer.submit(count) == 2
    assert connection.said.count("COMMIT") == 2
    await writer.close()


async def test_who_falls_alone_leaves_no_transaction_open() -> None:
    connection: Any = Stubborn()
    writer = writes(connection)
    with pytest.raises(ZeroDivisionError):
        await writer.submit(fall)
    assert not connection.in_transaction
    assert await writer.submit(count) == 0
    await writer.close()


async def test_one_commit_holds_no_more_than_so_many_works() -> None:
    connection: Any = Stubborn()
    writer = writes(connection)
    assert await asyncio.gather(*(writer.submit(put) for _ in range(3 * GROUP_MAX))) == ["put"] * 3 * GROUP_MAX
    assert connection.said.count("COMMIT") == 3
    await writer.close()


async def test_who_is_cancelled_is_stored_nevertheless_and_disturbs_nobody() -> None:
    connection: Any = Stubborn()
    gate = Gate()
    writer = writes(connection, gate)
    gone, other = (asyncio.ensure_future(writer.submit(put)) for _ in range(2))
    await gate.asked.wait()
    gone.cancel()
    gate.open.set()
    assert await other == "put"
    assert await writer.submit(count) == 2
    await writer.close()


async def test_another_programs_lock_is_waited_for_while_the_loop_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    connection: Any = Stubborn(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = writes(connection)
    waiting = [asyncio.ensure_future(writer.submit(put)) for _ in range(3)]
    turns = 0
    while connection.said.count("BEGIN") < 4:  # it looks again and again
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 1
    assert not any(told.done() for told in waiting)
    other.execute("ROLLBACK")
    assert await asyncio.gather(*waiting) == ["put"] * 3
    assert connection.said.count("COMMIT") == 1
    other.close()
    await writer.close()


async def test_a_lock_that_stays_fails_those_who_waited_and_the_next_is_tried_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    connection: Any = Stubborn(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = writes(connection, lock_timeout_s=0.05)
    ends = await asyncio.gather(*(writer.submit(put) for _ in range(2)), return_exceptions=True)
    assert [str(end) for end in ends] == ["no place within 0.05 s: database is locked"] * 2
    other.execute("ROLLBACK")
    other.close()
    assert await writer.submit(count) == 0
    assert await writer.submit(put) == "put"
    await writer.close()


async def test_works_that_come_close_together_share_a_commit_and_who_is_alone_never_waits() -> None:
    connection: Any = Stubborn()
    pace_s = 1.5
    writer = writes(connection, pace_s=pace_s)
    await asyncio.gather(writer.submit(put), writer.submit(put))

    async def later(pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        await writer.submit(put)

    await asyncio.gather(*(later(0.02 * n) for n in range(3)))  # within the pace of the group of two
    assert connection.said.count("COMMIT") == 2
    await asyncio.sleep(pace_s)
    began = asyncio.get_running_loop().time()
    for _ in range(20):
        await writer.submit(put)
    assert asyncio.get_running_loop().time() - began < 20 * pace_s
    assert connection.said.count("COMMIT") == 22
    await writer.close()


def test_a_connection_that_cannot_be_prepared_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its file stays open, and locked, until the garbage is collected."""
    made: list[sqlite3.Connection] = []
    opened = sqlite3.connect

    def remember(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made.append(opened(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(sqlite.sqlite3, "connect", remember)
    monkeypatch.setattr(sqlite, "_PRAGMAS", ("journal_mode=WAL", "no such pragma"))
    with pytest.raises(sqlite3.Error):
        connect(":memory:", 1.0)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")
