"""What happens to a collection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.money import Money
from gateway.domain.values import Account, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The lot wants this amount from a bidder."""

    lot_id: str
    owner: str
    bidder_id: str
    purpose: Purpose
    amount: Money
    payer_name: str
    payer_tax_id: str
    payee: Account
    case_number: str | None
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoiced:
    """Asan Pay has made the invoice."""

    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRefused:
    """Asan Pay would not make it."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Asan Pay says it was paid."""

    amount: Money
    operation_number: str
    paid_at: datetime
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrdered:
    """The lot wants the money to go back (EHR-10), by the end of its term (EHR-13)."""

    account: Account
    due: datetime | None = None  # None in lines of before there was one


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """The payment back was settled."""

    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed:
    """The payment back was refused or held."""

    payment_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCameBack:
    """The bidder's bank returned what we had paid back."""

    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A winner's deposit is counted into the price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forfeited:
    """A defaulting winner's deposit stays (EHR-13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """No longer wanted."""

    reason: str
