"""Payment: the route chosen before sending, AZIPS' window, approvals above the custody limit (AOS-C9, VLT-3.2)."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.domain.dispatches import Channel, CreditAnswer, Notice, PaymentEnquiry, PaymentKind, PaymentOrder
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.events.payment import Named, Rail
from gateway.domain.money import Money
from gateway.domain.payment import azips_reference
from gateway.domain.payment.data import PaymentState
from gateway.domain.routing import choose
from gateway.domain.rulebook import AzipsRule, CustodyRule

OPEN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # Monday 12:00 in Baku
AZIPS = AzipsRule(opens=time(9, 20), closes=time(17, 0), version="v7")
CUSTODY = CustodyRule(limit=Money(10_000_000), approvals=2, approvers=frozenset({"ALI", "LEYLA", "999101"}))
BIG, HUGE = Money(4_000_001), Money(10_000_001)


@pytest.fixture
def routed(house):
    house.rules = replace(
        house.rules,
        rail=replace(house.rules.rail, budget_bics=frozenset({"CTREAZ22"}), version="v3"),
        azips=AZIPS,
        custody=CUSTODY,
    )
    return house


def order(house, build, **changes):
    values = {"kind": PaymentKind.TRANSFER, "amount": BIG, "origin": "L1"} | changes
    house.tell("payment", "P1", build.ordered(**values))


def sent(house):
    return [(send.channel, send.body.payment_id) for send in house.sent if isinstance(send.body, PaymentOrder)]


def approve(house, person, amount=HUGE, iban=None):
    seen = iban or house.nouns["payment", "P1"].creditor.iban
    house.tell("payment", "P1", payments.Approved(person=person, amount=amount, creditor_iban=seen))


def test_above_the_instant_maximum_azips_carries_it(routed, build) -> None:
    """AOS-C9: decided before sending; the ids are fixed as for AÖS, and AZIPS knows it by 16 characters."""
    order(routed, build)
    assert sent(routed) == [(Channel.AZIPS, "P1")]
    reference = azips_reference(routed.nouns["payment", "P1"].message_id)
    assert len(reference) == 16
    assert routed.aliases["azips.reference", reference, "payment"] == "P1"


def test_a_payment_to_the_budget_is_excepted_from_the_maximum(routed, build) -> None:
    """AOS-C9, AOS-G5."""
    treasury = replace(build.BANK_ACCOUNT, bic="CTREAZ22")
    order(routed, build, creditor=treasury)
    assert sent(routed) == [(Channel.AOS, "P1")]


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (datetime(2026, 11, 23, 5, 19, tzinfo=UTC), datetime(2026, 11, 23, 5, 20, tzinfo=UTC)),  # before it opens
        (datetime(2026, 11, 23, 13, 0, tzinfo=UTC), datetime(2026, 11, 24, 5, 20, tzinfo=UTC)),  # at its end
        (datetime(2026, 11, 27, 20, 0, tzinfo=UTC), datetime(2026, 11, 30, 5, 20, tzinfo=UTC)),  # Friday night
        (datetime(2026, 11, 28, 8, 0, tzinfo=UTC), datetime(2026, 11, 30, 5, 20, tzinfo=UTC)),  # Saturday noon
    ],
)
def test_outside_the_window_it_waits_for_the_next_one(routed, build, now, opens) -> None:
    """The order that leaves then is of that day (AOS-C2), under the id fixed now."""
    routed.now = now
    order(routed, build)
    assert routed.state("payment", "P1") == "queued"
    assert sent(routed) == []
    assert routed.timers["payment", "P1", "window"].due == opens
    message_id = routed.nouns["payment", "P1"].message_id
    routed.fire("payment", "P1", "window")
    (body,) = routed.bodies(PaymentOrder)
    assert (body.message_id, body.created_at) == (message_id, opens)


def test_azips_has_until_it_closes_to_answer_and_silence_is_a_persons(routed, build) -> None:
    """No enquiry is known for AZIPS; an answer that comes late is still booked."""
    order(routed, build)
    routed.tell("payment", "P1", orders.Sent())
    assert routed.timers["payment", "P1", "answer"].due == datetime(2026, 11, 23, 13, 0, 25, tzinfo=UTC)
    while ("payment", "P1", "answer") in routed.timers:
        routed.fire("payment", "P1", "answer")
    assert routed.state("payment", "P1") == "unresolved"
    assert routed.bodies(PaymentEnquiry) == []


@pytest.fixture
def awaited(routed, build):
    """The claimant took a lot too dear for AÖS: its bank must transfer by itself."""
    routed.tell("lot", "L1", build.announced(starting_price=BIG))
    routed.tell("lot", "L1", lots.AuctionUnsold(held_at=routed.now, reason="heç kim"))
    routed.tell("offer", "L1.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    return routed


def arrived(house, **changes):
    payment = house.nouns["payment", "L1.purchase"]
    values = {
        "message_id": "PREF1",
        "end_to_end_id": payment.end_to_end_id,
        "transaction_id": "PREF1",
        "amount": payment.amount,
        "debtor_name": "Bank",
        "debtor_iban": payment.debtor.iban,
        "creditor_iban": payment.creditor.iban,
        "case_number": payment.case_number,
        "arrived_at": house.now,
    }
    house.tell("credit", "credit.azips.1", credits.Arrived(**(values | changes)))


def test_a_request_too_great_for_the_instant_rail_becomes_the_banks_own_transfer(awaited) -> None:
    """Its bank is told what to name; the credit is matched; nothing of ours is sent."""
    assert awaited.state("payment", "L1.purchase") == "awaiting_transfer"
    assert sent(awaited) == []
    notices = [notice for notice in awaited.bodies(Notice) if notice.state == "awaiting_transfer"]
    assert {notice.reference for notice in notices} == {"L1.purchase"}
    arrived(awaited)
    assert awaited.state("payment", "L1.purchase") == "settled"
    assert awaited.state("credit", "credit.azips.1") == "settled"
    assert awaited.state("lot", "L1") == "drawing_up"


@pytest.mark.parametrize("changes", [{"amount": Money(1)}, {"case_number": None}, {"end_to_end_id": "L404"}])
def test_money_that_is_not_what_is_awaited_is_a_persons(awaited, changes) -> None:
    """EHR-12: on the account already, so it cannot be refused; it settles nothing."""
    arrived(awaited, **changes)
    assert awaited.state("payment", "L1.purchase") == "awaiting_transfer"
    assert awaited.state("credit", "credit.azips.1") == "unmatched"
    assert awaited.alarms[-1].code == "CREDIT_UNMATCHED"


def offer(house, payment_id):
    """AÖS passes us a pacs.008 that names this payment."""
    payment = house.nouns["payment", payment_id]
    credit = credits.Offered(
        message_id="XZRNAZ22XXXX261123000000000000001",
        end_to_end_id=payment.end_to_end_id,
        transaction_id="T1",
        amount=payment.amount,
        debtor_name=payment.debtor.holder,
        debtor_iban=payment.debtor.iban,
        creditor_iban=payment.creditor.iban,
        case_number=payment.case_number,
    )
    house.tell("credit", "C1", credit)


def test_a_bank_that_pays_over_aos_what_it_was_to_pay_over_azips_is_told_no(awaited) -> None:
    """AOS-P3: found as a refusal at the door, so that AÖS heard nothing and nobody here knew of it."""
    offer(awaited, "L1.purchase")
    (answer,) = awaited.bodies(CreditAnswer)
    assert (answer.authorised, answer.reason) == (False, "STATE_CONFLICT")
    assert (awaited.state("payment", "L1.purchase"), awaited.state("credit", "C1")) == ("awaiting_transfer", "declined")


@pytest.mark.parametrize("state", [state for state in PaymentState if state is not PaymentState.AWAITING_TRANSFER])
def test_money_that_names_a_payment_which_awaits_none_is_a_persons(awaited, state) -> None:
    """It is on our account whatever the payment thinks of it: refused at the door it would be in nobody's books."""
    payment = awaited.nouns["payment", "L1.purchase"]
    awaited.nouns["payment", "L1.purchase"] = replace(payment, state=state)
    arrived(awaited)
    assert awaited.state("payment", "L1.purchase") == state
    assert awaited.state("credit", "credit.azips.1") == "unmatched"


