"""Payment: one order for the instant rail and what is known of its outcome (AOS-M1, AOS-M2, AOS-P1…P7).

Not knowing is a state: silence leads to UNKNOWN, and only an answer or a person leads out of it. No timer or counter
makes a payment fail, and the ids fixed at the order are the only ones ever sent. An order that the rail says it has
never seen goes again as the same message; should the first copy turn up after all, the rail refuses one (AOS-C3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import (
    Channel,
    Notice,
    NoticeKind,
    PaymentEnquiry,
    PaymentKind,
    PaymentOrder,
)
from gateway.domain.events import collection as collections
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events.payment import (
    Consented,
    CreditAuthorised,
    CreditOffered,
    EnquiriesExhausted,
    EnquiryDue,
    EnquiryRefused,
    NotKnownToRail,
    Ordered,
    OutcomeUnknown,
    Reason,
    Rejected,
    RouteChosen,
    RouteMissing,
    Sent,
    Settled,
    SilenceElapsed,
)
from gateway.domain.money import Money
from gateway.domain.rulebook import EnquiryIds
from gateway.domain.table import Alarm, Alias, CancelTimer, Change, Context, Effect, Send, StateTable, Tell, Timer
from gateway.domain.values import Account


class PaymentState(StrEnum):
    """What is known of a payment."""

    ORDERED = "ordered"  # ids fixed, route not chosen yet
    ROUTED = "routed"  # on its way to the rail
    SENT = "sent"  # the rail has the message
    CONSENTED = "consented"  # ACSP: agreed, not money
    AUTHORISED = "authorised"  # we, the creditor agent, confirmed its credit
    UNKNOWN = "unknown"  # nobody knows; we ask
    UNRESOLVED = "unresolved"  # asked in vain: a person goes on, we keep listening
    HELD = "held"  # no rail carries it: a person decides
    SETTLED = "settled"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment and its fixed ids."""

    state: PaymentState
    lot_id: str
    owner: str
    kind: PaymentKind
    reason: Reason
    origin: str
    amount: Money
    debtor: Account
    creditor: Account
    case_number: str | None
    purpose: str
    message_id: str
    end_to_end_id: str
    created_at: datetime
    rail: str | None = None
    msid: str | None = None
    credit_id: str | None = None
    reference: str | None = None
    settled_at: datetime | None = None
    refusal_code: str | None = None
    refusal_reason: str | None = None
    enquiry_id: str | None = None  # of the last enquiry
    resends: int = 0  # how often it went again because the rail had never seen it


_S = PaymentState
_OPEN = (_S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED)
TABLE = StateTable(
    "payment",
    Payment,
    PaymentState,
    final=(_S.SETTLED, _S.REFUSED),
    waiting_for_person=(_S.UNRESOLVED, _S.HELD),
    scheduled=(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.UNKNOWN),
    unknown=ErrorCode.PAYMENT_UNKNOWN,
)
MESSAGE_ALIAS = "aos.msg"
END_TO_END_ALIAS = "aos.e2e"
ENQUIRY_ALIAS = "aos.enquiry"


def _notices(payment: Payment, context: Context, state: PaymentState, reason: str | None = None) -> tuple[Effect, ...]:
    """The platform hears of every payment, the claimant bank of its own (EHR-4)."""
    notice = Notice(
        kind=NoticeKind.PAYMENT_STATE,
        lot_id=payment.lot_id,
        subject_id=context.id,
        state=state,
        occurred_at=context.now,
        amount=payment.amount,
        case_number=payment.case_number,
        reference=payment.msid or payment.reference,
        reason=reason,
    )
    told: tuple[Effect, ...] = (Send(Channel.PLATFORM, context.rules.platform, notice),)
    if payment.reason is Reason.PURCHASE and payment.owner in context.rules.banks:
        told = (Send(Channel.BANKS, payment.owner, notice), *told)
    return told


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
        message_id=ids.message_id(rail.own_address, local_date(context.now), context.id),
        end_to_end_id=ids.end_to_end_id(context.id),
        created_at=context.now,
    )
    rule = f"aos.max_amount={rail.max_amount}"
    chosen: RouteChosen | RouteMissing = RouteChosen(rail="AOS", rule=rule)
    if event.amount > rail.max_amount:
        chosen = RouteMissing(reason=rule)
    return Change(
        payment,
        (
            Alias(MESSAGE_ALIAS, payment.message_id),
            Alias(END_TO_END_ALIAS, payment.end_to_end_id),
            Tell("payment", context.id, chosen),
        ),
    )


