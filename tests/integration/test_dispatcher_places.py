"""How many attempts a recipient may have under way: all, none while it is silent, or the one that probes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from dispatching import TO_R, TO_S, at_rest, empty, has_looked, ids, is_deferred, is_in, parked, working
from puppet import (
    Clock,
    Hand,
    Opened,
    TestAdapter,
    Wished,
    engine_on,
    one_after_another,
)
from waiting import until

from gateway.domain.recipient import BreakerPolicy, FellSilent, RecipientState
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused
from gateway.store import Store, StoreUnavailableError, Turn


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hand(store: Store, clock: Clock) -> Hand:
    return Hand(engine_on(store, clock))


async def test_a_recipient_has_no_more_under_way_than_it_may(hand: Hand) -> None:
    gate = asyncio.Event()

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    slow, quick = TestAdapter("alpha", script), TestAdapter("beta")
    for n in range(6):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R, ("beta", "R"))), to=f"P{n}")
    async with working(hand.engine, slow, quick, concurrency=3):
        await until(lambda: (len(quick.done), slow.at_once) == (6, 3))
        gate.set()
        await until(empty(hand))
    assert slow.most_at_once == 3


async def test_a_bank_that_hangs_with_five_hundred_notices_delays_no_other_bank(hand: Hand) -> None:
    """While every place of the hanging bank is taken, all of the other bank's notices arrive."""
    gate = asyncio.Event()

    async def script(dispatch: Dispatch) -> Outcome:
        if dispatch.recipient == "HANGS":
            await gate.wait()
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    await hand.say(Opened())
    for n in range(500):  # all of the hanging bank's are due before the first of the other's
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(("alpha", "HANGS"),)), to=f"P{n}")
    for _ in range(20):
        await hand.say(Wished(sends=(("alpha", "WELL"),)))
    async with working(hand.engine, adapter, concurrency=4) as dispatcher:
        await until(lambda: len(adapter.done) == 20)
        assert {sent.recipient for sent in adapter.done} == {"WELL"}
        assert [sent.recipient for sent in adapter.begun].count("HANGS") == 4
        await dispatcher.stop(grace_s=0)


async def test_a_silent_recipient_is_probed_by_one_attempt_and_keeps_the_others_schedules(
    hand: Hand, clock: Clock
) -> None:
    back = False
    adapter = TestAdapter("alpha", lambda d: Acknowledged() if back or d.recipient == "S" else NotSent(reason="away"))
    for n in range(20):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R, TO_S)), to=f"P{n}")
    options = {"concurrency": 2, "breakers": {"default": BreakerPolicy(failures_max=4, pause_s=30)}}
    async with working(hand.engine, adapter, **options) as dispatcher:
        await until(lambda: sum(sent.recipient == "S" for sent in adapter.done) == 20)
        await until(lambda: is_in(hand, RecipientState.SILENT))
        await until(at_rest(dispatcher))
        assert sum(sent.recipient == "R" for sent in adapter.done) <= 5  # four, and one begun beside the fourth
        tried = len(adapter.begun)
        clock.pass_s(30)
        await until(lambda: len(adapter.done) == tried + 1)
        await until(has_looked(dispatcher))
        assert len(adapter.begun) == tried + 1
        assert max(row.attempt for row in await hand.waiting()) <= 2
        assert sum(row.attempt == 0 for row in await hand.waiting()) >= 14
    back = True
    clock.pass_s(60)  # the pause of the row that probed
    async with working(hand.engine, adapter, **options):  # a new process: it knows who was silent
        await until(empty(hand))
        await until(lambda: is_in(hand, RecipientState.ANSWERING))
    journal = await hand.engine.store.read(lambda r: r.journal_of("recipient", "alpha/R"))
    assert [entry.event for entry in journal] == ["FellSilent", "Alarm:RECIPIENT_SILENT", "AnsweredAgain"]


