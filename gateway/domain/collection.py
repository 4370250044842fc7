"""Collection: an amount that Asan Pay collects from a bidder (EHR-3, EHR-8, EHR-11): deposit, fee or final amount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain.dispatches import (
    Channel,
    InvoiceCancellation,
    InvoiceOrder,
    Notice,
    NoticeKind,
    PaymentKind,
)
from gateway.domain.events import lot as lots
from gateway.domain.events import payment as payments
from gateway.domain.events.collection import (
    Applied,
    Cancelled,
    Forfeited,
    Invoiced,
    InvoiceRefused,
    Paid,
    RefundCameBack,
    Refunded,
    RefundFailed,
    RefundOrdered,
    Wanted,
)
from gateway.domain.frozen import replace
from gateway.domain.money import Money
from gateway.domain.table import Alarm, Change, Context, Effect, Send, StateTable, Tell
from gateway.domain.values import Account, Purpose


class CollectionState(StrEnum):
    """Where a collection is."""

    ORDERED = "ordered"  # the invoice is on its way to Asan Pay
    INVOICED = "invoiced"  # the payer can pay
    PAID = "paid"
    APPLIED = "applied"  # a winner's deposit, counted into the price
    REFUNDING = "refunding"  # EHR-10: on its way back
    REFUNDED = "refunded"
    REFUND_HELD = "refund_held"  # the way back failed: a person decides
    FORFEITED = "forfeited"  # EHR-13: the winner did not pay
    CANCELLED = "cancelled"
    PAID_LATE = "paid_late"  # money for a cancelled invoice: a person decides
    INVOICE_REFUSED = "invoice_refused"  # Asan Pay would not invoice: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One invoice and its money."""

    state: CollectionState
    lot_id: str
    owner: str
    bidder_id: str
    purpose: Purpose
    amount: Money
    payer_name: str
    payer_tax_id: str
    payee: Account
    case_number: str | None
    invoice_number: str | None = None
    operation_number: str | None = None
    paid_at: datetime | None = None
    received: Money | None = None  # for a cancelled invoice, where nobody compares it with the amount
    refund_due: datetime | None = None  # EHR-13


_S = CollectionState
_MONEY_KNOWN = (_S.PAID, _S.APPLIED, _S.REFUNDING, _S.REFUNDED, _S.REFUND_HELD, _S.FORFEITED, _S.PAID_LATE)
TABLE = StateTable(
    "collection",
    Collection,
    CollectionState,
    final=(_S.APPLIED, _S.REFUNDED, _S.FORFEITED, _S.CANCELLED),
    waiting_for_person=(_S.REFUND_HELD, _S.PAID_LATE, _S.INVOICE_REFUSED),
    scheduled=(_S.ORDERED,),
    unknown=ErrorCode.COLLECTION_UNKNOWN,
    expected_at=lambda collection: collection.refund_due if collection.state is _S.REFUNDING else None,
    overdue=Alarm("REFUND_OVERDUE"),
    quoted=lambda collection: (collection.invoice_number, collection.operation_number),
)


def collection_id(lot_id: str, purpose: Purpose, bidder_id: str) -> str:
    """A bidder owes one amount per purpose and lot."""
    return f"{lot_id}.{purpose.value.replace('_', '-')}.{bidder_id}"


def _notice(collection: Collection, context: Context, state: CollectionState, reason: str | None = None) -> Effect:
    return Send(
        Channel.PLATFORM,
        context.rules.platform,
        Notice(
            kind=NoticeKind.COLLECTION_STATE,
            lot_id=collection.lot_id,
            subject_id=context.id,
            state=state,
            occurred_at=context.now,
            amount=collection.received or collection.amount,
            case_number=collection.case_number,
            reference=collection.invoice_number,
            reason=reason,
        ),
    )


