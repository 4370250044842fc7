"""Lot: from the announcement to the protocol, by the rules of its regime."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.domain.collection import CollectionState
from gateway.domain.dispatches import (
    AuctionResult,
    InvoiceCancellation,
    InvoiceOrder,
    Notice,
    NoticeKind,
    PaymentKind,
    PaymentOrder,
    ProtocolDelivery,
    SealOrder,
)
from gateway.domain.events import collection as collections
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import payment as payments
from gateway.domain.events import protocol as protocols
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.values import DepositForm, Purpose, Regime


def refused(house, noun, id, event) -> ErrorCode:
    with pytest.raises(RefusedError) as error:
        house.tell(noun, id, event)
    return error.value.refusal.code


def pay(house, collection: str, **changes) -> None:
    wanted = house.nouns["collection", collection]
    values = {
        "amount": wanted.amount,
        "operation_number": f"OP-{collection}",
        "paid_at": house.now,
        "case_number": wanted.case_number,
    }
    house.tell("collection", collection, collections.Invoiced(number=f"INV-{collection}"))
    house.tell("collection", collection, collections.Paid(**(values | changes)))


@pytest.fixture
def bidding(house, build):
    """Three bidders as in the demonstration: two with money, all paid, one with a guarantee."""
    house.tell("lot", "L1", build.announced())
    for id in ("B1", "B2"):
        house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder(id)))
        pay(house, f"L1.deposit.{id}")
        pay(house, f"L1.participation-fee.{id}")
    guarantee = build.bidder(
        "B3", deposit_form=DepositForm.GUARANTEE, refund_account=None, guarantee_reference="Q-3", guarantor="999202"
    )
    house.tell("lot", "L1", lots.BidderRegistered(bidder=guarantee))
    pay(house, "L1.participation-fee.B3")
    return house


def sold(house, winner="B1", price=3_000_000):
    return lots.AuctionSold(held_at=house.now, winner=winner, price=Money(price))


def test_an_enforcement_lot_needs_its_case_number(house, build) -> None:
    """EHR-12."""
    assert refused(house, "lot", "L1", build.announced(case_number=None)) is ErrorCode.CASE_NUMBER_MISSING


def test_a_regime_without_a_rule_in_force_is_refused(house, build) -> None:
    assert refused(house, "lot", "L1", build.announced(regime=Regime.TAX)) is ErrorCode.REGIME_UNKNOWN


def test_everybody_but_the_claimant_owes_the_deposit_of_the_regime(house, build) -> None:
    """EHR-3, EHR-13: 5 % of the starting price; the claimant owes none."""
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B1")))
    claimant = build.bidder("999101", deposit_form=DepositForm.EXEMPT, refund_account=None)
    house.tell("lot", "L1", lots.BidderRegistered(bidder=claimant))
    asked = {(order.purpose, order.collection_id): order.amount for order in house.bodies(InvoiceOrder)}
    assert asked[Purpose.DEPOSIT, "L1.deposit.B1"] == Money(100_000)
    assert (Purpose.DEPOSIT, "L1.deposit.999101") not in asked


def test_nobody_else_is_exempt_from_the_deposit(house, build) -> None:
    """EHR-3."""
    house.tell("lot", "L1", build.announced())
    stranger = lots.BidderRegistered(bidder=build.bidder("B9", deposit_form=DepositForm.EXEMPT))
    assert refused(house, "lot", "L1", stranger) is ErrorCode.NOT_PERMITTED


def test_every_invoice_of_an_enforcement_lot_carries_its_case_number(bidding) -> None:
    """EHR-12."""
    assert {order.case_number for order in bidding.bodies(InvoiceOrder)} == {"5-1/2026"}


@pytest.mark.parametrize("case_number", [None, "5-2/2026"])
def test_money_without_the_right_case_number_is_not_accepted(house, build, case_number) -> None:
    """EHR-12: without it nothing is accepted."""
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B1")))
    with pytest.raises(RefusedError) as error:
        pay(house, "L1.deposit.B1", case_number=case_number)
    assert error.value.refusal.code is ErrorCode.CASE_NUMBER_MISSING


def test_a_winner_must_have_paid_deposit_and_fee(house, build) -> None:
    """EHR-3, EHR-11."""
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B1")))
    assert refused(house, "lot", "L1", sold(house)) is ErrorCode.WINNER_NOT_ADMITTED
    pay(house, "L1.deposit.B1")
    assert refused(house, "lot", "L1", sold(house)) is ErrorCode.WINNER_NOT_ADMITTED
    pay(house, "L1.participation-fee.B1")
    house.tell("lot", "L1", sold(house))
    assert house.state("lot", "L1") == "awaiting_final_amount"


def test_losers_money_goes_back_and_guarantees_are_released(bidding) -> None:
    """EHR-10, EHR-11: only money is refunded, by a pacs.008 that carries the case number (EHR-12)."""
    bidding.tell("lot", "L1", sold(bidding))
    (refund,) = bidding.bodies(PaymentOrder)
    assert (refund.kind, refund.amount) == (PaymentKind.TRANSFER, Money(100_000))
    assert refund.case_number == "5-1/2026"
    assert bidding.state("guarantee", "L1.guarantee.B3") == "released"
    assert bidding.state("collection", "L1.deposit.B1") == "paid"
    bidding.tell("payment", "L1.refund.B2", payments.Settled(reference="R", settled_at=bidding.now))
    assert bidding.state("collection", "L1.deposit.B2") == "refunded"


@pytest.mark.parametrize("close", ["sold", "unsold", "cancelled"])
def test_a_deposit_goes_back_in_its_term_and_is_expected_to_until_it_has(bidding, close) -> None:
    """EHR-10, EHR-13: seven calendar days of Baku, from the day of the closing."""
    closed = {
        "sold": sold(bidding),
        "unsold": lots.AuctionUnsold(held_at=bidding.now, reason="heç kim"),
        "cancelled": lots.AuctionCancelled(reason="məhkəmə"),
    }
    bidding.tell("lot", "L1", closed[close])
    expected = TABLES["collection"].expected_at
    assert expected(bidding.nouns["collection", "L1.deposit.B2"]) == datetime(2026, 11, 30, 20, tzinfo=UTC)
    bidding.tell("payment", "L1.refund.B2", payments.Settled(reference="R", settled_at=bidding.now))
    assert expected(bidding.nouns["collection", "L1.deposit.B2"]) is None


def test_a_deposit_paid_after_the_closing_goes_back_in_the_same_term(bidding, build) -> None:
    """EHR-13: the payer was asked before the auction closed, the money came after it."""
    bidding.tell("lot", "L1", sold(bidding))
    paid = lots.CollectionPaid(
        collection_id="L1.deposit.B2",
        purpose=Purpose.DEPOSIT,
        bidder_id="B2",
        operation_number="OP",
        paid_at=bidding.now,
    )
    before = bidding.nouns["collection", "L1.deposit.B2"]
    bidding.nouns["collection", "L1.deposit.B2"] = replace(before, state=CollectionState.PAID, refund_due=None)
    del bidding.nouns["payment", "L1.refund.B2"]
    bidding.tell("lot", "L1", paid)
    assert bidding.nouns["collection", "L1.deposit.B2"].refund_due == datetime(2026, 11, 30, 20, tzinfo=UTC)


def test_the_winner_owes_the_price_less_the_deposit_and_then_the_protocol_is_drawn_up(bidding) -> None:
    """EHR-7."""
    bidding.tell("lot", "L1", sold(bidding))
    assert bidding.nouns["collection", "L1.final-amount.B1"].amount == Money(2_900_000)
    pay(bidding, "L1.final-amount.B1")
    assert bidding.state("collection", "L1.deposit.B1") == "applied"
    (order,) = bidding.bodies(SealOrder)
    assert order.content.result is AuctionResult.SOLD
    assert order.content.price == Money(3_000_000)
    assert order.content.recipients == ("ECONOMY", "JUSTICE", "INTERIOR")


def test_a_voluntary_sale_has_its_service_fee(house, build) -> None:
    """EHR-13: 2 % on voluntary sales only."""
    house.tell("lot", "L1", build.announced(regime=Regime.VOLUNTARY, case_number=None))
    house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B1")))
    pay(house, "L1.deposit.B1")
    pay(house, "L1.participation-fee.B1")
    house.tell("lot", "L1", sold(house))
    assert house.nouns["collection", "L1.final-amount.B1"].amount == Money(3_000_000 + 60_000 - 100_000)


def test_a_winner_who_does_not_pay_in_time_forfeits_the_deposit(bidding) -> None:
    """EHR-13: seven calendar days; then the deposit stays and a person decides."""
    bidding.tell("lot", "L1", sold(bidding))
    due = bidding.timers["lot", "L1", "default"].due
    assert timedelta(days=7) <= due - bidding.now < timedelta(days=8)
    bidding.fire("lot", "L1", "default")
    assert bidding.state("lot", "L1") == "defaulted"
    assert bidding.state("collection", "L1.deposit.B1") == "forfeited"
    assert bidding.state("collection", "L1.final-amount.B1") == "cancelled"
    assert bidding.bodies(SealOrder) == []
    told = {notice.state for notice in bidding.bodies(Notice) if notice.kind is NoticeKind.LOT_HELD}
    assert told == {"defaulted"}


def test_who_won_and_did_not_pay_is_barred_from_the_lot(bidding, build) -> None:
    """EHR-13."""
    bidding.tell("lot", "L1", sold(bidding))
    bidding.fire("lot", "L1", "default")
    again, another = (lots.BidderRegistered(bidder=build.bidder(id)) for id in ("B1", "B9"))
    assert refused(bidding, "lot", "L1", again) is ErrorCode.BARRED
    assert refused(bidding, "lot", "L1", another) is ErrorCode.STATE_CONFLICT


def test_money_for_a_cancelled_invoice_is_written_down_as_it_came(house, build) -> None:
    """How much came, the person who gives it back must know: only the amount of the invoice was kept."""
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B1")))
    house.tell("lot", "L1", lots.AuctionCancelled(reason="məhkəmə"))
    pay(house, "L1.deposit.B1", amount=Money(7_700), operation_number="OP-LATE")
    assert house.nouns["collection", "L1.deposit.B1"].received == Money(7_700)
    assert house.alarms[-1].facts == {"collection": "L1.deposit.B1", "received": "77.00", "operation": "OP-LATE"}
    notices = {notice.state: notice.amount for notice in house.bodies(Notice) if notice.subject_id == "L1.deposit.B1"}
    assert notices["paid_late"] == Money(7_700)


def test_a_winner_with_a_guarantee_who_does_not_pay_has_it_called(bidding) -> None:
    """EHR-11, EHR-13: the guarantee stands for the deposit, so it is what is lost."""
    bidding.tell("lot", "L1", sold(bidding, winner="B3"))
    bidding.fire("lot", "L1", "default")
    assert bidding.state("guarantee", "L1.guarantee.B3") == "called"


@pytest.mark.parametrize("start", [1, 9], ids=["0.01", "0.09"])
def test_of_the_least_lots_too_everybody_pays_a_deposit_and_one_that_covers_the_price_is_told(house, build, start):
    """EHR-3, EHR-13: found by simulation, an invoice over 0.00 is one that nobody can make."""
    house.tell("lot", "L1", build.announced(starting_price=Money(start)))
    house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B1")))
    assert house.nouns["collection", "L1.deposit.B1"].amount == Money(1)
    pay(house, "L1.deposit.B1")
    pay(house, "L1.participation-fee.B1")
    house.tell("lot", "L1", sold(house, price=start))
    assert (("collection", "L1.final-amount.B1") in house.nouns) == (start > 1)
    assert ("DEPOSIT_COVERS_PRICE" in {alarm.code for alarm in house.alarms}) == (start == 1)
    if start == 1:
        assert (house.state("lot", "L1"), house.state("collection", "L1.deposit.B1")) == ("drawing_up", "applied")


@pytest.mark.parametrize("event", ["sold to a rival", "sold", "unsold", "cancelled"])
def test_where_the_regime_wants_no_deposit_none_is_invoiced_and_none_goes_back(house, build, event) -> None:
    """EHR-13: of 0 % an invoice over 0.00 was made, which nobody can pay: nobody could win."""
    house.rules = replace(house.rules, regimes=(build.regime_rule(Regime.ENFORCEMENT, deposit_bp=0),))
    house.tell("lot", "L1", build.announced())
    for id in ("B1", "B2"):
        house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder(id)))
        pay(house, f"L1.participation-fee.{id}")
    closed = {
        "sold to a rival": sold(house, winner="B2"),
        "sold": sold(house),
        "unsold": lots.AuctionUnsold(held_at=house.now, reason="heç kim"),
        "cancelled": lots.AuctionCancelled(reason="məhkəmə"),
    }
    house.tell("lot", "L1", closed[event])
    assert {order.purpose for order in house.bodies(InvoiceOrder)} <= {Purpose.PARTICIPATION_FEE, Purpose.FINAL_AMOUNT}
    if event == "sold":
        assert house.nouns["collection", "L1.final-amount.B1"].amount == Money(3_000_000)
        house.fire("lot", "L1", "default")
        assert house.state("lot", "L1") == "defaulted"


def test_nobody_buys_below_the_starting_price(bidding) -> None:
    """EHR-14: the deposit, a share of it, might be more than such a price, and the rest of it went nowhere."""
    assert refused(bidding, "lot", "L1", sold(bidding, price=1_999_999)) is ErrorCode.AMOUNT_MISMATCH
    assert bidding.state("lot", "L1") == "announced"
    bidding.tell("lot", "L1", sold(bidding, price=2_000_000))
    assert bidding.state("lot", "L1") == "awaiting_final_amount"


def test_the_protocol_says_when_the_auction_was_held_and_not_when_it_was_to_be(bidding) -> None:
    """EHR-16: it said the announced time, whatever the platform had told."""
    held_at = bidding.now - timedelta(minutes=40)
    bidding.tell("lot", "L1", replace(sold(bidding), held_at=held_at))
    pay(bidding, "L1.final-amount.B1")
    (order,) = bidding.bodies(SealOrder)
    assert order.content.auction_at == held_at


def test_an_invoice_that_asan_pay_would_not_make_keeps_no_auction_from_closing(house, build) -> None:
    """Found by simulation: the closing, and the winner's default, were refused with STATE_CONFLICT."""
    house.tell("lot", "L1", build.announced())
    for id in ("B1", "B2"):
        house.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder(id)))
    pay(house, "L1.deposit.B1")
    pay(house, "L1.participation-fee.B1")
    house.tell("collection", "L1.deposit.B2", collections.InvoiceRefused(code="NO", reason="never"))
    house.tell("lot", "L1", sold(house))
    assert house.state("collection", "L1.deposit.B2") == "cancelled"
    house.tell("collection", "L1.final-amount.B1", collections.InvoiceRefused(code="NO", reason="never"))
    house.fire("lot", "L1", "default")
    assert house.state("lot", "L1") == "defaulted"
    assert house.bodies(InvoiceCancellation) == []  # of B2's deposit; its fee was not invoiced yet


