"""Whatever is read out on the telephone leads to its page, and from every page on to deliveries and messages."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from console_door import Hand, Office
from tests_house import BANK_ACCOUNT, DEPOSIT_ACCOUNT, announced, bidder

from gateway.cli.world import packaged
from gateway.domain.dispatches import InformationKind
from gateway.domain.events.collection import Invoiced, Paid
from gateway.domain.events.credit import Arrived
from gateway.domain.events.lot import AuctionUnsold, BidderRegistered
from gateway.domain.events.offer import Accepted
from gateway.domain.events.payment import Consented
from gateway.domain.inquiry import Asked
from gateway.domain.money import Money
from gateway.doors.console import noun as noun_page
from gateway.doors.console.words import text
from gateway.engine import names
from gateway.engine.names import What, find
from gateway.ports import Acknowledged, Exhibit
from gateway.store import Store
from gateway.store.rows import EvidenceItem, OutboxRow

BANK = "999101"
CASE = "İcra 5-1/2026"


async def look_for(viewer: Hand, said: str) -> tuple[int, str]:
    """The address that is led to, as it reads; or the page where there is none or are several."""
    page = await viewer.get(f"/find?q={quote(said)}")
    return page.status, unquote(page.headers["Location"]) if page.status == 303 else unescape(page.text)


async def sold_out(office: Office) -> None:
    """L1 with a bidder who paid, and L2 of the same case, which its claimant takes and pays."""
    await office.tell("lot", "L1", announced(case_number=CASE))
    await office.tell("lot", "L1", BidderRegistered(bidder=bidder()))
    await office.tell("collection", "L1.deposit.B1", Invoiced(number="AP-77"))
    paid = Paid(amount=Money(100_000), operation_number="OP 9", paid_at=office.clock(), case_number=CASE)
    await office.tell("collection", "L1.deposit.B1", paid)
    await office.tell("lot", "L2", announced(case_number=CASE))
    await office.tell("lot", "L2", AuctionUnsold(held_at=office.clock(), reason="nobody came"))
    await office.tell("offer", "L2.offer", Accepted(payer=BANK_ACCOUNT))
    await office.tell("payment", "L2.purchase", Consented(msid="MSID0001"))


async def test_everything_a_caller_reads_out_leads_to_its_page(office: Office, viewer: Hand) -> None:
    await sold_out(office)
    payment = await office.store.read(lambda reader: reader.noun("payment", "L2.purchase"))
    assert payment is not None
    message_id = re.findall(r'"message_id":"([^"]+)"', payment.data)[0]
    (delivery,) = [row.id for row in await waiting(office, BANK) if row.noun == "offer"][:1]
    the_payment, the_deposit = "/nouns/noun?noun=payment&id=L2.purchase", "/nouns/noun?noun=collection&id=L1.deposit.B1"
    asked = {
        "L1": "/lots/lot?id=L1",
        " l1 ": "/lots/lot?id=L1",
        "L2.offer": "/nouns/noun?noun=offer&id=L2.offer",
        "L2.purchase": the_payment,
        message_id: the_payment,  # BizMsgIdr is the same by AÖS's rules
        "MSID0001": the_payment,
        "msid 0001": the_payment,
        "L1.deposit.B1": the_deposit,
        "AP-77": the_deposit,
        "OP 9": the_deposit,
        "op9": the_deposit,
        "lot.L1.Announced": "/lots/lot?id=L1",
        delivery: f"/deliveries/delivery?id={delivery}",
        f"{BANK} № 1": f"/deliveries/delivery?id={delivery}",
        BANK: f"/recipients/recipient?code={BANK}",
    }
    for said, page in asked.items():
        status, found = await look_for(viewer, said)
        assert (status, found) == (303, page), said
        assert (await viewer.get(found)).status == 200, said


async def test_a_case_of_several_lots_gives_a_list(office: Office, viewer: Hand) -> None:
    await sold_out(office)
    for said in (CASE, CASE.lower(), CASE.upper(), "icra5-1/2026"):
        status, page = await look_for(viewer, said)
        assert status == 200
        assert sorted(re.findall(r'href="/lots/lot\?id=(L\d)"', page)) == ["L1", "L2"], said
        assert text("az", "find.what.quoted") in page


async def test_where_nothing_is_found_it_says_what_was_looked_for(office: Office, viewer: Hand) -> None:
    await sold_out(office)
    for said in ("L9", "", "AZ08XZRN38010000000000010101", f"{BANK} 99", "x" * 5_000, "%", "L1\0"):
        status, page = await look_for(viewer, said)
        assert status == 200, said
        assert all(text("az", f"find.what.{what}") in page for what in What), said


async def test_a_noun_without_a_lot_shows_its_deliveries_their_attempts_and_both_messages(
    office: Office, viewer: Hand
) -> None:
    """Money that nobody awaits, and a question to AÖS: neither is of a lot."""
    await office.tell("inquiry", "day.1", question(office))
    (row,) = await office.store.transact(
        lambda tx: tx.claim(now=office.clock(), worker="w", lease_s=60, limits={"aos": 1})
    )
    kept = [Exhibit(direction=way, content=way.encode(), media_type="text/xml", signer="AOS") for way in ("out", "in")]
    assert await office.engine.conclude(row, Acknowledged(exhibits=tuple(kept)))
    status, page = await look_for(viewer, "day.1")
    assert (status, page) == (303, "/nouns/noun?noun=inquiry&id=day.1")
    shown = (await viewer.get(page)).text
    assert shown.count(f"/deliveries/delivery?id={row.id}") == 3  # its line, and both messages
    dossier = (await viewer.get(f"/deliveries/delivery?id={row.id}")).text
    assert text("az", "delivery.attempts") in dossier
    assert len(re.findall(r"/evidence\?seq=\d+", dossier)) == 2


async def test_money_of_nobody_is_found_by_its_payers_ids(office: Office, viewer: Hand) -> None:
    await office.tell("credit", "credit.azips.X1", arrived(office))
    for said in ("E2E-OF-THEIRS", "TX-OF-THEIRS", "credit.azips.X1"):
        assert await look_for(viewer, said) == (303, "/nouns/noun?noun=credit&id=credit.azips.X1")
    page = (await viewer.get("/nouns/noun?noun=credit&id=credit.azips.X1")).text
    assert text("az", "advice.credit.unmatched") in page
    assert "10\u00a0000,00\u00a0AZN" in page
    assert BANK_ACCOUNT.iban not in page


async def test_the_messages_of_what_goes_on_for_years_are_found_by_their_time(office: Office) -> None:
    begin = office.clock()
    for hour in range(12):
        at = begin + timedelta(hours=hour)
        item = EvidenceItem(
            noun="liquidity",
            noun_id="A",
            lot_id="",
            direction="in",
            message_source="AOS",
            message_id=f"m{hour}",
            at=at,
            signer=None,
            certificate_sha256=None,
            media_type="text/xml",
            content=b"",
        )
        await office.store.transact(lambda tx, item=item: tx.add_evidence(item))
    for first in (0, 5, 11):
        since = begin + timedelta(hours=first)
        rows = await office.store.read(
            lambda reader, since=since: noun_page.kept_since(reader, "liquidity", "A", since, 3)
        )
        assert [row.at for row in rows] == [begin + timedelta(hours=hour) for hour in range(first, min(first + 3, 12))]


async def test_a_page_of_a_noun_begins_with_what_happened_last(
    office: Office, viewer: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noun_page, "PAGE_ROWS", 2)
    await sold_out(office)
    last = (await viewer.get("/nouns/noun?noun=collection&id=L1.deposit.B1")).text
    (earlier,) = re.findall(r'rel="prev" href="([^"]+)"', last)
    first = (await viewer.get("/nouns/noun" + unescape(earlier))).text
    assert last.count("<time") > 1
    assert "OP 9" in last
    assert 'rel="prev"' not in first
    assert 'rel="next"' in first


async def test_nobody_is_led_to_who_is_at_the_console(office: Office, viewer: Hand) -> None:
    ((id, _),) = await office.visits.open_visits()
    assert (await look_for(viewer, id))[0] == 200
    assert (await viewer.get(f"/nouns/noun?noun=visit&id={id}")).status == 404
    assert (await viewer.get("/nouns/noun?noun=nothing&id=L1")).status == 404
    assert (await viewer.get("/nouns/noun?noun=lot&id=L9")).status == 404
    assert (await (await office.visitor(None)).get("/find?q=L1")).status == 401


async def test_a_name_is_found_alike_in_every_collation(store: Store) -> None:
    """The keys of one range are digits of one length: none of a neighbour's comes between."""
    rows = [names.quoted(said, "lot", f"L{number}") for said in ("A 1", "A-1", "ə1", "a_1") for number in range(3)]
    await store.transact(lambda tx: [tx.add_alias(row) for row in rows])
    for said, count in (("A 1", 3), ("A-1", 3), ("A_1", 3), ("Ə1", 3), ("A", 0)):
        first = names.quoted(said, "", "").value[:32]
        found = await store.read(
            lambda reader, first=first: reader.aliases_between(
                names.QUOTED, first=first + "0" * 32, last=first + "f" * 32, limit=10
            )
        )
        assert len(found) == count, said
    assert await store.read(lambda reader: find(reader, "A 1", ())) == []  # of lots that are not there


