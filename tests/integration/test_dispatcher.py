"""The dispatcher on both databases: in order, never lost, never booked twice, and gone on with whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from functools import partial

import pytest
from dispatching import TO_R, TO_S, at_rest, empty, has_looked, ids, is_deferred, parked, working
from puppet import (
    POLICY,
    START,
    Clock,
    Hand,
    Opened,
    TestAdapter,
    Wished,
    engine_on,
    one_after_another,
)
from structlog.testing import capture_logs
from waiting import until

from gateway.domain.delivery import RetryPolicy
from gateway.domain.dispatches import DISPATCHES
from gateway.domain.recipient import BreakerPolicy
from gateway.engine.journal import first_break
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.store import Store, StoreUnavailableError, Turn
from gateway.store.rows import DocumentRow

PARKED = "Alarm:DELIVERY_PARKED"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hand(store: Store, clock: Clock) -> Hand:
    return Hand(engine_on(store, clock))


# -- the outcomes -------------------------------------------------------------------------------------------------


async def test_what_is_sent_is_what_was_put_in(hand: Hand) -> None:
    adapter = TestAdapter("alpha")
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter):
        await until(empty(hand))
    (sent,) = adapter.done
    assert (sent.id, sent.channel, sent.recipient, sent.attempt, sent.state_version) == (row.id, "alpha", "R", 1, 2)
    assert (sent.body.collection_id, sent.created_at, sent.sequence, sent.attachment) == ("P", START, None, None)
    assert (await hand.row(row.id)).state == "acknowledged"


async def test_a_notice_carries_its_feed_number(hand: Hand) -> None:
    adapter = TestAdapter("platform")
    await hand.say(Opened())
    for _ in range(3):
        await hand.say(Wished(notices=(("platform", "EHERRAC"),)))
    async with working(hand.engine, adapter):
        await until(empty(hand, "platform"))
    assert [sent.sequence for sent in adapter.done] == [1, 2, 3]


@pytest.mark.parametrize("first", [NotSent(reason="away"), Unknown(reason="silence")], ids=["not sent", "unknown"])
async def test_what_may_not_have_arrived_is_sent_again_under_its_id_when_its_pause_is_over(
    hand: Hand, clock: Clock, first: Outcome
) -> None:
    adapter = TestAdapter("alpha", one_after_another(first))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter) as dispatcher:
        await until(lambda: is_deferred(hand, row.id))
        deferred = await hand.row(row.id)
        pause = deferred.due_at - START
        assert timedelta(seconds=1) <= pause <= timedelta(seconds=1.1)
        clock.now = deferred.due_at - timedelta(microseconds=1)
        await until(has_looked(dispatcher))
        assert len(adapter.begun) == 1
        clock.now = deferred.due_at
        await until(empty(hand))
    assert ids(adapter.done) == [row.id, row.id]
    assert [sent.attempt for sent in adapter.done] == [1, 2]


async def test_a_refusal_is_not_repeated_at_them_and_waits_for_a_person(hand: Hand, clock: Clock) -> None:
    adapter = TestAdapter("alpha", one_after_another(Refused(code="NO", reason="never")))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter) as dispatcher:
        await until(parked(hand))
        clock.pass_s(10**6)
        await until(has_looked(dispatcher))
        assert len(adapter.begun) == 1
        assert (await hand.row(row.id)).last_error == "NO: never"
        assert await hand.engine.parked.requeue(row.id, person="Leyla")
        await until(empty(hand))
    assert ids(adapter.done) == [row.id, row.id]
    assert not await hand.engine.parked.requeue(row.id, person="Leyla")


async def test_a_refusal_in_signs_that_no_database_keeps_is_booked_like_any_other(hand: Hand) -> None:
    """JSON may say NUL, and half a surrogate pair; unbooked, the same went out again at the end of every lease."""
    adapter = TestAdapter("alpha", one_after_another(Refused(code="BAD\x00", reason="a\x00b \ud800 \u202ec")))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, adapter):
        await until(parked(hand))
    (row,) = await hand.waiting()
    assert row.last_error == "BAD[U+0000]: a[U+0000]b [U+D800] [U+202E]c"
    assert len(adapter.begun) == 1


async def test_the_whole_schedule_is_gone_through_before_a_person_is_asked(hand: Hand, clock: Clock) -> None:
    """One attempt more than there are pauses; never parked earlier, never tried later."""
    adapter = TestAdapter("alpha", lambda _: NotSent(reason="away"))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    begun_at = []
    async with working(hand.engine, adapter) as dispatcher:
        for number, pause_s in enumerate((*POLICY.pauses_s, None), start=1):
            await until(lambda number=number: len(adapter.done) == number)
            begun_at.append(clock.now)
            if pause_s is not None:
                await until(at_rest(dispatcher))
                clock.now = (await hand.row(row.id)).due_at
        await until(parked(hand))
        clock.pass_s(10**6)
        await until(has_looked(dispatcher))
    assert len(adapter.begun) == len(POLICY.pauses_s) + 1 == 9
    for pause_s, before, after in zip(POLICY.pauses_s, begun_at, begun_at[1:], strict=False):
        assert pause_s <= (after - before).total_seconds() <= pause_s * 1.1 + 1e-5
    events = [entry.event for entry in await hand.engine.store.read(lambda r: r.journal_of("puppet", "P"))]
    assert events == ["Opened", "Wished", *["DeliveryDeferred"] * 8, "DeliveryParked", PARKED]


async def test_a_delivery_interrupted_again_and_again_is_an_alarm(hand: Hand, clock: Clock) -> None:
    adapter = TestAdapter("alpha", lambda _: Acknowledged())
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    for _ in range(5):
        (row,) = await hand.claim("alpha", lease_s=1)
        clock.pass_s(2)
    with capture_logs() as said:
        async with working(hand.engine, adapter):
            await until(empty(hand))
    alarms = [line["facts"] for line in said if line.get("alarm") == "DELIVERY_INTERRUPTED"]
    assert alarms == [{"delivery": row.id, "times": "5"}]


async def test_an_adapter_is_told_what_may_have_left_before_and_only_that(hand: Hand, clock: Clock) -> None:
    """A claim that nobody booked may have been sent; what was booked, or given back, was not."""
    adapter = TestAdapter("alpha", one_after_another(NotSent(reason="away")))
    for name in ("booked", "given back", "interrupted"):
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(("alpha", name),)), to=name)
    rows = {row.recipient: row for row in await hand.claim("alpha", lease_s=1)}
    await hand.engine.conclude(rows["booked"], NotSent(reason="away"))
    await hand.engine.store.transact(lambda tx: tx.give_back(rows["given back"]))
    clock.pass_s(60)
    async with working(hand.engine, adapter):
        await until(lambda: len(adapter.done) == 3)
    assert {sent.recipient: sent.may_have_left for sent in adapter.done} == {
        "booked": False,
        "given back": False,
        "interrupted": True,
    }


async def test_who_answers_again_gets_at_once_what_waited_for_its_next_attempt(store: Store, clock: Clock) -> None:
    """By then each has a long wait of its own before it; what goes to somebody else keeps its time."""
    away = {"R", "S"}
    hand = Hand(engine_on(store, clock, alpha=RetryPolicy(pauses_s=(7200,) * 4, jitter=0)))
    adapter = TestAdapter("alpha", lambda sent: NotSent(reason="away") if sent.recipient in away else Acknowledged())
    for name, send in {"P": TO_R, "Q": TO_R, "O": TO_S}.items():
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(send,)), to=name)
    waiting = {row.noun_id: row.id for row in await hand.waiting()}
    breaker = BreakerPolicy(failures_max=2, pause_s=1)
    async with working(hand.engine, adapter, breakers={"default": breaker}) as dispatcher:
        for id in waiting.values():
            await until(partial(is_deferred, hand, id))
        away.remove("R")
        await hand.say(Opened(), to="N")
        await hand.say(Wished(sends=(TO_R,)), to="N")
        await until(at_rest(dispatcher))
        assert len(adapter.done) == 3
        clock.pass_s(2)  # for the probe; the next attempts are two hours away
        await until(lambda: {waiting["P"], waiting["Q"]} <= set(ids(adapter.done[3:])))
    assert (await hand.row(waiting["O"])).due_at == START + timedelta(hours=2)


async def test_their_wish_for_a_longer_pause_is_honoured(hand: Hand, clock: Clock) -> None:
    adapter = TestAdapter("alpha", one_after_another(NotSent(reason="busy", retry_after_s=120)))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter):
        await until(lambda: is_deferred(hand, row.id))
        assert (await hand.row(row.id)).due_at == START + timedelta(seconds=120)
        clock.pass_s(120)
        await until(empty(hand))


async def test_a_person_is_warned_on_the_way_to_being_asked(store: Store, clock: Clock) -> None:
    hand = Hand(engine_on(store, clock, alpha=RetryPolicy(pauses_s=(100,) * 4, jitter=0)))
    adapter = TestAdapter("alpha", lambda _: NotSent(reason="away"))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, adapter):

        async def is_parked() -> bool:
            clock.pass_s(50)
            return await parked(hand)()

        await until(is_parked)
    journal = await store.read(lambda r: r.journal_of("puppet", "P"))
    alarms = [(entry.event, json.loads(entry.data)["facts"].get("percent")) for entry in journal if ":" in entry.event]
    assert alarms == [("Alarm:DELIVERY_DELAYED", "50"), ("Alarm:DELIVERY_DELAYED", "70"), (PARKED, None)]


async def test_a_recipient_may_have_a_schedule_of_its_own(store: Store, clock: Clock) -> None:
    hand = Hand(engine_on(store, clock, **{"alpha/R": RetryPolicy(pauses_s=(), jitter=0)}))
    adapter = TestAdapter("alpha", lambda _: NotSent(reason="away"))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R, TO_S)))
    async with working(hand.engine, adapter):
        await until(parked(hand))
        await until(lambda: len(adapter.done) == 2)
    assert [(row.recipient, row.parked_at is None) for row in await hand.waiting()] == [("R", False), ("S", True)]


async def test_a_persons_decisions_are_written_down_with_the_name(hand: Hand) -> None:
    adapter = TestAdapter("alpha", one_after_another(Refused(code="NO", reason=""), Refused(code="NO", reason="")))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R, TO_R)))
    first, second = await hand.waiting()
    assert not await hand.engine.parked.discard(first.id, person="Leyla", reason="not yet parked")
    async with working(hand.engine, adapter):
        await until(parked(hand))
        assert await hand.engine.parked.requeue(first.id, person="Leyla")
        await until(lambda: len(adapter.done) == 2)
        await until(parked(hand))
        assert await hand.engine.parked.discard(first.id, person="Rauf", reason="told by telephone")
        await until(empty(hand))  # the follower goes on
    assert not await hand.engine.parked.discard(first.id, person="Rauf", reason="twice")
    assert not await hand.engine.parked.requeue("nobody", person="Rauf")
    assert (await hand.row(first.id)).state == "discarded"
    assert ids(adapter.done) == [first.id, first.id, second.id]
    journal = await hand.engine.store.read(lambda r: r.journal_of("puppet", "P"))
    said = [(e.event, e.cause_source, e.cause_id) for e in journal if e.event in ("Requeued", "Discarded")]
    assert said == [("Requeued", "Leyla", first.id), ("Discarded", "Rauf", first.id)]
    assert json.loads(next(e.data for e in journal if e.event == "Discarded"))["reason"] == "told by telephone"
    noun = await hand.engine.store.read(lambda r: r.noun("puppet", "P"))
    assert first_break(journal, noun) is None


async def test_a_channel_may_have_a_schedule_of_its_own(store: Store, clock: Clock) -> None:
    hand = Hand(engine_on(store, clock, alpha=RetryPolicy(pauses_s=(), jitter=0)))
    adapters = [TestAdapter(name, lambda _: NotSent(reason="away")) for name in ("alpha", "beta")]
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R, ("beta", "R"))))
    async with working(hand.engine, *adapters):
        await until(parked(hand))
        await until(lambda: len(adapters[1].done) == 1)
    assert (await hand.waiting("beta"))[0].parked_at is None


async def test_an_adapter_that_raises_has_not_lost_the_row(hand: Hand, clock: Clock) -> None:
    def script(dispatch: Dispatch) -> Outcome:
        if dispatch.attempt == 1:
            raise ZeroDivisionError
        return Acknowledged()

    adapter = TestAdapter("alpha", script)
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter):
        await until(lambda: is_deferred(hand, row.id))
        assert (await hand.row(row.id)).last_error == "adapter failed: ZeroDivisionError"
        clock.pass_s(2)
        await until(empty(hand))
    assert ids(adapter.begun) == [row.id, row.id]


async def test_messages_that_break_our_adapter_leave_the_recipient_to_the_others(hand: Hand) -> None:
    """A name that XML cannot carry, in a few decisions of one bank, had AÖS left alone for everybody."""
    poison = [f"X{number}" for number in range(2 * BreakerPolicy().failures_max)]

    def script(dispatch: Dispatch) -> Outcome:
        if dispatch.id in bad:
            raise ValueError("nobody thought of this")
        return Acknowledged()

    for name in (*poison, "P"):
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(TO_R,)), to=name)
    *bad, good = [row.id for row in await hand.waiting()]
    adapter = TestAdapter("alpha", script)
    async with working(hand.engine, adapter, concurrency=1) as dispatcher:
        await until(lambda: ids(adapter.done) == [good])
        await until(at_rest(dispatcher))
        assert dispatcher.breakers == {}
    assert len(await hand.waiting()) == len(poison)


async def test_a_body_that_cannot_be_read_does_not_stop_the_others(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version ordered it."""
    adapter = TestAdapter("alpha")
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,), notices=(("alpha", "S"),)))
    good, bad = await hand.waiting()
    monkeypatch.delitem(DISPATCHES, bad.body_type)
    async with working(hand.engine, adapter):
        await until(lambda: is_deferred(hand, bad.id))
        await until(lambda: ids(adapter.done) == [good.id])
    assert (await hand.row(bad.id)).last_error == "adapter failed: KeyError"


