"""What AÖS tells, asked or unasked: kept, and moving nothing (AOS-I3, AOS-I4, AOS-I6 to AOS-I8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count

import pytest
from tests_house import BIDDER_ACCOUNT, DEPOSIT_ACCOUNT, House, ordered

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.mapping import RailProfile, message_for
from contracts.iso20022 import OrderCopy, registry
from contracts.iso20022.samples import ORDER_COPY, STATEMENT, TEXT
from gateway.domain.collection import Collection, CollectionState
from gateway.domain.dispatches import InformationKind, InformationQuery, PaymentKind
from gateway.domain.events.order import OutcomeUnknown
from gateway.domain.events.payment import Reason, Rejected
from gateway.domain.inquiry import Asked
from gateway.domain.money import Money
from gateway.domain.table import ByAlias
from gateway.domain.values import Purpose
from gateway.doors.aos_mapping import hear, hear_copy

OURS, ACCOUNT = "EHRNAZ22", "AZCLEARING1"
NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def told(house: House, message) -> None:
    heard = hear(message, "EHRNAZ22XXXX")
    assert heard is not None
    id = heard.target.id
    house.tell("inquiry", house.aliases[id.scheme, id.value, "inquiry"] if isinstance(id, ByAlias) else id, heard.event)


def ask(event: Asked) -> House:
    """Our question, and all that the central system says to it."""
    house, numbers = House(now=NOON), count(1)
    house.tell("inquiry", "Q1", event)
    rows = [Participant(bic=OURS, code="GATEWAY", name="biz", clearing_account=ACCOUNT, opening_balance=100)]
    system = InstantPaymentSystem(
        "NABZAZ2CIPS", rows, OperatingRules(), lambda now: f"NABZAZ2CAIPS{next(numbers):021d}"
    )
    (query,) = house.bodies(InformationQuery)
    message = message_for(query, RailProfile(own_bic=OURS))
    registry.check(registry.build(message), registry.type_of(message))
    for outgoing in system.handle(message, OURS, NOON):
        told(house, outgoing.message)
    return house


@pytest.mark.parametrize(
    ("event", "state", "summary"),
    [
        (Asked(kind=InformationKind.DAY), "answered", "2026-11-23"),
        (
            Asked(kind=InformationKind.STATEMENT, account=ACCOUNT, day=date(2026, 11, 23)),
            "answered",
            "2026-11-23 p1: 1.00 → 1.00, 0",
        ),
        (Asked(kind=InformationKind.STATEMENT, account="AZSOMEBODYELSE", day=date(2026, 11, 23)), "refused", None),
        (Asked(kind=InformationKind.COPY, order_id="EHRNAZ22XXXX261123000000000000404"), "refused", None),
    ],
)
def test_the_central_system_answers_our_questions(event, state, summary) -> None:
    """AOS-I3, AOS-I4, AOS-I6, AOS-R5."""
    house = ask(event)
    assert house.state("inquiry", "Q1") == state
    if summary is not None:
        assert house.nouns["inquiry", "Q1"].summary == summary


def test_a_copy_finds_the_question_by_the_order_it_is_of() -> None:
    """AOS-I3."""
    house = House(now=NOON)
    house.tell("inquiry", "Q1", Asked(kind=InformationKind.COPY, order_id=ORDER_COPY.original_message_id))
    told(house, ORDER_COPY)
    assert house.state("inquiry", "Q1") == "answered"


def test_a_statement_at_the_end_of_the_day_is_kept_page_by_page() -> None:
    """AOS-I8: nobody asked; told again it is one."""
    house = House(now=NOON)
    for page in (1, 2, 2):
        told(house, replace(STATEMENT, original_message_id=None, page=page))
    assert {state for (noun, id) in house.nouns for state in [house.state(noun, id)]} == {"told"}
    assert len(house.nouns) == 2
    assert house.alarms == []


def test_a_text_is_for_a_person_to_read() -> None:
    """AOS-I7."""
    house = House(now=NOON)
    told(house, TEXT)
    assert [alarm.code for alarm in house.alarms] == ["TEXT_RECEIVED"]
    (inquiry,) = house.nouns.values()
    assert TEXT.text in inquiry.summary


def copied(**changes) -> tuple[House, OrderCopy]:
    """We paid, nobody told us the end of it, and AÖS has the copy of what it executed."""
    house = House(now=NOON)
    order = ordered(kind=PaymentKind.TRANSFER, debtor=DEPOSIT_ACCOUNT, creditor=BIDDER_ACCOUNT, reason=Reason.REFUND)
    house.tell("payment", "P1", order)
    while ("payment", "P1", "answer") in house.timers or house.state("payment", "P1") == "routed":
        if house.state("payment", "P1") == "routed":
            house.tell("payment", "P1", OutcomeUnknown(reason="timeout"))
        house.fire("payment", "P1", "answer")
    payment = house.nouns["payment", "P1"]
    transfer = replace(
        ORDER_COPY.order,
        message_id=payment.message_id,
        end_to_end_id=payment.end_to_end_id,
        amount_minor=payment.amount.minor,
        debtor=replace(ORDER_COPY.order.debtor, iban=payment.debtor.iban),
        creditor=replace(ORDER_COPY.order.creditor, iban=payment.creditor.iban),
        case_number=payment.case_number,
    )
    house.tell("inquiry", "Q1", Asked(kind=InformationKind.COPY, order_id=payment.message_id))
    copy = replace(ORDER_COPY, original_message_id=payment.message_id, order=replace(transfer, **changes))
    return house, copy


def test_the_copy_of_exactly_what_we_ordered_is_the_word_that_it_is_executed() -> None:
    """AOS-I3: a person's way out of an order that nobody told the end of. Told again it is booked no second time."""
    house, copy = copied()
    house.nouns["collection", "L1"] = _refunding()
    assert house.state("payment", "P1") == "unresolved"
    for _ in range(2):
        told(house, copy)
    assert (house.state("inquiry", "Q1"), house.state("payment", "P1")) == ("answered", "settled")
    assert house.state("collection", "L1") == "refunded"
    assert "COPY_DEVIATES" not in {alarm.code for alarm in house.alarms}


