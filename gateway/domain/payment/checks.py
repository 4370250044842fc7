"""What may not be done with a payment, and why: approvals, recalls, words and credits that are not what is awaited."""

from __future__ import annotations

from contracts.errors import ErrorCode, Refusal
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events.payment import (
    Approved,
    Consented,
    CreditOffered,
    Rail,
    RecallOrdered,
    Rejected,
    ReturnProposed,
    Settled,
)
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.table import Context


def not_an_approver(payment: Payment, person: str, context: Context) -> Refusal | None:
    """VLT-4.4: not the maker; and only who is on the list."""
    custody = context.rules.custody
    if custody is None or person not in custody.approvers or person == payment.maker:
        return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"operation": "approval", "participant": person})
    return None


def not_approved(payment: Payment, event: Approved, context: Context) -> Refusal | None:
    """VLT-3.2, VLT-4.1: once a person, and what the person has seen."""
    refusal = not_an_approver(payment, event.person, context)
    if refusal is not None:
        return refusal
    if event.person in payment.approvals:
        return Refusal(code=ErrorCode.ALREADY_EXISTS, facts={"noun": "approval", "id": event.person})
    if (event.amount, event.creditor_iban) != (payment.amount, payment.creditor.iban):
        facts = {"expected": str(payment.amount), "received": str(event.amount)}
        return Refusal(code=ErrorCode.AMOUNT_MISMATCH, facts=facts)
    return None


def not_recallable(payment: Payment, event: RecallOrdered, context: Context) -> Refusal | None:
    """AOS-M4: by a person on the list, once; only what AÖS carried, and what we paid ourselves."""
    custody = context.rules.custody
    if custody is None or event.person not in custody.approvers:
        return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"operation": "recall", "participant": event.person})
    if payment.recall_id is not None:
        return Refusal(code=ErrorCode.ALREADY_EXISTS, facts={"noun": "recall", "id": payment.recall_id})
    if payment.rail is not Rail.AOS or payment.kind is not PaymentKind.TRANSFER:
        facts = {"noun": "payment", "id": context.id, "event": "RecallOrdered", "state": payment.state.value}
        return Refusal(code=ErrorCode.STATE_CONFLICT, facts=facts)
    return None


def is_of_another_order(payment: Payment, event: Consented | Settled | Rejected, _: Context) -> bool:
    """A rail's word that names this payment's message, and otherwise not what we sent it, or sent nobody."""
    named = event.named
    if named is None:
        return False
    return (
        payment.state is PaymentState.AWAITING_TRANSFER
        or named.rail is not payment.rail
        or named.kind not in (None, payment.kind)
        or named.end_to_end_id not in (None, payment.end_to_end_id)
        or (payment.renewals == 0 and event.order_id not in (None, payment.message_id))  # an alias changed by hand
    )


def return_fault(payment: Payment, event: ReturnProposed) -> ErrorCode | None:
    """AOS-T3: exactly what we paid, from whom we paid it to, under its case number (EHR-12), and once."""
    found = (event.amount, event.debtor_iban, event.creditor_iban, event.case_number)
    if found != (payment.amount, payment.creditor.iban, payment.debtor.iban, payment.case_number):
        return ErrorCode.AMOUNT_MISMATCH
    if payment.kind is not PaymentKind.TRANSFER or event.end_to_end_id != payment.end_to_end_id:
        return ErrorCode.REFERENCE_UNKNOWN
    return None if payment.credit_id is None else ErrorCode.STATE_CONFLICT


def credit_fault(payment: Payment, event: CreditOffered) -> ErrorCode | None:
    """AUTH only for exactly what is awaited: amount, account and case number (EHR-12)."""
    if event.amount != payment.amount:
        return ErrorCode.AMOUNT_MISMATCH
    if event.case_number != payment.case_number:
        return ErrorCode.CASE_NUMBER_MISSING
    if event.creditor_iban != payment.creditor.iban or payment.kind is not PaymentKind.REQUEST:
        return ErrorCode.REFERENCE_UNKNOWN
    return None
