"""Bringing a database to the schema this program knows, by alembic, from code.

Alembic and SQLAlchemy are loaded only where a step is missing; a database that is up to date costs one query. Several
programs may start at once: the steps run in one transaction under a lock, and whoever comes second finds nothing to do.

On PostgreSQL others are at work meanwhile. A step that needs a table for itself waits for it no longer than they can
bear, and tries again; and a step that does not serve the programs of before is not made while one of them is connected.
Every connection of a program holds a shared advisory lock on the newest step it knows (`KNOWS`), so that none can come
between looking and doing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed, wait_random

from gateway.store.errors import StoreBusyError
from gateway.store.revisions import SPACE, STANDS, Revision, SchemaError, steps_after

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_KEY = 0x6568_6572_7261_63  # "eherrac", the advisory lock of schema changes on PostgreSQL
TABLE_WAIT_S = 2.0  # for a table that others use: they wait behind us, and give up after five
TABLE_PATIENCE_S = 40.0  # a backup under way keeps every table for as long as it takes
_TABLE_PAUSE_S = (1.0, 3.0)  # meanwhile the others work
LEAVING_S = 2.0  # for connections of who was just ended; and PostgreSQL gives locks back one by one, this lock first
_LEAVING_PAUSE_S = 0.1
_OF_BEFORE = f"""
SELECT a.application_name, coalesce(host(a.client_addr), 'local'), string_agg(a.pid::text, ' ' ORDER BY a.pid)
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.pid <> pg_backend_pid()
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND l.classid::bigint = {SPACE}::bigint & 4294967295 AND l.objid::bigint < {{least}}
GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608 - of a constant and a number
_NONE_OF_BEFORE = f"""
SELECT bool_and(pg_try_advisory_xact_lock({SPACE}, n)) FROM generate_series(1, {{least}} - 1) AS n
"""  # noqa: S608


def ensure_sqlite(path: str, lock_timeout_s: float) -> None:
    """Create the file's schema, or bring it up to date.

    Raises:
        SchemaError: it is newer, and does not serve this program.
        sqlite3.Error: it cannot be read or written.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None)
        _into_wal(connection, lock_timeout_s)
        return connection

    with closing(connect()) as connection:
        found = _revision(connection, sqlite3.OperationalError)
    if steps_after(found):
        _upgrade("sqlite://", connect, ["BEGIN IMMEDIATE"])


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
        SchemaError: it is newer and does not serve this program, or programs are connected that its next step would
            not serve.
        StoreBusyError: others kept a table all the time.
        psycopg.Error: no connection, or no right to create tables.
    """
    import psycopg

    with psycopg.connect(dsn) as connection:
        found = _revision(connection, psycopg.errors.UndefinedTable)
    steps = steps_after(found)
    if not steps:
        return
    for attempt in Retrying(
        retry=retry_if_exception_type(_TableKeptError),
        stop=stop_after_delay(TABLE_PATIENCE_S),
        wait=wait_random(*_TABLE_PAUSE_S),
        reraise=True,
    ):
        with attempt:
            try:
                _upgrade_postgres(dsn, steps, is_new=found is None)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                raise _TableKeptError(steps[-1].name) from error


class _TableKeptError(StoreBusyError):
    """Others use a table that a step wants for itself."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the step to schema {name} waits for a table that others keep: a backup, or a long query")


def _upgrade_postgres(dsn: str, steps: Sequence[Revision], *, is_new: bool) -> None:
    import psycopg

    first = [f"SELECT pg_advisory_xact_lock({LOCK_KEY})"]
    if not is_new:
        first.append(f"SET LOCAL lock_timeout = {round(TABLE_WAIT_S * 1000)}")
    least = max(step.least for step in steps)

    def check(connection: Connection) -> None:
        if not is_new:
            _check_alone(connection, least)

    _upgrade("postgresql+psycopg://", lambda: psycopg.connect(dsn), first, check)


def _check_alone(connection: Connection, least: int) -> None:
    """That nobody is connected whom the schema will not serve, nor can be until this transaction ends."""
    looking = Retrying(
        retry=retry_if_result(lambda alone: alone is False),
        stop=stop_after_delay(LEAVING_S),
        wait=wait_fixed(_LEAVING_PAUSE_S),
        retry_error_callback=lambda _: False,
    )
    if looking(lambda: connection.exec_driver_sql(_NONE_OF_BEFORE.format(least=least)).scalar()) is False:
        found = connection.exec_driver_sql(_OF_BEFORE.format(least=least)).all()
        where = "; ".join(f"{name} from {address}, server processes {pids}" for name, address, pids in found)
        raise SchemaError(
            f"the step to a schema that serves only programs from v{least:04} on is not made while others are "
            f'connected ({where}): end them first, docs/operations.md, "Upgrading"'
        )


def _revision(connection: Any, no_table: type[Exception]) -> str | None:
    try:
        row = connection.execute(STANDS).fetchone()
    except no_table:
        return None
    return None if row is None else str(row[0])


def _upgrade(
    dialect: str, connect: Any, first: Sequence[str], check: Callable[[Connection], None] | None = None
) -> None:
    """All missing steps in one transaction that begins with these statements and this check."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    engine = sqlalchemy.create_engine(dialect, creator=connect, poolclass=NullPool)

    def begin(connection: Connection) -> None:
        for statement in first:
            connection.exec_driver_sql(statement)

    sqlalchemy.event.listen(engine, "begin", begin)
    try:
        with engine.begin() as connection:
            if check is not None:
                check(connection)
            _run_steps(connection)
    except sqlalchemy.exc.DBAPIError as error:
        raise error.orig or error from error  # callers know the driver's errors, and none of SQLAlchemy's
    finally:
        engine.dispose()


def _run_steps(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
