"""What happens to a lot: what the platform says, and what its offer, payments and collections report back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.money import Money
from gateway.domain.values import Account, Bidder, Purpose, Regime


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """The platform announces an auction."""

    regime: Regime
    title: str
    address: str
    claimant: str  # bank code
    starting_price: Money
    auction_at: datetime
    case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderRegistered:
    """Somebody takes part: deposit and fee are wanted from them (EHR-3, EHR-11)."""

    bidder: Bidder


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPaid:
    """A collection of this lot was paid."""

    collection_id: str
    purpose: Purpose
    bidder_id: str
    operation_number: str
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionSold:
    """The hammer fell."""

    held_at: datetime
    winner: str  # bidder id
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionUnsold:
    """Nobody bought."""

    held_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionCancelled:
    """It will not be held, or does not count."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted:
    """The claimant takes the property and pays from this account."""

    payer: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDeclined:
    """The claimant refused, or let the offer lapse (EHR-6)."""

    lapsed: bool
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettled:
    """The claimant's money has arrived."""

    payment_id: str
    reference: str
    paid_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed:
    """The claimant's payment was refused, or waits for a person."""

    payment_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WinnerDefaulted:
    """The winner's term ended without the money (EHR-13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolIssued:
    """The protocol is sealed."""

    protocol_id: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalAmountPaid:
    """The winner's money is complete."""

    operation_number: str
    paid_on: date
