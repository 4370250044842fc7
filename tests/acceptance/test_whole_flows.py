"""Whole flows through the whole gateway with its neighbours at work, each with one thing going wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from city import PAYER_IBAN, City

from adapters.aos.central.orders import OrderState
from adapters.aos.faults import Fault, FaultKind
from adapters.banks.sandbox.settings import Behaviour, CallbackFault
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from adapters.ministries.sandbox import Answering
from contracts.errors import ErrorCode

NOBODYS_IBAN = "AZ17GNSN38010000000000099999"  # well formed, and in nobody's books
AGREED = {"lot": "concluded", "offer": "accepted", "payment": "settled", "protocol": "delivered"}


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    """Not open yet: each test opens it with its fault."""
    made = City(tmp_path)
    yield made
    await made.close()


def fault(kind: FaultKind, **other: Any) -> Fault:
    return Fault(kind=kind, ibans=frozenset({PAYER_IBAN}), **other)


async def sell_to_claimant(city: City, lot: str = "L1", **changes: Any) -> None:
    await city.announce(lot, **changes)
    assert (await city.unsold(lot)).status == 202


async def assert_agreed_and_paid_once(city: City, lot: str = "L1") -> None:
    """The lot is concluded, its protocol delivered, and AÖS has moved its price once."""
    await city.until_state("protocol", f"{lot}.protocol", "delivered")
    await city.until_quiet()
    states = await city.states()
    assert {key.split()[0]: state for key, state in states.items() if key.split()[0] in AGREED} == AGREED
    moved = [order for order in city.aos.system.orders.values() if order.state is OrderState.SETTLED]
    assert [order.transfer.end_to_end_id for order in moved] == [f"{lot}.purchase"]
    assert (await city.events("lot", lot)).count("PaymentSettled") == 1
    settled = [line for line in await city.journal("payment", f"{lot}.purchase") if line.before != line.after]
    assert [line.after for line in settled].count("settled") == 1
    await city.assert_chains_hold()


async def test_nothing_goes_wrong(city: City) -> None:
    """EHR-5, EHR-7: accepted, paid, protocol with three ministries. For comparison with all that follows."""
    await city.open(EHERRAC__AOS__ANSWER_TIMEOUT_S="25")  # slowness is no silence here
    await sell_to_claimant(city)
    await assert_agreed_and_paid_once(city)
    assert "SilenceElapsed" not in await city.events("payment", "L1.purchase")
    assert all(ministry.registry.repeated == 0 for ministry in city.ministries.values())


async def test_when_aos_is_silent_we_ask_and_book_once(city: City) -> None:
    """AOS-I2: silence is UNKNOWN, never failed; the answer to our enquiry settles it."""
    slowly = {"EHERRAC__AOS__ENQUIRY_DELAY_S": "60", "EHERRAC__AOS__ENQUIRY_INTERVAL_S": "60"}
    await city.open(faults=[fault(FaultKind.SILENCE)], **slowly)
    await sell_to_claimant(city)
    await city.until_state("payment", "L1.purchase", "unknown")
    await city.until_quiet()
    assert (await city.noun("lot", "L1")).state == "awaiting_payment"
    city.offset += timedelta(minutes=1)
    await assert_agreed_and_paid_once(city)
    events = await city.events("payment", "L1.purchase")
    told = events.index("Settled") + 1  # what the credit's own question brings comes after, and changes nothing
    assert events[told - 3 : told] == ["SilenceElapsed", "EnquiryDue", "Settled"]
    told_of = [notice.data.state for notice in city.platform.notices if notice.data.subject_id == "L1.purchase"]
    assert told_of[-2:] == ["unknown", "settled"]  # "sent" before, unless the credit came sooner than that was booked


async def test_answers_that_come_after_the_enquirys_are_booked_no_second_time(city: City) -> None:
    await city.open(faults=[fault(FaultKind.LATE, delay_s=2.5)])
    await sell_to_claimant(city)
    await city.until_state("payment", "L1.purchase", "settled")
    await city.until(lambda: said_settled(city, 2))
    await assert_agreed_and_paid_once(city)


async def said_settled(city: City, times: int) -> bool:
    return (await city.events("payment", "L1.purchase")).count("Settled") >= times


async def test_an_order_made_while_aos_is_down_is_sent_when_it_is_back(city: City) -> None:
    """It certainly was not sent: the same order again, and the payment never becomes unknown."""
    await city.open(aos_is_up=False)
    await sell_to_claimant(city)

    async def deferred_twice() -> bool:
        return len(await city.deliveries("payment", "L1.purchase", "DeliveryDeferred")) >= 2

    await city.until(deferred_twice)
    assert (await city.noun("payment", "L1.purchase")).state == "routed"
    await city.start_aos()
    await assert_agreed_and_paid_once(city)
    fates = await city.journal("payment", "L1.purchase")
    orders = {line.cause_id for line in fates if '"PaymentOrder"' in line.data and line.event.startswith("Delivery")}
    assert len(orders) == 1
    assert len(city.aos.system.requests) == 1


@pytest.mark.parametrize("claimant", ["999101", "999202"], ids=["soap", "rest"])
async def test_a_notice_the_bank_could_not_take_comes_later_under_its_id(city: City, claimant: str) -> None:
    await city.open(decisions={"L1": Behaviour.REFUSE})
    bank = city.banks[claimant]
    bank.callbacks.fault = CallbackFault.BUSY
    await sell_to_claimant(city, claimant=claimant)

    async def deferred_twice() -> bool:
        return len(await city.deliveries("offer", "L1.offer", "DeliveryDeferred")) >= 2

    await city.until(deferred_twice)
    assert bank.notices.all == ()
    bank.callbacks.fault = CallbackFault.NONE
    await city.until_state("protocol", "L1.protocol", "delivered")
    await city.until_quiet()
    (opened,) = [notice for notice in bank.notices.all if notice.kind == "offer.opened"]
    tried = {line.cause_id for line in await city.deliveries("offer", "L1.offer", "DeliveryDeferred")}
    assert tried == {opened.id}
    assert bank.notices.complete_to == len(bank.notices.all)


async def test_a_badly_signed_status_changes_nothing_and_the_good_one_settles(city: City) -> None:
    """AOS-S2: refused, in the journal with its sender, and the payment moves only by what verifies."""
    await city.open(faults=[fault(FaultKind.BADLY_SIGNED)])
    await sell_to_claimant(city)
    await assert_agreed_and_paid_once(city)

    async def all_are_written_down() -> bool:
        broken = [done for done in city.aos.deliveries.done if done.status == 401]
        told = [done for done in broken if done.outgoing.to_bic == "EHRNAZ22"]
        return len(await city.refusals("AOS")) == len(told) >= 3

    await city.until(all_are_written_down)  # AÖS goes on telling
    refused = [orjson.loads(line.data) for line in await city.refusals("AOS")]
    assert {line["code"] for line in refused} == {ErrorCode.SIGNATURE_INVALID}


async def test_every_message_of_aos_coming_twice_has_one_effect(city: City) -> None:
    await city.open(faults=[fault(FaultKind.TWICE)])
    await sell_to_claimant(city)
    await assert_agreed_and_paid_once(city)
    once = await city.events("payment", "L1.purchase")
    for event in ("Consented", "CreditOffered", "CreditAuthorised"):
        assert once.count(event) == 1
    assert await city.refusals("AOS") == []
    assert all(done.status == 202 for done in city.aos.deliveries.done)


async def sell_to_bidder(city: City, loser_iban: str) -> None:
    """Two bidders with money; B1 wins."""
    await city.announce()
    for id, iban in (("B1", "AZ08XZRN38010000000000010101"), ("B2", loser_iban)):
        account = {"holder": f"{id} (nümunə)", "iban": iban, "bic": iban[4:8] + "AZ22"}
        bidder = {"bidderId": id, "name": f"{id} (nümunə)", "taxId": "1NUMUN1", "depositForm": "money"}
        answer = await city.publish("bidder.registered", "L1", bidder | {"refundAccount": account})
        assert answer.status == 202
    for id in ("B1", "B2"):
        for purpose in ("deposit", "participation-fee"):
            await city.until_state("collection", f"L1.{purpose}.{id}", "paid")
    sold = {"result": "sold", "heldAt": city.now().isoformat(), "winnerId": "B1", "price": "25000.00"}
    assert (await city.publish("auction.closed", "L1", sold)).status == 202


async def test_a_losers_deposit_that_cannot_go_back_waits_for_a_person(city: City) -> None:
    """EHR-10: the loser's bank has no such account. The sale goes on; the money stays where it is, and is seen."""
    await city.open()
    await sell_to_bidder(city, loser_iban=NOBODYS_IBAN)
    await city.until_state("collection", "L1.deposit.B2", "refund_held")
    await city.until_state("protocol", "L1.protocol", "delivered")
    await city.until_quiet()
    states = await city.states()
    assert states["lot L1"] == "concluded"
    assert states["payment L1.refund.B2"] == "refused"
    assert states["collection L1.deposit.B1"] == "applied"
    told = [notice.data.state for notice in city.platform.notices if notice.data.subject_id == "L1.deposit.B2"]
    assert told[-3:] == ["paid", "refunding", "refund_held"]  # "invoiced" before, unless it was paid sooner than booked
    assert not any(order.state is OrderState.SETTLED for order in city.aos.system.orders.values())
    await city.assert_chains_hold()


