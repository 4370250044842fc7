"""What happens to a bank guarantee."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Lodged:
    """A bidder brought it."""

    lot_id: str
    owner: str
    bidder_id: str
    guarantor: str
    reference: str
    amount: Money
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """No longer needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The guarantor is asked to pay."""
