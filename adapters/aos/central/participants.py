"""Who takes part: BIC, registration code, accounts (AOS-G2, AOS-G3, AOS-S1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One participant. `code` stands in its certificate; `url` is the base address of its AÖS door, if known yet.

    Amounts are qəpik. `opening_balance` and `debit_limit` are of its clearing account; an initiator that is no agent
    has them at zero. A direct participant may have a settlement account with a limit of its own, backed by the funds
    on its correspondent account in AZIPS; an indirect one names the direct participant that settles for it.
    """

    bic: str
    code: str
    name: str
    clearing_account: str
    correspondent_account: str | None = None
    url: str | None = None
    opening_balance: int = 0
    debit_limit: int = 0
    settlement_account: str | None = None
    settlement_limit: int = 0
    azips_funds: int = 0
    settled_by: str | None = None  # BIC of the direct participant; None: it is direct itself
    wants_copies: bool = False  # of its indirect participants' executed orders (AOS-P6)


class Participants:
    """The table, by BIC."""

    def __init__(self, rows: Iterable[Participant]) -> None:
        self._by_bic = {row.bic: row for row in rows}

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._by_bic.values())

    def of(self, bic: str) -> Participant | None:
        """The participant of this BIC (AOS-C5)."""
        return self._by_bic.get(bic)

    def member(self, bic: str) -> Participant:
        """The participant of a BIC that the checks let through. LookupError: it takes no part after all."""
        found = self._by_bic.get(bic)
        if found is None:
            raise LookupError(f"{bic} takes no part")
        return found

    def holder_of(self, correspondent_account: str) -> Participant | None:
        """Whose correspondent account this is (AOS-C7)."""
        return next((row for row in self if row.correspondent_account == correspondent_account), None)

    def owner_of(self, account: str) -> Participant | None:
        """Whose settlement or clearing account this is."""
        return next((row for row in self if account in (row.clearing_account, row.settlement_account)), None)

    def direct_of(self, row: Participant) -> Participant:
        """The direct participant it settles through, itself where it is one (AOS-G3)."""
        return row if row.settled_by is None else self.member(row.settled_by)

    def may_see(self, bic: str, account: str) -> bool:
        """An account is its owner's to ask about, and the direct participant's that settles for the owner."""
        owner = self.owner_of(account)
        return owner is not None and bic in (owner.bic, self.direct_of(owner).bic)
