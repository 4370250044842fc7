"""Payment: not knowing is a state, and nothing but an answer or a person ends it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.domain.dispatches import CreditAnswer, PaymentEnquiry, PaymentKind, PaymentOrder
from gateway.domain.events import credit as credits
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.payment.data import PaymentState

ID = "L1.purchase"


@pytest.fixture
def awaiting(house, build):
    """A house whose lot L1 waits for the claimant's payment."""
    house.tell("lot", "L1", build.announced())
    from gateway.domain.events import lot as lots
    from gateway.domain.events import offer as offers

    house.tell("lot", "L1", lots.AuctionUnsold(held_at=house.now, reason="heç kim"))
    house.tell("offer", "L1.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    return house


def settled(house):
    return payments.Settled(reference="REF1", settled_at=house.now)


def test_a_payment_of_an_enforcement_case_without_its_number_is_never_made(house, build) -> None:
    """EHR-12."""
    with pytest.raises(RefusedError) as refused:
        house.tell("payment", ID, build.ordered(case_number=None))
    assert refused.value.refusal.code is ErrorCode.CASE_NUMBER_MISSING
    assert house.sent == []
    assert house.nouns == {}


def test_an_order_says_what_it_is_for(awaiting) -> None:
    """AOS-M1, AOS-M2: who reads the statement of an account sees the lot."""
    (order,) = awaiting.bodies(PaymentOrder)
    assert order.purpose == "Hərrac əmlakının dəyəri, lot L1"


def test_the_case_number_is_on_the_order_and_on_every_notice(awaiting) -> None:
    """EHR-12."""
    (order,) = awaiting.bodies(PaymentOrder)
    assert order.case_number == "5-1/2026"


@pytest.mark.parametrize(("minor", "state"), [(4_000_000, "routed"), (4_000_001, "held")])
def test_the_route_is_decided_by_the_rails_maximum_before_anything_is_sent(awaiting, build, minor, state) -> None:
    """AOS-C9, AOS-G5: up to the maximum inclusive; above it nothing is sent and a person decides."""
    awaiting.tell("payment", "P9", build.ordered(amount=Money(minor)))
    assert awaiting.state("payment", "P9") == state
    assert len([order for order in awaiting.bodies(PaymentOrder) if order.payment_id == "P9"]) == (state == "routed")


def test_consent_is_not_money(awaiting) -> None:
    awaiting.tell("payment", ID, orders.Sent())
    awaiting.tell("payment", ID, payments.Consented(msid="MS1"))
    assert awaiting.state("payment", ID) == "consented"
    assert awaiting.state("lot", "L1") == "awaiting_payment"
    awaiting.tell("payment", ID, settled(awaiting))
    assert awaiting.state("lot", "L1") == "drawing_up"


def test_silence_makes_unknown_and_asks_and_never_fails(awaiting) -> None:
    """AOS-I2: enquiries by the profile's schedule, then a person; the answer is still awaited."""
    awaiting.tell("payment", ID, orders.Sent())
    for _ in range(10):
        if ("payment", ID, "answer") in awaiting.timers:
            awaiting.fire("payment", ID, "answer")
    assert awaiting.state("payment", ID) == "unresolved"
    enquiries = awaiting.bodies(PaymentEnquiry)
    assert len(enquiries) == awaiting.rules.rail.enquiries_max
    assert {enquiry.original_message_id for enquiry in enquiries} == {awaiting.nouns["payment", ID].message_id}
    assert len({enquiry.message_id for enquiry in enquiries}) == len(enquiries)
    assert [alarm.code for alarm in awaiting.alarms] == ["PAYMENT_UNRESOLVED"]
    awaiting.tell("payment", ID, settled(awaiting))
    assert awaiting.state("payment", ID) == "settled"


def test_a_consent_told_again_without_its_number_forgets_none(awaiting) -> None:
    """By the MSID we know that AÖS has spoken of it: without it a "no such order" would have it sent again."""
    awaiting.tell("payment", ID, orders.Sent())
    awaiting.tell("payment", ID, payments.Consented(msid="M1"))
    awaiting.fire("payment", ID, "answer")
    assert awaiting.state("payment", ID) == "unknown"
    awaiting.tell("payment", ID, payments.Consented(msid=None))
    assert (awaiting.state("payment", ID), awaiting.nouns["payment", ID].msid) == ("consented", "M1")


def test_an_unknown_payment_is_never_sent_twice(awaiting) -> None:
    awaiting.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    awaiting.fire("payment", ID, "answer")
    assert len(awaiting.bodies(PaymentOrder)) == 1


def test_a_late_answer_is_booked_once(awaiting) -> None:
    awaiting.tell("payment", ID, orders.Sent())
    awaiting.fire("payment", ID, "answer")
    awaiting.tell("payment", ID, settled(awaiting))
    before = len(awaiting.sent)
    awaiting.tell("payment", ID, settled(awaiting))
    assert len(awaiting.sent) == before
    assert awaiting.alarms == []


@pytest.mark.parametrize("first", ["settled", "refused"])
def test_a_regression_is_raised_to_a_person_and_changes_nothing(awaiting, first) -> None:
    rejected = payments.Rejected(code="AM04", reason="vəsait çatmır")
    order = [settled(awaiting), rejected] if first == "settled" else [rejected, settled(awaiting)]
    awaiting.tell("payment", ID, order[0])
    lot_before = awaiting.state("lot", "L1")
    awaiting.tell("payment", ID, order[1])
    assert awaiting.state("payment", ID) == first
    assert awaiting.state("lot", "L1") == lot_before
    assert ErrorCode.STATUS_REGRESSION in [alarm.code for alarm in awaiting.alarms]


def offered(awaiting, **changes):
    order = awaiting.bodies(PaymentOrder)[0]
    values = {
        "message_id": "XZRNAZ22XXXX261123000000000000001",
        "end_to_end_id": order.end_to_end_id,
        "transaction_id": "T1",
        "amount": order.amount,
        "debtor_name": order.debtor.holder,
        "debtor_iban": order.debtor.iban,
        "creditor_iban": order.creditor.iban,
        "case_number": order.case_number,
    }
    return credits.Offered(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"amount": Money(1)}, "AMOUNT_MISMATCH"),
        ({"case_number": None}, "CASE_NUMBER_MISSING"),
        ({"case_number": "5-2/2026"}, "CASE_NUMBER_MISSING"),
        ({"creditor_iban": "AZ46EHRN01010000000000000002"}, "REFERENCE_UNKNOWN"),
        ({"end_to_end_id": "L2.purchase"}, "REFERENCE_UNKNOWN"),
    ],
)
def test_a_credit_is_confirmed_only_as_exactly_what_is_awaited(awaiting, changes, reason) -> None:
    """AOS-P3, EHR-12: AUTH for amount, account and case number as ordered; NAUT with the reason otherwise."""
    awaiting.tell("payment", ID, orders.Sent())
    awaiting.tell("credit", "C1", offered(awaiting, **changes))
    (answer,) = awaiting.bodies(CreditAnswer)
    assert (answer.authorised, answer.reason) == (reason is None, reason)
    said = (answer.original_message_id, answer.original_end_to_end_id, answer.original_transaction_id, answer.of_return)
    credit = awaiting.nouns["credit", "C1"]
    assert said == (credit.message_id, credit.end_to_end_id, "T1", False)
    assert awaiting.state("payment", ID) == ("authorised" if reason is None else "sent")