async def waiting(office: Office, recipient: str) -> list[OutboxRow]:
    return await office.store.read(lambda reader: reader.list_outbox(recipient=recipient))


def question(office: Office) -> Asked:
    return Asked(kind=InformationKind.DAY, account=None, day=None, order_id=None)


def arrived(office: Office) -> Arrived:
    return Arrived(
        message_id="azips.X1",
        end_to_end_id="E2E-OF-THEIRS",
        transaction_id="TX-OF-THEIRS",
        amount=Money(1_000_000),
        debtor_name="Kimsə",
        debtor_iban=BANK_ACCOUNT.iban,
        creditor_iban=DEPOSIT_ACCOUNT.iban,
        case_number=None,
        arrived_at=office.clock(),
    )


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_the_command_line_finds_the_same(office: Office, store_url: str, tmp_path: Path) -> None:
    await sold_out(office)
    (tmp_path / "gateway.toml").write_text(packaged("demo.toml"))
    environ = os.environ | {"EHERRAC__STORE__URL": store_url}

    async def run(said: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "gateway.cli", "find", said, "--config", str(tmp_path / "gateway.toml")]
        ended = await asyncio.to_thread(
            subprocess.run, command, env=environ, capture_output=True, text=True, check=False, timeout=60
        )
        return ended.returncode, ended.stdout

    status, told = await run("MSID0001")
    assert (status, told.split()[:3]) == (0, ["payment", "L2.purchase", "consented"])
    assert text("az", "find.what.quoted") in told
    status, told = await run("L9")
    assert (status, all(text("az", f"find.what.{what}") in told for what in What)) == (1, True)
