"""Opening a store by its URL, its schema brought up to date."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

from gateway.store.errors import StoreUnavailableError
from gateway.store.interface import Store


async def open_store(url: str, *, lock_timeout_s: float = 5.0, pool_size: int = 8) -> Store:
    """Open `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user@host/database`.

    Args:
        url: where the data are; a SQLite file and its folder are made if missing.
        lock_timeout_s: how long one statement waits for another program's lock, or for a connection.
        pool_size: connections to PostgreSQL.

    Raises:
        ValueError: another kind of URL.
        StoreUnavailableError: it cannot be opened.
        SchemaError: its schema serves only later programs, or this program's would not serve others at work.
        SharedSessionError: a pooler before PostgreSQL gives connections' sessions to others.
    """
    scheme, _, path = url.partition("://")
    if scheme == "sqlite" and path.startswith("/") and len(path) > 1:
        return await asyncio.to_thread(_open_sqlite, path[1:], lock_timeout_s)
    if scheme in ("postgresql", "postgres"):
        return await _open_postgres(url, lock_timeout_s, pool_size)
    raise ValueError(f"not a store URL: {scheme}:// (sqlite:///path or postgresql://…)")


def disk_free(url: str) -> int | None:
    """Bytes free on the disk of this store; None where only its server knows, or the folder is not to be looked at."""
    scheme, _, path = url.partition("://")
    if scheme != "sqlite":
        return None
    try:
        return shutil.disk_usage(Path(path[1:]).parent).free
    except OSError:  # the store says by itself that it is gone; whoever counts goes on
        return None


def make_private(file: Path) -> None:
    """Make a file that only its owner reads, from its first byte on (PSP-7.5); one that is there stays as it is."""
    file.touch(mode=0o600)


def _open_sqlite(path: str, lock_timeout_s: float) -> Store:
    from gateway.store.schema import ensure_sqlite
    from gateway.store.sqlite import SqliteStore

    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        make_private(Path(path))
        ensure_sqlite(path, lock_timeout_s)
        return SqliteStore(path, lock_timeout_s)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailableError(f"{path}: {error}") from error


async def _open_postgres(dsn: str, lock_timeout_s: float, pool_size: int) -> Store:
    import psycopg  # only who uses PostgreSQL pays for loading it

    from gateway.store.pooler import check_session
    from gateway.store.postgres import PostgresStore
    from gateway.store.schema import ensure_postgres

    try:
        await asyncio.to_thread(check_session, dsn)
        await asyncio.to_thread(ensure_postgres, dsn)
    except psycopg.Error as error:
        raise StoreUnavailableError(str(error)) from error
    return await PostgresStore.open(dsn, lock_timeout_s, pool_size)
