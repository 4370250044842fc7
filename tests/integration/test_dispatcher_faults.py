"""The dispatcher on both databases when the store is away, a lease is lost, or it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from dispatching import TO_R, empty, working
from puppet import (
    Clock,
    Hand,
    Heard,
    Opened,
    TestAdapter,
    Wished,
    engine_on,
)
from waiting import PATIENCE_S, until

from gateway.engine.dispatcher import Dispatcher
from gateway.engine.endings import Ended
from gateway.ports import Acknowledged, Dispatch, Outcome
from gateway.store import Store, StoreError, StoreUnavailableError, Turn, open_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hand(store: Store, clock: Clock) -> Hand:
    return Hand(engine_on(store, clock))


# -- what breaks --------------------------------------------------------------------------------------------------


class Weather:
    """A store that can be away."""

    def __init__(self, store: Store) -> None:
        self._store, self.error = store, None

    async def transact(self, work: Any, turn: Turn = Turn.NEW) -> Any:
        return await self._or_error(self._store.transact, work)

    async def read(self, work: Any, turn: Turn = Turn.NEW) -> Any:
        return await self._or_error(self._store.read, work)

    async def close(self) -> None:
        await self._store.close()

    async def _or_error(self, do: Any, work: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await do(work)


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), StoreError("broken"), RuntimeError("a bug")], ids=str)
async def test_a_store_that_is_away_for_a_moment_is_asked_again(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("gateway.engine.dispatcher._STORE_PAUSE_S", 0.02)
    weather = Weather(store)
    hand, adapter = Hand(engine_on(weather, clock)), TestAdapter("alpha")
    await hand.say(Opened())
    async with working(hand.engine, adapter):
        weather.error = error
        await asyncio.sleep(0.1)
        weather.error = None
        await hand.say(Wished(sends=(TO_R,)))
        await until(empty(hand))
    assert len(adapter.done) == 1


async def test_an_outcome_that_cannot_be_booked_now_is_kept_over_the_end_of_its_lease_and_sent_once(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.dispatcher._STORE_PAUSE_S", 0.02)
    weather = Weather(store)
    hand = Hand(engine_on(weather, clock))

    def script(dispatch: Dispatch) -> Outcome:
        weather.error = StoreUnavailableError("away")
        return Acknowledged(event=Heard(word="yes"))

    adapter = TestAdapter("alpha", script)
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, adapter, lease_s=60):
        await until(lambda: len(adapter.done) == 1)
        clock.pass_s(61)
        await asyncio.sleep(0.1)
        weather.error = None
        await until(empty(hand))
    assert len(adapter.begun) == 1
    assert (await hand.puppet()).heard == ("yes",)


async def test_what_was_claimed_again_before_it_was_booked_is_booked_under_the_new_lease(
    hand: Hand, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing renewed the lease: the loop stood still, and this dispatcher itself has claimed the row again."""
    monkeypatch.setattr("gateway.engine.dispatcher.Dispatcher._ending_leases", lambda *_: [])
    book, gate, tried = hand.engine.conclude_all, asyncio.Event(), []

    async def later(ended: Sequence[Ended]) -> list[bool]:
        tried.extend(each.row.attempt for each in ended)
        await gate.wait()
        return await book(ended)

    monkeypatch.setattr(hand.engine, "conclude_all", later)
    adapter = TestAdapter("alpha", lambda _: Acknowledged(event=Heard(word="yes")))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, adapter, lease_s=60):
        await until(lambda: len(adapter.done) == 1)
        clock.pass_s(61)
        await until(partial(is_claimed_again, hand, adapter.done[0].id))
        gate.set()
        await until(empty(hand))
    assert (len(adapter.begun), tried) == (1, [1, 2])
    assert (await hand.puppet()).heard == ("yes",)


async def is_claimed_again(hand: Hand, id: str) -> bool:
    return (await hand.row(id)).attempt == 2


async def test_what_waits_for_its_booking_keeps_its_lease_and_no_other_replica_sends_it(
    store_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [await open_store(store_url) for _ in range(2)]
    hand, other = (Hand(engine_on(store, clock)) for store in stores)
    book, gate = hand.engine.conclude_all, asyncio.Event()

    async def later(ended: Sequence[Ended]) -> list[bool]:
        await gate.wait()
        return await book(ended)

    monkeypatch.setattr(hand.engine, "conclude_all", later)
    first, second = TestAdapter("alpha"), TestAdapter("alpha")
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, first, lease_s=60):
        await until(lambda: len(first.done) == 1)
        async with working(other.engine, second, worker="other"):
            for _ in range(3):  # two leases long
                clock.pass_s(40)
                await until(partial(is_leased, hand, first.done[0].id, clock()))
            gate.set()
            await until(empty(hand))
    assert (len(first.begun), len(second.begun)) == (1, 0)
    for store in stores:
        await store.close()


async def is_leased(hand: Hand, id: str, now: datetime) -> bool:
    row = await hand.row(id)
    return row.visible_at is not None and row.visible_at >= now + timedelta(seconds=60)