@TABLE.on(None, event=Wanted, to=_S.ORDERED)
def _order(_: None, event: Wanted, context: Context) -> Change[Collection]:
    collection = Collection(
        state=_S.ORDERED,
        lot_id=event.lot_id,
        owner=event.owner,
        bidder_id=event.bidder_id,
        purpose=event.purpose,
        amount=event.amount,
        payer_name=event.payer_name,
        payer_tax_id=event.payer_tax_id,
        payee=event.payee,
        case_number=event.case_number,
    )
    invoice = InvoiceOrder(
        collection_id=context.id,
        lot_id=event.lot_id,
        purpose=event.purpose,
        amount=event.amount,
        payer_name=event.payer_name,
        payer_tax_id=event.payer_tax_id,
        payee=event.payee,
        case_number=event.case_number,
        due=event.due,
    )
    return Change(collection, (Send(Channel.ASAN_PAY, "ASANPAY", invoice),))


@TABLE.on(_S.ORDERED, event=Invoiced, to=_S.INVOICED)
def _invoiced(collection: Collection, event: Invoiced, context: Context) -> Change[Collection]:
    collection = replace(collection, invoice_number=event.number)
    return Change(collection, (_notice(collection, context, _S.INVOICED),))


@TABLE.on(_S.CANCELLED, event=Invoiced)
def _invoiced_too_late(collection: Collection, event: Invoiced, context: Context) -> Change[Collection]:
    """Cancelled while the order was on its way: the invoice that now exists is taken back."""
    taken_back = InvoiceCancellation(collection_id=context.id, invoice_number=event.number, reason="cancelled")
    return Change(replace(collection, invoice_number=event.number), (Send(Channel.ASAN_PAY, "ASANPAY", taken_back),))


@TABLE.on(*_MONEY_KNOWN, event=Invoiced)
def _invoiced_after_payment(collection: Collection, event: Invoiced, _: Context) -> Change[Collection]:
    """The payer was faster than the answer to our order."""
    return Change(replace(collection, invoice_number=event.number))


@TABLE.on(_S.ORDERED, event=InvoiceRefused, to=_S.INVOICE_REFUSED)
def _invoice_refused(collection: Collection, event: InvoiceRefused, context: Context) -> Change[Collection]:
    return Change(
        collection,
        (
            _notice(collection, context, _S.INVOICE_REFUSED, event.reason),
            Alarm("INVOICE_REFUSED", {"code": event.code}),
        ),
    )


def _check_paid(collection: Collection, event: Paid) -> Refusal | None:
    if event.case_number != collection.case_number:
        return Refusal(code=ErrorCode.CASE_NUMBER_MISSING, facts={"lot": collection.lot_id})
    if event.amount != collection.amount:
        return Refusal(
            code=ErrorCode.AMOUNT_MISMATCH,
            facts={"expected": str(collection.amount), "received": str(event.amount)},
        )
    return None


def _with_payment(collection: Collection, event: Paid) -> Collection:
    return replace(collection, operation_number=event.operation_number, paid_at=event.paid_at)


@TABLE.on(_S.ORDERED, _S.INVOICED, event=Paid, to=_S.PAID)
def _paid(collection: Collection, event: Paid, context: Context) -> Change[Collection] | Refusal:
    """EHR-12: what comes in for an enforcement lot carries its case number, or is not accepted."""
    refusal = _check_paid(collection, event)
    if refusal is not None:
        return refusal
    paid = lots.CollectionPaid(
        collection_id=context.id,
        purpose=collection.purpose,
        bidder_id=collection.bidder_id,
        operation_number=event.operation_number,
        paid_at=event.paid_at,
    )
    return Change(
        _with_payment(collection, event),
        (_notice(collection, context, _S.PAID), Tell("lot", collection.lot_id, paid)),
    )


@TABLE.on(*_MONEY_KNOWN, event=Paid)
def _paid_again(collection: Collection, event: Paid, context: Context) -> Change[Collection]:
    """The same operation told under another id is nothing new; another operation is money too much."""
    if event.operation_number == collection.operation_number:
        return Change(collection)
    return Change(collection, (Alarm("PAID_TWICE", {"collection": context.id, "operation": event.operation_number}),))


