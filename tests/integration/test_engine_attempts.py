"""The engine on both databases: timers that fire once, and attempts whose ends are booked once."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from puppet import (
    EXHIBIT,
    POLICY,
    START,
    Clock,
    Closed,
    Denied,
    Hand,
    Heard,
    Opened,
    Wished,
    assert_chains_hold,
    everything,
    notice,
)

from gateway.engine import codec
from gateway.engine.engine import Engine
from gateway.ports import Acknowledged, Document, NotSent, Refused, Unknown

LATER = START + timedelta(hours=1)


# -- timers -------------------------------------------------------------------------------------------------------


async def timer_of(hand: Hand, **wish: object) -> None:
    await hand.say(Opened())
    await hand.say(Wished(**wish))  # type: ignore[arg-type]


async def test_a_timer_fires_at_its_time_and_once(hand: Hand, clock: Clock) -> None:
    await timer_of(hand, timer=("ring", LATER))
    assert await hand.claim("timer") == []
    clock.now = LATER
    (row,) = await hand.claim("timer")
    assert await hand.claim("timer", worker="v") == []
    assert [await hand.engine.fire(row), await hand.engine.fire(row)] == [True, False]
    assert (await hand.puppet()).heard == ("ring",)
    assert (await hand.row(row.id)).state == "fired"


async def test_of_two_replicas_that_fire_one_timer_one_does(replicas: list[Engine], clock: Clock) -> None:
    """The first lost its lease while it was busy; both come to the noun in the same moment."""
    hand = Hand(replicas[0])
    for n in range(8):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(timer=("ring", LATER)), to=f"P{n}")
    clock.now = LATER
    slow = await hand.claim("timer", lease_s=1)
    clock.pass_s(2)
    fast = await hand.claim("timer", worker="v")
    assert len(slow) == len(fast) == 8
    fired = await asyncio.gather(
        *(replicas[0].fire(row) for row in slow), *(replicas[1].fire(row) for row in fast), return_exceptions=True
    )
    assert fired == [False] * 8 + [True] * 8
    assert [(await hand.puppet(f"P{n}")).heard for n in range(8)] == [("ring",)] * 8


async def test_a_cancelled_timer_does_not_fire_though_it_is_in_a_workers_hands(hand: Hand, clock: Clock) -> None:
    await timer_of(hand, timer=("ring", LATER))
    clock.now = LATER
    (row,) = await hand.claim("timer")
    await hand.say(Wished(cancels="ring"))
    assert not await hand.engine.fire(row)
    assert (await hand.puppet()).heard == ()


async def test_a_timer_set_again_replaces_the_first(hand: Hand, clock: Clock) -> None:
    await timer_of(hand, timer=("ring", LATER))
    await hand.say(Wished(timer=("ring", LATER + timedelta(hours=1))))
    clock.now = LATER
    assert await hand.claim("timer") == []
    clock.pass_s(3600)
    (row,) = await hand.claim("timer")
    assert await hand.engine.fire(row)
    assert (await hand.puppet()).heard == ("ring",)


async def test_a_timer_whose_noun_has_moved_on_leaves_a_line_and_changes_nothing(hand: Hand, clock: Clock) -> None:
    await timer_of(hand, timer=("ring", LATER))
    await hand.say(Closed())
    before = await hand.puppet()
    clock.now = LATER
    (row,) = await hand.claim("timer")
    assert await hand.engine.fire(row)
    assert await hand.puppet() == before
    assert (await hand.engine.store.read(lambda r: r.journal_of("puppet", "P")))[-1].event == "TimerPassed"
    assert await hand.waiting("timer") == []
    await assert_chains_hold(hand.engine.store, "P")


async def test_a_refused_timer_waits_for_a_person_and_says_so(hand: Hand, clock: Clock) -> None:
    await timer_of(hand, refused_timer=("ring", LATER))
    clock.now = LATER
    (row,) = await hand.claim("timer")
    assert await hand.engine.fire(row)
    (parked,) = await hand.waiting("timer")
    assert (parked.state, parked.last_error) == ("parked", "NOT_PERMITTED")
    assert parked.parked_at == LATER
    line = (await hand.engine.store.read(lambda r: r.journal_of("puppet", "P")))[-1]
    assert (line.event, line.cause_source) == ("DeliveryParked", "timer")
    assert await hand.claim("timer") == []
    await assert_chains_hold(hand.engine.store, "P")
    assert not await hand.engine.fire(row)


# -- outcomes -----------------------------------------------------------------------------------------------------

OUTCOMES = [
    # outcome                                        state         journal line           heard
    (Acknowledged(), "acknowledged", "DeliveryAcknowledged", ()),
    (Acknowledged(event=Heard(word="yes")), "acknowledged", "DeliveryAcknowledged", ("yes",)),
    (Refused(code="AM04", reason="no"), "parked", "DeliveryParked", ()),
    (Refused(code="AM04", reason="no", event=Heard(word="no")), "taken_over", "DeliveryTakenOver", ("no",)),
    (NotSent(reason="away"), "due", "DeliveryDeferred", ()),
    (Unknown(reason="silence"), "due", "DeliveryDeferred", ()),
    (Unknown(reason="silence", event=Heard(word="?")), "taken_over", "DeliveryTakenOver", ("?",)),
]


@pytest.mark.parametrize(("outcome", "state", "line", "heard"), OUTCOMES, ids=lambda value: str(value)[:40])
async def test_how_an_attempt_is_booked(hand: Hand, outcome, state: str, line: str, heard: tuple[str, ...]) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"),)))
    (row,) = await hand.claim("alpha")
    assert await hand.engine.conclude(row, outcome)
    booked = await hand.row(row.id)
    assert (booked.state, booked.attempt) == (state, 1)
    assert (booked.concluded_at is None) == (state in ("due", "parked"))
    assert (booked.due_at > START) == (state == "due")
    lines = await hand.engine.store.read(lambda r: r.journal_of("puppet", "P"))
    assert line in [entry.event for entry in lines]
    assert (await hand.puppet()).heard == heard
    await assert_chains_hold(hand.engine.store, "P")


@pytest.mark.parametrize("outcome", [outcome for outcome, *_ in OUTCOMES], ids=lambda value: str(value)[:40])
async def test_an_attempt_is_booked_once_whoever_comes_with_it_again(hand: Hand, store_url: str, outcome) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"),)))
    (row,) = await hand.claim("alpha")
    assert await hand.engine.conclude(row, outcome)
    before = everything(store_url)
    assert not await hand.engine.conclude(row, Acknowledged(event=Heard(word="late")))
    assert everything(store_url) == before


async def test_a_worker_that_lost_its_lease_books_nothing(hand: Hand, clock: Clock, store_url: str) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"),)))
    (slow,) = await hand.claim("alpha", lease_s=1)
    clock.pass_s(2)
    (fast,) = await hand.claim("alpha", worker="v")
    before = everything(store_url)
    for outcome in (Acknowledged(event=Heard(word="slow")), Refused(code="X", reason=""), NotSent(reason="")):
        assert not await hand.engine.conclude(slow, outcome)
    assert everything(store_url) == before
    assert await hand.engine.conclude(fast, Acknowledged(event=Heard(word="fast")))
    assert (await hand.puppet()).heard == ("fast",)


async def test_twenty_deaths_in_the_middle_of_an_attempt_use_up_nothing_of_the_schedule(
    hand: Hand, clock: Clock
) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"),)))
    for _ in range(20):
        assert len(await hand.claim("alpha", lease_s=1)) == 1  # and its worker dies
        clock.pass_s(2)
    for pause_s in POLICY.pauses_s:
        (row,) = await hand.claim("alpha", lease_s=1)
        assert await hand.engine.conclude(row, NotSent(reason="away"))
        waits = await hand.row(row.id)
        assert waits.state == "due"
        assert pause_s <= (waits.due_at - clock.now).total_seconds() <= pause_s * (1 + POLICY.jitter)
        clock.now = waits.due_at
    (row,) = await hand.claim("alpha")
    assert await hand.engine.conclude(row, NotSent(reason="away"))
    assert (await hand.row(row.id)).state == "parked"


async def test_an_outcome_the_noun_has_no_row_for_is_booked_without_it(hand: Hand) -> None:
    """A payment that is settled already does not hear that its order's fate is unknown."""
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"), ("beta", "R"))))
    (first,), (second,) = await hand.claim("alpha"), await hand.claim("beta")
    await hand.say(Closed())
    assert await hand.engine.conclude(first, Acknowledged(event=Heard(word="yes")))
    assert await hand.engine.conclude(second, Unknown(reason="silence", event=Heard(word="?")))
    assert [(await hand.row(row.id)).state for row in (first, second)] == ["acknowledged", "due"]