def unsold(house):
    return lots.AuctionUnsold(held_at=house.now, reason="heç kim")


@pytest.fixture
def offered(house, build):
    house.tell("lot", "L1", build.announced())
    house.tell("lot", "L1", unsold(house))
    return house


def test_an_unsold_lot_is_offered_to_its_claimant_bank(offered) -> None:
    """EHR-5, EHR-14."""
    notices = [send for send in offered.sent if isinstance(send.body, Notice)]
    assert [(send.recipient, send.body.kind) for send in notices] == [
        ("999101", NoticeKind.OFFER_OPENED),
        ("EHERRAC", NoticeKind.OFFER_OPENED),
    ]


def test_when_nobody_buys_every_deposit_goes_back(bidding) -> None:
    """EHR-10, EHR-11: there is no winner to keep one of."""
    bidding.tell("lot", "L1", unsold(bidding))
    assert [bidding.state("collection", f"L1.deposit.{id}") for id in ("B1", "B2")] == ["refunding"] * 2
    assert bidding.state("guarantee", "L1.guarantee.B3") == "released"


def test_the_answer_period_is_counted_in_business_days(offered) -> None:
    """EHR-6: five business days from a Monday end with the next Monday."""
    deadline = offered.nouns["offer", "L1.offer"].deadline
    assert deadline == offered.timers["offer", "L1.offer", "lapse"].due
    assert (deadline - timedelta(seconds=1)).weekday() == 0
    assert timedelta(days=7) <= deadline - offered.now < timedelta(days=8)