def returned(order, message_id):
    """AÖS passes us a pacs.004 of this payment."""
    return credits.ReturnOffered(
        message_id=message_id,
        end_to_end_id=order.end_to_end_id,
        transaction_id="T1",
        amount=order.amount,
        debtor_name=order.creditor.holder,
        debtor_iban=order.creditor.iban,
        creditor_iban=order.debtor.iban,
        case_number=order.case_number,
        returned_message_id=order.message_id,
    )


def test_a_return_that_aos_did_not_book_leaves_room_for_the_next(house, build) -> None:
    """AOS-T3, AOS-T5: one at a time; after its RJCT another may be agreed to, and is booked once."""
    house.tell("payment", "P1", build.ordered(kind=PaymentKind.TRANSFER))
    (order,) = house.bodies(PaymentOrder)
    house.nouns["payment", "P1"] = replace(house.nouns["payment", "P1"], state=PaymentState.SETTLED)
    for number, outcome in enumerate(
        (credits.Released(code="EL202", reason=""), credits.Settled(settled_at=house.now))
    ):
        house.tell("credit", f"C{number}", returned(order, f"M{number}"))
        house.tell("credit", f"C9{number}", returned(order, f"M9{number}"))
        house.tell("credit", f"C{number}", outcome)
    answers = [(answer.credit_id, answer.authorised, answer.of_return) for answer in house.bodies(CreditAnswer)]
    assert answers == [("C0", True, True), ("C90", False, True), ("C1", True, True), ("C91", False, True)]
    assert house.state("payment", "P1") == "returned"


