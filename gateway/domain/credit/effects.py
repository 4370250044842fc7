"""What follows from a credit's changes: our answer to AÖS, our return or its refusal, and our questions."""

from __future__ import annotations

from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.credit.data import Credit
from gateway.domain.dispatches import Channel, CreditAnswer, CreditEnquiry, RecallRefusal, ReturnOrder
from gateway.domain.events.credit import GaveBack, Released, ReturnRejected, Settled
from gateway.domain.table import Alarm, Context, Send
from gateway.domain.values import Account


def answer(credit: Credit, context: Context, *, authorised: bool, reason: str | None) -> Send:
    """AOS-P3, AOS-T3: AUTH, or NAUT with a reason."""
    body = CreditAnswer(
        credit_id=context.id,
        message_id=_id(context, "answer"),
        original_message_id=credit.message_id,
        original_end_to_end_id=credit.end_to_end_id,
        original_transaction_id=credit.transaction_id,
        of_return=credit.of_return,
        authorised=authorised,
        reason=reason,
        created_at=context.now,
    )
    return Send(Channel.AOS, "AOS", body)


def recall_refusal(credit: Credit, context: Context, code: str, reason: str) -> Send:
    """AOS-T6: camt.029."""
    body = RecallRefusal(
        credit_id=context.id,
        message_id=_id(context, f"refusal/{credit.request_id}"),
        request_id=str(credit.request_id),
        requester_bic=str(credit.requester_bic),
        original_message_id=credit.message_id,
        original_end_to_end_id=credit.end_to_end_id,
        original_transaction_id=credit.transaction_id,
        code=code,
        reason=reason,
        created_at=context.now,
    )
    return Send(Channel.AOS, "AOS", body)


def return_order(credit: Credit, context: Context) -> ReturnOrder:
    """AOS-T1: the whole sum, between the accounts of the payment, under its case number (EHR-12)."""
    return ReturnOrder(
        credit_id=context.id,
        message_id=_id(context, f"return/{credit.returns}"),
        original_message_id=credit.message_id,
        original_end_to_end_id=credit.end_to_end_id,
        original_transaction_id=credit.transaction_id,
        amount=credit.amount,
        debtor=Account(holder=credit.debtor_name, iban=credit.debtor_iban, bic=credit.debtor_bic),
        creditor=Account(holder=credit.creditor_name, iban=credit.creditor_iban, bic=context.rules.rail.own_bic),
        case_number=credit.case_number,
        created_at=context.now,
    )


def enquiry(credit: Credit, number: int, context: Context) -> CreditEnquiry:
    """AOS-I1: about our return where there is one, otherwise about what we authorised."""
    order = credit.return_order
    return CreditEnquiry(
        credit_id=context.id,
        message_id=str(credit.enquiry_id),
        original_message_id=credit.message_id if order is None else order.message_id,
        original_end_to_end_id=credit.end_to_end_id,
        original_transaction_id=credit.transaction_id if order is None else order.message_id,
        of_return=credit.of_return or order is not None,
        created_at=context.now,
        number=number,
    )


def deviates(context: Context, event: Settled | Released | GaveBack | ReturnRejected) -> Alarm:
    """A word under the number of this credit, or of our return of it, that names another order."""
    facts = {"credit": context.id, "told": type(event).__name__, "received": str(event.end_to_end_id)}
    return Alarm("STATUS_DEVIATES", facts)


def _id(context: Context, what: str) -> str:
    return ids.message_id(context.rules.rail.own_address, local_date(context.now), f"{context.id}/{what}")
