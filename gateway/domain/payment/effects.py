"""What follows from a payment's changes: notices, the order on its way, and the word to the lot or collection."""

from __future__ import annotations

from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, Notice, NoticeKind, PaymentOrder, RecallOrder
from gateway.domain.events import collection as collections
from gateway.domain.events import lot as lots
from gateway.domain.events.payment import Reason
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.table import Context, Effect, Send, Tell


def notices(payment: Payment, context: Context, state: PaymentState, reason: str | None = None) -> tuple[Effect, ...]:
    """The platform hears of every payment, the claimant bank of its own (EHR-4)."""
    notice = Notice(
        kind=NoticeKind.PAYMENT_STATE,
        lot_id=payment.lot_id,
        subject_id=context.id,
        state=state,
        occurred_at=context.now,
        amount=payment.amount,
        case_number=payment.case_number,
        reference=payment.msid or payment.reference or _to_name(payment, state),
        reason=reason,
    )
    told: tuple[Effect, ...] = (Send(Channel.PLATFORM, context.rules.platform, notice),)
    if payment.reason is Reason.PURCHASE and payment.owner in context.rules.banks:
        told = (Send(Channel.BANKS, payment.owner, notice), *told)
    return told


def _to_name(payment: Payment, state: PaymentState) -> str | None:
    """What the payer's bank must name in its own transfer."""
    return payment.end_to_end_id if state is PaymentState.AWAITING_TRANSFER else None


def wire_order(payment: Payment, payment_id: str) -> PaymentOrder:
    """The order as it leaves, now and at every resend."""
    return PaymentOrder(
        kind=payment.kind,
        payment_id=payment_id,
        message_id=payment.message_id,
        end_to_end_id=payment.end_to_end_id,
        transaction_id=payment.end_to_end_id,
        amount=payment.amount,
        debtor=payment.debtor,
        creditor=payment.creditor,
        lot_id=payment.lot_id,
        case_number=payment.case_number,
        purpose=payment.purpose,
        created_at=payment.created_at,
    )


def tell_settled(payment: Payment, context: Context) -> tuple[Effect, ...]:
    """The one who wanted it paid hears that it is."""
    if payment.reason is Reason.REFUND:
        return (Tell("collection", payment.origin, collections.Refunded(payment_id=context.id)),)
    settled = lots.PaymentSettled(
        payment_id=context.id,
        reference=payment.msid or payment.reference or payment.end_to_end_id,
        paid_on=local_date(payment.settled_at or context.now),
    )
    return (Tell("lot", payment.origin, settled),)


def tell_failed(payment: Payment, context: Context, code: str, reason: str) -> tuple[Effect, ...]:
    """The one who wanted it paid hears that it is not."""
    if payment.reason is Reason.REFUND:
        failed = collections.RefundFailed(payment_id=context.id, reason=f"{code} {reason}".strip())
        return (Tell("collection", payment.origin, failed),)
    return (Tell("lot", payment.origin, lots.PaymentFailed(payment_id=context.id, code=code, reason=reason)),)


def tell_returned(payment: Payment, context: Context) -> tuple[Effect, ...]:
    """A refund that came back is its collection's; a purchase's lot is concluded, only the alarm is left."""
    if payment.reason is Reason.REFUND:
        return (Tell("collection", payment.origin, collections.RefundCameBack(payment_id=context.id)),)
    return ()


def recall_order(payment: Payment, reason: str, context: Context) -> RecallOrder:
    """What asks for a settled payment back; names it as it was sent."""
    return RecallOrder(
        payment_id=context.id,
        message_id=str(payment.recall_id),
        creditor_bic=payment.creditor.bic,
        original_message_id=payment.message_id,
        original_end_to_end_id=payment.end_to_end_id,
        amount=payment.amount,
        paid_on=local_date(payment.created_at),
        reason=reason,
        created_at=context.now,
    )
