"""What an AÖS participant asks of the bank's own books. The bank behind the door implements it; money is in qəpik."""

from __future__ import annotations

from typing import Protocol

from gateway.domain.money import Money


class CoreBanking(Protocol):
    """The books of one bank, keyed by end-to-end id so that a repeated call changes nothing twice."""

    def can_debit(self, iban: str, amount: Money) -> str | None:
        """Why this account cannot pay now, as an AÖS reason code (`AM04` too little money, `AC01` no such account)."""

    def can_credit(self, iban: str) -> str | None:
        """Why this account cannot be credited (`AC01` no such account, `AC04` closed), or None."""

    def reserve(self, end_to_end_id: str, iban: str, amount: Money) -> None:
        """Hold the money of an order that is on its way to AÖS."""

    def settle(self, end_to_end_id: str) -> None:
        """The order is final (STAT): what was held leaves the account."""

    def release(self, end_to_end_id: str) -> None:
        """The order was refused (RJCT): what was held is free again."""

    def credit(self, end_to_end_id: str, iban: str, amount: Money) -> None:
        """An incoming order is final (STAT): the payee has the money."""
