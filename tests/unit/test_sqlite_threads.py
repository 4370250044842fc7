"""SQLite's threads live on whatever the disk says: nobody waits for ever, and what is not stored is not called so."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from gateway.store import sqlite
from gateway.store.errors import StoreUnavailableError
from gateway.store.sqlite import WorkerThread, _Reads, _Writes, connect


class Stubborn:
    """A connection to memory that refuses these statements so many times each."""

    def __init__(self, **refused: int) -> None:
        self._inner = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._inner.execute("CREATE TABLE kept (n INTEGER)")
        self.refused = refused

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def execute(self, statement: str) -> sqlite3.Cursor:
        word = statement.partition(" ")[0]
        if self.refused.get(word, 0):
            self.refused[word] -= 1
            raise sqlite3.OperationalError(f"disk I/O error at {word}")
        return self._inner.execute(statement)

    def close(self) -> None:
        self._inner.close()


def put(handle: Any) -> str:
    handle.execute("INSERT INTO kept VALUES (1)")
    return "put"


def count(handle: Any) -> int:
    return int(handle.execute("SELECT count(*) FROM kept").fetchone()[0])


@pytest.mark.parametrize("rollbacks_refused", [0, 1, 3])
@pytest.mark.parametrize("together", [1, 3])
async def test_a_disk_that_refuses_even_to_roll_back_does_not_end_the_writer(
    rollbacks_refused: int, together: int
) -> None:
    connection: Any = Stubborn(COMMIT=1, ROLLBACK=rollbacks_refused)
    worker = WorkerThread(_Writes("w", connection, connection))
    async with asyncio.timeout(5):
        for _ in range(1 + rollbacks_refused):
            ends = await asyncio.gather(*(worker.submit(put) for _ in range(together)), return_exceptions=True)
            assert StoreUnavailableError in {type(end) for end in ends}
        while connection.refused["ROLLBACK"]:
            await asyncio.gather(worker.submit(put), return_exceptions=True)
        await asyncio.gather(worker.submit(put), return_exceptions=True)
        before = await worker.submit(count)
        assert await worker.submit(put) == "put"
        assert await worker.submit(count) == before + 1
        await worker.close()


async def test_a_reading_thread_that_could_not_end_its_snapshot_reads_on() -> None:
    connection: Any = Stubborn(COMMIT=1)
    worker = WorkerThread(_Reads("r", connection, connection))
    with pytest.raises(StoreUnavailableError):
        await worker.submit(count)
    assert await worker.submit(count) == 0
    await worker.close()


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
