"""What the Asan Pay sandbox remembers: invoices, idempotency keys, and a small ledger by double entry. No I/O."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from contracts.asan_pay.messages import (
    InvoiceAnswer,
    InvoiceRequest,
    InvoiceState,
    Payer,
    PaymentNotification,
    SettlementEntry,
    SettlementList,
)
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.domain.clock import local_date
from gateway.domain.money import Money

CARD_SCHEME = "card-scheme"  # where payers' money comes from


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One invoice and, once paid, its payment."""

    number: str
    request: InvoiceRequest
    state: InvoiceState = "open"
    operation_number: str | None = None
    paid_at: datetime | None = None

    @property
    def answer(self) -> InvoiceAnswer:
        """What the gateway is told about it."""
        return InvoiceAnswer(number=self.number, invoice_id=self.request.invoice_id, state=self.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One entry of the ledger: the same amount leaves one account and enters another."""

    operation_number: str
    debit: str
    credit: str
    amount: Money


class Books:
    """Invoices by number; the same order twice is one invoice, another order under the same id or key is refused."""

    def __init__(self) -> None:
        self._invoices: dict[str, Invoice] = {}
        self._numbers: dict[str, str] = {}  # our invoice id to the invoice's number
        self._answered: dict[str, tuple[str, InvoiceAnswer]] = {}  # idempotency key to digest and first answer
        self._postings: list[Posting] = []

    def __iter__(self) -> Iterator[Invoice]:
        return iter(tuple(self._invoices.values()))

    def first_answer(self, key: str, content: bytes) -> InvoiceAnswer | None:
        """The answer this key got before, if any.

        Raises:
            RefusedError: ID_CONFLICT when it came with other content.
        """
        known = self._answered.get(key)
        if known is None:
            return None
        if known[0] != hashlib.sha256(content).hexdigest():
            raise refuse(ErrorCode.ID_CONFLICT, id=key)
        return known[1]

    def remember(self, key: str, content: bytes, answer: InvoiceAnswer) -> InvoiceAnswer:
        """Keep the answer for repetitions of this key."""
        self._answered[key] = (hashlib.sha256(content).hexdigest(), answer)
        return answer

    def open(self, request: InvoiceRequest, at: datetime) -> Invoice:
        """Make an invoice.

        Raises:
            RefusedError: ID_CONFLICT when this invoice id stands for another order.
        """
        number = self._numbers.get(request.invoice_id)
        if number is not None:
            if self._invoices[number].request != request:
                raise refuse(ErrorCode.ID_CONFLICT, id=request.invoice_id)
            return self._invoices[number]
        number = f"AP-{local_date(at):%y%m%d}-{len(self._invoices) + 1:06d}"
        self._numbers[request.invoice_id] = number
        return self._put(Invoice(number=number, request=request))

    def cancel(self, number: str, invoice_id: str) -> Invoice:
        """Take an unpaid invoice back; a cancelled one stays cancelled.

        Raises:
            RefusedError: COLLECTION_UNKNOWN; STATE_CONFLICT when it is paid.
        """
        invoice = self.get(number)
        if invoice.request.invoice_id != invoice_id:
            raise refuse(ErrorCode.COLLECTION_UNKNOWN, id=invoice_id)
        if invoice.state == "paid":
            raise refuse(ErrorCode.STATE_CONFLICT, noun="invoice", state="paid", event="cancellation")
        return self._put(replace(invoice, state="cancelled"))

    def pay(self, number: str, at: datetime) -> Invoice:
        """The payer pays: from the card scheme into the payer's wallet, from there to the payee.

        Raises:
            RefusedError: COLLECTION_UNKNOWN; STATE_CONFLICT unless it is open.
        """
        invoice = self.get(number)
        if invoice.state != "open":
            raise refuse(ErrorCode.STATE_CONFLICT, noun="invoice", state=invoice.state, event="payment")
        operation = f"OP{local_date(at):%y%m%d}{len(self._postings) // 2 + 1:09d}"
        wallet, amount = f"wallet:{invoice.request.payer.tax_id}", Money.parse(invoice.request.amount)
        self._post(operation, CARD_SCHEME, wallet, amount)
        self._post(operation, wallet, f"iban:{invoice.request.payee.iban}", amount)
        moment = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as it is written on the wire
        return self._put(replace(invoice, state="paid", operation_number=operation, paid_at=moment))

    def get(self, number: str) -> Invoice:
        """Raises RefusedError(COLLECTION_UNKNOWN)."""
        if number not in self._invoices:
            raise refuse(ErrorCode.COLLECTION_UNKNOWN, id=number)
        return self._invoices[number]

    def balance_minor(self, account: str) -> int:
        """What an account holds, in qəpik; the card scheme's is negative. All balances together are zero."""
        return self.balances_minor().get(account, 0)

    def balances_minor(self) -> dict[str, int]:
        """Every account that ever moved."""
        balances: dict[str, int] = defaultdict(int)
        for posting in self._postings:
            balances[posting.debit] -= posting.amount.minor
            balances[posting.credit] += posting.amount.minor
        return dict(balances)

    def settlement(self, day: date) -> SettlementList:
        """All payments of one day in Baku."""
        entries = tuple(_entry(invoice) for invoice in self if _paid_on(invoice, day))
        total = sum((Money.parse(entry.amount) for entry in entries), start=Money(0))
        return SettlementList(day=day, count=len(entries), total=str(total), entries=entries)

    def _put(self, invoice: Invoice) -> Invoice:
        self._invoices[invoice.number] = invoice
        return invoice

    def _post(self, operation: str, debit: str, credit: str, amount: Money) -> None:
        self._postings.append(Posting(operation_number=operation, debit=debit, credit=credit, amount=amount))


def notification(invoice: Invoice, *, with_case_number: bool = True) -> PaymentNotification:
    """What the gateway is told of a paid invoice; the same bytes at every repetition. Raises ValueError when unpaid."""
    request = invoice.request
    if invoice.paid_at is None or invoice.operation_number is None:
        raise ValueError(f"invoice {invoice.number} is not paid")
    return PaymentNotification(
        notification_id=f"{invoice.number}.paid",
        invoice_number=invoice.number,
        invoice_id=request.invoice_id,
        operation_number=invoice.operation_number,
        paid_at=invoice.paid_at,
        amount=request.amount,
        payer=Payer(name=request.payer.name, tax_id=request.payer.tax_id),
        case_number=request.case_number if with_case_number else None,
    )


def _paid_on(invoice: Invoice, day: date) -> bool:
    return invoice.paid_at is not None and local_date(invoice.paid_at) == day


def _entry(invoice: Invoice) -> SettlementEntry:
    told = notification(invoice)
    return SettlementEntry(
        invoice_number=told.invoice_number,
        invoice_id=told.invoice_id,
        operation_number=told.operation_number,
        paid_at=told.paid_at,
        amount=told.amount,
        payee_iban=invoice.request.payee.iban,
        case_number=told.case_number,
    )
