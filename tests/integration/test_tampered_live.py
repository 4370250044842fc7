"""The store is changed by hand beneath a gateway at work: nothing leaves by it, a person is told, the rest goes on."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from dispatching import TO_R, TO_S, empty, ids, is_deferred, working
from puppet import START, TABLE, Clock, Closed, Hand, Heard, Opened, TestAdapter, Wished, one_after_another
from structlog.testing import capture_logs
from test_backup import execute
from test_tampering import A_SECOND_US, LATER, unbind
from waiting import until

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from gateway.domain.nouns import TABLES
from gateway.engine.engine import Engine
from gateway.engine.tampered import OLD_LINES_MAX
from gateway.engine.watchdog import Watchdog
from gateway.ports import Acknowledged, NotSent
from gateway.store import Store

FORGED = "noun_id = 'P' AND concluded_at IS NULL AND recipient = 'R'"
COLUMNS = (
    "order_key, noun, noun_id, body_type, state, due_at, visible_at, attempt, created_at, state_version, body, booked"
)
CHANGES = {
    "the body": f"UPDATE outbox SET body = replace(body, '\"1\"', '\"2\"') WHERE {FORGED}",
    "the recipient": f"UPDATE outbox SET recipient = 'Z' WHERE {FORGED}",
    "the line that ordered it": f"UPDATE outbox SET state_version = 1 WHERE {FORGED}",
    "a line that is not there": f"UPDATE outbox SET state_version = 9 WHERE {FORGED}",
    "the noun": f"UPDATE outbox SET noun_id = 'Q' WHERE {FORGED}",
    "what the line bound": "UPDATE journal SET bound = '{}' WHERE noun_id = 'P' AND version = 2",
    "what the line bound, to what nobody can read": (
        "UPDATE journal SET bound = '{' WHERE noun_id = 'P' AND version = 2"
    ),
    "what the line bound, to something else": (
        "UPDATE journal SET bound = '{\"sends\":[],\"timers\":0}' WHERE noun_id = 'P' AND version = 2"
    ),
    "that the line bound anything": "UPDATE journal SET bound = NULL WHERE noun_id = 'P' AND version = 2",
}


async def ordered(hand: Hand) -> str:
    """A delivery of P to R, and one of Q to S; the first one's id."""
    for name, to in (("P", TO_R), ("Q", TO_S)):
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=(to,)), to=name)
        await hand.say(Heard(word="on"), to=name)
    return (await hand.waiting())[0].id


def alarms(said: list) -> list[dict[str, str]]:
    return [line["facts"] for line in said if line.get("alarm") == "STORE_TAMPERED"]


async def parked_row(hand: Hand, id: str) -> bool:
    return (await hand.row(id)).parked_at is not None


@pytest.mark.parametrize("change", CHANGES)
async def test_a_delivery_changed_before_it_is_sent_is_parked_and_the_others_go(
    hand: Hand, store_url: str, change: str
) -> None:
    adapter, id = TestAdapter("alpha"), await ordered(hand)
    execute(store_url, CHANGES[change])
    with capture_logs() as said:
        async with working(hand.engine, adapter):
            await until(lambda: parked_row(hand, id))
            await until(lambda: len(adapter.done) == 1)
    assert [sent.recipient for sent in adapter.begun] == ["S"]
    (alarm,) = alarms(said)
    assert alarm["delivery"] == id
    assert (await hand.row(id)).last_error == alarm["what"]


async def test_a_delivery_changed_between_two_attempts_is_not_tried_again(
    hand: Hand, store: Store, store_url: str, clock: Clock
) -> None:
    adapter, id = TestAdapter("alpha", one_after_another(NotSent(reason="away"))), await ordered(hand)
    async with working(hand.engine, adapter):
        await until(lambda: is_deferred(hand, id))
        await asyncio.to_thread(execute, store_url, CHANGES["the body"])  # the loop has a transaction to end first
        clock.pass_s(60)
        await until(lambda: parked_row(hand, id))
    assert ids(adapter.begun).count(id) == 1
    events = [line.event for line in await store.read(lambda r: r.journal_of("puppet", "P"))]
    assert events[-2:] == ["DeliveryParked", "Alarm:STORE_TAMPERED"]
    assert await hand.engine.parked.requeue(id, person="Leyla")
    async with working(hand.engine, adapter):
        await until(lambda: parked_row(hand, id))
    assert ids(adapter.begun).count(id) == 1


async def test_a_row_put_into_the_outbox_by_hand_is_never_sent(hand: Hand, store_url: str) -> None:
    adapter, id = TestAdapter("alpha"), await ordered(hand)
    for name, channel, recipient, noun_id in (("a", "alpha", "Z", "'P'"), ("b", "alpha", "Y", "'nobody'")):
        execute(
            store_url,
            f"INSERT INTO outbox (id, channel, recipient, {COLUMNS}) SELECT '{name}', '{channel}', '{recipient}', "
            f"'{name}', noun, {noun_id}, body_type, state, due_at, due_at, 0, created_at, state_version, body, 0 "
            f"FROM outbox WHERE id = '{id}'",
        )
    async with working(hand.engine, adapter):
        await until(lambda: parked_row(hand, "a"))
        await until(lambda: parked_row(hand, "b"))
        await until(lambda: len(adapter.done) == 2)
    assert sorted(sent.recipient for sent in adapter.begun) == ["R", "S"]


async def test_a_timer_whose_time_was_changed_does_not_fire(hand: Hand, store_url: str, clock: Clock) -> None:
    await hand.say(Opened())
    await hand.say(Wished(timer=("ring", LATER)))
    (timer,) = await hand.waiting("timer")
    execute(store_url, f"UPDATE outbox SET due_at = {A_SECOND_US}, visible_at = {A_SECOND_US} WHERE name = 'ring'")
    async with working(hand.engine):
        await until(lambda: parked_row(hand, timer.id))
    assert (await hand.puppet()).heard == ()


