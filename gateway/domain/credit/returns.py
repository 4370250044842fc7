"""A credit asked back, and our pacs.004: granted by a person, sent, given back or refused (AOS-T1…T6, AOS-R3)."""

from __future__ import annotations

from contracts.errors import ErrorCode, Refusal
from gateway.domain import asking
from gateway.domain.credit.data import RETURN_ALIAS, Credit, CreditState
from gateway.domain.credit.effects import deviates, recall_refusal, return_order
from gateway.domain.credit.table import RETURN_OPEN, TABLE
from gateway.domain.dispatches import Channel
from gateway.domain.events.credit import (
    GaveBack,
    RecallAsked,
    RecallDenied,
    RecallGranted,
    ReturnBooked,
    ReturnFailed,
    ReturnRejected,
)
from gateway.domain.events.order import Sent
from gateway.domain.frozen import replace
from gateway.domain.table import Alarm, Alias, CancelTimer, Change, Context, Send, Tell

_S = CreditState


@TABLE.on(_S.SETTLED, event=RecallAsked, to=_S.RETURN_ASKED)
def _asked_back(credit: Credit, event: RecallAsked, context: Context) -> Change[Credit]:
    """AOS-T6: money on a deposit account leaves it by a person's word only (EHR-12)."""
    credit = replace(credit, request_id=event.request_id, requester_bic=event.requester_bic)
    facts = {"credit": context.id, "code": event.code, "reason": event.reason, "amount": str(credit.amount)}
    return Change(credit, (Alarm("RECALL_ASKED", facts),))


@TABLE.on(*(state for state in _S if state is not _S.SETTLED), event=RecallAsked)
def _asked_in_vain(credit: Credit, event: RecallAsked, context: Context) -> Change[Credit]:
    """Not settled, asked already, or gone back already: no is the only answer."""
    asked = replace(credit, request_id=event.request_id, requester_bic=event.requester_bic)
    return Change(credit, (recall_refusal(asked, context, ErrorCode.STATE_CONFLICT, credit.state.value),))


def _may_decide(person: str, context: Context) -> Refusal | None:
    custody = context.rules.custody
    if custody is None or person not in custody.approvers:
        return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"operation": "return", "participant": person})
    return None


@TABLE.on(_S.RETURN_ASKED, event=RecallDenied, to=_S.SETTLED)
def _deny(credit: Credit, event: RecallDenied, context: Context) -> Change[Credit] | Refusal:
    denied = _may_decide(event.person, context)
    return denied or Change(credit, (recall_refusal(credit, context, "CUST", event.reason),))


@TABLE.on(_S.RETURN_ASKED, event=RecallGranted, to=_S.RETURNING)
def _grant(credit: Credit, event: RecallGranted, context: Context) -> Change[Credit] | Refusal:
    """AOS-T1: a new order only for the first word, and after AÖS has rejected the order before."""
    refusal = _may_decide(event.person, context)
    if refusal is not None:
        return refusal
    credit = replace(credit, returns=credit.returns + 1, resends=0, enquiry_id=None)
    order = return_order(credit, context)
    sent = (Alias(RETURN_ALIAS, order.message_id), Send(Channel.AOS, "AOS", order))
    return Change(replace(credit, return_order=order), sent)


@TABLE.on(_S.RETURNING, event=Sent, to=_S.RETURN_SENT)
def _return_sent(credit: Credit, _: Sent, context: Context) -> Change[Credit]:
    return Change(credit, (asking.silence(context),))


def _is_of_another_order(credit: Credit, event: GaveBack | ReturnRejected, _: Context) -> bool:
    return event.end_to_end_id not in (None, credit.end_to_end_id)


@TABLE.on(*RETURN_OPEN, event=GaveBack, when=_is_of_another_order)
@TABLE.on(*RETURN_OPEN, event=ReturnRejected, when=_is_of_another_order)
def _of_another_order(credit: Credit, event: GaveBack | ReturnRejected, context: Context) -> Change[Credit]:
    """Of our return it says nothing: the state stays, a person is told."""
    return Change(credit, (deviates(context, event),))


@TABLE.on(*RETURN_OPEN, event=GaveBack)
def _gave_back(credit: Credit, event: GaveBack, context: Context) -> Change[Credit]:
    """A word on an order that AÖS had rejected before this one is a regression, and says nothing of this one."""
    if not _is_of_last_order(credit, event):
        return _return_regression(credit, event, context)
    return Change(credit, (Tell("credit", context.id, ReturnBooked()),))


@TABLE.on(*RETURN_OPEN, event=ReturnRejected)
def _not_given_back(credit: Credit, event: ReturnRejected, context: Context) -> Change[Credit]:
    if not _is_of_last_order(credit, event):
        return _return_told_again(credit, event, context)
    failed = ReturnFailed(code=event.code, reason=event.reason)
    return Change(credit, (Tell("credit", context.id, failed),))


def _is_of_last_order(credit: Credit, event: GaveBack | ReturnRejected) -> bool:
    return credit.return_order is not None and credit.return_order.message_id == event.return_id


@TABLE.on(*RETURN_OPEN, event=ReturnBooked, to=_S.RETURNED)
def _returned(credit: Credit, _: ReturnBooked, context: Context) -> Change[Credit]:
    """AOS-T4: told late or asked for, it is booked once."""
    facts = {"credit": context.id, "amount": str(credit.amount), "payment": str(credit.payment_id)}
    return Change(credit, (CancelTimer(asking.TIMER), Alarm("CREDIT_RETURNED", facts)))


@TABLE.on(*RETURN_OPEN, event=ReturnFailed, to=_S.RETURN_ASKED)
def _return_failed(credit: Credit, event: ReturnFailed, context: Context) -> Change[Credit]:
    """AOS-T5, AOS-R3: it stays with us, and a person decides again."""
    facts = {"credit": context.id, "code": event.code, "reason": event.reason}
    credit = replace(credit, day_refused=False)
    return Change(credit, (CancelTimer(asking.TIMER), Alarm("RETURN_REJECTED", facts)))


@TABLE.on(_S.RETURNED, event=GaveBack)
@TABLE.on(_S.RETURN_ASKED, _S.SETTLED, event=ReturnRejected)
def _return_told_again(credit: Credit, _: GaveBack | ReturnRejected, __: Context) -> Change[Credit]:
    return Change(credit)


@TABLE.on(_S.RETURNED, event=ReturnRejected)
@TABLE.on(_S.RETURN_ASKED, _S.SETTLED, event=GaveBack)
def _return_regression(credit: Credit, event: GaveBack | ReturnRejected, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "state": credit.state.value, "told": type(event).__name__}
    return Change(credit, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))