async def test_what_cannot_be_read_was_not_sent(
    hand: Hand, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by simulation (a disk that fails to read, seed 1780): nothing left, so nothing is unknown."""
    adapter = TestAdapter("alpha")
    content = b"protocol"
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,), document=("alpha", "S", "d")))
    plain, sealed = await hand.waiting()
    document = DocumentRow(
        id="d", content=content, sha256=hashlib.sha256(content).hexdigest(), media_type="text/plain", created_at=START
    )

    async def away(work: object, turn: Turn) -> object:
        raise StoreUnavailableError("disk I/O error")

    await store.transact(lambda tx: tx.add_document(document))
    with monkeypatch.context() as faulty:
        faulty.setattr(hand.engine.store, "read", away)
        async with working(hand.engine, adapter) as dispatcher:
            await until(lambda: ids(adapter.done) == [plain.id])
            await until(has_looked(dispatcher))
    row = await hand.row(sealed.id)
    assert (row.state, row.last_error) == ("due", "what is to be sent cannot be read: disk I/O error")
    clock.pass_s(2)
    async with working(hand.engine, adapter):
        await until(empty(hand))
    assert [sent.attachment for sent in adapter.done] == [None, content]


async def test_timers_fire_beside_deliveries(hand: Hand, clock: Clock) -> None:
    await hand.say(Opened())
    await hand.say(Wished(timer=("ring", START + timedelta(seconds=5))))
    async with working(hand.engine) as dispatcher:
        await until(has_looked(dispatcher))
        assert (await hand.puppet()).heard == ()
        clock.pass_s(5)
        await until(empty(hand, "timer"))
    assert (await hand.puppet()).heard == ("ring",)


async def test_metrics_are_told_of_every_finished_attempt(hand: Hand, clock: Clock) -> None:
    seen: list[tuple[str, str]] = []
    adapter = TestAdapter("alpha", one_after_another(NotSent(reason="away")))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter, observe=lambda channel, result: seen.append((channel, result))):
        await until(lambda: is_deferred(hand, row.id))
        clock.pass_s(2)
        await until(empty(hand))
    assert seen == [("alpha", "not_sent"), ("alpha", "acknowledged")]


# -- order --------------------------------------------------------------------------------------------------------


async def test_a_nouns_messages_to_one_recipient_keep_their_order_among_many(hand: Hand, clock: Clock) -> None:
    """Eight nouns, two recipients, every first attempt at random fails: each pair still hears all in order, once."""
    failing = {"n": 0}

    async def script(dispatch: Dispatch) -> Outcome:
        await asyncio.sleep(0)
        failing["n"] += 1
        return NotSent(reason="away") if dispatch.attempt == 1 and failing["n"] % 3 == 0 else Acknowledged()

    adapter = TestAdapter("alpha", script)
    for n in range(8):
        await hand.say(Opened(), to=f"P{n}")
    for _ in range(6):
        for n in range(8):
            await hand.say(Wished(sends=(TO_R, TO_S)), to=f"P{n}")
    expected: dict[tuple[str, str], list[str]] = {}
    for row in await hand.waiting():
        expected.setdefault((row.noun_id, row.recipient), []).append(row.id)
    delivered: dict[tuple[str, str], list[str]] = {}
    async with working(hand.engine, adapter, concurrency=8):

        async def all_delivered() -> bool:
            clock.pass_s(0.5)
            return await hand.waiting() == []

        await until(all_delivered)
    seen: set[str] = set()
    for sent in adapter.begun:
        key = (sent.body.collection_id, sent.recipient)
        if sent.id not in seen:
            seen.add(sent.id)
            delivered.setdefault(key, []).append(sent.id)
    assert delivered == expected
    assert len(adapter.begun) > len(seen)  # some were tried twice
    assert adapter.most_at_once > 1


async def test_followers_wait_while_the_first_is_deferred_and_others_do_not(hand: Hand, clock: Clock) -> None:
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    await hand.say(Wished(sends=(TO_R, TO_R, TO_S)))
    await hand.say(Wished(sends=(TO_R,)), to="Q")
    first, second, other, another = await hand.waiting()
    adapter = TestAdapter(
        "alpha", lambda d: NotSent(reason="") if (d.id, d.attempt) == (first.id, 1) else Acknowledged()
    )
    async with working(hand.engine, adapter) as dispatcher:
        await until(lambda: len(adapter.done) == 3)
        assert set(ids(adapter.done)) == {first.id, other.id, another.id}
        await until(at_rest(dispatcher))
        await until(has_looked(dispatcher))
        assert len(adapter.begun) == 3
        clock.pass_s(2)
        await until(empty(hand))
    assert ids(adapter.done)[3:] == [first.id, second.id]


async def test_a_parked_row_blocks_its_own_followers_only_and_a_person_frees_them(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    await hand.say(Wished(sends=(TO_R, TO_R)))
    await hand.say(Wished(sends=(TO_R, TO_R)), to="Q")
    first, second, *others = await hand.waiting()
    adapter = TestAdapter(
        "alpha", lambda d: Refused(code="NO", reason="") if (d.id, d.attempt) == (first.id, 1) else Acknowledged()
    )
    async with working(hand.engine, adapter) as dispatcher:
        await until(lambda: len(adapter.done) == 3)
        await until(parked(hand))
        await until(lambda: are_waiting(hand, first.id, second.id))
        await hand.say(Wished(sends=(TO_R,)))  # one more behind it
        await until(has_looked(dispatcher))
        assert len(adapter.begun) == 3
        assert await hand.engine.parked.requeue(first.id, person="Leyla")
        await until(empty(hand))
    assert ids(adapter.done)[-3:-1] == [first.id, second.id]
    assert {row.id for row in others} <= set(ids(adapter.done))


async def are_waiting(hand: Hand, *ids: str) -> bool:
    return [row.id for row in await hand.waiting()] == list(ids)
