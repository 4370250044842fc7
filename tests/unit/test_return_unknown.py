"""A return of ours that nobody answers, a credit that nobody says is booked: asked about, never failed, never doubled.

AOS-T1 to AOS-T6, AOS-I1, AOS-R5. The questions are pacs.028, by the rail's profile (AOS-G5).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests_house import BANK_ACCOUNT, DEPOSIT_ACCOUNT, RULES, House, announced, ordered, taken

from adapters.aos.mapping import RailProfile, message_for
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import MessageName, OrderEnquiry, registry
from gateway.domain.dispatches import CreditEnquiry, PaymentKind, ReturnOrder
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.money import Money
from gateway.domain.payment.data import PaymentState
from gateway.domain.rulebook import CustodyRule, EnquiryIds

ID, PURCHASE, US = "credit.M1", "L1.purchase", "EHRNAZ22"
CUSTODY = CustodyRule(limit=Money(90_000_000), approvals=2, approvers=frozenset({"ALI"}))


def credited(**rail: Any) -> House:
    """The claimant's bank paid what we asked for, and we said AUTH."""
    house = House(rules=replace(RULES, custody=CUSTODY, rail=replace(RULES.rail, **rail)))
    house.tell("lot", "L1", announced())
    house.tell("lot", "L1", lots.AuctionUnsold(held_at=house.now, reason="heç kim"))
    house.tell("offer", "L1.offer", offers.Accepted(payer=BANK_ACCOUNT))
    payment = house.nouns["payment", PURCHASE]
    offered = credits.Offered(
        message_id="M1",
        end_to_end_id=payment.end_to_end_id,
        transaction_id="T1",
        amount=payment.amount,
        debtor_name="Xəzər Bankı",
        debtor_iban=BANK_ACCOUNT.iban,
        creditor_iban=DEPOSIT_ACCOUNT.iban,
        case_number="5-1/2026",
        debtor_bic=BANK_ACCOUNT.bic,
        creditor_name=DEPOSIT_ACCOUNT.holder,
    )
    house.tell("credit", ID, offered)
    return house


def returning(**rail: Any) -> House:
    """A person has let it go back; the pacs.004 is on its way to AÖS."""
    house = credited(**rail)
    house.nouns["credit", ID] = replace(house.nouns["credit", ID], payment_id=None)  # the payment is another test's
    house.tell("credit", ID, credits.Settled(settled_at=house.now))
    house.tell("credit", ID, credits.RecallAsked(request_id="Q1", requester_bic="XZRNAZ22", code="DUPL", reason=""))
    house.tell("credit", ID, credits.RecallGranted(person="ALI"))
    return house


def last_order(house: House) -> ReturnOrder:
    order: ReturnOrder = house.bodies(ReturnOrder)[-1]
    return order


def stat(house: House, order: ReturnOrder | None = None) -> credits.GaveBack:
    return credits.GaveBack(return_id=(order or last_order(house)).message_id)


def rjct(house: House, order: ReturnOrder | None = None) -> credits.ReturnRejected:
    return credits.ReturnRejected(return_id=(order or last_order(house)).message_id, code="EL202", reason="")


def not_there(house: House, code: str = "NOOR") -> orders.EnquiryRefused:
    return orders.EnquiryRefused(enquiry_id=house.bodies(CreditEnquiry)[-1].message_id, code=code, reason="")


def into(house: House, state: str) -> House:
    """Silence, as far as it is to go."""
    if state != "returning":
        house.tell("credit", ID, orders.Sent())
    if state in ("return_unknown", "return_unresolved"):
        house.fire("credit", ID, "answer")
        house.fire("credit", ID, "answer")
    while state == "return_unresolved" and ("credit", ID, "answer") in house.timers:
        house.fire("credit", ID, "answer")
    assert house.state("credit", ID) == state
    return house


OPEN = ["returning", "return_sent", "return_unknown", "return_unresolved"]


def test_silence_makes_it_unknown_and_the_question_is_a_pacs_028_about_the_pacs_004() -> None:
    """AOS-I1."""
    house = into(returning(), "return_unknown")
    (enquiry,) = house.bodies(CreditEnquiry)
    message = message_for(enquiry, RailProfile(own_bic=US))
    assert isinstance(message, OrderEnquiry)
    registry.check(registry.build(message), registry.type_of(message))
    assert (message.original_message_id, message.original_message_name) == (
        last_order(house).message_id,
        MessageName.RETURN,
    )


def test_a_line_that_broke_while_it_was_sent_makes_it_unknown_too() -> None:
    house = returning()
    house.tell("credit", ID, orders.OutcomeUnknown(reason="timeout"))
    assert house.state("credit", ID) == "return_unknown"


