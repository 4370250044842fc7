"""What happens to an incoming credit that AÖS passes to us to confirm (AOS-P2…P5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A pacs.008 came: shall it be credited?"""

    message_id: str
    end_to_end_id: str
    transaction_id: str
    amount: Money
    debtor_name: str
    debtor_iban: str
    creditor_iban: str
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived(Offered):
    """The money is on our account already; nobody asks us."""

    arrived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """It is on our account and not what is awaited."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """It is what a payment of ours awaits."""

    payment_id: str
    lot_id: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatched:
    """Nothing of ours awaits it, or not so."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """pacs.002/STAT: booked."""

    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """pacs.002/RJCT: not booked."""

    code: str
    reason: str
