"""The lots of a run: what the platform says about each, and how each must end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

POOR_IBAN = "AZ58XZRN38010000000000090002"  # of bank 999101, with 150 AZN
BIDDERS = ("B1", "B2")
WAYS = ("accept", "refuse", "sold", "poor", "silent")
_PRICE = "20.00"  # so that accounts last for thousands of lots
_TOO_MUCH = "2000.00"  # for the poor account
_WINNER = {"holder": "B1", "iban": "AZ08XZRN38010000000000010101", "bic": "XZRNAZ22"}
_LOSER = {"holder": "B2", "iban": "AZ69GNSN38010000000000020202", "bic": "GNSNAZ22"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One lot and its way: sold; accepted or refused by the claimant; poor (its bank cannot pay); silent (AÖS says
    nothing until it is asked).
    """

    id: str
    way: str
    claimant: str = "999101"

    @property
    def ends(self) -> str:
        return "held" if self.way == "poor" else "concluded"

    @property
    def is_paid_by_the_claimant(self) -> bool:
        return self.way in ("accept", "silent")

    @property
    def purchase(self) -> str:
        return f"{self.id}.purchase"

    @property
    def refund(self) -> str:
        return f"{self.id}.refund.B2"

    def events(self, now: datetime) -> list[dict[str, Any]]:
        """Everything the platform says, with ids that a resend keeps."""
        middle = self._registrations() if self.way == "sold" else []
        said = [("lot.announced", self._announcement(now)), *middle, ("auction.closed", self._result(now))]
        return [
            {
                "specversion": "1.0",
                "id": f"{self.id}-{number}",
                "source": "EHERRAC",
                "type": f"az.eherrac.{type}.v1",
                "subject": self.id,
                "time": now.isoformat(),
                "datacontenttype": "application/json",
                "data": data,
            }
            for number, (type, data) in enumerate(said)
        ]

    def _announcement(self, now: datetime) -> dict[str, Any]:
        return {
            "title": f"Mənzil {self.id} (nümunə)",
            "address": "Bakı",
            "regime": "enforcement",
            "claimant": self.claimant,
            "startingPrice": _TOO_MUCH if self.way == "poor" else _PRICE,
            "auctionAt": (now + timedelta(days=1)).isoformat(),
            "caseNumber": f"5-{self.id}/2026",
        }

    @staticmethod
    def _registrations() -> list[tuple[str, dict[str, Any]]]:
        common = {"taxId": "1NUMUN1", "depositForm": "money"}
        accounts = zip(BIDDERS, (_WINNER, _LOSER), strict=True)
        return [
            ("bidder.registered", common | {"bidderId": bidder, "name": bidder, "refundAccount": account})
            for bidder, account in accounts
        ]

    def _result(self, now: datetime) -> dict[str, Any]:
        if self.way == "sold":
            return {"result": "sold", "heldAt": now.isoformat(), "winnerId": "B1", "price": "25.00"}
        return {"result": "unsold", "heldAt": now.isoformat(), "reason": "heç kim"}
