"""The watchdog over the whole gateway: nothing accepted is forgotten, and what is forgotten is an alarm."""

from datetime import timedelta
from functools import partial

from town import Town


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
