"""For tests of what stands on a store: a fresh SQLite store in a millisecond instead of a third of a second."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from gateway.store.schema import ensure_sqlite


def blank_store_url(folder: Path, name: str = "store.db") -> str:
    """Lay a file with today's schema into `folder`; the URL for `open_store`."""
    path = folder.absolute() / name
    path.write_bytes(blank_image())
    return f"sqlite:///{path}"


@cache
def blank_image() -> bytes:
    """The content of a migrated file, made once per process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.db"
        ensure_sqlite(str(path), 5.0)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()
