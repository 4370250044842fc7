"""Stores that builds of before really wrote, with everything under way: brought up to date, judged, worked to the end.

`tests/older` has them, as SQL (`make.py` there says how they were made). On PostgreSQL the same rows stand in the
schema that the steps of before made.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dispatching import working
from puppet import Clock, Heard, TestAdapter
from test_upgrading import brought_to
from waiting import until

from gateway.bootstrap.ways_out import policies
from gateway.cli.world import packaged
from gateway.config import build_rulebook, load_config
from gateway.domain.nouns import TABLES
from gateway.engine import codec
from gateway.engine.audit import audit
from gateway.engine.engine import Engine
from gateway.ports import Message, Target
from gateway.store import Reader, Store, open_store
from gateway.store.mapping import from_micros
from gateway.store.rows import NounRow, OutboxRow

OLDER = Path(__file__).parent.parent / "older"
CHANNELS = ("aos", "asan_pay", "asan_finance", "banks", "ministries", "notary", "platform", "supervision")
MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """A store as it was left, opened by this build; `asked` are the keys and digests of what had been answered."""

    store: Store
    last_at: datetime
    asked: tuple[tuple[str, str, str], ...]


@pytest.fixture(params=sorted(file.name.partition(".")[0] for file in OLDER.glob("*.sql.gz")))
async def older(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> AsyncIterator[Older]:
    with closing(sqlite3.connect(tmp_path / "older.db", isolation_level=None)) as file:
        file.executescript(gzip.decompress((OLDER / f"{request.param}.sql.gz").read_bytes()).decode())
        (last_us,) = file.execute("SELECT max(at) FROM journal").fetchone()
        asked = file.execute("SELECT source, message_id, digest FROM inbox").fetchall()
        if store_url.startswith("sqlite"):
            store_url = f"sqlite:///{tmp_path}/older.db"
        else:
            brought_to(store_url, request.param)
            _copied(file, store_url)
    store = await open_store(store_url)
    yield Older(store=store, last_at=from_micros(last_us), asked=tuple(asked))
    await store.close()


def _copied(file: sqlite3.Connection, url: str) -> None:
    """Every row into tables of the same columns."""
    import psycopg

    tables = [name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    with psycopg.connect(url) as server:
        for table in (name for name in tables if not name.startswith("sqlite_") and name != "alembic_version"):
            found = file.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in found.description]
            insert = f"INSERT INTO {table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE VALUES"
            rows = found.fetchall()
            if rows:
                places = ", ".join(["%s"] * len(columns))
                server.cursor().executemany(f"{insert} ({places})".encode(), rows)
            _numbered_on(server, table, columns)


def _numbered_on(server: Any, table: str, columns: list[str]) -> None:
    for column in columns:
        name = server.execute("SELECT pg_get_serial_sequence(%s, %s)", (table, column)).fetchone()[0]
        if name is not None:
            server.execute(f"SELECT setval('{name}', coalesce(max({column}), 1)) FROM {table}".encode())


def engine_of_the_demonstration(store: Store, clock: Clock, folder: Path) -> Engine:
    (folder / "gateway.toml").write_text(packaged("demo.toml"))
    config = load_config(folder / "gateway.toml", {})
    return Engine(store, TABLES, build_rulebook(config), clock=clock, policies=policies(config))


def under_way(reader: Reader) -> list[OutboxRow]:
    return [row for row in reader.list_outbox(limit=MANY) if row.channel != "timer"]


def nouns(reader: Reader) -> list[NounRow]:
    return [row for noun in TABLES for row in reader.list_nouns(noun, limit=MANY)]


async def test_an_older_store_holds_and_everything_in_it_can_be_read(older: Older) -> None:
    found = await audit(older.store)
    assert found.holds, found
    assert found.unbound_waiting > 0
    rows = await older.store.read(nouns)
    assert {"lot", "offer", "payment", "protocol"} <= {row.noun for row in rows}
    for row in rows:
        assert codec.decode(TABLES[row.noun].data, row.data).state == row.state


async def test_what_it_answered_is_answered_the_same_again(older: Older, tmp_path: Path) -> None:
    engine = engine_of_the_demonstration(older.store, Clock(older.last_at), tmp_path)
    lines = await older.store.read(lambda reader: reader.count_lines_after(0))
    for source, id, digest in older.asked:
        row = await older.store.read(lambda reader, key=(source, id): reader.find_inbox(*key))  # type: ignore[misc]
        assert row is not None
        target = Target(noun=row.noun, id=row.noun_id)
        answer = await engine.receive(Message(source=source, id=id, digest=digest, target=target, event=Heard(word="")))
        assert answer.repeated
        assert (answer.noun, answer.id) == (row.noun, row.noun_id)
    assert await older.store.read(lambda reader: reader.count_lines_after(0)) == lines


async def test_what_was_under_way_is_sent_once_and_all_of_it_holds_afterwards(older: Older, tmp_path: Path) -> None:
    """Nobody of before is asked for anything: what waits goes out, what is due falls due, what is written is bound."""
    clock = Clock(older.last_at + timedelta(minutes=2))
    engine = engine_of_the_demonstration(older.store, clock, tmp_path)
    waiting = {row.id for row in await older.store.read(under_way)}
    assert len(waiting) > 5
    adapters = [TestAdapter(channel) for channel in CHANNELS]

    async def nothing_waits() -> bool:
        return not await older.store.read(under_way)

    async with working(engine, *adapters, alone=True):
        await until(nothing_waits)
    sent = [dispatch.id for adapter in adapters for dispatch in adapter.done]
    assert len(sent) == len(set(sent))
    assert waiting <= set(sent)
    found = await audit(older.store)
    assert found.holds, found
    assert not [row for row in await older.store.read(lambda reader: reader.list_outbox(limit=MANY)) if row.parked_at]
