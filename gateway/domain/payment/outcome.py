"""What a payment is told: taken, agreed to, settled, refused, and what contradicts that (AOS-M1, AOS-M2, AOS-P1…P7)."""

from __future__ import annotations

from contracts.errors import ErrorCode
from gateway.domain import asking
from gateway.domain.events import credit as credits
from gateway.domain.events.order import Sent
from gateway.domain.events.payment import (
    Consented,
    CopyTold,
    CreditArrived,
    CreditAuthorised,
    CreditOffered,
    Rail,
    Rejected,
    Settled,
)
from gateway.domain.frozen import replace
from gateway.domain.payment.checks import credit_fault, is_of_another_order
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.payment.days import of_an_earlier_order
from gateway.domain.payment.effects import notices, tell_failed, tell_settled
from gateway.domain.payment.table import AWAITING_CREDIT, NOT_ON_A_RAIL, OPEN, TABLE
from gateway.domain.routing import closes_at
from gateway.domain.table import Alarm, CancelTimer, Change, Context, Tell, Timer

_S = PaymentState


@TABLE.on(_S.AWAITING_TRANSFER, event=CreditArrived)
def _credit_arrived(payment: Payment, event: CreditArrived, context: Context) -> Change[Payment]:
    """Consent is not money, and money is not this payment unless amount, account and case number are (EHR-12)."""
    found = (event.amount, event.creditor_iban, event.case_number)
    if found != (payment.amount, payment.creditor.iban, payment.case_number):
        return Change(payment, (Tell("credit", event.credit_id, credits.Unmatched(code=ErrorCode.AMOUNT_MISMATCH)),))
    settled = Settled(reference=event.reference, settled_at=event.settled_at)
    matched = credits.Matched(payment_id=context.id, lot_id=payment.lot_id, owner=payment.owner)
    return Change(payment, (Tell("credit", event.credit_id, matched), Tell("payment", context.id, settled)))


@TABLE.on(*(state for state in _S if state is not _S.AWAITING_TRANSFER), event=CreditArrived)
def _credit_not_awaited(payment: Payment, event: CreditArrived, _: Context) -> Change[Payment]:
    return Change(payment, (Tell("credit", event.credit_id, credits.Unmatched(code=ErrorCode.STATE_CONFLICT)),))


def _answer_timer(payment: Payment, context: Context) -> Timer:
    """AZIPS may keep an order in its queue until it closes; silence is silence only after that (facts.md)."""
    rules = context.rules
    if payment.rail is Rail.AZIPS and rules.azips is not None:
        context = replace(context, now=closes_at(rules.azips, context.now, rules.is_business_day))
    return asking.silence(context)


@TABLE.on(_S.ROUTED, event=Sent, to=_S.SENT)
def _sent(payment: Payment, _: Sent, context: Context) -> Change[Payment]:
    return Change(payment, (_answer_timer(payment, context), *notices(payment, context, _S.SENT)))


@TABLE.on(_S.ROUTED, _S.SENT, _S.UNKNOWN, _S.UNRESOLVED, event=Consented, to=_S.CONSENTED)
def _consent(payment: Payment, event: Consented, context: Context) -> Change[Payment]:
    """ACSP is consent, not money: the answer timer goes on until STAT (facts.md)."""
    payment = replace(payment, msid=event.msid or payment.msid)
    return Change(payment, (_answer_timer(payment, context), *notices(payment, context, _S.CONSENTED)))


@TABLE.on(_S.AUTHORISED, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Consented)
@TABLE.on(_S.CONSENTED, event=Consented)
def _consent_overtaken(payment: Payment, event: Consented, _: Context) -> Change[Payment]:
    """The consent came after what follows from it, a refusal too: its MSID is kept, nothing else changes."""
    return Change(replace(payment, msid=payment.msid or event.msid))


@TABLE.on(*AWAITING_CREDIT, event=CreditOffered)
def _credit_offered(payment: Payment, event: CreditOffered, context: Context) -> Change[Payment]:
    """AUTH only for exactly what is awaited: amount, account and case number (EHR-12)."""
    fault = credit_fault(payment, event)
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


@TABLE.on(*(state for state in _S if state not in AWAITING_CREDIT), event=CreditOffered)
def _credit_unexpected(payment: Payment, event: CreditOffered, _: Context) -> Change[Payment]:
    """A second credit for one payment is never confirmed, nor one of which AÖS has had no order (AOS-P3)."""
    return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=ErrorCode.STATE_CONFLICT)),))