def _wire_order(payment: Payment, payment_id: str) -> PaymentOrder:
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


@TABLE.on(_S.ORDERED, event=RouteChosen, to=_S.ROUTED)
def _route(payment: Payment, event: RouteChosen, context: Context) -> Change[Payment]:
    payment = replace(payment, rail=event.rail)
    return Change(payment, (Send(Channel.AOS, "AOS", _wire_order(payment, context.id)),))


@TABLE.on(_S.ORDERED, event=RouteMissing, to=_S.HELD)
def _hold(payment: Payment, event: RouteMissing, context: Context) -> Change[Payment]:
    return Change(
        payment,
        (
            Alarm("ROUTE_MISSING", {"payment": context.id, "amount": str(payment.amount), "rule": event.reason}),
            *_tell_failed(payment, context, "ROUTE_MISSING", event.reason),
            *_notices(payment, context, _S.HELD, event.reason),
        ),
    )


def _answer_timer(context: Context) -> Timer:
    return Timer("answer", context.now + context.rules.rail.answer_timeout, SilenceElapsed())


@TABLE.on(_S.ROUTED, event=Sent, to=_S.SENT)
def _sent(payment: Payment, _: Sent, context: Context) -> Change[Payment]:
    return Change(payment, (_answer_timer(context), *_notices(payment, context, _S.SENT)))


@TABLE.on(_S.ROUTED, event=OutcomeUnknown, to=_S.UNKNOWN)
def _lost_sight(payment: Payment, event: OutcomeUnknown, context: Context) -> Change[Payment]:
    return Change(payment, (_first_enquiry(context), *_notices(payment, context, _S.UNKNOWN, event.reason)))


def _first_enquiry(context: Context) -> Timer:
    return Timer("answer", context.now + context.rules.rail.enquiry_delay, EnquiryDue(number=1))


@TABLE.on(_S.ROUTED, _S.SENT, _S.UNKNOWN, _S.UNRESOLVED, event=Consented, to=_S.CONSENTED)
def _consent(payment: Payment, event: Consented, context: Context) -> Change[Payment]:
    """ACSP is consent, not money: the answer timer goes on until STAT (facts.md)."""
    payment = replace(payment, msid=event.msid)
    return Change(payment, (_answer_timer(context), *_notices(payment, context, _S.CONSENTED)))


@TABLE.on(_S.AUTHORISED, _S.SETTLED, event=Consented)
@TABLE.on(_S.CONSENTED, event=Consented)
def _consent_overtaken(payment: Payment, event: Consented, _: Context) -> Change[Payment]:
    """The consent came after what follows from it: its MSID is kept, nothing else changes."""
    return Change(replace(payment, msid=payment.msid or event.msid))


def _credit_fault(payment: Payment, event: CreditOffered) -> ErrorCode | None:
    if event.amount != payment.amount:
        return ErrorCode.AMOUNT_MISMATCH
    if event.case_number != payment.case_number:
        return ErrorCode.CASE_NUMBER_MISSING
    if event.creditor_iban != payment.creditor.iban or payment.kind is not PaymentKind.REQUEST:
        return ErrorCode.REFERENCE_UNKNOWN
    return None


