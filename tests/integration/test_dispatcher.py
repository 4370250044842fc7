"""The dispatcher on both databases: in order, never lost, never booked twice, and gone on with whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from puppet import (
    POLICY,
    START,
    Clock,
    Hand,
    Heard,
    Opened,
    TestAdapter,
    Wished,
    engine_on,
    one_after_another,
    until,
)
from structlog.testing import capture_logs

from gateway.domain.delivery import RetryPolicy
from gateway.domain.recipient import BreakerPolicy, RecipientState
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.engine.journal import first_break
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.store import Store, StoreError, StoreUnavailableError, open_store
from gateway.store.interface import Transaction
from gateway.store.rows import DocumentRow, OutboxItem

TO_R, TO_S = ("alpha", "R"), ("alpha", "S")
PARKED = "Alarm:DELIVERY_PARKED"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hand(store: Store, clock: Clock) -> Hand:
    return Hand(engine_on(store, clock))


@asynccontextmanager
async def working(engine: Engine, *adapters: TestAdapter, **options: Any) -> AsyncIterator[Dispatcher]:
    """A dispatcher at work. Its clock is the engine's; it looks again soon, so that time may be passed by hand."""
    values = {"worker": "w", "poll_s": 0.01} | options
    dispatcher = Dispatcher(engine, {adapter.channel: adapter for adapter in adapters}, clock=engine._clock, **values)
    engine.attach(dispatcher)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()
        await asyncio.wait_for(task, 5)


def ids(dispatches: list[Dispatch]) -> list[str]:
    return [dispatch.id for dispatch in dispatches]


def empty(hand: Hand, channel: str = "alpha") -> Callable[[], Awaitable[bool]]:
    async def is_empty() -> bool:
        return await hand.waiting(channel) == []

    return is_empty


def parked(hand: Hand, count: int = 1) -> Callable[[], Awaitable[bool]]:
    async def are_parked() -> bool:
        return sum(row.parked_at is not None for row in await hand.waiting()) == count

    return are_parked


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
    async with working(hand.engine, adapter):
        await until(lambda: is_deferred(hand, row.id))
        deferred = await hand.row(row.id)
        pause = deferred.due_at - START
        assert timedelta(seconds=1) <= pause <= timedelta(seconds=1.1)
        clock.now = deferred.due_at - timedelta(microseconds=1)
        await asyncio.sleep(0.05)
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
    async with working(hand.engine, adapter):
        await until(parked(hand))
        clock.pass_s(10**6)
        await asyncio.sleep(0.05)
        assert len(adapter.begun) == 1
        assert (await hand.row(row.id)).last_error == "NO: never"
        assert await hand.engine.requeue(row.id, person="Leyla")
        await until(empty(hand))
    assert ids(adapter.done) == [row.id, row.id]
    assert not await hand.engine.requeue(row.id, person="Leyla")


async def test_the_whole_schedule_is_gone_through_before_a_person_is_asked(hand: Hand, clock: Clock) -> None:
    """One attempt more than there are pauses; never parked earlier, never tried later."""
    adapter = TestAdapter("alpha", lambda _: NotSent(reason="away"))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    begun_at = []
    async with working(hand.engine, adapter):
        for number, pause_s in enumerate((*POLICY.pauses_s, None), start=1):
            await until(lambda number=number: len(adapter.done) == number)
            begun_at.append(clock.now)
            if pause_s is not None:
                await until(lambda: is_deferred(hand, row.id))
                clock.now = (await hand.row(row.id)).due_at
        await until(parked(hand))
        clock.pass_s(10**6)
        await asyncio.sleep(0.05)
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
    assert not await hand.engine.discard(first.id, person="Leyla", reason="not yet parked")
    async with working(hand.engine, adapter):
        await until(parked(hand))
        assert await hand.engine.requeue(first.id, person="Leyla")
        await until(lambda: len(adapter.done) == 2)
        await until(parked(hand))
        assert await hand.engine.discard(first.id, person="Rauf", reason="told by telephone")
        await until(empty(hand))  # the follower goes on
    assert not await hand.engine.discard(first.id, person="Rauf", reason="twice")
    assert not await hand.engine.requeue("nobody", person="Rauf")
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


