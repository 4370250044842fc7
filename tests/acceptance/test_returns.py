"""A credit that its payer's bank asks back, over real sockets: whatever AÖS does, it goes back once (AOS-T1…T6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from city import City

from adapters.aos.central.orders import OrderState
from adapters.aos.faults import Fault, FaultKind
from contracts.errors import ErrorCode
from contracts.iso20022 import PaymentReturn, Reason, ReturnRequest, StatusKind
from gateway.domain.clock import local_date
from gateway.domain.events.credit import RecallGranted
from gateway.ports import Message, Target
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal

PRICE, PURCHASE = 2_000_000, "L1.purchase"
CLEARING = "AZ46EHRN10100000000000000001"  # ours
BANK, BANK_BIC, US, SYSTEM = "999101", "XZRNAZ22", "EHRNAZ22", "NABZAZ2CIPS"


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    city = City(tmp_path)
    yield city
    await city.close()


async def asked_back(city: City, *faults: Fault) -> str:
    """The claimant's bank has paid, and asks for its money; the credit's id."""
    await city.open(faults=faults, EHERRAC__CUSTODY__APPROVERS='["ALI"]')
    await city.announce()
    await city.unsold()
    await city.until_state("payment", PURCHASE, "settled")
    credit = (await city.data("payment", PURCHASE)).credit_id
    await city.until_state("credit", credit, "settled")
    paid = await city.data("credit", credit)
    request = ReturnRequest(
        message_id="XZRNAZ22XXXX261123000000000000555",
        created_at=city.now(),
        from_bic=BANK_BIC,
        to_bic=US,
        original_message_id=paid.message_id,
        original_end_to_end_id=paid.end_to_end_id,
        original_transaction_id=paid.transaction_id,
        amount_minor=PRICE,
        settlement_date=local_date(city.now()),
        reasons=(Reason(code="DUPL", text="iki"),),
    )
    credential = city.identity(BANK).credential
    answer = await city.client(BANK).request(
        "POST",
        city.aos.address + MESSAGES_PATH,
        body=await seal(request, from_bic=BANK_BIC, to_bic=SYSTEM, credential=credential),
        content_type=CONTENT_TYPE,
        expected_participant="AOS",
    )
    assert answer.status == 202
    await city.until_state("credit", credit, "return_asked")
    return str(credit)


async def grant(city: City, credit: str) -> None:
    """A person lets it go back."""
    target, event = Target(noun="credit", id=credit), RecallGranted(person="ALI")
    await city.system.engine.receive(Message(source="test", id="grant", target=target, event=event, digest="1"))


def returns(city: City) -> list[OrderState]:
    return [order.state for order in city.aos.system.orders.values() if isinstance(order.transfer, PaymentReturn)]


def about_returns(kind: FaultKind, **options: object) -> Fault:
    return Fault(kind=kind, amounts=frozenset({PRICE}), about="pacs.004", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("faults", "is_asked_about"),
    [
        ((), False),
        ((about_returns(FaultKind.SILENCE),), True),
        ((about_returns(FaultKind.LATE, delay_s=2.5, asked=True),), False),
        ((about_returns(FaultKind.TWICE, asked=True),), False),
        ((about_returns(FaultKind.BROKEN),), False),  # unless its word comes later than the broken connection
        ((about_returns(FaultKind.BROKEN), about_returns(FaultKind.SILENCE)), True),
        ((about_returns(FaultKind.REFUSED, delay_s=1.0),), False),
    ],
    ids=lambda value: "-".join(fault.kind.value for fault in value) or "none" if isinstance(value, tuple) else "",
)
async def test_whatever_aos_does_the_money_goes_back_once(
    city: City, faults: tuple[Fault, ...], is_asked_about: bool
) -> None:
    """AOS-T4, AOS-I1, AOS-C3: silence is asked about by pacs.028; late, twice or broken changes nothing."""
    credit = await asked_back(city, *faults)
    before = city.aos.system.ledger.balance(CLEARING)
    await grant(city, credit)
    await city.until_state("credit", credit, "returned")
    assert city.aos.system.ledger.balance(CLEARING) == before - PRICE
    assert returns(city) == [OrderState.SETTLED]
    events = await city.events("credit", credit)
    assert events.count("ReturnBooked") == 1
    if is_asked_about:
        assert "EnquiryDue" in events
    if not any(
        fault.kind is FaultKind.BROKEN for fault in faults
    ):  # else it may go again and again, to be broken again
        await city.until_quiet()
    await city.assert_chains_hold()


async def test_a_contradiction_about_a_return_is_refused_and_raised(city: City) -> None:
    credit = await asked_back(city, about_returns(FaultKind.CONFLICTING))
    await grant(city, credit)
    await city.until_state("credit", credit, "returned")

    async def raised() -> bool:
        return f"Alarm:{ErrorCode.STATUS_REGRESSION}" in await city.events("credit", credit)

    await city.until(raised)
    assert (await city.noun("credit", credit)).state == "returned"
    assert returns(city) == [OrderState.SETTLED]


async def test_where_not_even_the_question_is_answered_a_person_goes_on_and_a_late_word_is_booked(city: City) -> None:
    """Never failed, never a second pacs.004; the profile says how often it is asked about."""
    credit = await asked_back(city, about_returns(FaultKind.SILENCE, asked=True))
    await grant(city, credit)
    await city.until_state("credit", credit, "return_unresolved")
    assert returns(city) == [OrderState.SETTLED]
    (order,) = [o for o in city.aos.system.orders.values() if isinstance(o.transfer, PaymentReturn)]
    city.aos.plan.faults.clear()
    words = city.aos.system._core.words
    city.aos._send((words.order_status(US, order, StatusKind.STAT, city.now()),))
    await city.until_state("credit", credit, "returned")