def test_a_rail_that_is_down_is_not_asked_in_vain() -> None:
    house = returning()
    house.rail_is_up = False
    house.tell("credit", ID, orders.OutcomeUnknown(reason="timeout"))
    house.fire("credit", ID, "answer")
    asked_at = house.now
    for _ in range(10):
        house.fire("credit", ID, "answer")
    assert house.now - asked_at == timedelta(hours=10)
    assert (house.state("credit", ID), [alarm.code for alarm in house.alarms]) == ("return_unknown", ["RECALL_ASKED"])
    house.tell("credit", ID, taken(house.bodies(CreditEnquiry)[-1]))
    assert house.timers["credit", ID, "answer"].event == orders.EnquiryDue(number=2)


@pytest.mark.parametrize(("ids", "distinct"), [(EnquiryIds.NEW, 3), (EnquiryIds.SAME, 1)])
def test_the_profile_says_when_how_often_and_under_which_id_it_is_asked_about(ids: EnquiryIds, distinct: int) -> None:
    """AOS-G5; after the last question a person goes on, and the credit is not failed."""
    house = returning(enquiry_ids=ids, enquiry_delay=timedelta(seconds=7), enquiry_interval=timedelta(hours=15))
    house.tell("credit", ID, orders.Sent())
    house.fire("credit", ID, "answer")
    assert house.timers["credit", ID, "answer"].due == house.now + timedelta(seconds=7)
    while ("credit", ID, "answer") in house.timers:
        house.fire("credit", ID, "answer")
    enquiries = house.bodies(CreditEnquiry)
    assert (len(enquiries), len({enquiry.message_id for enquiry in enquiries})) == (3, distinct)
    assert {later.created_at - sooner.created_at for sooner, later in pairwise(enquiries)} == {timedelta(hours=15)}
    assert house.state("credit", ID) == "return_unresolved"
    assert house.alarms[-1].code == "RETURN_UNRESOLVED"


@pytest.mark.parametrize("state", OPEN)
def test_an_answer_however_late_is_booked_once(state: str) -> None:
    """AOS-T4."""
    house = into(returning(), state)
    for _ in range(2):
        house.tell("credit", ID, stat(house))
    assert house.state("credit", ID) == "returned"
    assert [alarm.code for alarm in house.alarms].count("CREDIT_RETURNED") == 1
    assert ("credit", ID, "answer") not in house.timers


@pytest.mark.parametrize("state", OPEN)
def test_a_rejection_however_late_gives_it_to_a_person_again(state: str) -> None:
    """AOS-T5, AOS-R3."""
    house = into(returning(), state)
    for _ in range(2):
        house.tell("credit", ID, rjct(house))
    assert house.state("credit", ID) == "return_asked"
    assert [alarm.code for alarm in house.alarms].count("RETURN_REJECTED") == 1
    assert ("credit", ID, "answer") not in house.timers


@pytest.mark.parametrize(
    ("first", "second", "state"), [(stat, rjct, "returned"), (rjct, stat, "return_asked")], ids=["stat", "rjct"]
)
def test_a_contradiction_is_refused_and_raised(first: Any, second: Any, state: str) -> None:
    house = into(returning(), "return_unknown")
    house.tell("credit", ID, first(house))
    house.tell("credit", ID, second(house))
    assert house.state("credit", ID) == state
    assert house.alarms[-1].code == ErrorCode.STATUS_REGRESSION


@pytest.mark.parametrize("state", OPEN)
def test_no_second_return_is_ordered_while_the_first_is_unanswered(state: str) -> None:
    house = into(returning(), state)
    with pytest.raises(RefusedError, match="STATE_CONFLICT"):
        house.tell("credit", ID, credits.RecallGranted(person="ALI"))
    assert len(house.bodies(ReturnOrder)) == 1


@pytest.mark.parametrize("state", ["return_unknown", "return_unresolved"])
def test_a_return_that_aos_has_never_seen_goes_again_as_the_same_message(state: str) -> None:
    """AOS-R5: nothing of it changes, its day included (AOS-C2, AOS-C3)."""
    house = into(returning(), state)
    house.tell("credit", ID, not_there(house))
    assert house.state("credit", ID) == "returning"
    first, second = house.bodies(ReturnOrder)
    assert first == second


def test_it_goes_again_only_as_often_as_the_profile_says_and_then_a_person_is_asked() -> None:
    house = into(returning(resends_max=1), "return_unknown")
    house.tell("credit", ID, not_there(house))
    into(house, "return_unknown")
    house.tell("credit", ID, not_there(house))
    assert house.state("credit", ID) == "return_unresolved"
    assert len(house.bodies(ReturnOrder)) == 2


def test_only_the_last_question_counts_and_a_refusal_for_another_reason_says_nothing() -> None:
    house = into(returning(), "return_unknown")
    early = not_there(house)
    house.fire("credit", ID, "answer")
    house.tell("credit", ID, early)
    house.tell("credit", ID, not_there(house, code="FF01"))
    assert house.state("credit", ID) == "return_unknown"
    assert [alarm.code for alarm in house.alarms][-1:] == ["ENQUIRY_REFUSED"]
    house.tell("credit", ID, stat(house))
    house.tell("credit", ID, not_there(house))  # overtaken
    assert house.state("credit", ID) == "returned"


