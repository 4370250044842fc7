"""What a protocol states, in plain values: the one source of its XML and of its printed form (EHR-7, EHR-16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class ProtocolResult(StrEnum):
    """How the auction ended."""

    SOLD = "sold"
    CLAIMANT_ACQUIRED = "claimant_acquired"  # unsold; the claimant took the property and paid
    NOT_HELD = "not_held"  # unsold; the claimant refused or was silent


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderRecord:
    """One who took part. `deposit_form` is `money`, `guarantee` or `exempt` (EHR-11)."""

    name: str
    tax_id: str  # VÖEN or FIN
    deposit_form: str
    guarantor: str | None = None
    guarantee_reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyerRecord:
    """Who acquired the property; `deposit_form` only where a bidder did."""

    name: str
    tax_id: str | None = None
    deposit_form: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRecord:
    """A whole protocol. Instants are aware, amounts are minor units (qəpik) of `currency`.

    `regime` is a code (`enforcement`, `mortgage`, `tax`, `voluntary`, `state`); `reason` a code of the text catalogue
    or a sentence; `issuer` the office whose electronic seal the container carries.
    """

    id: str
    number: str
    result: ProtocolResult
    drawn_up_at: datetime
    issuer: str
    lot_id: str
    lot_title: str
    lot_address: str
    regime: str
    rule_version: str
    case_number: str | None
    auction_at: datetime
    starting_price_minor: int
    claimant_code: str
    claimant_name: str | None
    bidders: tuple[BidderRecord, ...]
    buyer: BuyerRecord | None
    price_minor: int | None
    payment_references: tuple[str, ...]
    paid_on: date | None
    reason: str | None
    recipients: tuple[str, ...]
    currency: str = "AZN"

    def __post_init__(self) -> None:
        for moment in (self.drawn_up_at, self.auction_at):
            if moment.tzinfo is None:
                raise ValueError("a protocol's instants are aware")
        for minor in (self.starting_price_minor, self.price_minor):
            if minor is not None and (type(minor) is not int or minor < 0):
                raise ValueError("amounts are non-negative ints of minor units")
