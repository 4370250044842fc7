"""The forecast: nouns in, lines by source out. What AÖS must carry within the hour, as far as it is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_house import BANK_ACCOUNT, BIDDER_ACCOUNT, DEPOSIT_ACCOUNT, RULES, START, House, announced, bidder, ordered

from gateway.domain.credit.data import Credit, CreditState
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events import lot as lots
from gateway.domain.events.payment import Rail
from gateway.domain.forecast import EXAMPLES_MAX, Examined, Forecast, Source, foresee
from gateway.domain.liquidity import Liquidity, LiquidityState
from gateway.domain.lot import Lot, LotState
from gateway.domain.money import Money
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.rulebook import AzipsRule
from gateway.domain.values import DepositForm, Purpose
from gateway.doors.metrics import Metrics

HOUR = timedelta(hours=1)
AZIPS = AzipsRule(opens=time(9, 20), closes=time(17, 0), version="test")
MAXIMUM = RULES.rail.max_amount.minor
S = PaymentState


def payment(state: PaymentState, minor: int = 1_000, **changes: Any) -> Payment:
    house = House()
    house.tell("payment", "P1", ordered(debtor=DEPOSIT_ACCOUNT, creditor=BIDDER_ACCOUNT))
    made: Payment = house.nouns["payment", "P1"]
    values: dict[str, Any] = {"kind": PaymentKind.TRANSFER, "amount": Money(minor), "rail": None}
    return replace(made, state=state, **(values | changes))


def lot(within: timedelta, *deposits: int, state: LotState = LotState.ANNOUNCED) -> Lot:
    """Auctioned in so much time, with these deposits collected; a deposit is the lot's, so figures are set by hand."""
    house = House()
    house.tell("lot", "L1", announced(auction_at=START + within))
    for number, _ in enumerate(deposits):
        house.tell("lot", "L1", lots.BidderRegistered(bidder=bidder(f"B{number}")))
    made: Lot = house.nouns["lot", "L1"]
    bidders = tuple(
        replace(standing, deposit=Money(minor), deposit_paid=True)
        for standing, minor in zip(made.bidders, deposits, strict=True)
    )
    return replace(made, bidders=bidders, state=state)


def credit(state: CreditState, minor: int = 1_000) -> Credit:
    return Credit(
        state=state,
        lot_id="",
        owner="",
        message_id="M",
        end_to_end_id="E",
        transaction_id="T",
        amount=Money(minor),
        debtor_name="d",
        debtor_iban=BANK_ACCOUNT.iban,
        creditor_iban=DEPOSIT_ACCOUNT.iban,
        case_number=None,
    )


def forecast(*nouns: Examined, horizon: timedelta = HOUR, rules: Any = RULES, now: datetime = START) -> Forecast:
    return foresee(((f"N{number}", noun) for number, noun in enumerate(nouns)), rules, now, now + horizon)


@pytest.mark.parametrize(
    ("noun", "source", "minor"),
    [
        (payment(S.ORDERED), Source.UNDER_WAY, 1_000),
        (payment(S.ROUTED), Source.UNDER_WAY, 1_000),
        (payment(S.UNKNOWN), Source.UNDER_WAY, 1_000),
        (payment(S.UNRESOLVED), Source.UNDER_WAY, 1_000),
        (payment(S.AWAITING_APPROVAL), Source.APPROVAL, 1_000),
        (lot(timedelta(minutes=59), 700, 800), Source.AUCTION, 1_500),
        (lot(timedelta(hours=1), 700), Source.AUCTION, 700),
        (lot(timedelta(days=-2), 700), Source.AUCTION, 700),
        (credit(CreditState.RETURNING), Source.RETURN, 1_000),
        (credit(CreditState.RETURN_ASKED), Source.RECALL, 1_000),
    ],
    ids=lambda value: getattr(value, "state", None) if not isinstance(value, Source | int) else None,
)
def test_what_is_known_to_become_payable_is_counted(noun: Examined, source: Source, minor: int) -> None:
    """AOS-L2, EHR-10, AOS-T6: an auction that is overdue may close at any moment."""
    told = forecast(noun)
    (line,) = told.lines
    assert (line.source, line.rail, line.amount, line.examples) == (source, Rail.AOS, Money(minor), ("N0",))
    assert told.expected == Money(minor)


@pytest.mark.parametrize(
    "noun",
    [
        *(payment(state) for state in (S.SENT, S.SETTLED, S.REFUSED, S.RETURNED, S.HELD)),
        *(payment(state, kind=PaymentKind.REQUEST) for state in (S.ORDERED, S.UNKNOWN)),
        lot(timedelta(hours=1, seconds=1), 700),
        lot(timedelta(0), 700, state=LotState.AWAITING_FINAL_AMOUNT),
        *(credit(state) for state in (CreditState.SETTLED, CreditState.RETURNED, CreditState.UNMATCHED)),
    ],
    ids=lambda noun: f"{type(noun).__name__.lower()}-{noun.state}",
)
def test_what_costs_nothing_within_the_horizon_is_not_counted(noun: Examined) -> None:
    """AÖS holds what was sent; a request brings money in; final states and a later auction cost nothing now."""
    assert forecast(noun).lines == ()


