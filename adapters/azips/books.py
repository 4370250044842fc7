"""AZIPS as pure code: correspondent accounts by double entry, a queue in order of arrival, an operating window.

An order is booked when the sender's account carries it, waits otherwise, and is cancelled at the day's end (facts.md:
told). Integer qəpik; the sum over all accounts is always zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

from gateway.domain.clock import BAKU, local_date

OUTSIDE = "CENTRAL-BANK"  # where money comes from: the other side of every opening balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """A participant and its correspondent account. `code` stands in its certificate."""

    bic: str
    code: str
    url: str | None = None
    opening_balance: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One transfer between participants; `message` is what brought it."""

    reference: str
    sender: str
    receiver: str
    amount: int
    value_date: date
    message: Any


class Fate(StrEnum):
    """What became of an order."""

    BOOKED = "BOOKED"
    QUEUED = "QUEUED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One order and what became of it, with a code where it is a no."""

    order: Order
    fate: Fate
    code: str = ""
    text: str = ""


class Books:
    """All accounts, and what waits."""

    def __init__(
        self,
        correspondents: Iterable[Correspondent],
        *,
        opens: time,
        closes: time,
        is_business_day: Callable[[date], bool],
    ) -> None:
        self._opens, self._closes, self._is_business_day = opens, closes, is_business_day
        self.balances: dict[str, int] = {OUTSIDE: 0}
        self.queue: list[Order] = []
        self._seen: set[tuple[str, date, str]] = set()
        for row in correspondents:
            self.balances[row.bic] = 0
            self.fund(row.bic, row.opening_balance)

    def submit(self, order: Order, now: datetime) -> Verdict:
        """Take an order: booked, waiting, or refused."""
        code = self._fault(order, now)
        if code:
            return Verdict(order=order, fate=Fate.REFUSED, code=code)
        self._seen.add((order.sender, order.value_date, order.reference))
        if self.balances[order.sender] < order.amount:
            self.queue.append(order)
            return Verdict(order=order, fate=Fate.QUEUED, code="QUEUED", text="awaits funds")
        return self._book(order)

    def fund(self, bic: str, amount: int) -> tuple[Verdict, ...]:
        """Money comes to an account; what waits for it is booked, the oldest first, until one does not fit."""
        self._move(OUTSIDE, bic, amount)
        booked: list[Verdict] = []
        waiting = [order for order in self.queue if order.sender == bic]
        while waiting and waiting[0].amount <= self.balances[bic]:
            order = waiting.pop(0)
            self.queue.remove(order)
            booked.append(self._book(order))
        return tuple(booked)

    def end_of_day(self) -> tuple[Verdict, ...]:
        """What is not funded is cancelled."""
        cancelled = [Verdict(order=order, fate=Fate.CANCELLED, code="CANCELLED") for order in self.queue]
        self.queue.clear()
        return tuple(cancelled)

    def is_open(self, now: datetime) -> bool:
        """Whether documents are taken at this moment."""
        return self._is_business_day(local_date(now)) and self._opens <= now.astimezone(BAKU).time() < self._closes

    def _fault(self, order: Order, now: datetime) -> str:
        if not self.is_open(now):
            return "CLOSED"
        if (order.sender, order.value_date, order.reference) in self._seen:
            return "AM05"
        if order.value_date != local_date(now):
            return "DT01"
        return "" if {order.sender, order.receiver} <= self.balances.keys() else "RC01"

    def _book(self, order: Order) -> Verdict:
        self._move(order.sender, order.receiver, order.amount)
        return Verdict(order=order, fate=Fate.BOOKED)

    def _move(self, debit: str, credit: str, amount: int) -> None:
        self.balances[debit] -= amount
        self.balances[credit] += amount
        if sum(self.balances.values()) != 0:
            raise AssertionError(f"money appeared or vanished between {debit} and {credit}")