async def test_a_losers_deposit_goes_back(city: City) -> None:
    """EHR-10, AOS-M1: by our own pacs.008, once."""
    await city.open()
    loser = "AZ69GNSN38010000000000020202"
    before = city.banks["999202"].ledger.balance_minor(loser)
    await sell_to_bidder(city, loser_iban=loser)
    await city.until_state("collection", "L1.deposit.B2", "refunded")
    await city.until(lambda: city.banks["999202"].ledger.balance_minor(loser) == before + 100_000)
    await city.until_state("protocol", "L1.protocol", "delivered")
    await city.until_quiet()
    await city.assert_chains_hold()


async def test_a_purchase_above_the_rails_maximum_is_never_sent_there(city: City) -> None:
    """AOS-C9, AOS-G5: above 40 000 AZN the claimant bank is told to transfer by itself, and its money is awaited."""
    await city.open()
    await sell_to_claimant(city, startingPrice="40000.01")
    await city.until_state("payment", "L1.purchase", "awaiting_transfer")
    await city.until_quiet()
    assert city.aos.system.requests == {}
    assert (await city.noun("lot", "L1")).state == "awaiting_payment"
    assert await city.noun("protocol", "L1.protocol") is None
    newest = city.banks["999101"].notices.newest("payment.state", "L1.purchase")
    assert newest is not None
    assert newest.state == "awaiting_transfer"
    assert city.platform.has_been_told("payment.state", "L1.purchase", "awaiting_transfer")