@pytest.mark.parametrize("form", [DepositForm.GUARANTEE, DepositForm.EXEMPT])
def test_only_money_that_was_collected_goes_back(form: DepositForm) -> None:
    """EHR-11: a guarantee is released, not paid; an invoice that was not paid is cancelled."""
    closing = lot(timedelta(minutes=5), 700, 800)
    first, second = closing.bidders
    other = replace(first, bidder=replace(first.bidder, deposit_form=form))
    assert forecast(replace(closing, bidders=(other, replace(second, deposit_paid=False)))).lines == ()


def test_what_azips_carries_is_shown_and_does_not_burden_the_account_in_aos() -> None:
    """AOS-C9: each refund has a route of its own."""
    told = forecast(lot(timedelta(minutes=5), MAXIMUM, MAXIMUM + 1), rules=replace(RULES, azips=AZIPS))
    by_rail = {line.rail: line.amount.minor for line in told.lines}
    assert by_rail == {Rail.AOS: MAXIMUM, Rail.AZIPS: MAXIMUM + 1}
    assert told.expected == Money(MAXIMUM)


@pytest.mark.parametrize(("minutes", "minor", "rails"), [(61, 1, []), (60, 1, ["AZIPS"]), (60, 0, ["AOS"])])
def test_what_waits_for_the_window_counts_once_it_opens_within_the_horizon(minutes, minor, rails) -> None:
    """Monday 09:20 in Baku. The rule in force then decides: what AÖS carries by now goes there."""
    now = datetime(2026, 11, 23, 5, 20, tzinfo=UTC) - timedelta(minutes=minutes)
    told = forecast(payment(S.QUEUED, MAXIMUM + minor), rules=replace(RULES, azips=AZIPS), now=now)
    assert [(line.source, line.rail) for line in told.lines] == [(Source.WINDOW, rail) for rail in rails]


def test_a_line_names_the_dearest_nouns_and_no_more_than_a_person_reads() -> None:
    told = forecast(*(payment(S.ORDERED, minor) for minor in range(1, 9)))
    (line,) = told.lines
    assert (line.count, line.amount) == (8, Money(36))
    assert line.examples == ("N7", "N6", "N5", "N4", "N3")
    assert len(line.examples) == EXAMPLES_MAX


def test_metrics_show_the_account_and_the_forecast_in_whole_qepik() -> None:
    metrics, told = Metrics(), forecast(lot(timedelta(minutes=5), 700), payment(S.UNKNOWN, 50))
    standing = Liquidity(
        state=LiquidityState.SHORT, expected=told.expected, available=Money(10), until=told.until, lines=told.lines
    )
    metrics.watch_liquidity(lambda: standing)
    text = metrics.text().decode()
    assert 'eherrac_liquidity_qepik{amount="expected"} 750.0' in text
    assert 'eherrac_liquidity_qepik{amount="available"} 10.0' in text
    assert 'eherrac_forecast_qepik{rail="AOS",source="auction"} 700.0' in text


AMOUNTS = st.integers(1, 2 * MAXIMUM)
NOUNS = st.lists(
    st.one_of(
        st.builds(payment, st.sampled_from(list(PaymentState)), AMOUNTS),
        st.builds(credit, st.sampled_from(list(CreditState)), AMOUNTS),
        st.builds(
            lambda minutes, deposits: lot(timedelta(minutes=minutes), *deposits),
            st.integers(-200, 200),
            st.lists(AMOUNTS, max_size=3),
        ),
    ),
    max_size=6,
)


@given(nouns=NOUNS, more=NOUNS, minutes=st.integers(1, 180), longer=st.integers(0, 180))
def test_a_forecast_never_shrinks_by_more_nouns_or_a_longer_horizon_and_covers_what_is_under_way(
    nouns: list[Examined], more: list[Examined], minutes: int, longer: int
) -> None:
    """Money is counted in whole qəpik, every line once, and the order of the nouns changes nothing."""
    horizon = timedelta(minutes=minutes)
    told = forecast(*nouns, horizon=horizon)
    under_way = sum(
        noun.amount.minor
        for noun in nouns
        if isinstance(noun, Payment) and noun.state in (S.ORDERED, S.ROUTED, S.UNKNOWN) and noun.amount.minor <= MAXIMUM
    )
    assert told.expected.minor >= under_way
    assert all(type(line.amount.minor) is int and line.count > 0 for line in told.lines)
    assert told.expected.minor == sum(line.amount.minor for line in told.lines if line.rail is Rail.AOS)
    assert forecast(*nouns, *more, horizon=horizon).expected.minor >= told.expected.minor
    assert forecast(*nouns, horizon=horizon + timedelta(minutes=longer)).expected.minor >= told.expected.minor
    assert forecast(*reversed(nouns), horizon=horizon).expected == told.expected


def test_a_lot_is_expected_by_the_store_until_its_auction_is_closed() -> None:
    from gateway.domain.lot import TABLE

    open_lot = lot(timedelta(minutes=5), 700)
    assert TABLE.expected_at(open_lot) == open_lot.auction_at
    assert TABLE.expected_at(replace(open_lot, state=LotState.OFFERED)) is None


def test_the_purpose_of_a_deposit_is_what_comes_back() -> None:
    """EHR-10: the participation fee stays."""
    house = House()
    house.tell("lot", "L1", announced(auction_at=START + HOUR))
    house.tell("lot", "L1", lots.BidderRegistered(bidder=bidder()))
    paid = lots.CollectionPaid(
        collection_id="c", purpose=Purpose.PARTICIPATION_FEE, bidder_id="B1", operation_number="1", paid_at=START
    )
    house.tell("lot", "L1", paid)
    assert forecast(house.nouns["lot", "L1"]).lines == ()