def test_after_a_rejection_a_person_may_order_it_anew_and_a_word_on_the_old_order_says_nothing_of_the_new() -> None:
    """A rejected number is used up (AOS-C3), so the new order has its own; the old one's end is settled."""
    house = into(returning(), "return_sent")
    old = last_order(house)
    house.tell("credit", ID, rjct(house))
    house.tell("credit", ID, credits.RecallGranted(person="ALI"))
    new = last_order(house)
    assert new.message_id != old.message_id
    assert replace(new, message_id=old.message_id) == old
    house.tell("credit", ID, rjct(house, old))
    assert house.state("credit", ID) == "returning"
    house.tell("credit", ID, stat(house, old))
    assert house.state("credit", ID) == "returning"
    assert house.alarms[-1].code == ErrorCode.STATUS_REGRESSION
    house.tell("credit", ID, stat(house, new))
    assert house.state("credit", ID) == "returned"


@pytest.mark.parametrize("state", ["unknown", "unresolved"])
def test_a_credit_told_late_to_be_booked_is_booked(state: str) -> None:
    """AOS-P4: whoever waited meanwhile, we or a person."""
    house = credited()
    while house.state("credit", ID) != state:
        house.fire("credit", ID, "answer")
    house.tell("credit", ID, credits.Settled(settled_at=house.now))
    assert (house.state("credit", ID), house.state("payment", PURCHASE)) == ("settled", "settled")


def test_a_credit_that_nobody_says_is_booked_is_asked_about_and_booked_when_told() -> None:
    """AOS-P3, AOS-P4, AOS-I1: the STAT was lost; pacs.028 names the order that we authorised.

    The request that it answers asks first: the credit waits twice as long.
    """
    house = credited()
    assert house.timers["credit", ID, "answer"].due == house.now + 2 * house.rules.rail.answer_timeout
    house.fire("credit", ID, "answer")
    house.fire("credit", ID, "answer")
    (enquiry,) = house.bodies(CreditEnquiry)
    message = message_for(enquiry, RailProfile(own_bic=US))
    assert (message.original_message_id, message.original_message_name) == ("M1", MessageName.ORDER)
    house.tell("credit", ID, credits.Settled(settled_at=house.now))
    assert (house.state("credit", ID), house.state("payment", PURCHASE)) == ("settled", "settled")
    assert ("credit", ID, "answer") not in house.timers


def test_a_credit_that_was_asked_about_in_vain_is_a_persons_and_still_listened_for() -> None:
    house = credited()
    while ("credit", ID, "answer") in house.timers:
        house.fire("credit", ID, "answer")
    assert house.state("credit", ID) == "unresolved"
    assert house.alarms[-1].code == "CREDIT_UNRESOLVED"
    house.tell("credit", ID, credits.Released(code="EL202", reason=""))
    assert house.state("credit", ID) == "released"


def test_aos_not_knowing_what_it_passed_to_us_is_a_regression() -> None:
    house = credited()
    house.fire("credit", ID, "answer")
    house.fire("credit", ID, "answer")
    house.tell("credit", ID, not_there(house))
    assert house.state("credit", ID) == "unresolved"
    assert ErrorCode.STATUS_REGRESSION in {alarm.code for alarm in house.alarms}


def test_money_that_comes_back_to_us_is_asked_about_as_a_return() -> None:
    """AOS-T3, AOS-T4: our refund came back, we said AUTH, and the STAT was lost; nothing else of ours asks."""
    house = House()
    house.tell("lot", "L1", announced())
    house.tell("payment", "P1", ordered(kind=PaymentKind.TRANSFER, debtor=DEPOSIT_ACCOUNT, creditor=BANK_ACCOUNT))
    payment = replace(house.nouns["payment", "P1"], state=PaymentState.SETTLED)
    house.nouns["payment", "P1"] = payment
    back = credits.ReturnOffered(
        message_id="M2",
        end_to_end_id=payment.end_to_end_id,
        transaction_id="RT",
        amount=payment.amount,
        debtor_name="b",
        debtor_iban=payment.creditor.iban,
        creditor_iban=payment.debtor.iban,
        case_number=payment.case_number,
        returned_message_id=payment.message_id,
    )
    house.tell("credit", "credit.M2", back)
    assert house.timers["credit", "credit.M2", "answer"].due == house.now + house.rules.rail.answer_timeout
    for _ in range(2):
        house.fire("credit", "credit.M2", "answer")
    (enquiry,) = house.bodies(CreditEnquiry)
    assert (enquiry.original_message_id, enquiry.of_return) == ("M2", True)
    house.tell("credit", "credit.M2", credits.Settled(settled_at=house.now))
    assert house.state("payment", "P1") == "returned"


def test_a_question_about_the_return_before_it_went_again_says_nothing_of_it_now() -> None:
    """AOS-C3."""
    house = into(returning(), "return_unknown")
    old = not_there(house)
    house.tell("credit", ID, old)
    house.tell("credit", ID, orders.Sent())
    house.fire("credit", ID, "answer")
    house.tell("credit", ID, old)
    assert (house.state("credit", ID), len(house.bodies(ReturnOrder))) == ("return_unknown", 2)
