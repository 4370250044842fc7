"""Who takes part: BIC, registration code, accounts (AOS-G2, AOS-G3, AOS-S1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One participant. `code` stands in its certificate; `url` is the base address of its AÖS door, if known yet.

    `opening_balance` and `debit_limit` are of its clearing account, in qəpik. An initiator that is no agent has them
    at zero.
    """

    bic: str
    code: str
    name: str
    clearing_account: str
    correspondent_account: str | None = None
    url: str | None = None
    opening_balance: int = 0
    debit_limit: int = 0


class Participants:
    """The table, by BIC."""

    def __init__(self, rows: Iterable[Participant]) -> None:
        self._by_bic = {row.bic: row for row in rows}

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._by_bic.values())

    def of(self, bic: str) -> Participant | None:
        """The participant of this BIC (AOS-C5)."""
        return self._by_bic.get(bic)

    def holder_of(self, correspondent_account: str) -> Participant | None:
        """Whose correspondent account this is (AOS-C7)."""
        rows = self._by_bic.values()
        return next((row for row in rows if row.correspondent_account == correspondent_account), None)
