"""How the stores beside this file were made: `python tests/older/make.py BUILD` with a worktree of an older build.

Its demonstration is played, its store copied again and again while four lots are at work, and the copy kept in which
most payments are under way and most waits to be sent. Pieces of evidence and sealed documents lose their octets, for
size: no chain is over them.
"""

from __future__ import annotations

import gzip
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

_WAITING = "SELECT count(*) FROM outbox WHERE concluded_at IS NULL AND channel <> 'timer'"
_PAYING = "SELECT count(*) FROM nouns WHERE noun = 'payment' AND state NOT IN ('settled', 'refused')"
_PROTOCOLS = "SELECT min(1, count(*)) FROM nouns WHERE noun = 'protocol'"
_SLIM = ("UPDATE {} SET content = x'00' WHERE content IS NOT NULL", ("evidence", "evidence_links", "documents"))
_LOOK_S = 0.1


def main(build: Path) -> None:
    """Play, look, keep; the file is called by the revision of its schema."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        playing = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "demo", "--folder", f"{name}/stage", "--out", f"{name}/out"],
            cwd=build, env=os.environ | {"PYTHONPATH": str(build)}, start_new_session=True,
        )  # fmt: skip
        best: tuple[int, ...] = ()
        while playing.poll() is None:
            time.sleep(_LOOK_S)
            with suppress(sqlite3.Error):
                best = _look(folder / "stage" / "eherrac.db", folder / "kept.db", best)
        with suppress(ProcessLookupError):
            os.killpg(playing.pid, signal.SIGKILL)
        sys.stdout.write(f"{_write(folder / 'kept.db')}: {best}\n")


def _look(store: Path, kept: Path, best: tuple[int, ...]) -> tuple[int, ...]:
    """Copy the store if more waits in it than in the copy that is kept."""
    uri = f"file:{store}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as live, closing(sqlite3.connect(":memory:")) as copy:
        live.backup(copy)
        found = tuple(copy.execute(counting).fetchone()[0] for counting in (_PROTOCOLS, _PAYING, _WAITING))
        if found > best:
            with closing(sqlite3.connect(kept)) as to:
                copy.backup(to)
            return found
    return best


def _write(kept: Path) -> Path:
    with closing(sqlite3.connect(kept, isolation_level=None)) as store:
        statement, tables = _SLIM
        for table in tables:
            with suppress(sqlite3.OperationalError):
                store.execute(statement.format(table))
        (revision,) = store.execute("SELECT version_num FROM alembic_version").fetchone()
        text = "\n".join(store.iterdump())
    file = Path(__file__).with_name(f"{revision}.sql.gz")
    file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    return file


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
