"""The bank's core: customers' accounts and the clearing account at AÖS by double entry, and money held for orders.

Implements `gateway.wire.core_banking.CoreBanking`. Every step is keyed by the order's end-to-end id, so that a repeated
call changes nothing twice. Amounts are integer qəpik; all balances together are always zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from adapters.banks.sandbox.settings import CustomerAccount
from gateway.domain.money import Money

CLEARING = "aos-clearing"  # the bank's clearing account at AÖS
OPENING = "opening"  # where opening balances come from
NO_ACCOUNT = "AC01"
TOO_LITTLE = "AM04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """The same amount leaves one account and enters another."""

    reference: str
    debit: str
    credit: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money of an order that is on its way."""

    iban: str
    amount: Money


class Ledger:
    """The books of one bank."""

    def __init__(self, accounts: Iterable[CustomerAccount]) -> None:
        self.accounts = {account.iban: account for account in accounts}
        self.postings: list[Posting] = []
        self.holds: dict[str, Hold] = {}  # by end-to-end id
        self._outgoing: set[str] = set()  # references that ever held money
        self._incoming: set[str] = set()  # references that were ever credited
        for account in self.accounts.values():
            self._post("opening", OPENING, account.iban, account.balance)

    def can_debit(self, iban: str, amount: Money) -> str | None:
        """Why this account cannot pay now, or None."""
        if iban not in self.accounts:
            return NO_ACCOUNT
        return TOO_LITTLE if self.available_minor(iban) < amount.minor else None

    def can_credit(self, iban: str) -> str | None:
        """Why this account cannot be credited, or None."""
        return None if iban in self.accounts else NO_ACCOUNT

    def reserve(self, end_to_end_id: str, iban: str, amount: Money) -> None:
        """Hold the money of an order."""
        if end_to_end_id not in self._outgoing:
            self._outgoing.add(end_to_end_id)
            self.holds[end_to_end_id] = Hold(iban=iban, amount=amount)

    def settle(self, end_to_end_id: str) -> None:
        """What was held leaves the account."""
        hold = self.holds.pop(end_to_end_id, None)
        if hold is not None:
            self._post(end_to_end_id, hold.iban, CLEARING, hold.amount)

    def release(self, end_to_end_id: str) -> None:
        """What was held is free again; a new order under the same id may hold anew."""
        if self.holds.pop(end_to_end_id, None) is not None:
            self._outgoing.discard(end_to_end_id)

    def credit(self, end_to_end_id: str, iban: str, amount: Money) -> None:
        """The payee has the money."""
        if end_to_end_id not in self._incoming:
            self._incoming.add(end_to_end_id)
            self._post(end_to_end_id, CLEARING, iban, amount)

    def balance_minor(self, account: str) -> int:
        """What an account holds, in qəpik. Clearing and opening accounts may be below zero."""
        return self.balances_minor().get(account, 0)

    def available_minor(self, iban: str) -> int:
        """The balance without what is held."""
        return self.balance_minor(iban) - sum(hold.amount.minor for hold in self.holds.values() if hold.iban == iban)

    def balances_minor(self) -> dict[str, int]:
        """Every account that ever moved."""
        balances: dict[str, int] = defaultdict(int)
        for posting in self.postings:
            balances[posting.debit] -= posting.amount.minor
            balances[posting.credit] += posting.amount.minor
        return dict(balances)

    def _post(self, reference: str, debit: str, credit: str, amount: Money) -> None:
        self.postings.append(Posting(reference=reference, debit=debit, credit=credit, amount=amount))
