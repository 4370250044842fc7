"""Returns and recalls, with the central system itself between us and the bank (AOS-M3, AOS-M4, AOS-T1…T6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import pytest
from tests_house import BANK_ACCOUNT, DEPOSIT_ACCOUNT, House, announced, ordered

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.mapping import RailProfile, message_for
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import (
    CreditTransfer,
    Holder,
    OrderStatus,
    PaymentRequest,
    PaymentReturn,
    Reason,
    ReturnRefusal,
    ReturnRequest,
    StatusKind,
    registry,
)
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.names import MessageName
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import payment as payments
from gateway.domain.events.collection import Paid, RefundOrdered, Wanted
from gateway.domain.events.order import Sent
from gateway.domain.money import Money
from gateway.domain.rulebook import CustodyRule
from gateway.domain.values import Purpose
from gateway.doors.aos_mapping import hear

US, BANK, SYSTEM = "EHRNAZ22", "XZRNAZ22", "NABZAZ2CIPS"
NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DAY = date(2026, 11, 23)
REFUND, DEPOSIT, PURCHASE = "L1.refund.B1", "L1.deposit.B1", "L2.purchase"


class Line:
    """Our domain, the central system, and a bank that the test speaks for; our messages keep to the profile."""

    def __init__(self) -> None:
        self.house, numbers = House(now=NOON), count(1)
        custody = CustodyRule(limit=Money(10_000_000), approvals=2, approvers=frozenset({"ALI"}))
        self.house.rules = replace(self.house.rules, custody=custody)
        rows = [
            Participant(bic=bic, code=code, name=code, clearing_account=f"C-{bic}", opening_balance=9_000_000)
            for bic, code in ((US, "GATEWAY"), (BANK, "999101"))
        ]
        self.system = InstantPaymentSystem(
            SYSTEM, rows, OperatingRules(), lambda now: f"NABZAZ2CAIPS{next(numbers):021d}"
        )
        self.passed: list[Any] = []  # to the bank
        self._said = 0

    def run(self) -> None:
        """Everything we want said is said, until nothing more follows."""
        while self._said < len(self.house.sent):
            send = self.house.sent[self._said]
            self._said += 1
            if send.channel == "aos":
                message = message_for(send.body, RailProfile(own_bic=US))
                registry.check(registry.build(message), registry.type_of(message))
                self.say(US, message)

    def say(self, sender: str, message: Any) -> None:
        for outgoing in self.system.handle(message, sender, NOON):
            if outgoing.to_bic == US:
                self.hear(outgoing.message)
            else:
                self.passed.append(outgoing.message)
        self.run()

    def hear(self, message: Any) -> None:
        heard = hear(message, "EHRNAZ22XXXX")
        if heard is not None:
            self.house.hear(heard.target, heard.event)

    def answer(self, message: Any, kind: StatusKind = StatusKind.AUTH) -> None:
        """The bank's word on what was passed to it."""
        name = MessageName.RETURN if isinstance(message, PaymentReturn) else MessageName.ORDER
        status = OrderStatus(
            message_id=f"XZRNAZ22XXXX{len(self.passed):021d}",
            created_at=NOON,
            instructing_bic=BANK,
            instructed_bic=SYSTEM,
            original_message_id=message.message_id,
            original_message_name=name,
            kind=kind,
            state=STATE_OF_KIND[kind],
        )
        self.say(BANK, status)

    def last(self, cls: type[Any]) -> Any:
        return [message for message in self.passed if isinstance(message, cls)][-1]

    def balance(self, bic: str) -> int:
        return self.system.ledger.balance(f"C-{bic}")


@pytest.fixture
def refunded() -> Line:
    """A deposit was paid back to a bidder at the bank, and settled."""
    line = Line()
    house, account = line.house, BANK_ACCOUNT
    house.tell("lot", "L1", announced())
    wanted = Wanted(
        lot_id="L1",
        owner="999101",
        bidder_id="B1",
        purpose=Purpose.DEPOSIT,
        amount=Money(100_000),
        payer_name="Alıcı",
        payer_tax_id="1NUMUN1",
        payee=DEPOSIT_ACCOUNT,
        case_number="5-1/2026",
        due=NOON,
    )
    paid = Paid(amount=Money(100_000), operation_number="OP1", paid_at=NOON, case_number="5-1/2026")
    for event in (wanted, paid, RefundOrdered(account=account)):
        house.tell("collection", DEPOSIT, event)
    line.run()
    line.answer(line.last(CreditTransfer))
    assert house.state("collection", DEPOSIT) == "refunded"
    return line


def returned(line: Line, **changes: Any) -> PaymentReturn:
    """The bank's pacs.004 of our refund."""
    order = line.last(CreditTransfer)
    values: dict[str, Any] = {
        "message_id": "XZRNAZ22XXXX261123000000000000777",
        "created_at": NOON,
        "instructing_bic": BANK,
        "instructed_bic": US,
        "return_id": "rtr-1",
        "original_message_id": order.message_id,
        "original_end_to_end_id": order.end_to_end_id,
        "original_transaction_id": order.transaction_id,
        "amount_minor": order.amount_minor,
        "settlement_date": DAY,
        "debtor": order.debtor,
        "creditor": order.creditor,
        "reasons": (Reason(code="AC04", text="hesab bağlıdır"),),
        "case_number": order.case_number,
    }
    return PaymentReturn(**(values | changes))


