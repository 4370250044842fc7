"""A fresh store on each database, SQLite always, PostgreSQL where one is there; and the console on it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import console_door
import pytest
from puppet import Clock, Hand, engine_on
from waiting import PATIENCE_S

from gateway.domain.visit import Role
from gateway.engine.engine import Engine
from gateway.store import Store, open_store
from gateway.store.testing import blank_store_url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty store is; on PostgreSQL a schema of the test's own."""
    if request.param == "sqlite":
        yield blank_store_url(tmp_path)
        return
    import psycopg

    dsn, schema = request.getfixturevalue("postgres_dsn"), f"t_{uuid.uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{dsn}?options={quote(f'-csearch_path={schema}')}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open, empty store."""
    opened = await open_store(store_url, lock_timeout_s=PATIENCE_S)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hand(store: Store, clock: Clock) -> Hand:
    return Hand(engine_on(store, clock))


@pytest.fixture
async def replicas(store_url: str, clock: Clock) -> AsyncIterator[list[Engine]]:
    """Three engines over one database, as three programs would be. Who waits for each other waits for ever."""
    url = store_url.replace("options=", f"options={quote('-cdeadlock_timeout=1h ')}")
    stores = [await open_store(url, lock_timeout_s=PATIENCE_S) for _ in range(3)]
    yield [engine_on(store, clock) for store in stores]
    for store in stores:
        await store.close()


@pytest.fixture
async def office(store: Store) -> AsyncIterator[console_door.Office]:
    """The console, served."""
    opened = await console_door.Office(store).open()
    yield opened
    await opened.stack.aclose()


@pytest.fixture
async def viewer(office: console_door.Office) -> console_door.Hand:
    """Somebody who may only look."""
    return await office.visitor(Role.VIEWER)