async def is_deferred(hand: Hand, id: str) -> bool:
    row = await hand.row(id)
    return row.lease_owner is None and row.attempt > 0


async def test_a_body_that_cannot_be_read_does_not_stop_the_others(hand: Hand, store: Store) -> None:
    adapter = TestAdapter("alpha")
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (good,) = await hand.waiting()
    bad = OutboxItem(**{name: getattr(good, name) for name in OutboxItem.__dataclass_fields__})
    bad = replace(bad, id="bad", body='{"from": "a newer version"}', order_key="other")
    await store.transact(lambda tx: tx.enqueue(bad))
    async with working(hand.engine, adapter):
        await until(lambda: is_deferred(hand, "bad"))
        await until(lambda: ids(adapter.done) == [good.id])
    assert (await hand.row("bad")).last_error == "adapter failed: ValidationError"


async def test_what_cannot_be_read_was_not_sent(
    hand: Hand, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by simulation (a disk that fails to read, seed 1780): nothing left, so nothing is unknown."""
    adapter = TestAdapter("alpha")
    content = b"protocol"
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    (plain,) = await hand.waiting()
    item = OutboxItem(**{name: getattr(plain, name) for name in OutboxItem.__dataclass_fields__})
    sealed = replace(item, id="sealed", order_key="other", attachment_document_id="d")
    document = DocumentRow(
        id="d", content=content, sha256=hashlib.sha256(content).hexdigest(), media_type="text/plain", created_at=START
    )

    def put(tx: Transaction) -> None:
        tx.add_document(document)
        tx.enqueue(sealed)

    async def away(work: object) -> object:
        raise StoreUnavailableError("disk I/O error")

    await store.transact(put)
    with monkeypatch.context() as faulty:
        faulty.setattr(hand.engine.store, "read", away)
        async with working(hand.engine, adapter):
            await until(lambda: ids(adapter.done) == [plain.id])
            await asyncio.sleep(0.05)
    row = await hand.row("sealed")
    assert (row.state, row.last_error) == ("due", "what is to be sent cannot be read: disk I/O error")
    clock.pass_s(2)
    async with working(hand.engine, adapter):
        await until(empty(hand))
    assert [sent.attachment for sent in adapter.done] == [None, content]


async def test_timers_fire_beside_deliveries(hand: Hand, clock: Clock) -> None:
    await hand.say(Opened())
    await hand.say(Wished(timer=("ring", START + timedelta(seconds=5))))
    async with working(hand.engine):
        await asyncio.sleep(0.03)
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

        await until(all_delivered, timeout_s=20)
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
    async with working(hand.engine, adapter):
        await until(lambda: len(adapter.done) == 3)
        assert set(ids(adapter.done)) == {first.id, other.id, another.id}
        await asyncio.sleep(0.05)
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
    async with working(hand.engine, adapter):
        await until(lambda: len(adapter.done) == 3)
        await until(parked(hand))
        await until(lambda: are_waiting(hand, first.id, second.id))
        await hand.say(Wished(sends=(TO_R,)))  # one more behind it
        await asyncio.sleep(0.05)
        assert len(adapter.begun) == 3
        assert await hand.engine.requeue(first.id, person="Leyla")
        await until(empty(hand))
    assert ids(adapter.done)[-3:-1] == [first.id, second.id]
    assert {row.id for row in others} <= set(ids(adapter.done))


async def are_waiting(hand: Hand, *ids: str) -> bool:
    return [row.id for row in await hand.waiting()] == list(ids)


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
        await until(lambda: len(quick.done) == 6)
        assert slow.at_once == 3
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
    options = {"concurrency": 2, "breaker": BreakerPolicy(failures_max=4, pause_s=30)}
    async with working(hand.engine, adapter, **options):
        await until(lambda: sum(sent.recipient == "S" for sent in adapter.done) == 20)
        await until(lambda: is_in(hand, RecipientState.SILENT))
        assert sum(sent.recipient == "R" for sent in adapter.done) <= 5  # four, and one begun beside the fourth
        tried = len(adapter.begun)
        clock.pass_s(30)
        await until(lambda: len(adapter.done) == tried + 1)
        await asyncio.sleep(0.05)
        assert len(adapter.begun) == tried + 1
        assert max(row.attempt for row in await hand.waiting()) <= 2
        assert sum(row.attempt == 0 for row in await hand.waiting()) >= 14
    back = True
    clock.pass_s(60)  # the pause of the row that probed, and the lease of one held too long to be begun
    async with working(hand.engine, adapter, **options):  # a new process: it knows who was silent
        await until(empty(hand))
        await until(lambda: is_in(hand, RecipientState.ANSWERING))
    journal = await hand.engine.store.read(lambda r: r.journal_of("recipient", "alpha/R"))
    assert [entry.event for entry in journal] == ["FellSilent", "Alarm:RECIPIENT_SILENT", "AnsweredAgain"]


async def is_in(hand: Hand, state: RecipientState) -> bool:
    row = await hand.engine.store.read(lambda r: r.noun("recipient", "alpha/R"))
    return row is not None and row.state == state


async def test_a_full_lane_is_waited_for_without_asking_the_store_over_and_over(hand: Hand) -> None:
    gate, asked = asyncio.Event(), 0

    async def script(_: Dispatch) -> Outcome:
        await gate.wait()
        return Acknowledged()

    for n in range(3):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    transact = hand.engine.store.transact

    async def counted(work: Any) -> Any:
        nonlocal asked
        asked += 1
        return await transact(work)

    hand.engine.store.transact = counted  # type: ignore[method-assign]
    adapter = TestAdapter("alpha", script)
    async with working(hand.engine, adapter, concurrency=1, poll_s=0.05):
        await until(lambda: adapter.at_once == 1)
        before = asked
        await asyncio.sleep(0.3)
        assert asked - before <= 8  # six polls
        gate.set()
        await until(empty(hand))


# -- what breaks --------------------------------------------------------------------------------------------------


class Weather:
    """A store that can be away."""

    def __init__(self, store: Store) -> None:
        self._store, self.error = store, None

    async def transact(self, work: Any) -> Any:
        return await self._or_error(self._store.transact, work)

    async def read(self, work: Any) -> Any:
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


async def test_an_outcome_that_could_not_be_booked_is_sent_again_after_the_lease(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once, under the same id: the other side drops what it has seen."""
    monkeypatch.setattr("gateway.engine.dispatcher._STORE_PAUSE_S", 0.02)
    weather = Weather(store)
    hand = Hand(engine_on(weather, clock))

    def script(dispatch: Dispatch) -> Outcome:
        weather.error = StoreUnavailableError("away") if dispatch.attempt == 1 else None
        return Acknowledged(event=Heard(word="yes"))

    adapter = TestAdapter("alpha", script)
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))
    async with working(hand.engine, adapter, lease_s=60):
        await until(lambda: len(adapter.done) == 1)
        await asyncio.sleep(0.05)
        weather.error = None
        await asyncio.sleep(0.05)
        assert len(adapter.begun) == 1
        clock.pass_s(61)
        await until(empty(hand))
    assert len(set(ids(adapter.done))) == 1
    assert (await hand.puppet()).heard == ("yes",)


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
        await until(empty(hands[0]), timeout_s=20)
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

    async def held_up(work: Any) -> Any:
        result = await transact(work)
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
    await asyncio.wait_for(Dispatcher(hand.engine, {}, clock=Clock(), worker="w").stop(), 1)


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
    async with working(hand.engine, adapter, concurrency=1, breaker=breaker) as dispatcher:
        dispatcher.take(leased)
        await until(lambda: is_deferred(hand, leased[0].id))
        clock.pass_s(3)
        await until(empty(hand))
