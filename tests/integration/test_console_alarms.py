"""Recent alarms: what stands, what ended and by what, what was only told; of the journal, and of this process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html import unescape

from console_door import Hand, Office
from tests_house import announced

from gateway.alarms import book
from gateway.domain.events.lot import AuctionUnsold
from gateway.domain.visit import Role
from gateway.doors.console.situation import Kind, Severity, Trouble
from gateway.doors.console.words import text
from gateway.engine import names
from gateway.logs import Heard
from gateway.ports import Acknowledged, NotSent, Refused
from gateway.store import Store

STANDS, ENDED = text("az", "alarms.standing.stands"), text("az", "alarms.standing.ended")


async def the_page(hand: Hand) -> str:
    page = await hand.get("/alarms")
    assert page.status == 200
    return unescape(page.text)


async def parked(office: Office) -> str:
    """The claimant bank refuses its notice for good; the delivery's id."""
    await office.tell("lot", "L1", announced())
    await office.tell("lot", "L1", AuctionUnsold(held_at=office.clock(), reason="nobody came"))
    return await attempt(office, Refused(code="GONE", reason="410"))


async def attempt(office: Office, outcome: Acknowledged | NotSent | Refused) -> str:
    (row,) = await office.store.transact(
        lambda tx: tx.claim(now=office.clock(), worker="w", lease_s=60, limits={"banks": 1})
    )
    assert await office.engine.conclude(row, outcome)
    return row.id


async def test_a_parked_delivery_stands_until_somebody_decides_and_another_process_shows_the_same(
    office: Office, store: Store
) -> None:
    id = await parked(office)
    viewer = await office.visitor(Role.VIEWER)
    page = await the_page(viewer)
    entry = book("az")["DELIVERY_PARKED"]
    for words in (
        entry.title,
        entry.todo,
        entry.itself,
        STANDS,
        "410",
        f"/deliveries/delivery?id={id}",
        "/lots/lot?id=L1",
    ):
        assert words in page, words

    assert await office.engine.parked.requeue(id, person="Leyla")
    again = await Office(store).open()  # a process that saw nothing of it
    try:
        page = await the_page(await again.visitor(Role.VIEWER))
    finally:
        await again.stack.aclose()
    assert (STANDS in page, ENDED in page, "Leyla" in page) == (False, True, True)


async def test_what_is_older_than_a_day_is_not_recent(office: Office) -> None:
    await parked(office)
    office.clock.now += timedelta(hours=25)
    assert book("az")["DELIVERY_PARKED"].title not in await the_page(await office.visitor(Role.VIEWER))


async def test_the_newest_alarm_is_the_first_and_a_limit_holds(office: Office) -> None:
    for number in range(3):
        office.clock.now += timedelta(seconds=1)
        await office.tell("lot", f"L{number}", announced())
        await office.tell("lot", f"L{number}", AuctionUnsold(held_at=office.clock(), reason="nobody came"))
        await attempt(office, Refused(code="GONE", reason="410"))
    since = office.clock() - timedelta(hours=1)
    found = await office.store.read(lambda reader: list(names.alarms(reader, since=since, limit=2)))
    assert [row.lot_id for row in found] == ["L2", "L1"]
    assert all(row.event == "Alarm:DELIVERY_PARKED" for row in found)


async def test_a_trouble_that_passed_is_told_with_its_beginning_and_end(office: Office) -> None:
    viewer = await office.visitor(Role.VIEWER)
    title = text("az", "trouble.broker_away.title")
    office.checks = {"store": True, "broker": False}
    assert title in (await the_page(viewer)).partition('id="journalled"')[0]
    office.checks = {"store": True, "broker": True}
    office.clock.now += timedelta(minutes=5)
    stands, _, rest = (await the_page(viewer)).partition('id="journalled"')
    assert (title in stands, title in rest, text("az", "alarms.gone") in rest) == (False, True, True)


async def test_what_becomes_worse_has_not_ended(office: Office) -> None:
    """A list was stale and believed; now it is not believed any more."""
    issuer = "CN=BSXM"
    seen = [
        Trouble(kind=kind, severity=Severity.ALARM, subject=issuer) for kind in (Kind.ISSUER_STALE, Kind.ISSUER_CLOSED)
    ]
    finder = office.finder
    for told in ([seen[0]], [seen[1]]):
        finder._dated(told, office.clock())
    assert finder.past(office.clock() - timedelta(hours=1)) == []
    finder._dated([], office.clock())
    assert [past.trouble.kind for past in finder.past(office.clock() - timedelta(hours=1))] == [Kind.ISSUER_CLOSED]


async def test_a_delay_that_ended_in_parking_stands_no_more(store: Store) -> None:
    office = await Office(store, pauses_s=(1.0, 1.0, 1.0)).open()
    try:
        await office.tell("lot", "L1", announced())
        await office.tell("lot", "L1", AuctionUnsold(held_at=office.clock(), reason="nobody came"))
        for _ in range(4):
            await attempt(office, NotSent(reason="HTTP 503"))
            office.clock.now += timedelta(minutes=5)
        page = await the_page(await office.visitor(Role.VIEWER))
    finally:
        await office.stack.aclose()
    stands = page.partition(book("az")["DELIVERY_PARKED"].title)[2].partition("</li>")[0]
    delayed = page.partition(book("az")["DELIVERY_DELAYED"].title)[2].partition("</li>")[0]
    assert (STANDS in stands, ENDED in delayed, text("az", "why.busy") in delayed) == (True, True, True)


async def test_what_only_the_log_has_is_told_with_how_often_and_since_when_it_is_watched(office: Office) -> None:
    at = office.clock()
    lists = Heard(code="DELIVERY_LATE", facts={"channel": "banks", "count": "3"}, first_at=at, last_at=at, times=7)
    old = replace(lists, code="VAULT_ATTEMPT", last_at=at - timedelta(hours=25))
    office.heard = [lists, old]
    page = await the_page(await office.visitor(Role.VIEWER))
    for words in (book("az")["DELIVERY_LATE"].title, text("az", "alarms.times", count=7), text("az", "channel.banks")):
        assert words in page, words
    assert book("az")["VAULT_ATTEMPT"].title not in page
    assert text("az", "alarms.seen_help") in page


async def test_alarms_are_for_whoever_is_signed_in(office: Office) -> None:
    assert (await (await office.visitor(None)).get("/alarms")).status == 401
