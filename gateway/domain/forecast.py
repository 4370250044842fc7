"""Forecast: what our account in AÖS must carry by a moment, told by source, so that a person sees why (AOS-L1…L6).

Counted is what the nouns themselves know: transfers that AÖS does not hold for sure, those that persons may release or
whose window opens by then, deposits of auctions that are held by then (as if all had to go back: EHR-10 in the dearest
case), and credits going back or asked back. What AÖS holds already stands in its own figures; what is to come in is not
counted, for consent is not money. What AZIPS would carry is shown and does not burden the account in AÖS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from gateway.domain import lot as lots
from gateway.domain.credit.data import Credit, CreditState
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events.payment import Rail, RouteChosen, RouteQueued
from gateway.domain.lot import Lot
from gateway.domain.money import ZERO, Money
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.routing import choose
from gateway.domain.rulebook import Rulebook
from gateway.domain.values import Account, DepositForm

EXAMPLES_MAX = 5  # nouns that a line names, the dearest first


class Source(StrEnum):
    """Where an expected payment comes from."""

    UNDER_WAY = "under_way"  # ordered, and AÖS does not hold it for sure
    APPROVAL = "approval"  # persons may release it at any time (VLT-3.2)
    WINDOW = "window"  # goes when the window of AZIPS opens
    AUCTION = "auction"  # deposits of an auction that is held by then (EHR-10)
    RETURN = "return"  # a credit on its way back (AOS-T1)
    RECALL = "recall"  # a credit asked back: a person may say yes (AOS-T6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastLine:
    """What one source takes over one rail. `examples`: ids of payments, lots or credits, at most `EXAMPLES_MAX`."""

    source: Source
    rail: Rail
    count: int
    amount: Money
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is payable until a moment."""

    until: datetime
    lines: tuple[ForecastLine, ...]

    @property
    def expected(self) -> Money:
        """What our account in AÖS must carry."""
        return sum((line.amount for line in self.lines if line.rail is Rail.AOS), start=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """One amount that will leave, and the noun that knows of it."""

    source: Source
    rail: Rail
    subject: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refund:
    """A transfer that is not ordered yet, as the choice of a route wants it."""

    amount: Money
    creditor: Account
    kind: PaymentKind = PaymentKind.TRANSFER


OF_PAYMENT: Mapping[PaymentState, Source] = {
    PaymentState.ORDERED: Source.UNDER_WAY,
    PaymentState.ROUTED: Source.UNDER_WAY,
    PaymentState.UNKNOWN: Source.UNDER_WAY,
    PaymentState.UNRESOLVED: Source.UNDER_WAY,
    PaymentState.AWAITING_APPROVAL: Source.APPROVAL,
    PaymentState.QUEUED: Source.WINDOW,
}
OF_CREDIT: Mapping[CreditState, Source] = {
    CreditState.RETURNING: Source.RETURN,
    CreditState.RETURN_UNKNOWN: Source.RETURN,
    CreditState.RETURN_UNRESOLVED: Source.RETURN,
    CreditState.RETURN_ASKED: Source.RECALL,
}
Examined = Payment | Lot | Credit


def foresee(nouns: Iterable[tuple[str, Examined]], rules: Rulebook, now: datetime, until: datetime) -> Forecast:
    """Sum by source and rail; nouns that will cost nothing by then may be among them."""
    expenses = [expense for id, noun in nouns for expense in expenses_of(id, noun, rules, now, until)]
    expenses.sort(key=_line)
    lines = tuple(_summed(*key, list(group)) for key, group in groupby(expenses, key=_line))
    return Forecast(until=until, lines=lines)


def expenses_of(id: str, noun: Examined, rules: Rulebook, now: datetime, until: datetime) -> Iterator[Expense]:
    """What one noun will cost until then."""
    match noun:
        case Payment():
            yield from _of_payment(id, noun, rules, now, until)
        case Lot():
            yield from _of_lot(id, noun, rules, now, until)
        case Credit():
            source = OF_CREDIT.get(noun.state)
            if source is not None:  # a return goes the way that the credit came
                yield Expense(source=source, rail=Rail.AOS, subject=id, amount=noun.amount)


def _of_payment(id: str, payment: Payment, rules: Rulebook, now: datetime, until: datetime) -> Iterator[Expense]:
    source = OF_PAYMENT.get(payment.state)
    if source is None or payment.kind is not PaymentKind.TRANSFER:  # a request brings money in
        return
    rail = payment.rail or _rail(payment, rules, now, until)
    if rail is not None:
        yield Expense(source=source, rail=rail, subject=id, amount=payment.amount)


def _of_lot(id: str, lot: Lot, rules: Rulebook, now: datetime, until: datetime) -> Iterator[Expense]:
    held_at = lots.TABLE.expected_at(lot)
    if held_at is None or held_at > until:
        return
    for standing in lot.bidders:
        account = standing.bidder.refund_account
        if standing.bidder.deposit_form is DepositForm.MONEY and standing.deposit_paid and account is not None:
            refund = _Refund(amount=standing.deposit, creditor=account)
            rail = _rail(refund, rules, max(now, held_at), until)
            if rail is not None:
                yield Expense(source=Source.AUCTION, rail=rail, subject=id, amount=standing.deposit)


def _rail(payment: Payment | _Refund, rules: Rulebook, at: datetime, until: datetime) -> Rail | None:
    """What will carry it by then; None where nothing will."""
    match choose(payment, rules, at):
        case RouteChosen(rail=rail):
            return rail
        case RouteQueued(rail=rail, until=opens_at) if opens_at <= until:
            return rail
    return None


def _line(expense: Expense) -> tuple[Source, Rail]:
    return expense.source, expense.rail


def _summed(source: Source, rail: Rail, expenses: list[Expense]) -> ForecastLine:
    by_subject: dict[str, Money] = {}
    for expense in expenses:
        by_subject[expense.subject] = by_subject.get(expense.subject, ZERO) + expense.amount
    dearest = sorted(by_subject, key=lambda subject: (-by_subject[subject].minor, subject))
    return ForecastLine(
        source=source,
        rail=rail,
        count=len(expenses),
        amount=sum(by_subject.values(), start=ZERO),
        examples=tuple(dearest[:EXAMPLES_MAX]),
    )
