"""A settled payment asked back, and money that comes back (AOS-M4, AOS-T3, AOS-T4, AOS-T6)."""

from __future__ import annotations

from contracts.errors import ErrorCode, Refusal
from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel
from gateway.domain.events import credit as credits
from gateway.domain.events.payment import CameBack, RecallOrdered, RecallRefused, ReturnProposed, ReturnReleased
from gateway.domain.frozen import replace
from gateway.domain.payment.checks import not_recallable, return_fault
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.payment.effects import notices, recall_order, tell_returned
from gateway.domain.payment.table import RECALL_ALIAS, TABLE
from gateway.domain.table import Alarm, Alias, Change, Context, Send, Tell

_S = PaymentState


@TABLE.on(_S.SETTLED, event=RecallOrdered)
def _recall(payment: Payment, event: RecallOrdered, context: Context) -> Change[Payment] | Refusal:
    """AOS-M4: a person on the list asks for it back, once; only what AÖS carried, and what we paid ourselves."""
    refusal = not_recallable(payment, event, context)
    if refusal is not None:
        return refusal
    payment = replace(
        payment,
        recall_id=ids.message_id(context.rules.rail.own_address, local_date(context.now), f"{context.id}/recall"),
    )
    sent = Send(Channel.AOS, "AOS", recall_order(payment, event.reason, context))
    return Change(payment, (Alias(RECALL_ALIAS, str(payment.recall_id)), sent))


@TABLE.on(_S.SETTLED, _S.RETURNED, event=RecallRefused)
def _recall_refused(payment: Payment, event: RecallRefused, context: Context) -> Change[Payment]:
    """AOS-T6: the no is a person's to deal with; the payment stays settled."""
    facts = {"payment": context.id, "code": event.code, "reason": event.reason}
    return Change(payment, (Alarm("RECALL_REFUSED", facts),))


@TABLE.on(_S.SETTLED, event=ReturnProposed)
def _return_proposed(payment: Payment, event: ReturnProposed, context: Context) -> Change[Payment]:
    """AOS-T3: a second one while the first may be booked could not be booked itself."""
    fault = return_fault(payment, event)
    if fault is not None:
        return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=fault)),))
    matched = credits.Matched(payment_id=context.id, lot_id=payment.lot_id, owner=payment.owner)
    return Change(replace(payment, credit_id=event.credit_id), (Tell("credit", event.credit_id, matched),))


@TABLE.on(_S.SETTLED, _S.RETURNED, event=ReturnReleased)
def _return_released(payment: Payment, event: ReturnReleased, _: Context) -> Change[Payment]:
    """AOS-T5: the money stays where it is. Of two returns that builds of before agreed to, the other may be booked."""
    return Change(replace(payment, credit_id=None) if event.credit_id == payment.credit_id else payment)


@TABLE.on(*(state for state in _S if state is not _S.SETTLED), event=ReturnProposed)
def _return_of_nothing(payment: Payment, event: ReturnProposed, _: Context) -> Change[Payment]:
    return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=ErrorCode.STATE_CONFLICT)),))


@TABLE.on(_S.SETTLED, event=CameBack, to=_S.RETURNED)
def _came_back(payment: Payment, event: CameBack, context: Context) -> Change[Payment]:
    """AOS-T4: a person is told in every case; a refund's collection waits for one."""
    facts = {"payment": context.id, "reference": event.reference, "amount": str(payment.amount)}
    told = tell_returned(payment, context)
    return Change(payment, (Alarm("PAYMENT_RETURNED", facts), *told, *notices(payment, context, _S.RETURNED)))