@TABLE.on(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.UNKNOWN, _S.UNRESOLVED, event=CreditOffered)
def _credit_offered(payment: Payment, event: CreditOffered, context: Context) -> Change[Payment]:
    """AUTH only for exactly what is awaited: amount, account and case number (EHR-12)."""
    fault = _credit_fault(payment, event)
    if fault is not None:
        return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=fault)),))
    matched = credits.Matched(payment_id=context.id, lot_id=payment.lot_id, owner=payment.owner)
    return Change(
        payment,
        (
            Tell("credit", event.credit_id, matched),
            Tell("payment", context.id, CreditAuthorised(credit_id=event.credit_id)),
        ),
    )


@TABLE.on(_S.AUTHORISED, _S.SETTLED, _S.REFUSED, _S.HELD, event=CreditOffered)
def _credit_unexpected(payment: Payment, event: CreditOffered, _: Context) -> Change[Payment]:
    """A second credit for one payment is never confirmed."""
    return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=ErrorCode.STATE_CONFLICT)),))


@TABLE.on(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.UNKNOWN, _S.UNRESOLVED, event=CreditAuthorised, to=_S.AUTHORISED)
def _authorise(payment: Payment, event: CreditAuthorised, context: Context) -> Change[Payment]:
    return Change(replace(payment, credit_id=event.credit_id), (_answer_timer(context),))


@TABLE.on(*_OPEN, event=Settled, to=_S.SETTLED)
def _settle(payment: Payment, event: Settled, context: Context) -> Change[Payment]:
    payment = replace(payment, reference=event.reference, settled_at=event.settled_at)
    return Change(
        payment,
        (CancelTimer("answer"), *_tell_settled(payment, context), *_notices(payment, context, _S.SETTLED)),
    )


@TABLE.on(_S.SETTLED, event=Settled)
def _settled_again(payment: Payment, _: Settled, __: Context) -> Change[Payment]:
    """Told twice (as agent and as initiator, or late after an enquiry): booked once."""
    return Change(payment)


@TABLE.on(*_OPEN, event=Rejected, to=_S.REFUSED)
def _reject(payment: Payment, event: Rejected, context: Context) -> Change[Payment]:
    payment = replace(payment, refusal_code=event.code, refusal_reason=event.reason)
    return Change(
        payment,
        (
            CancelTimer("answer"),
            *_tell_failed(payment, context, event.code, event.reason),
            *_notices(payment, context, _S.REFUSED, f"{event.code} {event.reason}".strip()),
        ),
    )


@TABLE.on(_S.REFUSED, event=Rejected)
def _rejected_again(payment: Payment, _: Rejected, __: Context) -> Change[Payment]:
    return Change(payment)


@TABLE.on(_S.SETTLED, event=Rejected)
@TABLE.on(_S.REFUSED, event=Settled)
@TABLE.on(_S.REFUSED, event=Consented)
def _regression(payment: Payment, event: Settled | Rejected | Consented, context: Context) -> Change[Payment]:
    """A final outcome contradicted: the state stays, a person is told. Never a silent edit."""
    facts = {"payment": context.id, "state": payment.state.value, "told": type(event).__name__}
    return Change(payment, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))


@TABLE.on(_S.SENT, _S.CONSENTED, _S.AUTHORISED, event=SilenceElapsed, to=_S.UNKNOWN)
def _silence(payment: Payment, _: SilenceElapsed, context: Context) -> Change[Payment]:
    return Change(payment, (_first_enquiry(context), *_notices(payment, context, _S.UNKNOWN)))


@TABLE.on(_S.UNKNOWN, event=EnquiryDue)
def _enquire(payment: Payment, event: EnquiryDue, context: Context) -> Change[Payment]:
    """Ask by the profile's schedule; after the last question a person goes on, and we keep listening."""
    rail = context.rules.rail
    if event.number > rail.enquiries_max:
        return Change(payment, (Tell("payment", context.id, EnquiriesExhausted()),))
    payment = replace(payment, enquiry_id=_enquiry_id(payment, event.number, context))
    enquiry = PaymentEnquiry(
        kind=payment.kind,
        payment_id=context.id,
        message_id=str(payment.enquiry_id),
        original_message_id=payment.message_id,
        original_end_to_end_id=payment.end_to_end_id,
        original_transaction_id=payment.end_to_end_id,
        created_at=context.now,
    )
    again = Timer("answer", context.now + rail.enquiry_interval, EnquiryDue(number=event.number + 1))
    return Change(payment, (Alias(ENQUIRY_ALIAS, enquiry.message_id), Send(Channel.AOS, "AOS", enquiry), again))


