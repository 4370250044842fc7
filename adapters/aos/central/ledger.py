"""Clearing, settlement and correspondent accounts in double entry. Integer qəpik; the sum over all is always zero.

A block is not a posting: it holds part of a balance until it is executed or released (AOS-P2). What a clearing account
may spend is its balance plus its debit limit less what is blocked, and never more than the settlement account it hangs
on can carry: that one's limit plus the balances of all clearing accounts under it (AOS-G2, AOS-G3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OUTSIDE = "AZIPS"  # where liquidity comes from: the other side of every opening balance


class UnbalancedError(AssertionError):
    """Money appeared or vanished: nothing the ledger says can be believed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One entry: the same amount leaves `debit` and arrives at `credit`. `at` is None for what was there at first."""

    reference: str
    debit: str
    credit: str
    amount: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Money held for one order."""

    account: str
    amount: int


class Ledger:
    """All accounts of the system. Every method leaves the sum at zero or raises."""

    def __init__(self) -> None:
        self._balances: dict[str, int] = {OUTSIDE: 0}
        self._limits: dict[str, int] = {}
        self._under: dict[str, str] = {}  # clearing account -> the settlement account it hangs on
        self._blocks: dict[str, Block] = {}
        self.postings: list[Posting] = []

    def open_account(self, account: str, *, balance: int = 0, debit_limit: int = 0, under: str | None = None) -> None:
        """Open an account, bring in its liquidity from outside, hang it on a settlement account.

        Raises:
            ValueError: it is open already, a figure is negative, or there is no such settlement account.
        """
        unknown = under is not None and not self.is_open(under)
        if account in self._balances or balance < 0 or debit_limit < 0 or unknown:
            raise ValueError(f"cannot open {account}")
        self._balances[account], self._limits[account] = 0, debit_limit
        if under is not None:
            self._under[account] = under
        if balance:
            self.post(Posting(reference=f"opening {account}", debit=OUTSIDE, credit=account, amount=balance))

    def is_open(self, account: str) -> bool:
        """Whether this account exists and may be used (AOS-C6)."""
        return account in self._limits

    def close_account(self, account: str) -> None:
        """No more orders on it; what it holds stays. KeyError where it is not open."""
        del self._limits[account]

    def limit(self, account: str) -> int:
        """Its debit limit."""
        return self._limits.get(account, 0)

    def set_limit(self, account: str, limit: int) -> None:
        """Change the debit limit. ValueError: not open, or below what is used of it already."""
        if not self.is_open(account) or limit < self.used(account):
            raise ValueError(f"cannot limit {account} to {limit}")
        self._limits[account] = limit

    def block(self, reference: str, account: str, amount: int) -> bool:
        """Hold an amount for an order (AOS-P2); False, and nothing held, where the account cannot carry it.

        Raises:
            ValueError: the reference holds a block already, or the amount is not above zero.
        """
        if reference in self._blocks or amount <= 0:
            raise ValueError(f"cannot block for {reference}")
        if self.available(account) < amount:
            return False
        self._blocks[reference] = Block(account=account, amount=amount)
        return True

    def execute(self, reference: str, credit: str, at: datetime | None = None) -> None:
        """Turn a block into a posting (AOS-P4, AOS-T4). KeyError where nothing is blocked."""
        block = self._blocks.pop(reference)
        self.post(Posting(reference=reference, debit=block.account, credit=credit, amount=block.amount, at=at))

    def release(self, reference: str) -> None:
        """Let a block go (AOS-P5, AOS-T5). KeyError where nothing is blocked."""
        del self._blocks[reference]

    def post(self, posting: Posting) -> None:
        """Move money. Asserts that none appeared or vanished."""
        self._balances[posting.debit] -= posting.amount
        self._balances[posting.credit] += posting.amount
        self.postings.append(posting)
        if sum(self._balances.values()) != 0:
            raise UnbalancedError(posting.reference)

    def balance(self, account: str) -> int:
        """What stands on the account itself, blocks included."""
        return self._balances[account]

    def position(self, account: str) -> int:
        """The balance with those of all accounts that hang on it; below zero it is the net debit position."""
        return sum(self._balances[name] for name in self._group(account))

    def blocked(self, account: str) -> int:
        """What is held for orders, on it and on all accounts that hang on it."""
        group = self._group(account)
        return sum(block.amount for block in self._blocks.values() if block.account in group)

    def used(self, account: str) -> int:
        """How much of its limit is used: the net debit position, with what is held for orders already."""
        return max(0, self.blocked(account) - self.position(account))

    def available(self, account: str) -> int:
        """What can still be spent, by its own limit and by the settlement account's."""
        own = self.position(account) + self.limit(account) - self.blocked(account)
        above = self._under.get(account)
        return own if above is None else min(own, self.available(above))

    def balances(self) -> dict[str, int]:
        """Every account with its balance; they sum to zero."""
        return dict(self._balances)

    def _group(self, account: str) -> tuple[str, ...]:
        return (account, *(name for name, above in self._under.items() if above == account))