def test_a_second_credit_for_the_same_payment_is_refused(awaiting) -> None:
    awaiting.tell("payment", ID, orders.Sent())
    awaiting.tell("credit", "C1", offered(awaiting))
    awaiting.tell("credit", "C2", offered(awaiting, message_id="XZRNAZ22XXXX261123000000000000002"))
    assert [answer.authorised for answer in awaiting.bodies(CreditAnswer)] == [True, False]


def test_a_consent_that_comes_after_its_refusal_is_old_news_and_no_alarm(awaiting) -> None:
    """AOS-P7; found by simulation: AÖS's messages may change places on their way."""
    awaiting.tell("payment", ID, orders.Sent())
    awaiting.tell("payment", ID, payments.Rejected(code="AM04", reason="x"))
    before = list(awaiting.alarms)
    awaiting.tell("payment", ID, payments.Consented(msid="MS1"))
    assert (awaiting.state("payment", ID), awaiting.nouns["payment", ID].msid) == ("refused", "MS1")
    assert awaiting.alarms == before


EVENTS = st.lists(
    st.sampled_from(["sent", "unknown", "consented", "settled", "rejected", "credit", "credit_settled", "timer"]),
    max_size=14,
)


@given(EVENTS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_rail_says_in_whatever_order_one_order_is_sent_and_one_outcome_is_booked(awaiting, names) -> None:
    """Final states stay, the order leaves once under one id, and the lot moves on at most once."""
    import copy

    house = copy.copy(awaiting)
    house.nouns, house.sent, house.timers = dict(awaiting.nouns), list(awaiting.sent), dict(awaiting.timers)
    house.aliases, house.alarms = dict(awaiting.aliases), []
    events = {
        "sent": orders.Sent(),
        "unknown": orders.OutcomeUnknown(reason="timeout"),
        "consented": payments.Consented(msid="MS1"),
        "settled": settled(house),
        "rejected": payments.Rejected(code="AM04", reason="x"),
    }
    final = None
    for name in names:
        house.now += timedelta(seconds=1)
        try:
            if name == "timer":
                if ("payment", ID, "answer") in house.timers:
                    house.fire("payment", ID, "answer")
            elif name == "credit":
                house.tell("credit", "C1", offered(house))
            elif name == "credit_settled":
                house.tell("credit", "C1", credits.Settled(settled_at=house.now))
            else:
                house.tell("payment", ID, events[name])
        except RefusedError:
            continue
        state = house.state("payment", ID)
        if final is not None:
            assert state == final
        elif state in TABLES["payment"].final:
            final = state
    assert len(house.bodies(PaymentOrder)) == 1
    expected = {"settled": "drawing_up", "refused": "held", None: "awaiting_payment"}[final]
    assert house.state("lot", "L1") == expected