@pytest.mark.parametrize("changes", [{"amount_minor": 1}, {"case_number": None}, {"end_to_end_id": "another"}])
def test_a_copy_that_is_not_what_we_ordered_settles_nothing_and_is_raised(changes) -> None:
    """EHR-12: amount, accounts and case number are ours, or a person looks."""
    house, copy = copied(**changes)
    told(house, copy)
    assert house.state("payment", "P1") == "unresolved"
    assert house.alarms[-1].code == "COPY_DEVIATES"


def test_a_copy_of_what_aos_had_rejected_is_a_regression() -> None:
    house, copy = copied()
    house.nouns["collection", "L1"] = _refunding()
    house.tell("payment", "P1", Rejected(code="EL202", reason=""))
    told(house, copy)
    assert house.state("payment", "P1") == "refused"
    assert house.alarms[-1].code == "STATUS_REGRESSION"


def test_a_copy_of_an_indirect_participants_order_is_kept_and_asks_nothing() -> None:
    """AOS-P6: between others; told again it is one."""
    house = House(now=NOON)
    for _ in range(2):
        heard = hear_copy(ORDER_COPY.order)
        assert heard is not None
        house.tell("inquiry", str(heard.target.id), heard.event)
    ((_, inquiry),) = house.nouns.items()
    assert (inquiry.state, inquiry.kind) == ("told", InformationKind.COPY)
    assert ORDER_COPY.order.message_id in inquiry.summary
    assert (house.alarms, house.sent) == ([], [])


def _refunding() -> Collection:
    return Collection(
        state=CollectionState.REFUNDING,
        lot_id="L1",
        owner="999101",
        bidder_id="B1",
        purpose=Purpose.DEPOSIT,
        amount=Money(1_000_000),
        payer_name="Alıcı",
        payer_tax_id="1NUMUN1",
        payee=DEPOSIT_ACCOUNT,
        case_number="5-1/2026",
    )
