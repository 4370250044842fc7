"""What the auction platform tells us: lot announced, bidder registered, auction closed or cancelled.

The event's id is the key of idempotency, its `source` the platform's participant code, its `subject` the lot.
Amounts are AZN with two decimals, as text. Whether a case number is needed is the regime's business, not the schema's
(EHR-12).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.events.cloudevents import CloudEvent
from contracts.fields import (
    AccountModel,
    BankCode,
    Id,
    Instant,
    Name,
    PositiveAmount,
    Reference,
    RegimeName,
    TaxId,
    Text,
    WireModel,
    validated,
)
from contracts.json import DEFAULT, JsonLimits, parse_json


class LotAnnouncedData(WireModel):
    """A lot whose auction has been announced."""

    title: Text
    address: Text
    regime: RegimeName
    claimant: BankCode
    starting_price: PositiveAmount
    auction_at: Instant
    case_number: Reference | None = None


class BidderRegisteredData(WireModel):
    """One who wants to take part, and the form of the deposit (EHR-3, EHR-11)."""

    bidder_id: Id
    name: Name
    tax_id: TaxId
    deposit_form: Literal["money", "guarantee", "exempt"]
    refund_account: AccountModel | None = None
    guarantee_reference: Reference | None = None
    guarantor: BankCode | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        money, guarantee = self.deposit_form == "money", self.deposit_form == "guarantee"
        if money != (self.refund_account is not None):
            raise PydanticCustomError("refund_account", "refundAccount stands with a money deposit, and only there")
        if guarantee != (self.guarantee_reference is not None) or guarantee != (self.guarantor is not None):
            raise PydanticCustomError(
                "guarantee", "guaranteeReference and guarantor stand with a guarantee, and only there"
            )
        return self


class AuctionClosedData(WireModel):
    """The hammer fell: `winnerId` and the hammer `price`. Or nobody bought: `reason`."""

    result: Literal["sold", "unsold"]
    held_at: Instant
    winner_id: Id | None = None
    price: PositiveAmount | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sold = self.result == "sold"
        if sold != (self.winner_id is not None) or sold != (self.price is not None):
            raise PydanticCustomError("sold", "winnerId and price stand with the result sold, and only there")
        if sold == (self.reason is not None):
            raise PydanticCustomError("unsold", "reason stands with the result unsold, and only there")
        return self


class AuctionCancelledData(WireModel):
    """It will not be held, or does not count."""

    reason: Text


class LotAnnounced(CloudEvent):
    """The first event of a lot."""

    type: Literal["az.eherrac.lot.announced.v1"]
    data: LotAnnouncedData


class BidderRegistered(CloudEvent):
    """One event per bidder, before the auction closes."""

    type: Literal["az.eherrac.bidder.registered.v1"]
    data: BidderRegisteredData


class AuctionClosed(CloudEvent):
    """Sold or not sold."""

    type: Literal["az.eherrac.auction.closed.v1"]
    data: AuctionClosedData


class AuctionCancelled(CloudEvent):
    """Cancelled, at any moment before it closes."""

    type: Literal["az.eherrac.auction.cancelled.v1"]
    data: AuctionCancelledData


PlatformEvent = LotAnnounced | BidderRegistered | AuctionClosed | AuctionCancelled

PLATFORM_EVENTS: dict[str, type[PlatformEvent]] = {
    "az.eherrac.lot.announced.v1": LotAnnounced,
    "az.eherrac.bidder.registered.v1": BidderRegistered,
    "az.eherrac.auction.closed.v1": AuctionClosed,
    "az.eherrac.auction.cancelled.v1": AuctionCancelled,
}


def parse_event(body: bytes, limits: JsonLimits = DEFAULT) -> PlatformEvent:
    """Read a platform event.

    Raises:
        RefusedError: JSON_MALFORMED; OPERATION_UNKNOWN for a type that is not ours; SCHEMA_INVALID, AMOUNT_INVALID,
            IBAN_INVALID, TIME_INVALID or REGIME_UNKNOWN with the path.
    """
    return read_event(parse_json(body, limits))


def read_event(value: Any) -> PlatformEvent:
    """Check a parsed JSON value; see `parse_event`."""
    if not isinstance(value, dict):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/", fault="an object is wanted")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/type", fault="a string is wanted")
    model = PLATFORM_EVENTS.get(kind)
    if model is None:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=kind)
    return validated(model, value)