async def test_an_outcome_the_noun_refuses_is_parked_with_the_refusal(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"),)))
    (row,) = await hand.claim("alpha")
    assert await hand.engine.conclude(row, Acknowledged(event=Denied()))
    parked = await hand.row(row.id)
    assert parked.state == "parked"
    assert parked.last_error is not None
    assert "NOT_PERMITTED" in parked.last_error


async def test_a_document_and_the_exhibits_of_an_attempt_are_kept(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Wished(sends=(("alpha", "R"),)))
    (row,) = await hand.claim("alpha")
    document = Document(id="D", media_type="text/plain", content=b"sealed")
    await hand.engine.conclude(row, Acknowledged(document=document, exhibits=(replace(EXHIBIT, direction="out"),)))
    store = hand.engine.store
    kept = await store.read(lambda r: r.document("D"))
    assert kept is not None
    assert (kept.content, kept.sha256) == (b"sealed", hashlib.sha256(b"sealed").hexdigest())
    (link,) = await store.read(lambda r: r.evidence_of("puppet", "P"))
    assert (link.direction, link.message_id, link.message_source) == ("out", row.id, "R")


async def test_a_feed_line_carries_its_notice_and_the_journal_position(hand: Hand) -> None:
    from gateway.engine.step import FeedBody

    await hand.say(Opened())
    await hand.say(Wished(notices=(("platform", "EHERRAC"),)))
    (line,) = await hand.engine.store.read(lambda r: r.read_feed("EHERRAC"))
    (row,) = await hand.waiting("platform")
    assert codec.decode(FeedBody, line.body) == FeedBody(version=2, notice=notice("P"))
    assert (line.outbox_id, line.sequence, row.state_version) == (row.id, row.sequence, 2)
