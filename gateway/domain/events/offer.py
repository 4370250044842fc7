"""What happens to an offer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.money import Money
from gateway.domain.values import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The lot was not sold."""

    lot_id: str
    owner: str
    title: str
    amount: Money
    deadline: datetime
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The bank takes the property and pays from this account."""

    payer: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The bank does not take it."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsed:
    """The period ended in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The auction was cancelled."""

    reason: str
