"""Terms and their ends: a day is a day in Baku, and its last moment still counts (EHR-6, EHR-13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests_house import BANK_ACCOUNT, START, House, announced, bidder

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.domain.clock import add_business_days, add_calendar_days
from gateway.domain.dispatches import InvoiceOrder
from gateway.domain.events import collection as collections
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.money import Money
from gateway.domain.values import Purpose

LATE_IN_BAKU = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)  # half past midnight of the 24th there


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (START, 7, datetime(2026, 11, 30, 20, tzinfo=UTC)),
        (START, 0, datetime(2026, 11, 23, 20, tzinfo=UTC)),
        (LATE_IN_BAKU, 7, datetime(2026, 12, 1, 20, tzinfo=UTC)),
    ],
)
def test_a_term_of_calendar_days_ends_when_its_last_day_ends_in_baku(start: datetime, days: int, end: datetime) -> None:
    """EHR-13."""
    assert add_calendar_days(start, days) == end


@pytest.mark.parametrize(
    ("start", "end"),
    [(START, datetime(2026, 11, 30, 20, tzinfo=UTC)), (LATE_IN_BAKU, datetime(2026, 12, 1, 20, tzinfo=UTC))],
)
def test_a_term_of_business_days_passes_over_the_others(start: datetime, end: datetime) -> None:
    """EHR-6."""
    assert add_business_days(start, 5, lambda day: day.weekday() < 5) == end


def test_the_winner_has_until_the_end_of_the_seventh_day(house: House) -> None:
    """EHR-13: the invoice and the timer say the same."""
    house.tell("lot", "L1", announced())
    house.tell("lot", "L1", lots.BidderRegistered(bidder=bidder("B1")))
    for purpose in ("deposit", "participation-fee"):
        id = f"L1.{purpose}.B1"
        house.tell("collection", id, paid(house, id))
    house.tell("lot", "L1", lots.AuctionSold(held_at=house.now, winner="B1", price=Money(3_000_000)))
    (invoice,) = [order for order in house.bodies(InvoiceOrder) if order.purpose is Purpose.FINAL_AMOUNT]
    assert invoice.due == house.timers["lot", "L1", "default"].due == datetime(2026, 11, 30, 20, tzinfo=UTC)


def test_a_decision_at_the_very_deadline_counts_and_a_moment_later_none(house: House) -> None:
    """EHR-6."""
    house.tell("lot", "L1", announced())
    house.tell("lot", "L1", lots.AuctionUnsold(held_at=house.now, reason="nobody came"))
    house.now = house.nouns["offer", "L1.offer"].deadline + timedelta(microseconds=1)
    with pytest.raises(RefusedError) as error:
        house.tell("offer", "L1.offer", offers.Accepted(payer=BANK_ACCOUNT))
    assert error.value.refusal.code is ErrorCode.DEADLINE_PASSED
    house.now -= timedelta(microseconds=1)
    house.tell("offer", "L1.offer", offers.Accepted(payer=BANK_ACCOUNT))
    assert house.state("offer", "L1.offer") == "accepted"


@pytest.mark.parametrize(("operation", "alarms"), [("OP-1", []), ("OP-2", ["PAID_TWICE"])])
def test_money_told_twice_is_booked_once_and_other_money_for_the_same_is_a_persons(
    house: House, operation: str, alarms: list[str]
) -> None:
    """EHR-8: what Asan Pay tells under another id is nothing new, another operation is money too much."""
    house.tell("lot", "L1", announced())
    house.tell("lot", "L1", lots.BidderRegistered(bidder=bidder("B1")))
    id = "L1.deposit.B1"
    house.tell("collection", id, paid(house, id))
    before = house.nouns["collection", id]
    house.tell("collection", id, paid(house, id, operation))
    assert house.nouns["collection", id] == before
    assert [alarm.code for alarm in house.alarms] == alarms


def paid(house: House, id: str, operation: str = "OP-1") -> collections.Paid:
    wanted = house.nouns["collection", id]
    return collections.Paid(
        amount=wanted.amount, operation_number=operation, paid_at=house.now, case_number=wanted.case_number
    )
