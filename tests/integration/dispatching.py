"""What the dispatcher's tests share: one at work, and what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from puppet import Hand, TestAdapter
from waiting import PATIENCE_S

from gateway.domain.recipient import RecipientState
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.ports import Dispatch

TO_R, TO_S = ("alpha", "R"), ("alpha", "S")


class Looking(Dispatcher):
    """Counts how often it has looked for what is due."""

    looks = 0

    async def _look(self) -> float:
        pause_s = await super()._look()
        self.looks += 1
        return pause_s


@asynccontextmanager
async def working(engine: Engine, *adapters: TestAdapter, **options: Any) -> AsyncIterator[Looking]:
    """A dispatcher at work. Its clock is the engine's; it looks again soon, so that time may be passed by hand."""
    values = {"worker": "w", "poll_s": 0.01} | options
    dispatcher = Looking(engine, {adapter.channel: adapter for adapter in adapters}, clock=engine._clock, **values)
    engine.attach(dispatcher)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()
        await asyncio.wait_for(task, PATIENCE_S)


def ids(dispatches: Sequence[Dispatch]) -> list[str]:
    return [dispatch.id for dispatch in dispatches]


def empty(hand: Hand, channel: str = "alpha") -> Callable[[], Awaitable[bool]]:
    async def is_empty() -> bool:
        return await hand.waiting(channel) == []

    return is_empty


def parked(hand: Hand, count: int = 1) -> Callable[[], Awaitable[bool]]:
    async def are_parked() -> bool:
        return sum(row.parked_at is not None for row in await hand.waiting()) == count

    return are_parked


def at_rest(dispatcher: Dispatcher) -> Callable[[], bool]:
    """Nothing is under way: what was begun is booked and its recipient judged, by the clock as it stood."""
    return lambda: not dispatcher._tasks


def has_looked(dispatcher: Looking, times: int = 3) -> Callable[[], bool]:
    """So often since now, the first of which may have been under way: what was due would have begun."""
    before = dispatcher.looks
    return lambda: dispatcher.looks >= before + times


async def is_deferred(hand: Hand, id: str) -> bool:
    row = await hand.row(id)
    return row.lease_owner is None and row.attempt > 0


async def is_in(hand: Hand, state: RecipientState) -> bool:
    row = await hand.engine.store.read(lambda r: r.noun("recipient", "alpha/R"))
    return row is not None and row.state == state