@pytest.mark.parametrize(
    "change", ["data = replace(data, 'AZ-1', 'AZ-9')", "state = 'closed'", "owner = '999202'", "version = 2"]
)
async def test_no_step_goes_by_a_noun_that_was_changed(hand: Hand, store: Store, store_url: str, change: str) -> None:
    await hand.say(Opened())
    await hand.say(Heard(word="AZ-1"))
    await hand.say(Heard(word="and on"))
    execute(store_url, f"UPDATE nouns SET {change} WHERE id = 'P'")
    lines = await store.read(lambda r: len(r.journal_leaves(after=0, limit=1000)))
    with capture_logs() as said, pytest.raises(RefusedError) as refused:
        await hand.say(Wished(sends=(TO_R,)))
    assert refused.value.refusal == Refusal(code=ErrorCode.INTERNAL)
    assert [(alarm["noun"], alarm["id"]) for alarm in alarms(said)] == [("puppet", "P")]
    assert (await store.read(lambda r: len(r.journal_leaves(after=0, limit=1000))), await hand.waiting()) == (lines, [])


async def test_what_was_sent_for_a_noun_that_was_changed_waits_for_a_person_until_it_is_mended(
    hand: Hand, store: Store, store_url: str, clock: Clock
) -> None:
    """Its end cannot be booked: a line would vouch for the noun as it now stands."""
    asked = asyncio.Event()

    async def slow(_: object) -> Acknowledged:
        await asyncio.to_thread(
            execute, store_url, "UPDATE nouns SET data = replace(data, 'AZ-1', 'AZ-9') WHERE id = 'P'"
        )
        asked.set()
        return Acknowledged(event=Heard(word="sent"))

    adapter = TestAdapter("alpha", slow)
    await hand.say(Opened())
    await hand.say(Heard(word="AZ-1"))
    await hand.say(Wished(sends=(TO_R,)))
    (row,) = await hand.waiting()
    async with working(hand.engine, adapter):
        await until(lambda: parked_row(hand, row.id))
    assert not await hand.engine.parked.requeue(row.id, person="Leyla")
    execute(store_url, "UPDATE nouns SET data = replace(data, 'AZ-9', 'AZ-1') WHERE id = 'P'")
    assert await hand.engine.parked.requeue(row.id, person="Leyla")
    async with working(hand.engine, TestAdapter("alpha", lambda _: Acknowledged(event=Heard(word="sent")))):
        await until(empty(hand))
    assert (await hand.puppet()).heard == ("AZ-1", "sent")


@pytest.mark.parametrize(("waited", "goes"), [(START, True), (START + 2 * OLD_LINES_MAX, False)])
async def test_what_a_line_of_before_ordered_goes_for_as_long_as_it_can_have_waited(
    hand: Hand, store: Store, store_url: str, clock: Clock, waited, goes: bool
) -> None:
    """It binds nothing; so an order put under an old line by hand is not to be believed for ever."""
    adapter, id = TestAdapter("alpha"), await ordered(hand)
    await unbind(store, store_url, ("puppet", "P"))
    clock.now = waited
    async with working(hand.engine, adapter):
        await until(lambda: parked_row(hand, id) if not goes else empty(hand)())
        await until(lambda: "S" in {sent.recipient for sent in adapter.begun})
    assert ("R" in {sent.recipient for sent in adapter.begun}) == goes
    await hand.say(Closed(), to="P")  # a noun of before goes on all the same


async def test_replicas_that_wait_for_each_other_see_nothing_amiss(replicas: list[Engine], clock: Clock) -> None:
    """On PostgreSQL who waited for a noun's lock does not see its new line along with it."""

    async def refuse(engine: Engine, n: int) -> None:
        digest = hashlib.sha256(bytes([n])).hexdigest()
        await engine.record_refusal("999101", "/v1/offers", Refusal(code=ErrorCode.NOT_FOUND), digest=digest)

    with capture_logs() as said:
        await asyncio.gather(*(refuse(replicas[n % 3], n) for n in range(60)))
    assert alarms(said) == []
    assert len(await replicas[0].store.read(lambda r: r.journal_of("door", "999101"))) == 60


async def test_the_watchdog_comes_to_every_noun_and_tells_of_one_changed_until_it_is_mended(
    hand: Hand, store: Store, store_url: str, clock: Clock
) -> None:
    for n in range(7):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    await hand.engine.record_refusal("999101", "/", Refusal(code=ErrorCode.NOT_FOUND))
    watchdog = Watchdog(store, TABLES | {"puppet": TABLE}, clock=clock, interval_s=1, late_s=1e9, proven_nouns=2)
    execute(store_url, "UPDATE nouns SET owner = '999202' WHERE id = 'P5'")
    execute(store_url, "UPDATE outbox SET recipient = 'Z' WHERE noun_id = 'P6'")
    told = [(await watchdog.count()).alarms for _ in range(8)]
    assert told[0] == ()
    assert [(alarm.code, alarm.facts["id"], alarm.facts["what"]) for alarm in told[-1]] == [
        ("STORE_TAMPERED", "P5", "owner, journal line 2"),
        ("STORE_TAMPERED", "P6", "delivery, journal line 2"),
    ]
    execute(store_url, "UPDATE nouns SET owner = '999101' WHERE id = 'P5'")
    execute(store_url, "UPDATE outbox SET recipient = 'R' WHERE noun_id = 'P6'")
    assert (await watchdog.count()).alarms == ()