async def test_a_full_lane_is_waited_for_without_asking_the_store_over_and_over(hand: Hand) -> None:
    gate, asked = asyncio.Event(), 0

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    for n in range(3):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    transact = hand.engine.store.transact

    async def counted(work: Any, turn: Turn) -> Any:
        nonlocal asked
        asked += 1
        return await transact(work, turn)

    hand.engine.store.transact = counted  # type: ignore[method-assign]
    adapter = TestAdapter("alpha", script)
    async with working(hand.engine, adapter, concurrency=1, poll_s=0.05):
        await until(lambda: adapter.at_once == 1)
        before, began = asked, time.monotonic()
        await asyncio.sleep(0.3)
        assert asked - before <= (time.monotonic() - began) / 0.05 + 2  # its polls
        gate.set()
        await until(empty(hand))


async def test_what_is_held_for_a_recipient_that_falls_silent_meanwhile_is_sent_when_it_is_probed(
    hand: Hand, clock: Clock
) -> None:
    """Found by simulation: with nothing under way nobody looked at what was held, and the lane stood still for ever."""
    adapter = TestAdapter("alpha", one_after_another(NotSent(reason="away")))
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    for puppet in ("P", "Q"):
        await hand.say(Wished(sends=(TO_R,)), to=puppet)
    leased = await hand.claim("alpha", worker="w")
    breaker = BreakerPolicy(failures_max=1, pause_s=1)
    async with working(hand.engine, adapter, concurrency=1, breakers={"default": breaker}) as dispatcher:
        dispatcher.take(leased)
        await until(lambda: adapter.done)
        await until(at_rest(dispatcher))  # the probe's moment is reckoned before time passes
        clock.pass_s(3)
        await until(empty(hand))


async def test_who_is_silent_on_a_channel_that_is_no_longer_served_disturbs_nobody(hand: Hand, clock: Clock) -> None:
    for channel in ("alpha", "beta"):
        await hand.engine.silences.note((channel, "R"), FellSilent(failures=5, reason="away"))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_S,)))
    async with working(hand.engine, TestAdapter("alpha")) as dispatcher:
        await until(empty(hand))
        assert set(dispatcher.breakers) == {TO_R}


@dataclass(slots=True)
class WideAdapter(TestAdapter):
    """Gains by five at once; `together` are the ids of each hand, `poison` is one that it stumbles over."""

    places_per_recipient: int = 5
    together_max: int = 5
    together: list[list[str]] = field(default_factory=list)
    poison: str = ""

    async def send_all(self, dispatches: Sequence[Dispatch]) -> Sequence[Outcome]:
        self.together.append(ids(dispatches))
        if self.poison in self.together[-1]:
            raise RuntimeError("a bug")
        return await asyncio.gather(*(self.send(dispatch) for dispatch in dispatches))


@pytest.mark.parametrize(("concurrency", "most"), [(2, 5), (7, 7)])
async def test_an_adapter_that_gains_by_it_may_have_more_under_way_to_one_recipient(
    hand: Hand, concurrency: int, most: int
) -> None:
    gate = asyncio.Event()

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    wide, other = WideAdapter("alpha", script), TestAdapter("beta", script)
    for n in range(8):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R, ("beta", "R"))), to=f"P{n}")
    async with working(hand.engine, wide, other, concurrency=concurrency):
        await until(lambda: (wide.at_once, other.at_once) == (most, concurrency))
        gate.set()
        await until(empty(hand))
        await until(empty(hand, "beta"))
    assert (wide.most_at_once, other.most_at_once) == (most, concurrency)


async def wished(hand: Hand, *names: str) -> list[str]:
    """Ids of what is to be sent, one for each noun."""
    for name in names:
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(TO_R,)), to=name)
    return [row.id for row in await hand.waiting()]


async def test_what_a_claim_brings_for_such_an_adapter_is_given_to_it_together(hand: Hand) -> None:
    """And each is booked as it ended: one is refused, one not sent, the rest acknowledged."""
    all_ids = await wished(hand, *"ABCDE")
    ends: dict[str, Outcome] = {all_ids[1]: Refused(code="NO", reason="no"), all_ids[3]: NotSent(reason="away")}
    wide = WideAdapter("alpha", lambda dispatch: ends.get(dispatch.id, Acknowledged()))
    async with working(hand.engine, wide):
        await until(lambda: is_deferred(hand, all_ids[3]))
        await until(parked(hand))
    assert wide.together == [all_ids]
    states = [(await hand.row(id)).state for id in all_ids]
    assert states == ["acknowledged", "parked", "acknowledged", "due", "acknowledged"]


