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
    debtor_bic: str = ""
    creditor_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnOffered(Offered):
    """A pacs.004 came: money of a payment of ours comes back to us, the debtor agent. Shall it be taken (AOS-T2)?"""

    returned_message_id: str  # of our own order


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallAsked:
    """camt.056: the debtor agent asks us to return a credit (AOS-T6)."""

    request_id: str
    requester_bic: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallGranted:
    """A person lets the money go back: pacs.004 (AOS-M3)."""

    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallDenied:
    """A person does not: camt.029."""

    person: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveBack:
    """STAT to a pacs.004 of ours (AOS-T4). `return_id` is its message id."""

    return_id: str
    end_to_end_id: str | None = None  # as the rail names it, where it does


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRejected:
    """RJCT to a pacs.004 of ours (AOS-T5, AOS-R3)."""

    return_id: str
    code: str
    reason: str
    told_at: datetime | None = None  # by the rail's clock
    asked: bool = False  # in answer to a question of ours (AOS-I1)
    end_to_end_id: str | None = None  # as the rail names it, where it does


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnBooked:
    """It was the last one: the money has gone back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnFailed:
    """It was the last one: the money stays with us."""

    code: str
    reason: str


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
    end_to_end_id: str | None = None  # as the rail names it, where it does


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """pacs.002/RJCT: not booked."""

    code: str
    reason: str
    end_to_end_id: str | None = None  # as the rail names it, where it does
