"""Clearing accounts in double entry, with blocks (AOS-P2). Integer qəpik; the sum over all accounts is always zero.

A block is not a posting: it holds part of a balance until it is executed or released. What an account may spend is its
balance plus its debit limit less what is blocked.
"""

from __future__ import annotations

from dataclasses import dataclass

OUTSIDE = "AZIPS"  # where liquidity comes from: the other side of every opening balance


class UnbalancedError(AssertionError):
    """Money appeared or vanished: nothing the ledger says can be believed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One entry: the same amount leaves `debit` and arrives at `credit`."""

    reference: str
    debit: str
    credit: str
    amount: int


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
        self._blocks: dict[str, Block] = {}
        self.postings: list[Posting] = []

    def open_account(self, account: str, *, balance: int = 0, debit_limit: int = 0) -> None:
        """Open an account and bring in its liquidity from outside.

        Raises:
            ValueError: it is open already, or a figure is negative.
        """
        if account in self._balances or balance < 0 or debit_limit < 0:
            raise ValueError(f"cannot open {account}")
        self._balances[account], self._limits[account] = 0, debit_limit
        if balance:
            self._post(Posting(reference=f"opening {account}", debit=OUTSIDE, credit=account, amount=balance))

    def is_open(self, account: str) -> bool:
        """Whether this clearing account exists (AOS-C6)."""
        return account in self._limits

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

    def execute(self, reference: str, credit: str) -> None:
        """Turn a block into a posting (AOS-P4). KeyError where nothing is blocked."""
        block = self._blocks.pop(reference)
        self._post(Posting(reference=reference, debit=block.account, credit=credit, amount=block.amount))

    def release(self, reference: str) -> None:
        """Let a block go (AOS-P5). KeyError where nothing is blocked."""
        del self._blocks[reference]

    def balance(self, account: str) -> int:
        """What stands on the account, blocks included."""
        return self._balances[account]

    def blocked(self, account: str) -> int:
        """What of it is held for orders."""
        return sum(block.amount for block in self._blocks.values() if block.account == account)

    def available(self, account: str) -> int:
        """What the account can still spend."""
        return self._balances[account] + self._limits[account] - self.blocked(account)

    def balances(self) -> dict[str, int]:
        """Every account with its balance; they sum to zero."""
        return dict(self._balances)

    def _post(self, posting: Posting) -> None:
        self._balances[posting.debit] -= posting.amount
        self._balances[posting.credit] += posting.amount
        self.postings.append(posting)
        if sum(self._balances.values()) != 0:
            raise UnbalancedError(posting.reference)