@TABLE.on(*AWAITING_CREDIT, event=CreditAuthorised, to=_S.AUTHORISED)
def _authorise(payment: Payment, event: CreditAuthorised, context: Context) -> Change[Payment]:
    payment = replace(payment, credit_id=event.credit_id)
    return Change(payment, (_answer_timer(payment, context),))


@TABLE.on(*OPEN, _S.AWAITING_TRANSFER, event=Settled, to=_S.SETTLED)
def _settle(payment: Payment, event: Settled, context: Context) -> Change[Payment]:
    payment = replace(payment, reference=event.reference, settled_at=event.settled_at)
    return Change(
        payment,
        (
            CancelTimer(asking.TIMER),
            CancelTimer("transfer"),
            *tell_settled(payment, context),
            *notices(payment, context, _S.SETTLED),
        ),
    )


@TABLE.on(_S.SETTLED, _S.RETURNED, event=Settled)
def _settled_again(payment: Payment, _: Settled, __: Context) -> Change[Payment]:
    """Told twice (as agent and as initiator, or late after an enquiry): booked once."""
    return Change(payment)


@TABLE.on(*OPEN, event=Rejected, to=_S.REFUSED)
def _reject(payment: Payment, event: Rejected, context: Context) -> Change[Payment]:
    payment = replace(payment, refusal_code=event.code, refusal_reason=event.reason)
    return Change(
        payment,
        (
            CancelTimer(asking.TIMER),
            *tell_failed(payment, context, event.code, event.reason),
            *notices(payment, context, _S.REFUSED, f"{event.code} {event.reason}".strip()),
        ),
    )


@TABLE.on(*OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Consented, when=is_of_another_order)
@TABLE.on(*OPEN, _S.AWAITING_TRANSFER, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Settled, when=is_of_another_order)
@TABLE.on(*OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Rejected, when=is_of_another_order)
@TABLE.on(*NOT_ON_A_RAIL, event=Settled)
@TABLE.on(*NOT_ON_A_RAIL, _S.AWAITING_TRANSFER, event=Consented)
@TABLE.on(*NOT_ON_A_RAIL, _S.AWAITING_TRANSFER, event=Rejected)
def _of_another_order(payment: Payment, event: Consented | Settled | Rejected, context: Context) -> Change[Payment]:
    """Of what we ordered it says nothing, or no rail has had it yet: the state stays, a person is told."""
    said = [] if event.named is None else [event.named.rail, event.named.kind, event.named.end_to_end_id]
    received = " ".join(str(part) for part in said if part is not None)
    facts = {"payment": context.id, "told": type(event).__name__, "received": received}
    return Change(payment, (Alarm("STATUS_DEVIATES", facts),))


@TABLE.on(_S.REFUSED, event=Rejected)
@TABLE.on(
    *OPEN, *NOT_ON_A_RAIL, _S.AWAITING_TRANSFER, _S.SETTLED, _S.RETURNED, _S.REFUSED,
    event=Rejected, when=of_an_earlier_order,
)  # fmt: skip
def _rejected_again(payment: Payment, _: Rejected, __: Context) -> Change[Payment]:
    return Change(payment)


@TABLE.on(_S.SETTLED, _S.RETURNED, event=Rejected)
@TABLE.on(_S.REFUSED, event=Settled)
@TABLE.on(*OPEN, *NOT_ON_A_RAIL, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Settled, when=of_an_earlier_order)
@TABLE.on(*OPEN, *NOT_ON_A_RAIL, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Consented, when=of_an_earlier_order)
def _regression(payment: Payment, event: Settled | Rejected | Consented, context: Context) -> Change[Payment]:
    """A final outcome contradicted: the state stays, a person is told. Never a silent edit."""
    facts = {"payment": context.id, "state": payment.state.value, "told": type(event).__name__}
    return Change(payment, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))


@TABLE.on(*_S, event=CopyTold)
def _copy_told(payment: Payment, event: CopyTold, context: Context) -> Change[Payment]:
    """AOS-I3: AÖS copies what it has executed, so a copy of exactly what we ordered is its word that it is settled."""
    found = (event.amount, event.debtor_iban, event.creditor_iban, event.case_number)
    ordered = (payment.amount, payment.debtor.iban, payment.creditor.iban, payment.case_number)
    carried = payment.rail is Rail.AOS and payment.state in (*OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED)
    if found != ordered or not carried:
        facts = {"payment": context.id, "inquiry": event.inquiry_id, "received": str(event.amount)}
        return Change(payment, (Alarm("COPY_DEVIATES", facts),))
    settled = Settled(reference=event.transaction_id, settled_at=event.told_at)
    return Change(payment, () if event.of_return else (Tell("payment", context.id, settled),))
