"""The question on the telephone, "we never got it": what, when, every attempt, both signed messages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from console_door import Hand, Office
from tests_house import announced

from gateway.domain.events.lot import AuctionUnsold
from gateway.doors.console import deliveries
from gateway.doors.console.words import text
from gateway.ports import Acknowledged, Exhibit, NotSent, Outcome
from gateway.store.rows import OutboxRow

BANK = "999101"
SENT, ANSWER = b"POST /callbacks HTTP/1.1\r\n\r\n{}", b"HTTP/1.1 204 \r\n\r\n"


async def test_a_delivery_says_what_was_sent_when_and_what_came_back(office: Office, viewer: Hand) -> None:
    await unsold(office, "L1")
    row = await attempt(office, NotSent(reason="connection refused"))
    page = await delivery(viewer, row.id)
    assert text("az", "delivery.says.due") in page
    assert text("az", "delivery.answered") not in page

    office.clock.now += timedelta(minutes=5)
    await attempt(office, Acknowledged(exhibits=(exhibit("out", SENT), exhibit("in", ANSWER))))
    page = await delivery(viewer, row.id)
    for words in (
        text("az", "delivery.says.acknowledged"),
        text("az", "delivery.answered"),
        "connection refused",
        text("az", "notice.offer.opened"),
        text("az", "state.offer.open"),
        f"GET /v1/feed?after={(row.sequence or 0) - 1}",
        "eherrac-gateway evidence export L1",
        text("az", "delivery.direction.out"),
        text("az", "delivery.direction.in"),
    ):
        assert words in page, words
    links = re.findall(r"/evidence\?seq=\d+", page)
    assert len(links) == 2
    assert {(await viewer.get(link)).text.encode() for link in links} == {SENT, ANSWER}
    assert page.index("connection refused") < page.index(text("az", "delivery.messages"))


async def test_what_a_recipient_was_told_is_listed_the_newest_first_in_pages(
    office: Office, viewer: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PAGE_ROWS", 2)
    for lot in ("L1", "L2", "L3"):
        await unsold(office, lot)
    first = (await viewer.get(f"/recipients/recipient?code={BANK}")).text
    assert re.findall(r"№ (\d+)</span>", first) == ["3", "2"]
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = (await viewer.get(f"/recipients/recipient{older.replace('&amp;', '&')}")).text
    assert (re.findall(r"№ (\d+)</span>", second), 'rel="next"' in second) == (["1"], False)


async def test_a_recipient_that_was_told_nothing_is_not_one_that_nobody_knows(viewer: Hand) -> None:
    assert (await viewer.get(f"/recipients/recipient?code={BANK}")).status == 200
    assert (await viewer.get("/recipients/recipient?code=nobody")).status == 404
    assert (await viewer.get("/deliveries/delivery?id=nothing")).status == 404


async def test_a_deliverys_id_read_out_on_the_telephone_opens_its_page(office: Office, viewer: Hand) -> None:
    await unsold(office, "L1")
    row = await attempt(office, NotSent(reason="timeout"))
    found = await viewer.get(f"/find?q={row.id}")
    assert (found.status, found.headers["Location"]) == (303, f"/deliveries/delivery?id={row.id}")
    assert f'href="/deliveries/delivery?id={row.id}"' in (await viewer.get("/lots/lot?id=L1")).text


async def unsold(office: Office, lot: str) -> None:
    """The claimant bank is offered it."""
    await office.tell("lot", lot, announced())
    await office.tell("lot", lot, AuctionUnsold(held_at=office.clock(), reason="nobody came"))


async def attempt(office: Office, outcome: Outcome) -> OutboxRow:
    """The first notice to the bank is tried once, and ends so."""
    (row,) = await office.store.transact(
        lambda tx: tx.claim(now=office.clock(), worker="w", lease_s=60, limits={"banks": 1})
    )
    assert await office.engine.conclude(row, outcome)
    return row


async def delivery(viewer: Hand, id: str) -> str:
    page = await viewer.get(f"/deliveries/delivery?id={id}")
    assert page.status == 200
    return page.text


def exhibit(direction: str, content: bytes) -> Exhibit:
    return Exhibit(direction=direction, content=content, media_type="message/http", signer="GATEWAY")