def test_a_mortgagee_takes_the_object_at_most_a_quarter_below_its_starting_price(house, build) -> None:
    """EHR-14."""
    house.tell("lot", "L1", build.announced(regime=Regime.MORTGAGE, case_number=None))
    house.tell("lot", "L1", unsold(house))
    assert house.nouns["offer", "L1.offer"].amount == Money(1_500_000)


@pytest.mark.parametrize(("answer", "reason"), [("declined", "claimant_refused"), ("lapsed", "claimant_lapsed")])
def test_refusal_and_silence_both_lead_to_a_protocol_of_an_auction_not_held(offered, answer, reason) -> None:
    """EHR-6, EHR-7: silence is an answer too."""
    if answer == "lapsed":
        offered.fire("offer", "L1.offer", "lapse")
    else:
        offered.tell("offer", "L1.offer", offers.Declined(reason="lazım deyil"))
    assert offered.state("offer", "L1.offer") == answer
    (order,) = offered.bodies(SealOrder)
    assert (order.content.result, order.content.reason) == (AuctionResult.NOT_HELD, reason)
    assert offered.bodies(PaymentOrder) == []


def test_a_decision_after_the_deadline_is_refused_even_before_the_timer_fired(offered, build) -> None:
    """EHR-6."""
    offered.now = offered.nouns["offer", "L1.offer"].deadline + timedelta(seconds=1)
    accepted = offers.Accepted(payer=build.BANK_ACCOUNT)
    assert refused(offered, "offer", "L1.offer", accepted) is ErrorCode.DEADLINE_PASSED


