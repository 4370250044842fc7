"""Events of the auction platform: read strictly, each fault with its code and its place (issue 2, bad input)."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.events.platform import parse_event
from contracts.fields import iban_is_valid, make_iban
from gateway.domain.events import lot as lots
from gateway.domain.money import Money
from gateway.domain.values import DepositForm, Regime
from gateway.doors.mapping import domain_event, event_target

ANNOUNCED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "EHERRAC",
    "type": "az.eherrac.lot.announced.v1",
    "time": "2026-11-22T10:00:00+04:00",
    "subject": "LOT-A",
    "datacontenttype": "application/json",
    "data": {
        "title": "İki otaqlı mənzil (nümunə)",
        "address": "Bakı şəhəri, Nümunə küçəsi 1",
        "regime": "enforcement",
        "claimant": "999101",
        "startingPrice": "18750.00",
        "auctionAt": "2026-11-22T12:00:00Z",
        "caseNumber": "5-1234/2026",
    },
}
ACCOUNT = {"holder": "Nümunə Alıcı", "iban": make_iban("XZRN", "1"), "bic": "XZRNAZ22", "taxId": "1234567"}
REGISTERED: dict[str, Any] = {
    **ANNOUNCED,
    "type": "az.eherrac.bidder.registered.v1",
    "data": {
        "bidderId": "B1",
        "name": "Nümunə Alıcı",
        "taxId": "1234567",
        "depositForm": "money",
        "refundAccount": ACCOUNT,
    },
}
CLOSED: dict[str, Any] = {
    **ANNOUNCED,
    "type": "az.eherrac.auction.closed.v1",
    "data": {"result": "sold", "heldAt": "2026-11-22T12:30:00Z", "winnerId": "B1", "price": "20000.00"},
}


def changed(event: dict[str, Any], path: str, value: object) -> bytes:
    """The event with the member at a dotted path replaced, or taken out where the value is `...`."""
    document = copy.deepcopy(event)
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return orjson.dumps(document)


C = ErrorCode
BAD: list[tuple[dict[str, Any], str, object, ErrorCode, str]] = [
    (ANNOUNCED, "data.startingPrice", 18750, C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", 18750.5, C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "18750.005", C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "-1.00", C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "NaN", C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "1e3", C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "0.00", C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "١٢.٠٠", C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", None, C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", True, C.AMOUNT_INVALID, "/data/startingPrice"),
    (ANNOUNCED, "data.startingPrice", "1.00\n", C.AMOUNT_INVALID, "/data/startingPrice"),
    (CLOSED, "data.price", "20000", C.AMOUNT_INVALID, "/data/price"),
    (REGISTERED, "data.refundAccount.iban", "AZ00XZRN00000000000000000001", C.IBAN_INVALID, "/data/refundAccount/iban"),
    (REGISTERED, "data.refundAccount.iban", "DE02120300000000202051", C.IBAN_INVALID, "/data/refundAccount/iban"),
    (REGISTERED, "data.refundAccount.iban", 5, C.IBAN_INVALID, "/data/refundAccount/iban"),
    (ANNOUNCED, "time", "2026-11-22T10:00:00", C.TIME_INVALID, "/time"),
    (ANNOUNCED, "data.auctionAt", "2026-02-30T10:00:00Z", C.TIME_INVALID, "/data/auctionAt"),
    (ANNOUNCED, "data.auctionAt", 1732270000, C.TIME_INVALID, "/data/auctionAt"),
    (ANNOUNCED, "data.regime", "barter", C.REGIME_UNKNOWN, "/data/regime"),
    (ANNOUNCED, "data.regime", ["tax"], C.REGIME_UNKNOWN, "/data/regime"),
    (ANNOUNCED, "data.claimant", "99910", C.SCHEMA_INVALID, "/data/claimant"),
    (ANNOUNCED, "data.claimant", 999101, C.SCHEMA_INVALID, "/data/claimant"),
    (ANNOUNCED, "data.title", "", C.SCHEMA_INVALID, "/data/title"),
    (ANNOUNCED, "data.title", " boş yerlə", C.SCHEMA_INVALID, "/data/title"),
    (ANNOUNCED, "data.title", "iki\nsətir", C.SCHEMA_INVALID, "/data/title"),
    (ANNOUNCED, "data.title", ..., C.SCHEMA_INVALID, "/data/title"),
    (ANNOUNCED, "data.extra", 1, C.SCHEMA_INVALID, "/data/extra"),
    (ANNOUNCED, "data.starting_price", "1.00", C.SCHEMA_INVALID, "/data/starting_price"),
    (ANNOUNCED, "data", [], C.SCHEMA_INVALID, "/data"),
    (ANNOUNCED, "subject", "../etc", C.SCHEMA_INVALID, "/subject"),
    (ANNOUNCED, "id", "", C.SCHEMA_INVALID, "/id"),
    (ANNOUNCED, "specversion", "0.3", C.SCHEMA_INVALID, "/specversion"),
    (ANNOUNCED, "type", "az.eherrac.lot.sold.v9", C.OPERATION_UNKNOWN, ""),
    (ANNOUNCED, "type", 7, C.SCHEMA_INVALID, "/type"),
    (REGISTERED, "data.taxId", "12345", C.SCHEMA_INVALID, "/data/taxId"),
    (REGISTERED, "data.depositForm", "promise", C.SCHEMA_INVALID, "/data/depositForm"),
    (REGISTERED, "data.refundAccount", None, C.SCHEMA_INVALID, "/data"),
    (REGISTERED, "data.depositForm", "guarantee", C.SCHEMA_INVALID, "/data"),
    (CLOSED, "data.winnerId", ..., C.SCHEMA_INVALID, "/data"),
    (CLOSED, "data.result", "unsold", C.SCHEMA_INVALID, "/data"),
]


@pytest.mark.parametrize(("event", "place", "value", "code", "path"), BAD, ids=[f"{row[1]}={row[2]!r}" for row in BAD])
def test_a_faulty_event_is_refused_with_code_and_path(
    event: dict[str, Any], place: str, value: object, code: ErrorCode, path: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_event(changed(event, place, value))
    assert caught.value.refusal.code is code
    assert caught.value.refusal.facts.get("path", "") == path


def test_an_event_that_is_no_object_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        parse_event(b"[]")
    assert caught.value.refusal.code is ErrorCode.SCHEMA_INVALID


def test_an_announcement_speaks_to_its_lot_in_the_words_of_the_trade() -> None:
    event = parse_event(orjson.dumps(ANNOUNCED))
    assert (event_target(event).noun, event_target(event).id) == ("lot", "LOT-A")
    assert domain_event(event) == lots.Announced(
        regime=Regime.ENFORCEMENT,
        title="İki otaqlı mənzil (nümunə)",
        address="Bakı şəhəri, Nümunə küçəsi 1",
        claimant="999101",
        starting_price=Money(1_875_000),
        auction_at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        case_number="5-1234/2026",
    )


def test_an_enforcement_lot_without_case_number_is_left_to_the_domain_to_refuse() -> None:
    """EHR-12 is a rule of the regime, not of the schema."""
    event = domain_event(parse_event(changed(ANNOUNCED, "data.caseNumber", ...)))
    assert isinstance(event, lots.Announced)
    assert event.case_number is None


def test_a_bidder_is_read_with_its_deposit_form() -> None:
    """EHR-11: money, guarantee or exempt."""
    money = domain_event(parse_event(orjson.dumps(REGISTERED)))
    assert isinstance(money, lots.BidderRegistered)
    assert money.bidder.deposit_form is DepositForm.MONEY
    assert money.bidder.refund_account is not None
    data = {
        "bidderId": "B2",
        "name": "Nümunə MMC",
        "taxId": "1234567891",
        "depositForm": "guarantee",
        "guaranteeReference": "QZ-1",
        "guarantor": "999202",
    }
    guarantee = domain_event(parse_event(changed(REGISTERED, "data", data)))
    assert isinstance(guarantee, lots.BidderRegistered)
    assert guarantee.bidder.guarantor == "999202"


def test_a_closed_auction_is_sold_or_unsold() -> None:
    held_at = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    assert domain_event(parse_event(orjson.dumps(CLOSED))) == lots.AuctionSold(
        held_at=held_at, winner="B1", price=Money(2_000_000)
    )
    unsold = {"result": "unsold", "heldAt": "2026-11-22T16:30:00+04:00", "reason": "Təklif verilmədi"}
    assert domain_event(parse_event(changed(CLOSED, "data", unsold))) == lots.AuctionUnsold(
        held_at=held_at, reason="Təklif verilmədi"
    )


def test_a_cancelled_auction_says_why() -> None:
    body = changed(CLOSED | {"type": "az.eherrac.auction.cancelled.v1"}, "data", {"reason": "Məhkəmə qərarı"})
    assert domain_event(parse_event(body)) == lots.AuctionCancelled(reason="Məhkəmə qərarı")


@pytest.mark.parametrize(
    "iban",
    ["AZ74NABZ01451700000000001944", "AZ41NABZ01360100000000003944", "AZ10NABZ01350100000000056944"],
)
def test_published_ibans_hold_and_are_computed(iban: str) -> None:
    """Correspondent accounts of facts.md."""
    assert iban_is_valid(iban)
    assert make_iban(iban[4:8], iban[8:]) == iban
    assert not iban_is_valid(iban[:-1] + ("5" if iban[-1] != "5" else "6"))
