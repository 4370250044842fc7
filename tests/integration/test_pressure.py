"""More asked of a store than it can do: what finishes is done, what is new is refused, and nobody calls it dead."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from dispatching import TO_R, working
from puppet import Clock, Hand, Heard, Opened, TestAdapter, Wished, engine_on, message
from waiting import until

from bench.overload import slow_store
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.doors import health
from gateway.ports import Acknowledged
from gateway.store import Store, StoreBusyError, Turn

CROWD = 300
COMMIT_S, PATIENCE_S = 0.1, 3.0


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On a slow disk, with four connections."""
    opened = await slow_store(store_url, COMMIT_S, lock_timeout_s=PATIENCE_S, pool_size=4)
    yield opened
    await opened.close()


@asynccontextmanager
async def crowded(store: Store) -> AsyncIterator[asyncio.Event]:
    """So many who ask one thing after the other, until it is enough."""
    enough = asyncio.Event()

    async def ask() -> None:
        while not enough.is_set():
            with suppress(StoreBusyError):
                await store.transact(lambda tx: tx.prove_writable())

    people = [asyncio.create_task(ask()) for _ in range(CROWD)]
    try:
        await until(lambda: store.waited_s(Turn.NEW) > COMMIT_S)
        yield enough
    finally:
        enough.set()
        await asyncio.gather(*people)


async def test_the_end_of_an_attempt_does_not_wait_behind_a_crowd(store: Store) -> None:
    hand, adapter = Hand(engine_on(store, Clock())), TestAdapter("alpha")
    adapter.script = lambda _: Acknowledged(event=Heard(word="yes"))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,) * 20))
    async with crowded(store), working(hand.engine, adapter, lease_s=60):
        await until(partial(all_booked, store))
        assert store.waited_s(Turn.NEW) > 0
    assert len(adapter.begun) == 20
    assert (await hand.puppet()).heard == ("yes",) * 20


async def all_booked(store: Store) -> bool:
    return await store.read(lambda reader: reader.list_outbox(), Turn.UNDER_WAY) == []


async def test_a_busy_store_is_ready_and_says_how_busy_it_is(store: Store) -> None:
    async with crowded(store):
        assert await health.takes_writes(store)
        pressure = store.pressure()
        assert pressure.is_answering
        assert pressure.waiting[Turn.NEW] > 0
    assert store.pressure().waiting == dict.fromkeys(Turn, 0)


async def test_what_a_rail_says_comes_before_a_crowd_and_what_a_bank_says_does_not(store: Store) -> None:
    engine = engine_on(store, Clock())
    engine._finishing = frozenset({"AOS"})
    await engine.receive(message(Opened(), id="m0"))
    async with crowded(store):
        bank = asyncio.create_task(engine.receive(message(Heard(word="bank"), id="m1", source="999101")))
        await asyncio.sleep(0)
        await engine.receive(message(Heard(word="rail"), id="m2", source="AOS"))
        assert not bank.done()
    [heard] = await asyncio.gather(bank, return_exceptions=True)
    if isinstance(heard, RefusedError):
        assert heard.refusal.code is ErrorCode.OVERLOADED


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_store_that_another_program_keeps_locked_is_not_ready(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.2)
    await store.transact(lambda tx: tx.prove_writable())
    other = sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not await health.takes_writes(store)
    other.execute("ROLLBACK")
    other.close()
    await until(lambda: health.takes_writes(store))
