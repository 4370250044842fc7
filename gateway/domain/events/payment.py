"""What happens to a payment: our orders, the rail's answers, and silence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.dispatches import PaymentKind
from gateway.domain.money import Money
from gateway.domain.values import Account


class Reason(StrEnum):
    """Why we pay; decides who is told of the outcome."""

    PURCHASE = "purchase"  # the claimant's money for an unsold lot; told to the lot
    REFUND = "refund"  # a deposit going back; told to its collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Somebody in the house wants this paid. `origin` is the lot's or collection's id."""

    kind: PaymentKind
    reason: Reason
    origin: str
    lot_id: str
    owner: str
    amount: Money
    debtor: Account
    creditor: Account
    case_number: str | None
    case_number_required: bool
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChosen:
    """The instant rail can carry it; `rule` names the limit that decided."""

    rail: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMissing:
    """No rail of ours carries it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The rail has taken the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown:
    """It may or may not have reached the rail."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """pain.002/ACSP: the debtor's bank agreed. Consent is not money (facts.md): keep the MSID, match the credit."""

    msid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditOffered:
    """A pacs.008 with this payment's end-to-end id was passed to us, the creditor agent, to confirm."""

    credit_id: str
    amount: Money
    creditor_iban: str
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditAuthorised:
    """It is the awaited one; we answered AUTH."""

    credit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """STAT: the money has moved. `reference` is the rail's or the debtor bank's id of the transfer."""

    reference: str
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """RJCT or NAUT: it will not move. `code` is the rail's (AM04, EA178, EL202, EP252, …)."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceElapsed:
    """No final answer within the rail's time: nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiryDue:
    """Time to ask (again)."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiryRefused:
    """camt.025/ERRC to an enquiry of ours (AOS-R5). `code` is the rail's; NOOR: it has no such order."""

    enquiry_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKnownToRail:
    """Asked, the rail has never seen the order: the same message goes again under the same ids."""

    enquiry_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiriesExhausted:
    """We asked as often as the profile says; a person goes on."""
