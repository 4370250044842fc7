"""What was acknowledged is there: after kill -9, with a full disk, after closing; and how a store is opened."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Awaitable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from store_rows import NOUN

from gateway.store import Store, StoreError, StoreUnavailableError, open_store
from gateway.store.sqlite import SqliteSession, connect
from gateway.store.testing import blank_store_url

HERE = Path(__file__).parent


def program(text: str, url: str) -> subprocess.Popen[str]:
    """A process of its own that runs `text` with `url` set, the tests' rows at hand."""
    head = [
        "import asyncio",
        "from dataclasses import replace",
        "from gateway.store import *",
        "from store_rows import NOUN",
        f"url = {url!r}",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)])}
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(head) + textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


async def test_after_kill_9_everything_acknowledged_is_there(store_url: str) -> None:
    writing = program(
        """
        async def main():
            store = await open_store(url)
            async def write(part):
                for n in range(100_000):
                    row = replace(NOUN, id=f"P{part}-{n}")
                    await store.transact(lambda tx: tx.save_noun(row, expected_version=0))
                    print(row.id, flush=True)
            await asyncio.gather(*map(write, range(16)))
        asyncio.run(main())
        """,
        store_url,
    )
    with writing:
        assert writing.stdout is not None
        acknowledged = [writing.stdout.readline().strip() for _ in range(300)]
        writing.send_signal(signal.SIGKILL)
        acknowledged += writing.stdout.read().split()
    store = await open_store(store_url)
    found = {row.id for row in await store.read(lambda r: r.list_nouns("payment", limit=1_000_000))}
    await store.close()
    assert set(acknowledged[:-1]) <= found  # the last line may have been cut by the kill
    assert len(acknowledged) >= 300


def test_a_full_disk_is_said_so_loses_nothing_and_passes(tmp_path: Path) -> None:
    """The process's limit on file size stands for the disk."""
    url = blank_store_url(tmp_path)
    filling = program(
        """
        import resource
        async def main():
            store = await open_store(url)
            def save(n):
                row = replace(NOUN, id=f"P{n:06d}", data="x" * 20_000)
                return store.transact(lambda tx: tx.save_noun(row, expected_version=0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
            results = await asyncio.gather(*map(save, range(400)), return_exceptions=True)
            refused = {type(r).__name__ for r in results if r is not None}
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await save(999_999)
            kept = {row.id for row in await store.read(lambda r: r.list_nouns("payment", limit=1000))}
            said = {f"P{n:06d}" for n, r in enumerate(results) if r is None} | {"P999999"}
            print(refused, kept == said)
            await store.close()
        asyncio.run(main())
        """,
        url,
    )
    output, _ = filling.communicate(timeout=60)
    assert output.split() == ["{'StoreUnavailableError'}", "True"]


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with closing(connect(str(tmp_path / "a.db"), 1.0)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_file_locked_by_another_program_is_unavailable_and_then_not(tmp_path: Path) -> None:
    url = blank_store_url(tmp_path)
    store = await open_store(url, lock_timeout_s=0.05)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError):
            await store.transact(lambda tx: tx.save_noun(NOUN, expected_version=0))
        assert await store.read(lambda r: r.noun("payment", "P1")) is None
        other.execute("ROLLBACK")
    await store.transact(lambda tx: tx.save_noun(NOUN, expected_version=0))
    await store.close()


async def test_what_follows_a_transaction_that_sqlite_dropped_is_not_stored_by_itself(tmp_path: Path) -> None:
    """It does so where the disk fails; a statement after that would be committed at once."""
    connection = connect(str(tmp_path / "store.db"), 5.0)
    connection.execute("CREATE TABLE outbox (seq, state)")
    session = SqliteSession(connection)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    for attempt in (
        lambda: session.change("release", {}),
        lambda: session.change_each("release", [{}]),
        lambda: session.select("find_outbox", {"id": "x"}),
    ):
        with pytest.raises(StoreUnavailableError, match="dropped"):
            attempt()
    connection.close()


async def test_closing_finishes_what_was_handed_in_and_takes_nothing_more(store: Store) -> None:
    saves = [
        asyncio.ensure_future(
            store.transact(lambda tx, n=n: tx.save_noun(replace(NOUN, id=f"P{n}"), expected_version=0))
        )
        for n in range(50)
    ]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*saves) == [None] * 50
    with pytest.raises(StoreUnavailableError):
        await store.transact(lambda tx: None)
    with pytest.raises(StoreUnavailableError):
        await store.read(lambda r: None)


async def test_opening_again_finds_everything_as_it_was(store_url: str) -> None:
    for version in (1, 2):
        store = await open_store(store_url)
        await store.transact(lambda tx, v=version: tx.save_noun(replace(NOUN, version=v), expected_version=v - 1))
        await store.close()


async def test_several_programs_may_make_the_schema_at_once(store_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/store.db" if store_url.startswith("sqlite") else store_url
    stores = await asyncio.gather(*(open_store(url) for _ in range(4)))
    await stores[0].transact(lambda tx: tx.save_noun(NOUN, expected_version=0))
    assert await stores[3].read(lambda r: r.noun("payment", "P1")) == NOUN
    for store in stores:
        await store.close()


async def test_two_programs_may_write_to_one_database(store_url: str) -> None:
    """The command line retries a delivery while `serve` works."""
    stores = [await open_store(store_url) for _ in range(2)]

    def saves(store: Store, name: str) -> list[Awaitable[None]]:
        rows = [replace(NOUN, id=f"{name}{n}") for n in range(40)]
        return [store.transact(lambda tx, row=row: tx.save_noun(row, expected_version=0)) for row in rows]

    await asyncio.gather(*saves(stores[0], "a"), *saves(stores[1], "b"))
    assert len(await stores[0].read(lambda r: r.list_nouns("payment"))) == 80
    for store in stores:
        await store.close()


async def test_a_schema_newer_than_this_program_is_refused(tmp_path: Path) -> None:
    url = blank_store_url(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9999'")
        connection.commit()
    with pytest.raises(StoreError, match="v9999"):
        await open_store(url)


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "store.db", "sqlite://relative.db"])
async def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="store URL"):
        await open_store(url)


async def test_what_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "other.db").write_bytes(b"not a database" * 100)
    for url in (f"sqlite:///{tmp_path}/file/x.db", f"sqlite:///{tmp_path}/other.db"):
        with pytest.raises(StoreUnavailableError):
            await open_store(url)


async def test_a_postgresql_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError):
        await open_store("postgresql://nobody@127.0.0.1:1/nothing", lock_timeout_s=0.5)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_a_lost_connection_to_postgresql_is_only_a_delay(postgres_dsn: str, store_url: str) -> None:
    import psycopg

    store = await open_store(store_url, pool_size=1)
    own = await store.transact(lambda tx: tx._session.link.server_process)
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (own,))
    await store.transact(lambda tx: tx.save_noun(NOUN, expected_version=0))
    assert await store.read(lambda r: r.noun("payment", "P1")) == NOUN
    await store.close()