async def test_where_one_makes_such_an_adapter_fail_the_others_go_by_themselves(hand: Hand) -> None:
    all_ids = await wished(hand, *"ABC")

    def script(dispatch: Dispatch) -> Outcome:
        if dispatch.id == all_ids[1]:
            raise RuntimeError("a bug")
        return Acknowledged()

    wide = WideAdapter("alpha", script, poison=all_ids[1])
    async with working(hand.engine, wide):
        await until(lambda: is_deferred(hand, all_ids[1]))
        await until(lambda: len(wide.done) == 2)
    assert wide.together == [all_ids]
    assert [row.id for row in await hand.waiting()] == [all_ids[1]]
    assert "adapter failed" in ((await hand.row(all_ids[1])).last_error or "")


async def test_a_lane_of_such_an_adapter_that_is_full_goes_on_hand_by_hand(hand: Hand) -> None:
    all_ids = await wished(hand, *(f"P{n}" for n in range(12)))
    wide = WideAdapter("alpha")
    async with working(hand.engine, wide, concurrency=1):
        await until(empty(hand))
    assert ids(wide.begun) == all_ids
    assert len(wide.together) < 12
    assert wide.most_at_once <= 5


async def test_what_was_held_too_long_to_be_begun_is_claimed_anew_at_once(hand: Hand, clock: Clock) -> None:
    """Half of its lease is over when there is a place for it: it need not wait for the other half."""
    gates = {name: asyncio.Event() for name in ("P", "Q")}

    async def script(dispatch: Dispatch) -> Outcome:
        await gates[dispatch.body.collection_id].wait()
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    for name in gates:
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(TO_R,)), to=name)
    first, second = await hand.claim("alpha", worker="w", lease_s=60)
    async with working(hand.engine, adapter, concurrency=1, lease_s=60) as dispatcher:
        dispatcher.take([first, second])
        await until(lambda: adapter.at_once == 1)
        clock.pass_s(31)
        await until(lambda: is_at_rest(hand, second.id))  # somebody else may take it already
        gates["P"].set()
        await until(lambda: len(adapter.begun) == 2)
        anew = await hand.row(second.id)
        assert (anew.lease_owner, anew.attempt) == ("w", 1)  # as if it had never been leased before
        assert anew.visible_at == clock.now + timedelta(seconds=60)
        gates["Q"].set()
        await until(empty(hand))
    assert ids(adapter.done) == [first.id, second.id]


async def is_at_rest(hand: Hand, id: str) -> bool:
    row = await hand.row(id)
    return row.lease_owner is None and row.attempt == 0 and row.visible_at == row.due_at


async def test_what_cannot_be_given_back_now_is_given_back_by_the_claim_after(
    hand: Hand, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.dispatcher._STORE_PAUSE_S", 0.02)
    gate, away = asyncio.Event(), True

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    for name in ("P", "Q"):
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(TO_R,)), to=name)
    rows = await hand.claim("alpha", worker="w", lease_s=60)
    transact = hand.engine.store.transact

    async def sometimes(work: Any, turn: Turn) -> Any:
        if away:
            raise StoreUnavailableError("away")
        return await transact(work, turn)

    async with working(hand.engine, adapter, concurrency=1, lease_s=60) as dispatcher:
        monkeypatch.setattr(hand.engine.store, "transact", sometimes)
        dispatcher.take(rows)
        clock.pass_s(31)
        await asyncio.sleep(0.1)
        assert (await hand.row(rows[1].id)).lease_owner == "w"
        away = False
        await until(lambda: is_at_rest(hand, rows[1].id))
        gate.set()
        await until(empty(hand))
