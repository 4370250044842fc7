"""Through PgBouncer: a session for each connection is as good as PostgreSQL itself; anything less is refused."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from ports import free_port
from store_rows import NOUN
from waiting import until

from gateway.store import open_store
from gateway.store.pooler import SharedSessionError, check_session

Pool = Callable[[str], str]


@pytest.fixture
def pooled(postgres_dsn: str, program: Callable[[str, str], str], tmp_path: Path) -> Iterator[Pool]:
    """Starts a PgBouncer of this mode before a database of its own; the address to connect to."""
    pgbouncer = program("pgbouncer", "pgbouncer")
    with ExitStack() as stack:
        database = stack.enter_context(_database(postgres_dsn))
        yield lambda mode: stack.enter_context(_running(pgbouncer, mode, postgres_dsn, database, tmp_path))


@contextmanager
def _database(dsn: str) -> Iterator[str]:
    """Empty: PgBouncer takes no search path from its clients."""
    name = f"pooled_{os.urandom(4).hex()}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield name
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def _running(program: str, mode: str, dsn: str, database: str, folder: Path) -> Iterator[str]:
    server, port = urlsplit(dsn), free_port()
    settings = folder / f"{mode}.ini"
    settings.write_text(
        f"[databases]\n* = host={server.hostname} port={server.port} user={server.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = 6\n"
    )
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    log = (folder / f"{mode}.log").open("wb")
    with log, subprocess.Popen([program, *user, str(settings)], stdout=log, stderr=log) as process:
        try:
            asyncio.run(until(lambda: _answers(port)))
            yield urlunsplit(server._replace(netloc=f"{server.username}@127.0.0.1:{port}", path=f"/{database}"))
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_session_for_each_connection_serves_as_postgresql_itself(pooled: Pool) -> None:
    async def work() -> int:
        store = await open_store(pooled_at, pool_size=4)
        saved = (replace(NOUN, id=f"P{number}") for number in range(40))
        await asyncio.gather(
            *(store.transact(lambda tx, row=row: tx.save_noun(row, expected_version=0)) for row in saved)
        )
        found = await store.read(lambda reader: reader.list_nouns("payment"))
        await store.close()
        return len(found)

    pooled_at = pooled("session")
    assert asyncio.run(work()) == 40


def test_a_session_shared_between_transactions_is_refused_before_anything_is_written(pooled: Pool) -> None:
    pooled_at = pooled("transaction")
    with pytest.raises(SharedSessionError, match="pool_mode = session"):
        asyncio.run(open_store(pooled_at))
    with psycopg.connect(pooled_at) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row == (0,)


def test_without_a_pooler_the_session_is_ones_own(postgres_dsn: str) -> None:
    check_session(postgres_dsn)