WORDS = [
    payments.Settled(reference="R", settled_at=OPEN, named=Named(rail=Rail.AOS)),
    payments.Rejected(code="AM04", reason="", named=Named(rail=Rail.AOS)),
    payments.Consented(msid="M", named=Named(rail=Rail.AOS)),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: type(word).__name__)
@pytest.mark.parametrize("state", ["awaiting_approval", "queued", "held", "awaiting_transfer"])
def test_a_word_of_a_rail_on_what_it_has_never_had_changes_nothing_and_a_person_is_told(awaited, state, word) -> None:
    payment = awaited.nouns["payment", "L1.purchase"]
    awaited.nouns["payment", "L1.purchase"] = before = replace(payment, state=PaymentState(state))
    awaited.tell("payment", "L1.purchase", word)
    assert awaited.nouns["payment", "L1.purchase"] == before
    assert [alarm.code for alarm in awaited.alarms] == ["STATUS_DEVIATES"]


@pytest.mark.parametrize(("word", "alarm"), [(WORDS[0], True), (WORDS[1], False), (WORDS[2], True)])
@pytest.mark.parametrize("state", ["queued", "held"])
def test_of_an_order_that_was_replaced_only_that_it_is_not_dead_is_news(awaited, state, word, alarm) -> None:
    """AOS-C2: while the order of the new day waits, it may have been executed all the same: it would be paid twice."""
    payment = replace(awaited.nouns["payment", "L1.purchase"], state=PaymentState(state), renewals=1)
    awaited.nouns["payment", "L1.purchase"] = payment
    awaited.tell("payment", "L1.purchase", replace(word, order_id="EHRNAZ22XXXX261122000000000000001"))
    assert awaited.nouns["payment", "L1.purchase"] == payment
    assert [each.code for each in awaited.alarms] == ["STATUS_REGRESSION"] * alarm


