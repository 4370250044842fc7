"""A payment before it leaves: ids fixed, approved where it must be, a way found for it (EHR-12, AOS-C9, VLT-3.2)."""

from __future__ import annotations

from contracts.errors import ErrorCode, Refusal
from gateway.domain import ids
from gateway.domain.clock import add_business_days, local_date
from gateway.domain.dispatches import Channel
from gateway.domain.events.payment import (
    END_TO_END_ALIAS,
    ApprovalNeeded,
    Approved,
    Declined,
    Ordered,
    Rail,
    Released,
    RouteChosen,
    RouteMissing,
    RouteQueued,
    TransferAwaited,
    TransferOverdue,
    WindowOpened,
)
from gateway.domain.frozen import replace
from gateway.domain.payment.checks import not_an_approver, not_approved
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.payment.effects import notices, tell_failed, wire_order
from gateway.domain.payment.table import AZIPS_ALIAS, MESSAGE_ALIAS, TABLE, azips_reference
from gateway.domain.routing import Route, choose
from gateway.domain.table import Alarm, Alias, Change, Context, Send, Tell, Timer

_S = PaymentState


@TABLE.on(None, event=Ordered, to=_S.ORDERED)
def _order(_: None, event: Ordered, context: Context) -> Change[Payment] | Refusal:
    """EHR-12: a payment of an enforcement case without its registration number is never made. AOS-C9: route first."""
    if event.case_number_required and not event.case_number:
        return Refusal(code=ErrorCode.CASE_NUMBER_MISSING, facts={"lot": event.lot_id})
    rail = context.rules.rail
    payment = Payment(
        state=_S.ORDERED,
        lot_id=event.lot_id,
        owner=event.owner,
        kind=event.kind,
        reason=event.reason,
        origin=event.origin,
        amount=event.amount,
        debtor=event.debtor,
        creditor=event.creditor,
        case_number=event.case_number,
        purpose=event.purpose,
        maker=event.maker or event.owner,
        message_id=ids.message_id(rail.own_address, local_date(context.now), context.id),
        end_to_end_id=ids.end_to_end_id(context.id),
        created_at=context.now,
    )
    return Change(
        payment,
        (
            Alias(MESSAGE_ALIAS, payment.message_id),
            Alias(END_TO_END_ALIAS, payment.end_to_end_id),
            Tell("payment", context.id, _first_step(payment, context)),
        ),
    )


def _first_step(payment: Payment, context: Context) -> ApprovalNeeded | Route:
    custody = context.rules.custody
    if custody is not None and payment.amount > custody.limit:
        return ApprovalNeeded(limit=custody.limit, approvals=custody.approvals)
    return choose(payment, context.rules, context.now)


@TABLE.on(_S.ORDERED, event=ApprovalNeeded, to=_S.AWAITING_APPROVAL)
def _await_approval(payment: Payment, event: ApprovalNeeded, context: Context) -> Change[Payment]:
    """VLT-3.2: nothing is sent before as many persons as the rule wants have said so."""
    facts = {"payment": context.id, "amount": str(payment.amount), "limit": str(event.limit)}
    return Change(payment, (Alarm("APPROVAL_NEEDED", facts), *notices(payment, context, _S.AWAITING_APPROVAL)))


@TABLE.on(_S.AWAITING_APPROVAL, event=Approved)
def _approve(payment: Payment, event: Approved, context: Context) -> Change[Payment] | Refusal:
    """VLT-3.2, VLT-4.1: what is approved is the amount and the account that the person has seen, once a person."""
    refusal = not_approved(payment, event, context)
    if refusal is not None:
        return refusal
    payment = replace(payment, approvals=(*payment.approvals, event.person))
    enough = context.rules.custody is not None and len(payment.approvals) >= context.rules.custody.approvals
    released = (Tell("payment", context.id, Released(approvals=payment.approvals)),) if enough else ()
    return Change(payment, released)


