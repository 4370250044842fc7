"""Orders over midnight: what AÖS refuses for its day is asked about, and goes as an order of the new day (AOS-C2)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from test_return_unknown import ID as CREDIT
from test_return_unknown import into, last_order, returning
from test_return_unknown import not_there as no_such_return
from tests_house import taken

from contracts.errors import ErrorCode
from gateway.domain.clock import local_date
from gateway.domain.dispatches import PaymentEnquiry, PaymentOrder, ReturnOrder
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.nouns import TABLES

ID = "L1.purchase"
DAY = timedelta(days=1)


@pytest.fixture
def routed(house, build):
    """Lot L1's payment is on its way."""
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", lots.AuctionUnsold(held_at=house.now, reason="heç kim"))
    house.tell("offer", "L1.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    return house


def dt01(house, order=None, *, after=DAY, asked=False, code="DT01"):
    order = order or house.bodies(PaymentOrder)[-1]
    told_at = order.created_at + after
    return payments.Rejected(code=code, reason="", order_id=order.message_id, told_at=told_at, asked=asked)


def no_such_order(house):
    return orders.EnquiryRefused(enquiry_id=house.bodies(PaymentEnquiry)[-1].message_id, code="NOOR", reason="")


def renewed(house):
    """Refused for its day, asked about, and AÖS has nothing of it."""
    house.now += DAY
    house.tell("payment", ID, dt01(house))
    house.fire("payment", ID, "answer")
    house.tell("payment", ID, no_such_order(house))
    return house


def test_what_is_refused_for_its_day_is_asked_about_and_nobody_is_told_that_it_failed(routed) -> None:
    routed.now += DAY
    routed.tell("payment", ID, dt01(routed))
    assert routed.state("payment", ID) == "unknown"
    assert routed.state("lot", "L1") == "awaiting_payment"
    routed.fire("payment", ID, "answer")
    assert routed.bodies(PaymentEnquiry)[-1].original_message_id == routed.bodies(PaymentOrder)[0].message_id


def test_nothing_of_it_there_it_becomes_an_order_of_the_day_with_a_number_of_its_own_and_the_same_reference(routed):
    """AOS-C2, AOS-C3: the number is used up; the end-to-end id is the payment's."""
    renewed(routed)
    first, second = routed.bodies(PaymentOrder)
    assert routed.state("payment", ID) == "routed"
    assert first.message_id != second.message_id
    assert local_date(second.created_at) == local_date(routed.now)
    assert replace(second, message_id=first.message_id, created_at=first.created_at) == first
    assert routed.alarms == []


def test_an_answer_that_the_order_ended_for_its_day_is_as_good(routed) -> None:
    """AOS-I1: pacs.002/STAT of an order that AÖS keeps as refused."""
    routed.now += DAY
    routed.tell("payment", ID, dt01(routed))
    routed.fire("payment", ID, "answer")
    routed.tell("payment", ID, dt01(routed, asked=True))
    first, second = routed.bodies(PaymentOrder)
    assert first.message_id != second.message_id


def test_the_first_copy_was_executed_before_the_day_ended(routed) -> None:
    routed.now += DAY
    routed.tell("payment", ID, dt01(routed))
    routed.tell("payment", ID, payments.Settled(reference="R", settled_at=routed.now))
    assert routed.state("payment", ID) == "settled"
    assert len(routed.bodies(PaymentOrder)) == 1


def test_only_a_question_put_after_the_refusal_counts(routed) -> None:
    """The answer to an earlier one may be of a moment at which the first copy was still on its way."""
    routed.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    routed.fire("payment", ID, "answer")
    early = no_such_order(routed)
    routed.now += DAY
    routed.tell("payment", ID, dt01(routed))
    routed.tell("payment", ID, early)
    assert routed.state("payment", ID) == "unknown"
    assert len(routed.bodies(PaymentOrder)) == 1
    routed.fire("payment", ID, "answer")
    routed.tell("payment", ID, no_such_order(routed))
    assert len(routed.bodies(PaymentOrder)) == 2


def test_it_is_asked_about_anew_at_once_though_an_earlier_question_still_waits_for_aos(routed) -> None:
    routed.rail_is_up = False
    routed.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    routed.fire("payment", ID, "answer")
    routed.now += DAY
    routed.tell("payment", ID, dt01(routed))
    assert routed.timers["payment", ID, "answer"].due == routed.now
    routed.fire("payment", ID, "answer")
    early, late = routed.bodies(PaymentEnquiry)
    for question in (early, late):
        routed.tell("payment", ID, taken(question))
    routed.tell("payment", ID, orders.EnquiryRefused(enquiry_id=early.message_id, code="NOOR", reason=""))
    assert len(routed.bodies(PaymentOrder)) == 1
    routed.tell("payment", ID, no_such_order(routed))
    assert len(routed.bodies(PaymentOrder)) == 2


@pytest.mark.parametrize(
    ("after", "code"),
    [(timedelta(0), "DT01"), (DAY, "AM04")],
    ids=["refused on its own day", "refused for something else"],
)
def test_what_is_refused_otherwise_is_refused(routed, after, code) -> None:
    routed.tell("payment", ID, dt01(routed, after=after, code=code))
    assert routed.state("payment", ID) == "refused"
    assert routed.state("lot", "L1") == "held"


def test_a_clock_of_aos_that_is_ahead_over_midnight_decides_the_day(routed) -> None:
    """Ours says 23:59:59 of the order's day, theirs has passed midnight."""
    first = routed.bodies(PaymentOrder)[0]
    refusal = dt01(routed)
    assert local_date(routed.now) == local_date(first.created_at)
    routed.tell("payment", ID, refusal)
    routed.fire("payment", ID, "answer")
    routed.tell("payment", ID, no_such_order(routed))
    assert local_date(routed.bodies(PaymentOrder)[-1].created_at) == local_date(refusal.told_at)


def test_it_becomes_another_days_only_as_often_as_the_profile_says(routed) -> None:
    """AOS-G5; then a person decides, as over every payment that is refused."""
    routed.rules = replace(routed.rules, rail=replace(routed.rules.rail, renewals_max=2))
    for _ in range(2):
        renewed(routed)
    routed.now += DAY
    routed.tell("payment", ID, dt01(routed))
    assert routed.state("payment", ID) == "refused"
    assert len(routed.bodies(PaymentOrder)) == 3


def test_a_word_on_the_old_order_says_nothing_of_the_new_and_its_execution_is_a_regression(routed) -> None:
    old = routed.bodies(PaymentOrder)[0]
    renewed(routed)
    routed.tell("payment", ID, dt01(routed, old, after=3 * DAY))
    routed.tell("payment", ID, dt01(routed, old, code="AM04"))
    assert (routed.state("payment", ID), routed.alarms) == ("routed", [])
    routed.tell("payment", ID, payments.Consented(msid="M1", order_id=old.message_id))
    routed.tell("payment", ID, payments.Settled(reference="R1", settled_at=routed.now, order_id=old.message_id))
    assert routed.state("payment", ID) == "routed"
    assert [alarm.code for alarm in routed.alarms] == [ErrorCode.STATUS_REGRESSION] * 2
    new = routed.bodies(PaymentOrder)[-1]
    routed.tell("payment", ID, payments.Settled(reference="R2", settled_at=routed.now, order_id=new.message_id))
    assert routed.state("payment", ID) == "settled"
    assert routed.nouns["payment", ID].reference == "R2"


def test_consented_to_it_is_not_failed_by_the_refusal_of_a_copy(routed) -> None:
    routed.tell("payment", ID, payments.Consented(msid="M1"))
    routed.tell("payment", ID, dt01(routed))
    assert routed.state("payment", ID) == "consented"
    assert ("payment", ID, "answer") in routed.timers


@pytest.mark.parametrize("known", ["consented", "settled", "unknown"])
def test_whoever_sent_it_and_lost_sight_of_it_is_overtaken_by_what_is_known(routed, known) -> None:
    """Handled, so that the same message does not go again."""
    told = {
        "consented": payments.Consented(msid="M1"),
        "settled": payments.Settled(reference="R", settled_at=routed.now),
        "unknown": dt01(routed),
    }
    routed.tell("payment", ID, told[known])
    assert TABLES["payment"].handles(routed.nouns["payment", ID], orders.OutcomeUnknown(reason="timeout"))
    routed.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    assert routed.state("payment", ID) == known


def rejected(house, **changes):
    order = last_order(house)
    told = {"return_id": order.message_id, "code": "DT01", "reason": "", "told_at": order.created_at + DAY}
    return credits.ReturnRejected(**(told | changes))


@pytest.mark.parametrize("state", ["returning", "return_sent", "return_unknown", "return_unresolved"])
def test_a_return_refused_for_its_day_is_asked_about_before_a_person_may_order_another(state) -> None:
    """A second return beside one that was executed would pay twice."""
    house = into(returning(), state)
    house.tell("credit", CREDIT, rejected(house))
    assert house.state("credit", CREDIT) == "return_unknown"
    house.fire("credit", CREDIT, "answer")
    house.tell("credit", CREDIT, no_such_return(house))
    assert house.state("credit", CREDIT) == "return_asked"
    assert house.alarms[-1].code == "RETURN_REJECTED"
    assert len(house.bodies(ReturnOrder)) == 1


def test_a_return_ordered_anew_knows_nothing_of_the_day_of_the_one_before() -> None:
    """AOS-T5: never seen by AÖS, it goes again, and no person is asked over and over."""
    house = into(returning(), "return_sent")
    house.tell("credit", CREDIT, rejected(house))
    house.tell("credit", CREDIT, rejected(house, code="AM04"))
    assert house.state("credit", CREDIT) == "return_asked"
    house.tell("credit", CREDIT, credits.RecallGranted(person="ALI"))
    house.tell("credit", CREDIT, orders.Sent())
    house.fire("credit", CREDIT, "answer")
    house.fire("credit", CREDIT, "answer")
    house.tell("credit", CREDIT, no_such_return(house))
    assert house.state("credit", CREDIT) == "returning"
    first, second, again = house.bodies(ReturnOrder)
    assert first.message_id != second.message_id
    assert again == second


def test_a_return_executed_before_the_day_ended_is_booked() -> None:
    house = into(returning(), "return_sent")
    house.tell("credit", CREDIT, rejected(house))
    house.tell("credit", CREDIT, credits.GaveBack(return_id=last_order(house).message_id))
    assert house.state("credit", CREDIT) == "returned"


def test_a_return_that_aos_keeps_as_refused_for_its_day_is_a_persons_again() -> None:
    house = into(returning(), "return_unknown")
    house.tell("credit", CREDIT, rejected(house, asked=True))
    assert house.state("credit", CREDIT) == "return_asked"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_beside_every_guarded_row_stands_one_without_a_guard(table) -> None:
    plain = {(row.source, row.event) for row in table.rows() if row.guard is None}
    assert {(row.source, row.event) for row in table.rows() if row.guard is not None} <= plain
