"""Above what AÖS carries: AZIPS over real sockets, in MT and in MX, both ways (AOS-C9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from ports import free_port
from town import PAYER, Town

from adapters.azips.sandbox import AzipsSandbox, AzipsSandboxSettings, Correspondent
from contracts import mt
from contracts.iso20022 import CreditTransfer, Holder
from gateway.domain.clock import local_date
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events.payment import Ordered, Reason
from gateway.domain.money import Money
from gateway.domain.values import Account
from gateway.engine import codec
from gateway.ports import Message, Target
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE
from gateway.wire.iso_envelope import CONTENT_TYPE, seal

PRICE = 6_000_000
AZIPS_BIC, OURS, BANK = "NABZAZ2CRTS", "EHRNAZ22", "XZRNAZ22"
DEPOSIT_IBAN = "AZ73EHRN01010000000000000001"


@dataclass
class Place:
    """A town with AZIPS in it, open day and night."""

    town: Town
    azips: AzipsSandbox
    format: str

    async def state(self, id: str, wanted: str) -> Any:
        """Wait until a payment is in this state; its data."""
        await self.town.until_state("payment", id, wanted)
        return orjson.loads((await self.town.noun("payment", id)).data)

    async def sold_to_the_bank(self, lot: str) -> None:
        await self.town.announce(lot, startingPrice="60000.00")
        await self.town.unsold(lot)
        await self.town.decide("999101", f"{lot}.offer")

    async def transfer(self, id: str, lot: str, **changes: Any) -> None:
        """Have our own agent pay a sum that AÖS does not carry."""
        values: dict[str, Any] = {
            "kind": PaymentKind.TRANSFER,
            "reason": Reason.PURCHASE,
            "origin": lot,
            "lot_id": lot,
            "owner": "999101",
            "amount": Money(PRICE),
            "debtor": Account(holder="Depozit hesabı", iban=DEPOSIT_IBAN, bic=OURS),
            "creditor": Account(**PAYER),
            "case_number": "5-1/2026",
            "case_number_required": True,
            "purpose": "Əmlakın dəyəri, Ğ",
        }
        event = Ordered(**(values | changes))
        target = Target(noun="payment", id=id)
        digest = hashlib.sha256(codec.encode(event).encode()).hexdigest()
        await self.town.system.engine.receive(Message(source="test", id=id, target=target, event=event, digest=digest))


@pytest_asyncio.fixture(params=["mt", "mx"])
async def place(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    town, port = Town(tmp_path), free_port()
    today = local_date(town.now())
    worked = [str(day) for day in (today, today + timedelta(days=1))]  # it may be night, and a day off
    await town.open(
        EHERRAC__AZIPS__URL=f"http://127.0.0.1:{port}",
        EHERRAC__AZIPS__FORMAT=request.param,
        EHERRAC__AZIPS__OPENS="00:00:00",
        EHERRAC__AZIPS__CLOSES="23:59:59",
        EHERRAC__CALENDAR__WORKDAYS=json.dumps(worked),
    )
    azips = AzipsSandbox(
        AzipsSandboxSettings(
            identity=town.keys("AZIPS"),
            correspondents=(
                Correspondent(bic=OURS, code="GATEWAY", url=town.system.address, opening_balance=10_000_000),
                Correspondent(bic=BANK, code="999101", opening_balance=10_000_000),
            ),
            opens=time(0),
            closes=time(23, 59, 59),
            port=port,
        ),
        is_business_day=lambda day: True,
        clock=town.now,
    )
    await azips.start()
    yield Place(town, azips, request.param)
    await azips.close()
    await town.close()


async def test_our_transfer_is_booked_once_and_said_so(place: Place) -> None:
    """The end-to-end id, the case number (EHR-12) and the amount arrive as they were ordered."""
    await place.sold_to_the_bank("L1")
    await place.transfer("X1", "L1")
    payment = await place.state("X1", "settled")
    assert payment["rail"] == "AZIPS"
    assert place.azips.books.balances[BANK] == 10_000_000 + PRICE


async def test_the_banks_own_transfer_pays_for_the_lot(place: Place) -> None:
    """Too great to be asked for over AÖS: the bank names our end-to-end id, and the credit is matched."""
    await place.sold_to_the_bank("L1")
    await place.state("L1.purchase", "awaiting_transfer")
    body, content_type = await _banks_transfer(place)
    answer = await place.town.client("999101").request(
        "POST",
        place.azips.address + AZIPS_PATH,
        body=body,
        content_type=content_type,
        expected_participant="AZIPS",
    )
    assert answer.status == 202
    await place.state("L1.purchase", "settled")
    assert (await place.town.noun("lot", "L1")).state in ("drawing_up", "concluded")


async def _banks_transfer(place: Place) -> tuple[bytes, str]:
    now = place.town.now()
    if place.format == "mt":
        transfer = mt.CustomerTransfer(
            from_bic=BANK,
            to_bic=AZIPS_BIC,
            reference="X261122000001",
            value_date=local_date(now),
            amount_minor=PRICE,
            debtor=mt.Side(iban=PAYER["iban"], name="Xezer Numune Banki", bic=BANK),
            creditor=mt.Side(iban=DEPOSIT_IBAN, name="Icra xidmeti", bic=OURS),
            end_to_end_id="L1.purchase",
            case_number="5-1/2026",
        )
        return mt.write(transfer), FIN_TYPE
    order = CreditTransfer(
        message_id="XZRNAZ22XXXX261122000000000000001",
        created_at=now,
        instructing_bic=BANK,
        instructed_bic=OURS,
        end_to_end_id="L1.purchase",
        transaction_id="X261122000001",
        amount_minor=PRICE,
        settlement_date=local_date(now),
        debtor=Holder(name="Xəzər Nümunə Bankı", iban=PAYER["iban"], bic=BANK),
        creditor=Holder(name="İcra xidməti", iban=DEPOSIT_IBAN, bic=OURS),
        purpose="Lot L1",
        case_number="5-1/2026",
    )
    credential = place.town.identity("999101").credential
    return await seal(order, from_bic=BANK, to_bic=AZIPS_BIC, credential=credential), CONTENT_TYPE


async def test_an_order_without_funds_waits_and_is_refused_at_the_days_end(place: Place) -> None:
    """Nothing becomes refused because time passed: AZIPS says so."""
    for lot in ("L1", "L2"):
        await place.sold_to_the_bank(lot)
    await place.transfer("X1", "L1", amount=Money(9_000_000))
    await place.state("X1", "settled")
    await place.transfer("X2", "L2", amount=Money(9_000_001))
    await place.state("X2", "sent")
    place.azips.end_of_day()
    refused = await place.state("X2", "refused")
    assert refused["refusal_code"] == "CANCELLED"
    assert (await place.town.noun("lot", "L2")).state == "held"


async def test_another_than_azips_may_not_speak_at_its_door(place: Place) -> None:
    body, content_type = await _banks_transfer(place)
    answer = await place.town.client("999101").request(
        "POST",
        place.town.system.address + AZIPS_PATH,
        body=body,
        content_type=content_type,
        expected_participant="GATEWAY",
    )
    assert answer.status == 403
    assert await place.town.counts() == {}