def test_a_transfer_that_does_not_come_is_raised_again_and_again(awaited) -> None:
    for _ in range(2):
        awaited.fire("payment", "L1.purchase", "transfer")
    assert [alarm.code for alarm in awaited.alarms] == ["TRANSFER_OVERDUE", "TRANSFER_OVERDUE"]
    assert awaited.state("payment", "L1.purchase") == "awaiting_transfer"


def test_above_the_custody_limit_nothing_leaves_before_two_persons_approve(routed, build) -> None:
    """VLT-3.2, VLT-4.1."""
    order(routed, build, amount=HUGE)
    assert routed.state("payment", "P1") == "awaiting_approval"
    approve(routed, "ALI")
    assert sent(routed) == []
    approve(routed, "LEYLA")
    assert sent(routed) == [(Channel.AZIPS, "P1")]
    assert routed.nouns["payment", "P1"].approvals == ("ALI", "LEYLA")


def test_at_the_custody_limit_nobody_is_asked(routed, build) -> None:
    order(routed, build, amount=CUSTODY.limit)
    assert sent(routed) == [(Channel.AZIPS, "P1")]


@pytest.mark.parametrize(
    ("person", "amount", "code"),
    [
        ("ALI", HUGE, ErrorCode.ALREADY_EXISTS),  # one person is one approval
        ("999101", HUGE, ErrorCode.NOT_PERMITTED),  # the maker, though on the list (VLT-4.4)
        ("VAQIF", HUGE, ErrorCode.NOT_PERMITTED),
        ("LEYLA", BIG, ErrorCode.AMOUNT_MISMATCH),  # approved another sum than is paid
    ],
)
def test_an_approval_that_does_not_count(routed, build, person, amount, code) -> None:
    """VLT-3.2, VLT-4.4."""
    order(routed, build, amount=HUGE)
    approve(routed, "ALI")
    with pytest.raises(RefusedError) as refused:
        approve(routed, person, amount)
    assert refused.value.refusal.code is code
    assert sent(routed) == []


def test_an_approval_of_another_account_does_not_count(routed, build) -> None:
    """VLT-3.2: what is approved is the sum and the account that the person has seen."""
    order(routed, build, amount=HUGE)
    approve(routed, "ALI")
    with pytest.raises(RefusedError) as refused:
        approve(routed, "LEYLA", iban="AZ69GNSN38010000000000020202")
    assert refused.value.refusal.code is ErrorCode.AMOUNT_MISMATCH
    assert routed.state("payment", "P1") == "awaiting_approval"


def test_a_person_on_the_list_may_decline(awaited, build) -> None:
    awaited.tell("lot", "L2", build.announced(starting_price=HUGE))
    awaited.tell("lot", "L2", lots.AuctionUnsold(held_at=awaited.now, reason="heç kim"))
    awaited.tell("offer", "L2.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    assert awaited.state("payment", "L2.purchase") == "awaiting_approval"
    awaited.tell("payment", "L2.purchase", payments.Declined(person="ALI", reason="sənəd yoxdur"))
    assert awaited.state("payment", "L2.purchase") == "refused"
    assert awaited.state("lot", "L2") == "held"


def test_the_rule_that_chose_the_route_is_journalled_with_its_version(routed, build) -> None:
    order(routed, build, amount=Money(1))
    chosen = choose(routed.nouns["payment", "P1"], routed.rules, routed.now)
    assert chosen == payments.RouteChosen(rail=payments.Rail.AOS, rule="aos.max_amount=40000.00 (v3)")
