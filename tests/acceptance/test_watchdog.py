"""The watchdog over the whole gateway: nothing accepted is forgotten, and what is forgotten is an alarm."""

from dataclasses import fields, replace
from datetime import timedelta
from functools import partial

from town import Town

from gateway.domain.recipient import AnsweredAgain, FellSilent
from gateway.store.rows import OutboxItem, OutboxRow


async def test_everything_accepted_is_done_scheduled_or_waiting_for_a_person(town: Town) -> None:
    await town.announce()
    await town.unsold()
    await town.decide("999101")
    census = await town.system.watchdog.count()
    assert census.nouns["offer", "accepted"] == 1
    assert census.nouns["payment", "routed"] == 1
    assert census.alarms == ()


async def test_a_noun_whose_timer_is_lost_is_an_alarm(town: Town) -> None:
    """EHR-6: an open offer without its deadline would never lapse."""
    await town.system.dispatcher.stop()
    await town.announce()
    await town.unsold()
    assert (await town.system.watchdog.count()).alarms == ()
    await town.system.store.transact(partial(_lose_everything_under_way, now=town.now()))
    census = await town.system.watchdog.count()
    assert [(alarm.code, alarm.facts["id"]) for alarm in census.alarms] == [("NOT_SCHEDULED", "L1.offer")]


def _lose_everything_under_way(tx, *, now) -> None:
    tx.cancel_timer("offer", "L1.offer", "lapse", now=now)
    for row in tx.claim(now=now, worker="thief", lease_s=60, limits={"banks": 10, "platform": 10}):
        tx.conclude(row, now=now, state="acknowledged")


async def test_a_delivery_that_lies_due_is_an_alarm(town: Town) -> None:
    await town.system.dispatcher.stop()
    await town.announce()
    await town.unsold()
    town.offset += timedelta(minutes=2)
    census = await town.system.watchdog.count()
    assert {alarm.code for alarm in census.alarms} == {"DELIVERY_LATE"}


async def test_what_waits_for_a_silent_recipients_next_probe_is_told_as_its_silence_alone(town: Town) -> None:
    """A bank away for a night is one alarm, not one at every count whose text says that it is not silent."""
    await town.system.dispatcher.stop()
    await town.announce()
    await town.unsold()
    silences = town.system.engine.silences
    await silences.note(("banks", "999101"), FellSilent(failures=5, reason="no answer"))
    town.offset += timedelta(minutes=2)
    census = await town.system.watchdog.count()
    assert [alarm.facts["channel"] for alarm in census.alarms] == ["platform"]
    await silences.note(("banks", "999101"), AnsweredAgain())
    town.offset += timedelta(minutes=2)
    census = await town.system.watchdog.count()
    assert [alarm.facts["channel"] for alarm in census.alarms] == ["banks", "platform"]


async def test_what_waits_behind_a_delivery_that_is_tried_again_later_is_not_late_itself(town: Town) -> None:
    """Found by simulation: every outage of a bank longer than a minute was an alarm for what followed, every time."""
    await town.system.dispatcher.stop()
    await town.announce()
    await town.unsold()
    later = town.now() + timedelta(hours=1)

    def defer_and_follow(tx) -> None:
        for row in tx.claim(now=town.now(), worker="w", lease_s=60, limits={"banks": 10, "platform": 10}):
            tx.reschedule(row, due_at=later)
            tx.enqueue(replace(_item(row), id=f"{row.id}.next"))

    await town.system.store.transact(defer_and_follow)
    town.offset += timedelta(minutes=30)
    assert (await town.system.watchdog.count()).alarms == ()


def _item(row: OutboxRow) -> OutboxItem:
    return OutboxItem(**{field.name: getattr(row, field.name) for field in fields(OutboxItem)})