@TABLE.on(_S.CANCELLED, event=Paid, to=_S.PAID_LATE)
def _paid_late(collection: Collection, event: Paid, context: Context) -> Change[Collection]:
    """Whatever came is a person's: how much, and under which case number, is nobody's to refuse any more."""
    collection = replace(_with_payment(collection, event), received=event.amount)
    facts = {"collection": context.id, "received": str(event.amount), "operation": event.operation_number}
    return Change(collection, (_notice(collection, context, _S.PAID_LATE), Alarm("PAID_AFTER_CANCELLATION", facts)))


@TABLE.on(_S.PAID, event=RefundOrdered, to=_S.REFUNDING)
def _refund(collection: Collection, event: RefundOrdered, context: Context) -> Change[Collection]:
    order = payments.Ordered(
        kind=PaymentKind.TRANSFER,
        reason=payments.Reason.REFUND,
        origin=context.id,
        lot_id=collection.lot_id,
        owner=collection.owner,
        amount=collection.amount,
        debtor=collection.payee,
        creditor=event.account,
        case_number=collection.case_number,
        case_number_required=collection.case_number is not None,
        purpose=f"Behin qaytarılması, lot {collection.lot_id}",
    )
    return Change(
        replace(collection, refund_due=event.due),
        (
            Tell("payment", f"{collection.lot_id}.refund.{collection.bidder_id}", order),
            _notice(collection, context, _S.REFUNDING),
        ),
    )


@TABLE.on(_S.REFUNDING, _S.REFUND_HELD, event=Refunded, to=_S.REFUNDED)
def _refunded(collection: Collection, _: Refunded, context: Context) -> Change[Collection]:
    return Change(collection, (_notice(collection, context, _S.REFUNDED),))


@TABLE.on(_S.REFUNDING, _S.REFUND_HELD, event=RefundFailed, to=_S.REFUND_HELD)
def _refund_failed(collection: Collection, event: RefundFailed, context: Context) -> Change[Collection]:
    return Change(collection, (_notice(collection, context, _S.REFUND_HELD, event.reason),))


@TABLE.on(_S.REFUNDED, event=RefundCameBack, to=_S.REFUND_HELD)
def _refund_came_back(collection: Collection, event: RefundCameBack, context: Context) -> Change[Collection]:
    """The money is on the deposit account again: a person decides where it goes (EHR-10)."""
    facts = {"collection": context.id, "payment": event.payment_id}
    return Change(
        collection, (_notice(collection, context, _S.REFUND_HELD, "returned"), Alarm("REFUND_CAME_BACK", facts))
    )


@TABLE.on(_S.PAID, event=Applied, to=_S.APPLIED)
def _apply(collection: Collection, _: Applied, context: Context) -> Change[Collection]:
    return Change(collection, (_notice(collection, context, _S.APPLIED),))


@TABLE.on(_S.PAID, event=Forfeited, to=_S.FORFEITED)
def _forfeit(collection: Collection, _: Forfeited, context: Context) -> Change[Collection]:
    return Change(collection, (_notice(collection, context, _S.FORFEITED),))


@TABLE.on(_S.ORDERED, _S.INVOICED, event=Cancelled, to=_S.CANCELLED)
def _cancel(collection: Collection, event: Cancelled, context: Context) -> Change[Collection]:
    effects: list[Effect] = [_notice(collection, context, _S.CANCELLED, event.reason)]
    if collection.invoice_number is not None:
        taken_back = InvoiceCancellation(
            collection_id=context.id, invoice_number=collection.invoice_number, reason=event.reason
        )
        effects.append(Send(Channel.ASAN_PAY, "ASANPAY", taken_back))
    return Change(collection, tuple(effects))


@TABLE.on(_S.INVOICE_REFUSED, event=Cancelled, to=_S.CANCELLED)
def _cancel_what_never_was(collection: Collection, event: Cancelled, context: Context) -> Change[Collection]:
    """An invoice that Asan Pay would not make keeps no auction from closing."""
    return Change(collection, (_notice(collection, context, _S.CANCELLED, event.reason),))
