"""What befalls the servers that gateways stand on, besides being killed: their administrator, failover, a full disk."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

_END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < %s"""
_PAUSES_S = (0.01, 0.05, 0.2)
_SMALL_BYTES = 4 << 30  # a larger disk is not ours to fill
_BALLAST_BYTES = 1 << 20


async def end_connections(dsn: str, for_s: float, chance: random.Random) -> int:
    """Some or all, whatever they are at, as often as time allows; how many."""
    ended, until = 0, time.monotonic() + for_s
    while True:
        ended += await asyncio.to_thread(_ended, dsn, chance.choice((0.3, 1.0)))
        if time.monotonic() >= until:
            return ended
        await asyncio.sleep(chance.choice(_PAUSES_S))


def _ended(dsn: str, share: float) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(_END, (share,)).fetchone()
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def impatient(dsn: str) -> AsyncIterator[None]:
    """Meanwhile it ends whoever lets it wait for 1 ms within a transaction."""
    await _said(dsn, "ALTER SYSTEM SET idle_in_transaction_session_timeout = 1", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await _said(dsn, "ALTER SYSTEM RESET idle_in_transaction_session_timeout", "SELECT pg_reload_conf()")


async def promote(dsn: str) -> None:
    """A standby that only reads becomes a server that writes."""
    ((is_standby,), _) = await _said(dsn, "SELECT pg_is_in_recovery()", "SELECT pg_promote()")
    assert is_standby, "it was no standby"


@asynccontextmanager
async def full_disk(dsn: str) -> AsyncIterator[bool]:
    """Meanwhile there is no room where PostgreSQL keeps its data; False if that disk is too large to be filled."""
    ((folder,),) = await _said(dsn, "SHOW data_directory")
    disk = os.statvfs(folder)
    if disk.f_blocks * disk.f_frsize > _SMALL_BYTES:
        yield False
        return
    ballast = Path(folder).with_name("ballast")
    try:
        await asyncio.to_thread(_fill, ballast)
        yield True
    finally:
        ballast.unlink(missing_ok=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast:
        size = _BALLAST_BYTES
        while size >= 512:
            try:
                ballast.write(bytes(size))
            except OSError:
                size //= 2


async def _said(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    """The first row of each; asked again while the server ends connections."""
    return await asyncio.to_thread(_ask, dsn, statements)


def _ask(dsn: str, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
    for _ in range(100):
        with suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as connection:
            asked = [connection.execute(statement.encode()) for statement in statements]
            return [row for one in asked if one.description is not None and (row := one.fetchone()) is not None]
        time.sleep(0.1)
    raise AssertionError(f"PostgreSQL never took {statements}")