def _enquiry_id(payment: Payment, number: int, context: Context) -> str:
    rail = context.rules.rail
    if rail.enquiry_ids is EnquiryIds.SAME and payment.enquiry_id is not None:
        return payment.enquiry_id
    seed = f"{context.id}/enquiry/{number}/{context.now.isoformat()}"
    return ids.message_id(rail.own_address, local_date(context.now), seed)


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=EnquiryRefused)
def _enquiry_refused(payment: Payment, event: EnquiryRefused, context: Context) -> Change[Payment]:
    """AOS-R5: only the last question counts, and only "no such order" says anything of the payment."""
    if event.enquiry_id != payment.enquiry_id:
        return Change(payment)
    facts = {"payment": context.id, "code": event.code, "reason": event.reason}
    if event.code not in context.rules.rail.unknown_order_codes:
        return Change(payment, (Alarm("ENQUIRY_REFUSED", facts),))
    if payment.msid is not None or payment.credit_id is not None:  # the rail itself has spoken of it before
        return Change(payment, (Alarm(ErrorCode.STATUS_REGRESSION, facts), *_to_a_person(payment, context)))
    if payment.resends >= context.rules.rail.resends_max:
        return Change(payment, _to_a_person(payment, context))
    return Change(payment, (Tell("payment", context.id, NotKnownToRail(enquiry_id=event.enquiry_id)),))


def _to_a_person(payment: Payment, context: Context) -> tuple[Effect, ...]:
    return (Tell("payment", context.id, EnquiriesExhausted()),) if payment.state is _S.UNKNOWN else ()


@TABLE.on(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.SETTLED, _S.REFUSED, event=EnquiryRefused)
def _enquiry_overtaken(payment: Payment, _: EnquiryRefused, __: Context) -> Change[Payment]:
    """More is known by now than when we asked."""
    return Change(payment)


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=NotKnownToRail, to=_S.ROUTED)
def _send_again(payment: Payment, _: NotKnownToRail, context: Context) -> Change[Payment]:
    """The very same order, ids and day included: should the first copy arrive too, AOS-C3 refuses one of them."""
    payment = replace(payment, resends=payment.resends + 1, enquiry_id=None)
    return Change(payment, (CancelTimer("answer"), Send(Channel.AOS, "AOS", _wire_order(payment, context.id))))


@TABLE.on(_S.UNKNOWN, event=EnquiriesExhausted, to=_S.UNRESOLVED)
def _give_to_a_person(payment: Payment, _: EnquiriesExhausted, context: Context) -> Change[Payment]:
    facts = {"payment": context.id, "message_id": payment.message_id}
    told = _notices(payment, context, _S.UNRESOLVED)
    return Change(payment, (CancelTimer("answer"), Alarm("PAYMENT_UNRESOLVED", facts), *told))


def _tell_settled(payment: Payment, context: Context) -> tuple[Effect, ...]:
    if payment.reason is Reason.REFUND:
        return (Tell("collection", payment.origin, collections.Refunded(payment_id=context.id)),)
    settled = lots.PaymentSettled(
        payment_id=context.id,
        reference=payment.msid or payment.reference or payment.end_to_end_id,
        paid_on=local_date(payment.settled_at or context.now),
    )
    return (Tell("lot", payment.origin, settled),)


def _tell_failed(payment: Payment, context: Context, code: str, reason: str) -> tuple[Effect, ...]:
    if payment.reason is Reason.REFUND:
        failed = collections.RefundFailed(payment_id=context.id, reason=f"{code} {reason}".strip())
        return (Tell("collection", payment.origin, failed),)
    return (Tell("lot", payment.origin, lots.PaymentFailed(payment_id=context.id, code=code, reason=reason)),)
