"""Bringing a database to the schema this program knows, by alembic, from code.

Alembic and SQLAlchemy are loaded only where a step is missing; a database that is up to date costs one query. Several
programs may start at once: the steps run in one transaction under a lock, and whoever comes second finds nothing to do.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from gateway.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_KEY = 0x6568_6572_7261_63  # "eherrac", the advisory lock of schema changes on PostgreSQL


@cache
def newest_revision() -> str:
    """The revision of the last file in `migrations/versions` (`v0001_….py`: the name begins with it)."""
    files = (resources.files("gateway.store.migrations") / "versions").iterdir()
    return max(file.name for file in files if file.name.startswith("v")).partition("_")[0]


def ensure_sqlite(path: str, lock_timeout_s: float) -> None:
    """Create the file's schema, or bring it up to date.

    Raises:
        StoreError: it is newer than this program.
        sqlite3.Error: it cannot be read or written.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None)
        _into_wal(connection, lock_timeout_s)
        return connection

    with closing(connect()) as connection:
        found = _revision(connection, sqlite3.OperationalError)
    if _is_behind(found):
        _upgrade("sqlite://", connect, "BEGIN IMMEDIATE", None)


def _into_wal(connection: sqlite3.Connection, lock_timeout_s: float) -> None:
    """SQLite's own lock timeout does not hold for this one statement: two programs at a new file would fail at once."""
    for attempt in Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        stop=stop_after_delay(lock_timeout_s),
        wait=wait_random(0.01, 0.05),
        reraise=True,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL")


def ensure_postgres(dsn: str) -> None:
    """Create the schema the connection's search path points to, or bring it up to date.

    Raises:
        StoreError: it is newer than this program.
        psycopg.Error: no connection, or no right to create tables.
    """
    import psycopg

    with psycopg.connect(dsn) as connection:
        found = _revision(connection, psycopg.errors.UndefinedTable)
    if _is_behind(found):
        lock = f"SELECT pg_advisory_xact_lock({LOCK_KEY})"
        _upgrade("postgresql+psycopg://", lambda: psycopg.connect(dsn), None, lock)


def _revision(connection: Any, no_table: type[Exception]) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except no_table:
        return None
    return None if row is None else str(row[0])


def _is_behind(found: str | None) -> bool:
    newest = newest_revision()
    if found is not None and found > newest:
        raise StoreError(f"the database has schema {found}, this program knows {newest} at most")
    return found != newest


def _upgrade(dialect: str, connect: Any, begin: str | None, lock: str | None) -> None:
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    engine = sqlalchemy.create_engine(dialect, creator=connect, poolclass=NullPool)
    if begin is not None:
        sqlalchemy.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    with engine.begin() as connection:
        if lock is not None:
            connection.exec_driver_sql(lock)
        _run_steps(connection)
    engine.dispose()


def _run_steps(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
