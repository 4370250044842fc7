"""Payment: asking the rail, and an order that it has never seen (AOS-I1, AOS-I2, AOS-R5)."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from tests_house import taken

from contracts.errors import ErrorCode
from gateway.domain.dispatches import PaymentEnquiry, PaymentOrder
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.rulebook import EnquiryIds

ID = "L1.purchase"


@pytest.fixture
def paying(house, build):
    """A house whose lot L1 waits for the claimant's payment."""
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", lots.AuctionUnsold(held_at=house.now, reason="heç kim"))
    house.tell("offer", "L1.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    return house


@pytest.fixture
def unknown(paying):
    """The payment is UNKNOWN and has been asked about once."""
    paying.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    paying.fire("payment", ID, "answer")
    return paying


def not_there(house, code="NOOR"):
    enquiry = house.bodies(PaymentEnquiry)[-1]
    return orders.EnquiryRefused(enquiry_id=enquiry.message_id, code=code, reason="")


def with_rail(house, **changes) -> None:
    house.rules = replace(house.rules, rail=replace(house.rules.rail, **changes))


def test_an_order_the_rail_has_never_seen_goes_again_as_the_same_message(unknown) -> None:
    """AOS-R5: camt.025/ERRC to the enquiry; nothing of the order changes, its day included (AOS-C2, AOS-C3)."""
    unknown.tell("payment", ID, not_there(unknown))
    assert unknown.state("payment", ID) == "routed"
    first, second = unknown.bodies(PaymentOrder)
    assert first == second
    assert unknown.alarms == []


def test_an_order_goes_again_only_as_often_as_the_profile_says_and_then_a_person_is_asked(unknown) -> None:
    with_rail(unknown, resends_max=2)
    for _ in range(2):
        unknown.tell("payment", ID, not_there(unknown))
        unknown.tell("payment", ID, orders.Sent())
        unknown.fire("payment", ID, "answer")
        unknown.fire("payment", ID, "answer")
    unknown.tell("payment", ID, not_there(unknown))
    assert unknown.state("payment", ID) == "unresolved"
    assert len(unknown.bodies(PaymentOrder)) == 3
    assert ("payment", ID, "answer") not in unknown.timers


def test_only_the_last_enquiry_counts(unknown) -> None:
    early = not_there(unknown)
    unknown.fire("payment", ID, "answer")
    unknown.tell("payment", ID, early)
    assert unknown.state("payment", ID) == "unknown"
    unknown.tell("payment", ID, not_there(unknown))
    assert unknown.state("payment", ID) == "routed"


def test_a_rail_that_is_down_is_not_asked_in_vain(paying) -> None:
    """One question waits for it, not one for each interval; only those it has taken count, and nobody is woken."""
    paying.rail_is_up = False
    paying.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    paying.fire("payment", ID, "answer")
    asked_at = paying.now
    for _ in range(10):  # nobody ever hears what became of it: a person has discarded it
        paying.fire("payment", ID, "answer")
    assert paying.now - asked_at == timedelta(hours=10)
    assert (paying.state("payment", ID), paying.alarms) == ("unknown", [])
    *_, before, last = paying.bodies(PaymentEnquiry)
    assert (before.number, last.number) == (1, 1)
    paying.tell("payment", ID, taken(before))
    assert paying.timers["payment", ID, "answer"].due == paying.now + timedelta(hours=1)
    paying.tell("payment", ID, taken(last))
    assert paying.timers["payment", ID, "answer"].due == paying.now + paying.rules.rail.enquiry_interval
    assert paying.timers["payment", ID, "answer"].event == orders.EnquiryDue(number=2)


def test_a_question_about_the_order_before_it_went_again_says_nothing_of_it_now(unknown) -> None:
    """AOS-C3: a second copy of the old answer, while the order that went again is not asked about yet."""
    old = not_there(unknown)
    unknown.tell("payment", ID, old)
    unknown.tell("payment", ID, orders.Sent())
    unknown.fire("payment", ID, "answer")
    unknown.tell("payment", ID, old)
    assert unknown.state("payment", ID) == "unknown"
    assert len(unknown.bodies(PaymentOrder)) == 2


@pytest.mark.parametrize("state", ["sent", "settled", "refused"])
def test_an_answer_that_was_overtaken_changes_nothing(unknown, state) -> None:
    said = not_there(unknown)
    unknown.tell("payment", ID, said)
    unknown.tell("payment", ID, orders.Sent())
    if state == "settled":
        unknown.tell("payment", ID, payments.Settled(reference="R", settled_at=unknown.now))
    if state == "refused":
        unknown.tell("payment", ID, payments.Rejected(code="AM04", reason=""))
    unknown.tell("payment", ID, said)
    assert unknown.state("payment", ID) == state
    assert len(unknown.bodies(PaymentOrder)) == 2


def test_an_enquiry_refused_for_another_reason_is_told_to_a_person_and_says_nothing_of_the_order(unknown) -> None:
    unknown.tell("payment", ID, not_there(unknown, code="FF01"))
    assert unknown.state("payment", ID) == "unknown"
    assert [alarm.code for alarm in unknown.alarms] == ["ENQUIRY_REFUSED"]
    assert ("payment", ID, "answer") in unknown.timers


def test_a_rail_that_forgets_what_it_has_consented_to_is_raised_to_a_person(paying) -> None:
    """Any regression is refused and raised; nothing is sent again."""
    house = paying
    house.tell("payment", ID, payments.Consented(msid="MS1"))
    house.fire("payment", ID, "answer")
    house.fire("payment", ID, "answer")
    house.tell("payment", ID, not_there(house))
    assert house.state("payment", ID) == "unresolved"
    assert {alarm.code for alarm in house.alarms} == {ErrorCode.STATUS_REGRESSION, "PAYMENT_UNRESOLVED"}
    assert len(house.bodies(PaymentOrder)) == 1


def test_an_answer_leads_out_of_unresolved_too(unknown) -> None:
    while ("payment", ID, "answer") in unknown.timers:
        unknown.fire("payment", ID, "answer")
    assert unknown.state("payment", ID) == "unresolved"
    unknown.tell("payment", ID, not_there(unknown))
    assert unknown.state("payment", ID) == "routed"


@pytest.mark.parametrize(("ids", "distinct"), [(EnquiryIds.NEW, 3), (EnquiryIds.SAME, 1)])
def test_the_profile_says_when_how_often_and_under_which_id_we_ask(paying, ids, distinct) -> None:
    """AOS-G5: configuration, none of it a constant."""
    house = paying
    with_rail(house, enquiry_ids=ids, enquiry_delay=timedelta(seconds=7), enquiry_interval=timedelta(hours=15))
    house.tell("payment", ID, orders.OutcomeUnknown(reason="timeout"))
    assert house.timers["payment", ID, "answer"].due == house.now + timedelta(seconds=7)
    while ("payment", ID, "answer") in house.timers:
        house.fire("payment", ID, "answer")
    enquiries = house.bodies(PaymentEnquiry)
    assert len(enquiries) == 3
    assert len({enquiry.message_id for enquiry in enquiries}) == distinct
    gaps = {later.created_at - sooner.created_at for sooner, later in pairwise(enquiries)}
    assert gaps == {timedelta(hours=15)}


def test_listening_goes_on_after_the_last_enquiry(unknown) -> None:
    """A credit that comes after we stopped asking is still confirmed, and its settlement booked (AOS-P3, AOS-P4)."""
    while ("payment", ID, "answer") in unknown.timers:
        unknown.fire("payment", ID, "answer")
    order = unknown.bodies(PaymentOrder)[0]
    offered = credits.Offered(
        message_id="XZRNAZ22XXXX261123000000000000001",
        end_to_end_id=order.end_to_end_id,
        transaction_id="T1",
        amount=order.amount,
        debtor_name=order.debtor.holder,
        debtor_iban=order.debtor.iban,
        creditor_iban=order.creditor.iban,
        case_number=order.case_number,
    )
    unknown.tell("credit", "C1", offered)
    assert unknown.state("payment", ID) == "authorised"
