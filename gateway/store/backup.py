"""Copies of a store while it runs, and a store made of a copy, each by the database's own means.

A copy is whole or not there at all: it is written beside its name and renamed at the end. Making a store of it never
touches one that exists. A store of ours has nothing in it that acts by itself: a copy with a trigger, a rule or a
function makes no store. Whether what was restored is what was backed up is for `engine.audit` to say; how much a
loss may cost and how long it may take stands in docs/operations.md (PSP-8.1.5, PSP-8.1.6).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.store.errors import StoreError, StoreUnavailableError
from gateway.store.opening import make_private

if TYPE_CHECKING:
    from psycopg import Connection

_PART = ".part"
_SQLITE = "sqlite:///"
_ACTING_SQLITE = "SELECT type || ' ' || name FROM sqlite_master WHERE type IN ('trigger', 'view')"
_ACTING = frozenset({"TRIGGER", "FUNCTION", "PROCEDURE", "RULE", "EVENT", "VIEW", "MATERIALIZED"})


def back_up(url: str, file: Path) -> None:
    """Copy the store at `url` into `file` while others read and write: everything committed before the call is in it.

    Raises:
        StoreError: the file exists, or the database's program is missing.
        StoreUnavailableError: the store cannot be read, or the copy not written.
    """
    if file.exists():
        raise StoreError(f"{file} exists and is never overwritten")
    part = file.with_name(file.name + _PART)
    try:
        part.unlink(missing_ok=True)
        make_private(part)
        if url.startswith(_SQLITE):
            _copy_sqlite(Path(url.removeprefix(_SQLITE)), part)
        else:
            _dump(url, part)
        part.rename(file)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailableError(str(error)) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def restored(file: Path, url: str) -> Iterator[str]:
    """Make a store of a copy; the URL at which to look at it. Leaving without an error makes it the one at `url`.

    On SQLite the store gets its name only then; on PostgreSQL, where it stands at once, an error leaves it there.

    Raises:
        StoreError: there is a store already, the file is no copy, or the database's program is missing.
        StoreUnavailableError: the database is away.
    """
    if not file.is_file():
        raise StoreError(f"no file {file}")
    if not url.startswith(_SQLITE):
        _load(file, url)
        yield url
        return
    target = Path(url.removeprefix(_SQLITE))
    if target.exists():
        raise StoreError(f"{target} exists and is never overwritten")
    part = target.with_name(target.name + _PART)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        make_private(part)
        _copy_sqlite(file, part)
        yield f"{_SQLITE}{part}"
        part.rename(target)
    except sqlite3.Error as error:
        raise StoreError(f"{file}: {error}") from error
    finally:
        for left in (part, *(part.with_name(part.name + end) for end in ("-wal", "-shm"))):
            left.unlink(missing_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's online copy into an empty file, then judged page by page."""
    if not source.is_file():
        raise StoreUnavailableError(f"no file {source}")
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as to,
    ):
        reading.backup(to)
        to.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        (found,) = to.execute("PRAGMA integrity_check").fetchone()
        acting = to.execute(_ACTING_SQLITE).fetchone()
    if found != "ok":
        raise StoreError(f"{source}: {found}")
    _check_inert(source, acting[0] if acting else None)
    with target.open("rb") as written:
        os.fsync(written.fileno())


def _dump(url: str, target: Path) -> None:
    with _connection(url) as connection:
        row = connection.execute("SELECT current_schema()").fetchone()
    if row is None or row[0] is None:
        raise StoreError("the database has no schema of ours")
    schema = str(row[0]).replace('"', '""')
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f'--schema="{schema}"', f"--file={target}")


def _load(file: Path, url: str) -> None:
    with _connection(url) as connection:
        taken = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if taken != (None,):
        raise StoreError("the database has tables of ours and is never overwritten")
    listing = _run("pg_restore", None, "--list", str(file)).splitlines()
    _check_inert(file, next((what for line in listing if (what := _acting(line))), None))
    wanted = [line for line in listing if " SCHEMA - " not in line]  # the schema is there already
    with tempfile.NamedTemporaryFile("w", suffix=".list") as contents:
        contents.write("\n".join(wanted))
        contents.flush()
        options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
        _run("pg_restore", url, *options, f"--use-list={contents.name}", str(file))
    with _connection(url) as connection:
        connection.execute("ANALYZE")


def _acting(line: str) -> str | None:
    """Of a line of the table of contents (`215; 1255 16385 FUNCTION public aside() gateway`) what acts, or None."""
    words = line.split()[3:]
    return " ".join(words[:3]) if not line.startswith(";") and words and words[0] in _ACTING else None


def _check_inert(file: Path, acting: str | None) -> None:
    if acting is not None:
        raise StoreError(f"{file} has a {acting} in it, as no store of ours: this is not what we wrote")


@contextmanager
def _connection(url: str) -> Iterator[Connection[tuple[Any, ...]]]:
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection
    except psycopg.Error as error:
        raise StoreUnavailableError(str(error)) from error


def _run(program: str, url: str | None, *arguments: str) -> str:
    """Run one of PostgreSQL's own programs; its output."""
    path = shutil.which(program)
    if path is None:
        raise StoreError(f"{program} is not installed; it comes with PostgreSQL's client programs")
    where, environment = ((), os.environ) if url is None else _login(url)
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [path, *arguments, *where], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise StoreError(f"{program}: {done.stderr.strip()}")
    return done.stdout


def _login(url: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """How to reach the database, with the password where other users of the machine do not see it."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    environment = dict(os.environ) if password is None else os.environ | {"PGPASSWORD": str(password)}
    return (f"--dbname={make_conninfo('', **parts)}",), environment