def test_a_refund_that_comes_back_is_taken_and_waits_for_a_person(refunded: Line) -> None:
    """AOS-T1 to AOS-T4, EHR-10: AUTH, the money is ours again, the collection is held."""
    before = refunded.balance(US)
    refunded.say(BANK, returned(refunded))
    assert refunded.balance(US) == before + 100_000
    assert refunded.house.state("payment", REFUND) == "returned"
    assert refunded.house.state("collection", DEPOSIT) == "refund_held"
    assert {alarm.code for alarm in refunded.house.alarms} == {"PAYMENT_RETURNED", "REFUND_CAME_BACK"}


@pytest.mark.parametrize("changes", [{"amount_minor": 1}, {"case_number": None}, {"case_number": "5-2/2026"}])
def test_a_return_that_is_not_what_was_paid_is_refused(refunded: Line, changes: dict[str, Any]) -> None:
    """AOS-T3, AOS-T5, EHR-12: NAUT, and nothing moves."""
    before = refunded.balance(US)
    refunded.say(BANK, returned(refunded, **changes))
    assert refunded.balance(US) == before
    assert refunded.house.state("payment", REFUND) == "settled"
    assert refunded.house.state("collection", DEPOSIT) == "refunded"


def test_a_second_return_moves_nothing(refunded: Line) -> None:
    refunded.say(BANK, returned(refunded))
    before = refunded.balance(US)
    refunded.say(BANK, returned(refunded, message_id="XZRNAZ22XXXX261123000000000000778"))
    assert refunded.balance(US) == before


def recall(line: Line, person: str = "ALI") -> None:
    line.house.tell("payment", REFUND, payments.RecallOrdered(person=person, reason="səhv hesab"))
    line.run()


def test_a_person_asks_for_a_settled_payment_back_and_the_bank_returns_it(refunded: Line) -> None:
    """AOS-M4, AOS-T6: camt.056 out, pacs.004 in."""
    recall(refunded)
    request = refunded.last(ReturnRequest)
    assert request.original_message_id == refunded.last(CreditTransfer).message_id
    refunded.say(BANK, returned(refunded))
    assert refunded.house.state("payment", REFUND) == "returned"


def test_a_bank_that_does_not_return_it_is_a_persons_matter(refunded: Line) -> None:
    """AOS-T6: camt.029; the payment stays settled."""
    recall(refunded)
    request = refunded.last(ReturnRequest)
    refusal = ReturnRefusal(
        message_id="XZRNAZ22XXXX261123000000000000999",
        created_at=NOON,
        from_bic=BANK,
        to_bic=US,
        request_message_id=request.message_id,
        requester_bic=US,
        reasons=(Reason(code="CUST", text="razı deyil"),),
        original_message_id=request.original_message_id,
    )
    refunded.say(BANK, refusal)
    assert refunded.house.state("payment", REFUND) == "settled"
    assert [alarm.code for alarm in refunded.house.alarms] == ["RECALL_REFUSED"]


def test_only_a_person_on_the_list_recalls_and_only_once(refunded: Line) -> None:
    """VLT-4.4 in the same way: the list is the configuration's."""
    with pytest.raises(RefusedError):
        recall(refunded, "VAQIF")
    recall(refunded)
    with pytest.raises(RefusedError):
        recall(refunded)
    assert len([message for message in refunded.passed if isinstance(message, ReturnRequest)]) == 1


@pytest.fixture
def bought() -> Line:
    """The claimant's bank paid for a lot on our request; the credit is settled."""
    line = Line()
    house = line.house
    house.tell("lot", "L2", announced())
    house.tell("lot", "L2", lots.AuctionUnsold(held_at=NOON, reason="heç kim"))
    house.tell("offer", "L2.offer", offers.Accepted(payer=BANK_ACCOUNT))
    line.run()
    request = line.last(PaymentRequest)
    line.say(
        BANK,
        CreditTransfer(
            message_id="XZRNAZ22XXXX261123000000000000001",
            created_at=NOON,
            instructing_bic=BANK,
            instructed_bic=US,
            end_to_end_id=request.end_to_end_id,
            transaction_id="T1",
            amount_minor=request.amount_minor,
            settlement_date=DAY,
            debtor=Holder(name="Xəzər Bankı", iban=BANK_ACCOUNT.iban, bic=BANK),
            creditor=request.creditor,
            purpose=request.purpose,
            case_number=request.case_number,
        ),
    )
    assert house.state("payment", PURCHASE) == "settled"
    return line


CREDIT = "credit.XZRNAZ22XXXX261123000000000000001"