@pytest.mark.parametrize(
    "changes", [{"bic": "GNSNAZ22"}, {"iban": "AZ69GNSN38010000000000020202"}, {"bic": "GNSNAZ22XXX"}]
)
def test_the_bank_pays_from_an_account_of_its_own(offered, build, changes) -> None:
    payer = replace(build.BANK_ACCOUNT, **changes)
    code = refused(offered, "offer", "L1.offer", offers.Accepted(payer=payer))
    assert code is ErrorCode.ACCOUNT_MISMATCH


def test_the_claimant_pays_what_it_was_offered_it_for(house, build) -> None:
    """EHR-14: of a mortgagee three quarters; the order, the price of the lot and the protocol say the same."""
    house.tell("lot", "L1", build.announced(regime=Regime.MORTGAGE, case_number=None))
    house.tell("lot", "L1", unsold(house))
    assert house.nouns["offer", "L1.offer"].title == "Mənzil"
    house.tell("offer", "L1.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    (order,) = house.bodies(PaymentOrder)
    house.tell("payment", "L1.purchase", payments.Settled(reference="R", settled_at=house.now))
    (drawn,) = house.bodies(SealOrder)
    asked = house.nouns["offer", "L1.offer"].amount
    assert asked == order.amount == house.nouns["lot", "L1"].price == drawn.content.price == Money(1_500_000)


@pytest.mark.parametrize("second", ["accept", "decline"])
def test_a_decision_is_made_once(offered, build, second) -> None:
    accepted = offers.Accepted(payer=build.BANK_ACCOUNT)
    offered.tell("offer", "L1.offer", accepted)
    again = accepted if second == "accept" else offers.Declined()
    assert refused(offered, "offer", "L1.offer", again) is ErrorCode.ALREADY_DECIDED


def test_money_refused_by_the_banks_core_is_told_and_waits_for_a_person(offered, build) -> None:
    """The demonstration's lot D: no protocol without money (EHR-7)."""
    offered.tell("offer", "L1.offer", offers.Accepted(payer=build.BANK_ACCOUNT))
    offered.tell("payment", "L1.purchase", payments.Rejected(code="AM04", reason="vəsait çatmır"))
    assert offered.state("lot", "L1") == "held"
    held = [send.recipient for send in offered.sent if getattr(send.body, "kind", "") == NoticeKind.LOT_HELD]
    assert held == ["999101", "EHERRAC"]
    assert offered.bodies(SealOrder) == []


def test_a_sealed_protocol_goes_to_every_authority_and_each_receipt_counts_once(offered) -> None:
    """EHR-7."""
    offered.tell("offer", "L1.offer", offers.Declined())
    sealed = protocols.Sealed(document_id="D1", sha256="aa", sealed_at=offered.now)
    offered.tell("protocol", "L1.protocol", sealed)
    assert offered.state("lot", "L1") == "concluded"
    assert len(offered.bodies(ProtocolDelivery)) == 3

    def receipt(authority, sha256="aa", **more):
        return protocols.Receipted(
            authority=authority, receipt_id=f"R-{authority}", sha256=sha256, received_at=offered.now, **more
        )

    assert refused(offered, "protocol", "L1.protocol", receipt("ECONOMY", "bb")) is ErrorCode.DIGEST_MISMATCH
    assert refused(offered, "protocol", "L1.protocol", receipt("CUSTOMS")) is ErrorCode.NOT_PERMITTED
    for authority in ("ECONOMY", "ECONOMY", "JUSTICE"):
        offered.tell("protocol", "L1.protocol", receipt(authority))
    assert offered.state("protocol", "L1.protocol") == "sealed"
    offered.tell("protocol", "L1.protocol", receipt("INTERIOR"))
    assert offered.state("protocol", "L1.protocol") == "delivered"
    offered.tell("protocol", "L1.protocol", receipt("ECONOMY", number="2026/L1"))
    assert refused(offered, "protocol", "L1.protocol", receipt("ECONOMY", "bb")) is ErrorCode.DIGEST_MISMATCH
    assert refused(offered, "protocol", "L1.protocol", receipt("CUSTOMS")) is ErrorCode.NOT_PERMITTED
    another = receipt("ECONOMY", number="2026/L2")
    assert refused(offered, "protocol", "L1.protocol", another) is ErrorCode.PROTOCOL_UNKNOWN


def test_a_protocol_sealed_without_its_time_stamp_goes_its_way_and_a_person_is_told(offered) -> None:
    offered.tell("offer", "L1.offer", offers.Declined())
    sealed = protocols.Sealed(document_id="D", sha256="aa", sealed_at=offered.now, unstamped="authority away")
    offered.tell("protocol", "L1.protocol", sealed)
    assert len(offered.bodies(ProtocolDelivery)) == 3
    assert (offered.alarms[-1].code, offered.alarms[-1].facts["reason"]) == ("SEAL_UNSTAMPED", "authority away")


def test_a_missing_receipt_is_raised_to_a_person_and_still_counts_when_it_comes(offered) -> None:
    """EHR-7."""
    offered.tell("offer", "L1.offer", offers.Declined())
    offered.tell("protocol", "L1.protocol", protocols.Sealed(document_id="D", sha256="aa", sealed_at=offered.now))
    offered.fire("protocol", "L1.protocol", "receipts")
    assert offered.state("protocol", "L1.protocol") == "overdue"
    assert offered.alarms[-1].facts["authorities"] == "ECONOMY, JUSTICE, INTERIOR"
    for authority in ("ECONOMY", "JUSTICE", "INTERIOR"):
        event = protocols.Receipted(authority=authority, receipt_id=authority, sha256="aa", received_at=offered.now)
        offered.tell("protocol", "L1.protocol", event)
    assert offered.state("protocol", "L1.protocol") == "delivered"


def test_cancelling_an_auction_takes_back_what_is_unpaid_and_returns_what_is_paid(bidding, build) -> None:
    """EHR-10."""
    bidding.tell("lot", "L1", lots.BidderRegistered(bidder=build.bidder("B4")))
    bidding.tell("collection", "L1.deposit.B4", collections.Invoiced(number="INV-4"))
    bidding.tell("lot", "L1", lots.AuctionCancelled(reason="məhkəmə"))
    assert {order.payment_id for order in bidding.bodies(PaymentOrder)} == {"L1.refund.B1", "L1.refund.B2"}
    assert [order.invoice_number for order in bidding.bodies(InvoiceCancellation)] == ["INV-4"]
    assert bidding.state("lot", "L1") == "cancelled"


@pytest.mark.parametrize("state", ["paid", "applied", "refunding", "refunded", "refund_held", "forfeited", "paid_late"])
def test_whatever_became_of_the_money_the_word_of_its_invoice_and_of_its_payment_may_come_late(bidding, state) -> None:
    """Found on a starved machine: what no state took was lost (the invoice's number) or refused (the payment)."""
    id, paid = "L1.deposit.B1", bidding.nouns["collection", "L1.deposit.B1"]
    bidding.nouns["collection", id] = replace(paid, state=CollectionState(state))
    pay(bidding, id)
    assert bidding.state("collection", id) == state
    assert bidding.alarms == []


AMOUNTS = st.integers(min_value=1, max_value=10**12)


@given(price=AMOUNTS, bp=st.integers(min_value=0, max_value=10_000))
@settings(max_examples=300, deadline=None)
def test_a_share_and_the_rest_make_the_whole(price, bp) -> None:
    """Money is conserved: what is held as deposit and what is still owed are the price."""
    whole = Money(price)
    share = whole.share(bp)
    assert (whole - share) + share == whole
    assert abs(share.minor * 10_000 - price * bp) <= 5_000


@given(
    starting=st.integers(min_value=100, max_value=70_000_000),
    price=st.integers(min_value=100, max_value=70_000_000),
)
@settings(max_examples=100, deadline=None)
def test_over_every_path_the_money_collected_is_the_money_owed(starting, price) -> None:
    """Collected from the winner: exactly the price; paid back to the loser: exactly the deposit (EHR-10)."""
    from tests_house import House, announced, bidder

    house = House()
    house.tell("lot", "L1", announced(starting_price=Money(starting)))
    for id in ("B1", "B2"):
        house.tell("lot", "L1", lots.BidderRegistered(bidder=bidder(id)))
        pay(house, f"L1.deposit.{id}")
        pay(house, f"L1.participation-fee.{id}")
    house.tell("lot", "L1", sold(house, price=max(price, starting)))
    pay(house, "L1.final-amount.B1")
    amounts = {id: noun.amount for (kind, id), noun in house.nouns.items() if kind == "collection"}
    assert amounts["L1.deposit.B1"] + amounts["L1.final-amount.B1"] == Money(max(price, starting))
    refunds = [noun for (kind, _), noun in house.nouns.items() if kind == "payment"]
    assert [refund.amount for refund in refunds] == [amounts["L1.deposit.B2"]]
