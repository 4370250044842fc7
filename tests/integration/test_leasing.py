"""What follows from a step is leased in the step's own transaction, and no recipient gets more than it may for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from dispatching import at_rest
from puppet import START, Clock, Hand, Opened, TestAdapter, Wished, as_stored, engine_on
from waiting import PATIENCE_S, until

from contracts.errors.refusal import RefusedError
from gateway.domain.recipient import BreakerPolicy
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.leasing import LEASES_MAX, Grant
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome
from gateway.store import Store
from gateway.store.rows import OutboxRow

TO_R = ("alpha", "R")
GRANT = Grant(
    worker="w", lease_s=30, channels=frozenset(["alpha"]), full=frozenset(), looks_by=START + timedelta(seconds=1)
)


@dataclass(slots=True)
class Noted:
    """A dispatcher that starts nothing and notes what it is given."""

    leave: Grant | None = GRANT
    taken: list[OutboxRow] = field(default_factory=list)
    wakes: int = 0

    def wake(self) -> None:
        self.wakes += 1

    def grant(self) -> Grant | None:
        return self.leave

    def take(self, leased: Iterable[OutboxRow]) -> None:
        self.taken += leased


@pytest.fixture
def hand(store: Store) -> Hand:
    return Hand(engine_on(store, Clock()))


@pytest.fixture
def noted(hand: Hand) -> Noted:
    leaser = Noted()
    hand.engine.attach(leaser)
    return leaser


async def test_what_a_message_sends_is_leased_with_it_and_wakes_nobody(hand: Hand, noted: Noted) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    [row] = await hand.waiting()
    assert [as_stored(taken) for taken in noted.taken] == [row]
    assert (row.lease_owner, row.attempt, row.visible_at) == ("w", 1, START + timedelta(seconds=30))
    assert await hand.claim("alpha", worker="other") == []
    assert noted.wakes == 0


@pytest.mark.parametrize(
    "leave", [None, replace(GRANT, full=frozenset([TO_R])), GRANT], ids=["no grant", "a full lane", "more than a few"]
)
async def test_what_may_be_left_wakes_the_dispatcher(hand: Hand, noted: Noted, leave: Grant | None) -> None:
    noted.leave = None
    for n in range(LEASES_MAX):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    await hand.say(Opened())
    noted.wakes, noted.leave = 0, leave
    await hand.say(Wished(sends=(TO_R,)))
    assert noted.wakes == 1
    assert len(noted.taken) == (LEASES_MAX if leave is GRANT else 0)


async def test_a_timer_wakes_only_when_it_is_due_before_the_dispatcher_looks_anyway(hand: Hand, noted: Noted) -> None:
    await hand.say(Opened())
    await hand.say(Wished(timer=("later", START + timedelta(seconds=5))))
    assert noted.wakes == 0
    await hand.say(Wished(timer=("soon", START + timedelta(seconds=0.5))))
    assert noted.wakes == 1


async def test_a_refused_message_leases_nothing(hand: Hand, noted: Noted) -> None:
    await hand.say(Opened())
    with pytest.raises(RefusedError):
        await hand.say(Wished(sends=(TO_R,), then_denied="P"))
    assert noted.taken == []
    assert await hand.waiting() == []


async def test_the_follower_of_what_is_acknowledged_is_leased_with_that(hand: Hand, noted: Noted) -> None:
    await hand.say(Opened())
    for _ in range(2):
        await hand.say(Wished(sends=(TO_R,)))
    [first] = noted.taken
    assert await hand.engine.conclude(first, Acknowledged())
    assert [row.id for row in noted.taken[1:]] == [row.id for row in await hand.waiting()]
    assert noted.taken[1].lease_owner == "w"


async def test_a_lost_lease_leases_nothing(hand: Hand, noted: Noted) -> None:
    await hand.say(Opened())
    for _ in range(2):
        await hand.say(Wished(sends=(TO_R,)))
    [first] = noted.taken
    assert not await hand.engine.conclude(replace(first, lease_owner="somebody else"), Acknowledged())
    assert noted.taken == [first]


@pytest.mark.parametrize("places", [1, 3])
async def test_many_steps_at_once_never_have_more_under_way_than_a_recipient_may_have(hand: Hand, places: int) -> None:
    async def script(_: Dispatch) -> Outcome:
        await asyncio.sleep(0.001)
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    dispatcher = Dispatcher(
        hand.engine, {"alpha": adapter}, clock=hand.engine._clock, worker="w", concurrency=places, poll_s=0.05
    )
    hand.engine.attach(dispatcher)
    running = asyncio.create_task(dispatcher.run())
    names = [f"P{n}" for n in range(12)]
    await asyncio.gather(*(hand.say(Opened(), to=name) for name in names))
    await asyncio.gather(*(hand.say(Wished(sends=(TO_R,)), to=name) for name in names for _ in range(3)))
    await until(lambda: len(adapter.done) == 36)
    await dispatcher.stop()
    await running
    assert adapter.most_at_once <= places
    assert len({dispatch.id for dispatch in adapter.done}) == len(adapter.done) == 36
    assert await hand.waiting() == []


async def test_what_was_leased_and_not_begun_is_given_back_at_the_end_as_if_it_had_never_been(hand: Hand) -> None:
    gate = asyncio.Event()

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    dispatcher = Dispatcher(
        hand.engine, {"alpha": adapter}, clock=hand.engine._clock, worker="w", concurrency=1, poll_s=PATIENCE_S
    )
    running = asyncio.create_task(dispatcher.run())
    for n in range(3):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    rows = await hand.claim("alpha", worker="w")  # as steps at the same moment lease more than there is place for
    dispatcher.take(rows)
    await until(lambda: len(adapter.begun) == 1)
    stopping = asyncio.create_task(dispatcher.stop())
    await asyncio.sleep(0)
    gate.set()
    await stopping
    await running
    left = await hand.waiting()
    assert {row.id for row in left} == {row.id for row in rows} - {adapter.done[0].id}
    assert {(row.lease_owner, row.attempt, row.visible_at) for row in left} == {(None, 0, START)}


async def test_what_is_held_for_a_recipient_that_falls_silent_keeps_no_one_from_probing_it(hand: Hand) -> None:
    """Two are leased for one place; the first has no answer and the breaker opens over the second."""
    clock = hand.engine._clock
    assert isinstance(clock, Clock)
    said = asyncio.Event()

    async def script(_: Dispatch) -> Outcome:
        if said.is_set():
            return Acknowledged()
        await said.wait()
        return NotSent(reason="away")

    adapter = TestAdapter("alpha", script)
    dispatcher = Dispatcher(
        hand.engine,
        {"alpha": adapter},
        clock=clock,
        worker="w",
        concurrency=1,
        poll_s=0.01,
        breakers={"default": BreakerPolicy(failures_max=1, pause_s=5)},
    )
    hand.engine.attach(dispatcher)
    for name in ("P0", "P1"):
        await hand.say(Opened(), to=name)
    running = asyncio.create_task(dispatcher.run())
    await until(lambda: dispatcher.grant() is not None)
    await asyncio.gather(*(hand.say(Wished(sends=(TO_R,)), to=name) for name in ("P0", "P1")))
    await until(lambda: adapter.begun)
    said.set()
    await until(lambda: adapter.done)
    await until(at_rest(dispatcher))
    for _ in range(30):
        clock.pass_s(5)
        await asyncio.sleep(0.03)
    await until(lambda: len(adapter.done) == 3)
    await dispatcher.stop()
    await running
    assert await hand.waiting() == []


async def test_a_dispatcher_that_does_not_run_grants_nothing(hand: Hand) -> None:
    dispatcher = Dispatcher(hand.engine, {}, clock=hand.engine._clock, worker="w")
    assert dispatcher.grant() is None