def ask_back(line: Line) -> None:
    line.say(
        BANK,
        ReturnRequest(
            message_id="XZRNAZ22XXXX261123000000000000555",
            created_at=NOON,
            from_bic=BANK,
            to_bic=US,
            original_message_id="XZRNAZ22XXXX261123000000000000001",
            original_end_to_end_id=PURCHASE,
            original_transaction_id="T1",
            amount_minor=2_000_000,
            settlement_date=DAY,
            reasons=(Reason(code="DUPL", text="iki dəfə"),),
        ),
    )


def test_money_that_a_bank_asks_back_leaves_only_by_a_persons_word(bought: Line) -> None:
    """AOS-T6, AOS-M3: camt.056 in, a person says so, pacs.004 out; AUTH moves it."""
    ask_back(bought)
    assert bought.house.state("credit", CREDIT) == "return_asked"
    before = bought.balance(BANK)
    bought.house.tell("credit", CREDIT, credits.RecallGranted(person="ALI"))
    bought.run()
    bought.answer(bought.last(PaymentReturn))
    assert bought.house.state("credit", CREDIT) == "returned"
    assert bought.balance(BANK) == before + 2_000_000


def test_a_person_may_keep_it(bought: Line) -> None:
    """AOS-T6: camt.029 with the person's reason."""
    ask_back(bought)
    bought.house.tell("credit", CREDIT, credits.RecallDenied(person="ALI", reason="protokol tərtib olunub"))
    bought.run()
    assert bought.last(ReturnRefusal).reasons == (Reason(code="CUST", text="protokol tərtib olunub"),)
    assert bought.house.state("credit", CREDIT) == "settled"


def test_nobody_else_decides_over_it(bought: Line) -> None:
    ask_back(bought)
    with pytest.raises(RefusedError):
        bought.house.tell("credit", CREDIT, credits.RecallGranted(person="VAQIF"))


def test_a_return_of_ours_that_the_bank_refuses_is_a_persons_again(bought: Line) -> None:
    """AOS-T5: NAUT leaves the money with us; the person's next word is a new order (AOS-C3), and goes through."""
    ask_back(bought)
    for kind in (StatusKind.NAUT, StatusKind.AUTH):
        assert bought.house.state("credit", CREDIT) == "return_asked"
        bought.house.tell("credit", CREDIT, credits.RecallGranted(person="ALI"))
        bought.run()
        bought.answer(bought.last(PaymentReturn), kind)
    assert bought.house.state("credit", CREDIT) == "returned"


def test_the_central_system_answers_what_we_ask_about_a_return(bought: Line) -> None:
    """AOS-I1, AOS-R5: in process it changes nothing; executed, it is booked though the STAT was lost."""
    ask_back(bought)
    bought.house.tell("credit", CREDIT, credits.RecallGranted(person="ALI"))
    bought.run()
    bought.house.tell("credit", CREDIT, Sent())
    bought.house.fire("credit", CREDIT, "answer")
    bought.house.fire("credit", CREDIT, "answer")
    bought.run()
    assert bought.house.state("credit", CREDIT) == "return_unknown"
    hear, bought.hear = bought.hear, lambda message: None  # every status is lost
    bought.answer(bought.last(PaymentReturn))
    bought.hear = hear
    bought.house.fire("credit", CREDIT, "answer")
    bought.run()
    assert bought.house.state("credit", CREDIT) == "returned"


def test_a_credit_that_is_not_settled_is_not_returned(refunded: Line) -> None:
    """A request about what we refused to take gets its no at once."""
    line = refunded
    event = credits.Offered(
        message_id="X1",
        end_to_end_id="nobody",
        transaction_id="T",
        amount=Money(1),
        debtor_name="A",
        debtor_iban=BANK_ACCOUNT.iban,
        creditor_iban=DEPOSIT_ACCOUNT.iban,
        case_number=None,
    )
    line.house.tell("credit", "credit.X1", event)
    asked = credits.RecallAsked(request_id="Q1", requester_bic=BANK, code="DUPL", reason="")
    line.house.tell("credit", "credit.X1", asked)
    assert type(line.house.sent[-1].body).__name__ == "RecallRefusal"
    assert line.house.state("credit", "credit.X1") == "declined"


def test_what_is_not_settled_cannot_be_recalled(refunded: Line) -> None:
    line = refunded
    line.house.tell("payment", "P9", ordered(kind=PaymentKind.TRANSFER, amount=Money(1), origin="L1"))
    with pytest.raises(RefusedError):
        line.house.tell("payment", "P9", payments.RecallOrdered(person="ALI", reason="x"))


@pytest.mark.parametrize(
    "changes",
    [{"rail": payments.Rail.AZIPS}, {"kind": PaymentKind.REQUEST}],
    ids=["carried by AZIPS", "not paid by us"],
)
def test_only_what_aos_carried_for_us_is_asked_back_from_it(refunded: Line, changes: dict[str, Any]) -> None:
    """AOS-M4: a camt.056 about anything else would name an order that AÖS has never seen."""
    house = refunded.house
    house.nouns["payment", REFUND] = replace(house.nouns["payment", REFUND], **changes)
    before = list(house.sent)
    with pytest.raises(RefusedError) as error:
        recall(refunded)
    assert error.value.refusal.code is ErrorCode.STATE_CONFLICT
    assert house.sent == before