async def test_a_missing_receipt_is_overdue_after_its_term(city: City) -> None:
    """EHR-7: two ministries answer, one does not; when the term ends a person is told which."""
    await city.open(answering={"INTERIOR": Answering.NEVER}, decisions={"L1": Behaviour.REFUSE})
    await sell_to_claimant(city)

    async def two_receipts() -> bool:
        row = await city.noun("protocol", "L1.protocol")
        return row is not None and len((await city.data("protocol", "L1.protocol")).receipts) == 2

    await city.until(two_receipts)
    await city.until_quiet()
    assert (await city.noun("protocol", "L1.protocol")).state == "sealed"
    await city.travel(timedelta(days=30))
    await city.until_state("protocol", "L1.protocol", "overdue")
    (alarm,) = [line for line in await city.journal("protocol", "L1.protocol") if line.event.startswith("Alarm")]
    assert orjson.loads(alarm.data)["facts"]["authorities"] == "INTERIOR"


async def test_a_receipt_nobody_can_read_holds_no_other_back(city: City) -> None:
    await city.open(answering={"JUSTICE": Answering.BADLY_SIGNED, "ECONOMY": Answering.TWICE})
    publisher = Publisher(PublisherSettings(kafka=KafkaSettings(bootstrap_servers=city.system.kafka, client_id="x")))
    for value in (b"not a receipt", b""):
        await publisher.publish(Record(topic="eherrac.receipts", key=b"k", value=value, headers=[]))
    await publisher.close()
    await sell_to_claimant(city)

    async def two_receipts() -> bool:
        row = await city.noun("protocol", "L1.protocol")
        return row is not None and len((await city.data("protocol", "L1.protocol")).receipts) == 2

    await city.until(two_receipts)
    await city.until_quiet()

    async def three_refusals() -> bool:
        return len(await city.refusals()) >= 3  # a record is read again where its reader lost its partition

    await city.until(three_refusals)
    protocol = await city.data("protocol", "L1.protocol")
    assert {receipt.authority for receipt in protocol.receipts} == {"ECONOMY", "INTERIOR"}
    assert (await city.noun("protocol", "L1.protocol")).state == "sealed"


async def test_many_lots_at_once_all_come_to_their_ends(city: City) -> None:
    """Twelve lots side by side, two banks, every protocol once at every ministry."""
    decisions = {f"L{n}": Behaviour.REFUSE for n in range(0, 12, 2)}
    await city.open(decisions=decisions, EHERRAC__AOS__ANSWER_TIMEOUT_S="25")  # slowness is no silence here
    await asyncio.gather(
        *(sell_to_claimant(city, f"L{n}", startingPrice=f"{1000 + n}.00", claimant="999101") for n in range(12))
    )
    for n in range(12):
        await city.until_state("protocol", f"L{n}.protocol", "delivered")
    await city.until_quiet()
    moved = [order for order in city.aos.system.orders.values() if order.state is OrderState.SETTLED]
    assert sorted(order.transfer.end_to_end_id for order in moved) == sorted(f"L{n}.purchase" for n in range(1, 12, 2))
    for ministry in city.ministries.values():
        assert {event.event.lot_id for event in ministry.registry.taken_in.values()} == {f"L{n}" for n in range(12)}
        assert len(ministry.registry.taken_in) == 12
    assert city.banks["999101"].notices.has_gap is False
    await city.assert_chains_hold()