async def test_a_lease_lost_while_sending_books_nothing_twice(store_url: str, clock: Clock) -> None:
    """The first worker hangs beyond its lease, the second sends the same id; the first's answer comes too late."""
    stores = [await open_store(store_url) for _ in range(2)]
    slow_hand, quick_hand = (Hand(engine_on(store, clock)) for store in stores)
    gate = asyncio.Event()

    async def hang(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged(event=Heard(word="slow"))

    slow, quick = TestAdapter("alpha", hang), TestAdapter("alpha", lambda _: Acknowledged(event=Heard(word="quick")))
    await slow_hand.say(Opened())
    await slow_hand.say(Wished(sends=(TO_R,)))
    async with working(slow_hand.engine, slow, worker="slow", lease_s=30, concurrency=1):
        await until(lambda: slow.at_once == 1)
        clock.pass_s(31)
        async with working(quick_hand.engine, quick, worker="quick"):
            await until(empty(quick_hand))
        gate.set()
        await until(lambda: slow.at_once == 0)
    assert (await quick_hand.puppet()).heard == ("quick",)
    assert [dispatch.attempt for dispatch in (*slow.begun, *quick.begun)] == [1, 2]
    assert len({dispatch.id for dispatch in (*slow.begun, *quick.begun)}) == 1
    for store in stores:
        await store.close()


async def test_replicas_share_the_work_and_send_each_row_once(store_url: str, clock: Clock) -> None:
    stores = [await open_store(store_url) for _ in range(3)]
    hands = [Hand(engine_on(store, clock)) for store in stores]
    for n in range(30):
        await hands[0].say(Opened(), to=f"P{n}")
        await hands[0].say(Wished(sends=(TO_R, TO_R)), to=f"P{n}")
    adapters = [TestAdapter("alpha") for _ in hands]
    async with (
        working(hands[0].engine, adapters[0], worker="a", concurrency=4),
        working(hands[1].engine, adapters[1], worker="b", concurrency=4),
        working(hands[2].engine, adapters[2], worker="c", concurrency=4),
    ):
        await until(empty(hands[0]))
    sent = [dispatch.id for adapter in adapters for dispatch in adapter.begun]
    assert len(sent) == len(set(sent)) == 60
    for store in stores:
        await store.close()


@pytest.mark.parametrize("alone", [True, False])
async def test_only_who_is_alone_takes_up_at_once_what_another_has_leased(hand: Hand, alone: bool) -> None:
    """A process killed in the middle of an attempt is followed by one that need not wait for the dead one's lease."""
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.claim("alpha", worker="before", lease_s=60)
    adapter = TestAdapter("alpha")
    async with working(hand.engine, adapter, alone=alone):
        await until(empty(hand)) if alone else await asyncio.sleep(0.1)
    assert len(adapter.begun) == alone
    assert await hand.engine.conclude(row, Acknowledged()) is not alone


# -- the end ------------------------------------------------------------------------------------------------------


async def test_stopping_lets_what_is_under_way_finish_and_begins_nothing_new(hand: Hand) -> None:
    gate = asyncio.Event()

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    for n in range(4):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    async with working(hand.engine, adapter, concurrency=2) as dispatcher:
        await until(lambda: adapter.at_once == 2)
        stopping = asyncio.create_task(dispatcher.stop())
        await asyncio.sleep(0.02)
        assert not stopping.done()
        gate.set()
        await stopping
        assert len(adapter.done) == len(adapter.begun) == 2
    left = await hand.waiting()
    assert [(row.attempt, row.lease_owner) for row in left] == [(0, None)] * 2


async def test_stopping_in_the_middle_of_a_claim_works_on_what_it_leased(store: Store, clock: Clock) -> None:
    """Otherwise those rows would lie until their lease ends, a minute of silence at every restart."""
    hand, adapter = Hand(engine_on(store, clock)), TestAdapter("alpha")
    await hand.say(Opened())
    claiming, go_on = asyncio.Event(), asyncio.Event()
    await hand.say(Wished(sends=(TO_R,)))
    transact = hand.engine.store.transact

    async def held_up(work: Any, turn: Turn) -> Any:
        result = await transact(work, turn)
        claiming.set()
        await go_on.wait()
        return result

    hand.engine.store.transact = held_up  # type: ignore[method-assign]
    async with working(hand.engine, adapter) as dispatcher:
        await claiming.wait()
        stopping = asyncio.create_task(dispatcher.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping
    assert len(adapter.done) == 1
    assert await hand.waiting() == []


async def test_what_does_not_finish_in_time_is_left_to_its_lease(hand: Hand, clock: Clock) -> None:
    async def script(_: Dispatch) -> Outcome:
        await asyncio.sleep(3600)
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, adapter) as dispatcher:
        await until(lambda: adapter.at_once == 1)
        await dispatcher.stop(grace_s=0.02)
        assert adapter.at_once == 0
    (row,) = await hand.waiting()
    assert row.lease_owner == "w"
    clock.pass_s(61)
    async with working(hand.engine, TestAdapter("alpha"), worker="next"):
        await until(empty(hand))


async def test_stopping_what_never_ran_is_no_wait(hand: Hand) -> None:
    await asyncio.wait_for(Dispatcher(hand.engine, {}, clock=Clock(), worker="w").stop(), PATIENCE_S)