@TABLE.on(_S.AWAITING_APPROVAL, event=Released, to=_S.ORDERED)
def _release(payment: Payment, _: Released, context: Context) -> Change[Payment]:
    """The order is of the day of its release (AOS-C2)."""
    payment = replace(payment, created_at=context.now)
    return Change(payment, (Tell("payment", context.id, choose(payment, context.rules, context.now)),))


@TABLE.on(_S.AWAITING_APPROVAL, event=Declined, to=_S.REFUSED)
def _decline(payment: Payment, event: Declined, context: Context) -> Change[Payment] | Refusal:
    refusal = not_an_approver(payment, event.person, context)
    if refusal is not None:
        return refusal
    payment = replace(payment, refusal_code="DECLINED", refusal_reason=event.reason)
    told = tell_failed(payment, context, "DECLINED", event.reason)
    return Change(payment, (*told, *notices(payment, context, _S.REFUSED, f"DECLINED {event.reason}")))


@TABLE.on(_S.ORDERED, event=RouteChosen, to=_S.ROUTED)
def _route(payment: Payment, event: RouteChosen, context: Context) -> Change[Payment]:
    payment = replace(payment, rail=event.rail)
    if event.rail is Rail.AZIPS:
        reference = Alias(AZIPS_ALIAS, azips_reference(payment.message_id))
        return Change(payment, (reference, Send(Channel.AZIPS, "AZIPS", wire_order(payment, context.id))))
    return Change(payment, (Send(Channel.AOS, "AOS", wire_order(payment, context.id)),))


@TABLE.on(_S.ORDERED, event=RouteQueued, to=_S.QUEUED)
def _queue(payment: Payment, event: RouteQueued, context: Context) -> Change[Payment]:
    told = notices(payment, context, _S.QUEUED, event.rule)
    return Change(payment, (Timer("window", event.until, WindowOpened()), *told))


@TABLE.on(_S.QUEUED, event=WindowOpened, to=_S.ORDERED)
def _window_opened(payment: Payment, _: WindowOpened, context: Context) -> Change[Payment]:
    """The rule in force now decides; the order is of this day (AOS-C2)."""
    payment = replace(payment, created_at=context.now)
    return Change(payment, (Tell("payment", context.id, choose(payment, context.rules, context.now)),))


@TABLE.on(_S.ORDERED, event=TransferAwaited, to=_S.AWAITING_TRANSFER)
def _await_transfer(payment: Payment, event: TransferAwaited, context: Context) -> Change[Payment]:
    """The payer's bank is told what to name in its own transfer; its credit is matched, nothing is sent by us."""
    told = notices(payment, context, _S.AWAITING_TRANSFER, event.rule)
    return Change(replace(payment, rail=Rail.AZIPS), (_transfer_timer(context), *told))


def _transfer_timer(context: Context) -> Timer:
    days = context.rules.azips.transfer_days if context.rules.azips is not None else 1
    return Timer("transfer", add_business_days(context.now, days, context.rules.is_business_day), TransferOverdue())


@TABLE.on(_S.AWAITING_TRANSFER, event=TransferOverdue)
def _transfer_overdue(payment: Payment, _: TransferOverdue, context: Context) -> Change[Payment]:
    """A person is told, as often as the time passes; the credit is awaited as before."""
    facts = {"payment": context.id, "bank": payment.debtor.bic}
    return Change(payment, (Alarm("TRANSFER_OVERDUE", facts), _transfer_timer(context)))


@TABLE.on(_S.ORDERED, event=RouteMissing, to=_S.HELD)
def _hold(payment: Payment, event: RouteMissing, context: Context) -> Change[Payment]:
    return Change(
        payment,
        (
            Alarm("ROUTE_MISSING", {"payment": context.id, "amount": str(payment.amount), "rule": event.reason}),
            *tell_failed(payment, context, "ROUTE_MISSING", event.reason),
            *notices(payment, context, _S.HELD, event.reason),
        ),
    )
