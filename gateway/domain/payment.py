"""Payment: one order for the instant rail and what is known of its outcome (AOS-M1, AOS-M2, AOS-P1…P7).

Not knowing is a state: silence leads to UNKNOWN, and only an answer or a person leads out of it. No timer or counter
makes a payment fail, and the ids fixed at the order are the only ones ever sent. An order that the rail says it has
never seen goes again as the same message; should the first copy turn up after all, the rail refuses one (AOS-C3). What
is refused for its day becomes an order of another day, once nothing of the old one can be executed (`payment_days`).
"""

from __future__ import annotations

from contracts.errors import ErrorCode, Refusal
from gateway.domain import asking, ids
from gateway.domain.clock import add_business_days, local_date
from gateway.domain.dispatches import Channel, PaymentEnquiry
from gateway.domain.events import credit as credits
from gateway.domain.events.order import (
    EnquiriesExhausted,
    EnquiryDue,
    EnquiryRefused,
    NotKnownToRail,
    OutcomeUnknown,
    Sent,
    SilenceElapsed,
)
from gateway.domain.events.payment import (
    END_TO_END_ALIAS,
    ORDER_ALIAS,
    ApprovalNeeded,
    Approved,
    CameBack,
    Consented,
    CopyTold,
    CreditArrived,
    CreditAuthorised,
    CreditOffered,
    Declined,
    Ordered,
    Rail,
    RecallOrdered,
    RecallRefused,
    Rejected,
    Released,
    ReturnProposed,
    RouteChosen,
    RouteMissing,
    RouteQueued,
    Settled,
    TransferAwaited,
    TransferOverdue,
    WindowOpened,
)
from gateway.domain.frozen import replace
from gateway.domain.payment_checks import credit_fault, not_an_approver, not_approved, not_recallable
from gateway.domain.payment_data import Payment, PaymentState
from gateway.domain.payment_days import (
    a_copy_came_on_another_day,
    a_copy_was_refused_for_its_day,
    ended_for_its_day,
    of_an_earlier_order,
    renewed,
)
from gateway.domain.payment_effects import (
    notices,
    recall_order,
    tell_failed,
    tell_returned,
    tell_settled,
    wire_order,
)
from gateway.domain.routing import Route, choose, closes_at
from gateway.domain.table import Alarm, Alias, CancelTimer, Change, Context, Send, StateTable, Tell, Timer

_S = PaymentState
_OPEN = (_S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED)
TABLE = StateTable(
    "payment",
    Payment,
    PaymentState,
    final=(_S.SETTLED, _S.REFUSED, _S.RETURNED),
    waiting_for_person=(_S.AWAITING_APPROVAL, _S.UNRESOLVED, _S.HELD),
    scheduled=(_S.QUEUED, _S.AWAITING_TRANSFER, _S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.UNKNOWN),
    unknown=ErrorCode.PAYMENT_UNKNOWN,
    quoted=lambda payment: (payment.msid, payment.reference),
)
MESSAGE_ALIAS = ORDER_ALIAS
AZIPS_ALIAS = "azips.reference"
RECALL_ALIAS = "aos.recall"


def azips_reference(message_id: str) -> str:
    """The 16 characters AZIPS allows: `P` and the digits of the message id."""
    return f"P{message_id[-15:]}"


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


@TABLE.on(_S.AWAITING_TRANSFER, event=CreditArrived)
def _credit_arrived(payment: Payment, event: CreditArrived, context: Context) -> Change[Payment]:
    """Consent is not money, and money is not this payment unless amount, account and case number are (EHR-12)."""
    found = (event.amount, event.creditor_iban, event.case_number)
    if found != (payment.amount, payment.creditor.iban, payment.case_number):
        return Change(payment, (Tell("credit", event.credit_id, credits.Unmatched(code=ErrorCode.AMOUNT_MISMATCH)),))
    settled = Settled(reference=event.reference, settled_at=event.settled_at)
    matched = credits.Matched(payment_id=context.id, lot_id=payment.lot_id, owner=payment.owner)
    return Change(payment, (Tell("credit", event.credit_id, matched), Tell("payment", context.id, settled)))


@TABLE.on(
    _S.ORDERED, _S.AWAITING_APPROVAL, _S.QUEUED, _S.HELD, _S.REFUSED, _S.SETTLED, *_OPEN, event=CreditArrived
)  # fmt: skip
def _credit_not_awaited(payment: Payment, event: CreditArrived, _: Context) -> Change[Payment]:
    return Change(payment, (Tell("credit", event.credit_id, credits.Unmatched(code=ErrorCode.STATE_CONFLICT)),))


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


def _answer_timer(payment: Payment, context: Context) -> Timer:
    """AZIPS may keep an order in its queue until it closes; silence is silence only after that (facts.md)."""
    rules = context.rules
    if payment.rail is Rail.AZIPS and rules.azips is not None:
        context = replace(context, now=closes_at(rules.azips, context.now, rules.is_business_day))
    return asking.silence(context)


@TABLE.on(_S.ROUTED, event=Sent, to=_S.SENT)
def _sent(payment: Payment, _: Sent, context: Context) -> Change[Payment]:
    return Change(payment, (_answer_timer(payment, context), *notices(payment, context, _S.SENT)))


@TABLE.on(_S.ROUTED, event=OutcomeUnknown, to=_S.UNKNOWN)
def _lost_sight(payment: Payment, event: OutcomeUnknown, context: Context) -> Change[Payment]:
    return Change(payment, (asking.first(context), *notices(payment, context, _S.UNKNOWN, event.reason)))


@TABLE.on(*(state for state in _S if state is not _S.ROUTED), event=OutcomeUnknown)
def _lost_sight_of_before(payment: Payment, _: OutcomeUnknown, __: Context) -> Change[Payment]:
    """More is known by now than whoever sent it knows; what is not, is asked about already."""
    return Change(payment)


@TABLE.on(_S.ROUTED, _S.SENT, _S.UNKNOWN, _S.UNRESOLVED, event=Consented, to=_S.CONSENTED)
def _consent(payment: Payment, event: Consented, context: Context) -> Change[Payment]:
    """ACSP is consent, not money: the answer timer goes on until STAT (facts.md)."""
    payment = replace(payment, msid=event.msid)
    return Change(payment, (_answer_timer(payment, context), *notices(payment, context, _S.CONSENTED)))


@TABLE.on(_S.AUTHORISED, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Consented)
@TABLE.on(_S.CONSENTED, event=Consented)
def _consent_overtaken(payment: Payment, event: Consented, _: Context) -> Change[Payment]:
    """The consent came after what follows from it, a refusal too: its MSID is kept, nothing else changes."""
    return Change(replace(payment, msid=payment.msid or event.msid))


@TABLE.on(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.UNKNOWN, _S.UNRESOLVED, event=CreditOffered)
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


@TABLE.on(_S.AUTHORISED, _S.SETTLED, _S.RETURNED, _S.REFUSED, _S.HELD, event=CreditOffered)
def _credit_unexpected(payment: Payment, event: CreditOffered, _: Context) -> Change[Payment]:
    """A second credit for one payment is never confirmed."""
    return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=ErrorCode.STATE_CONFLICT)),))


@TABLE.on(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.UNKNOWN, _S.UNRESOLVED, event=CreditAuthorised, to=_S.AUTHORISED)
def _authorise(payment: Payment, event: CreditAuthorised, context: Context) -> Change[Payment]:
    payment = replace(payment, credit_id=event.credit_id)
    return Change(payment, (_answer_timer(payment, context),))


@TABLE.on(*_OPEN, _S.AWAITING_TRANSFER, event=Settled, to=_S.SETTLED)
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


@TABLE.on(*_OPEN, event=Rejected, to=_S.REFUSED)
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


@TABLE.on(_S.REFUSED, event=Rejected)
@TABLE.on(*_OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Rejected, when=of_an_earlier_order)
def _rejected_again(payment: Payment, _: Rejected, __: Context) -> Change[Payment]:
    return Change(payment)


@TABLE.on(_S.ROUTED, _S.SENT, _S.UNRESOLVED, event=Rejected, when=a_copy_came_on_another_day, to=_S.UNKNOWN)
def _ask_about_the_day(payment: Payment, event: Rejected, context: Context) -> Change[Payment]:
    """AOS-C2: the order may have been executed before its day ended, by an earlier copy; only AÖS knows."""
    payment = replace(payment, day_refused_at=event.told_at, enquiry_id=None)
    return Change(payment, (asking.first(context), *notices(payment, context, _S.UNKNOWN, event.code)))


@TABLE.on(_S.UNKNOWN, _S.CONSENTED, _S.AUTHORISED, event=Rejected, when=a_copy_came_on_another_day)
def _asked_about_the_day(payment: Payment, event: Rejected, _: Context) -> Change[Payment]:
    """It is being asked about, by questions put from now on; or AÖS has spoken of it and ends it itself."""
    return Change(replace(payment, day_refused_at=event.told_at, enquiry_id=None))


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=Rejected, when=ended_for_its_day, to=_S.ORDERED)
@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=NotKnownToRail, when=a_copy_was_refused_for_its_day, to=_S.ORDERED)
def _order_anew(payment: Payment, event: Rejected | NotKnownToRail, context: Context) -> Change[Payment]:
    """The rules in force now decide what carries it; who approved it approved this amount to this account."""
    payment = renewed(payment, context, event.told_at if isinstance(event, Rejected) else None)
    route = Tell("payment", context.id, choose(payment, context.rules, context.now))
    return Change(payment, (CancelTimer(asking.TIMER), Alias(MESSAGE_ALIAS, payment.message_id), route))


@TABLE.on(_S.SETTLED, _S.RETURNED, event=Rejected)
@TABLE.on(_S.REFUSED, event=Settled)
@TABLE.on(*_OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Settled, when=of_an_earlier_order)
@TABLE.on(*_OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=Consented, when=of_an_earlier_order)
def _regression(payment: Payment, event: Settled | Rejected | Consented, context: Context) -> Change[Payment]:
    """A final outcome contradicted: the state stays, a person is told. Never a silent edit."""
    facts = {"payment": context.id, "state": payment.state.value, "told": type(event).__name__}
    return Change(payment, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))


@TABLE.on(_S.SENT, _S.CONSENTED, _S.AUTHORISED, event=SilenceElapsed, to=_S.UNKNOWN)
def _silence(payment: Payment, _: SilenceElapsed, context: Context) -> Change[Payment]:
    return Change(payment, (asking.first(context), *notices(payment, context, _S.UNKNOWN)))


@TABLE.on(_S.UNKNOWN, event=EnquiryDue)
def _enquire(payment: Payment, event: EnquiryDue, context: Context) -> Change[Payment]:
    """Ask by the profile's schedule; after the last question a person goes on, and we keep listening."""
    cannot_be_asked = payment.rail is Rail.AZIPS  # it has no enquiry that we know of
    if cannot_be_asked or event.number > context.rules.rail.enquiries_max:
        return Change(payment, (Tell("payment", context.id, EnquiriesExhausted()),))
    payment = replace(payment, enquiry_id=asking.enquiry_id(payment.enquiry_id, event.number, context))
    enquiry = PaymentEnquiry(
        kind=payment.kind,
        payment_id=context.id,
        message_id=str(payment.enquiry_id),
        original_message_id=payment.message_id,
        original_end_to_end_id=payment.end_to_end_id,
        original_transaction_id=payment.end_to_end_id,
        created_at=context.now,
    )
    asked = (Alias(asking.ENQUIRY_ALIAS, enquiry.message_id), Send(Channel.AOS, "AOS", enquiry))
    return Change(payment, (*asked, asking.next_after(event.number, context)))


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=EnquiryRefused)
def _enquiry_refused(payment: Payment, event: EnquiryRefused, context: Context) -> Change[Payment]:
    """AOS-R5; the rail has spoken of it where there is an MSID or a credit."""
    verdict = asking.judge(
        event,
        context.rules.rail,
        last=payment.enquiry_id,
        spoken_of=payment.msid is not None or payment.credit_id is not None,
        resends=0 if payment.day_refused_at is not None else payment.resends,  # it does not go again as it was
    )
    still = payment.state is _S.UNKNOWN
    return Change(payment, asking.after_refusal("payment", verdict, event, context, asking=still))


@TABLE.on(_S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.SETTLED, _S.RETURNED, _S.REFUSED, event=EnquiryRefused)
def _enquiry_overtaken(payment: Payment, _: EnquiryRefused, __: Context) -> Change[Payment]:
    """More is known by now than when we asked."""
    return Change(payment)


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=NotKnownToRail, to=_S.ROUTED)
def _send_again(payment: Payment, _: NotKnownToRail, context: Context) -> Change[Payment]:
    """The very same order, ids and day included: should the first copy arrive too, AOS-C3 refuses one of them."""
    payment = replace(payment, resends=payment.resends + 1, enquiry_id=None)
    return Change(payment, (CancelTimer(asking.TIMER), Send(Channel.AOS, "AOS", wire_order(payment, context.id))))


@TABLE.on(_S.UNKNOWN, event=EnquiriesExhausted, to=_S.UNRESOLVED)
def _give_to_a_person(payment: Payment, _: EnquiriesExhausted, context: Context) -> Change[Payment]:
    facts = {"payment": context.id, "message_id": payment.message_id}
    told = notices(payment, context, _S.UNRESOLVED)
    return Change(payment, (CancelTimer(asking.TIMER), Alarm("PAYMENT_UNRESOLVED", facts), *told))


@TABLE.on(*_S, event=CopyTold)
def _copy_told(payment: Payment, event: CopyTold, context: Context) -> Change[Payment]:
    """AOS-I3: AÖS copies what it has executed, so a copy of exactly what we ordered is its word that it is settled."""
    found = (event.amount, event.debtor_iban, event.creditor_iban, event.case_number)
    ordered = (payment.amount, payment.debtor.iban, payment.creditor.iban, payment.case_number)
    if found != ordered or payment.state not in (*_OPEN, _S.SETTLED, _S.RETURNED, _S.REFUSED):
        facts = {"payment": context.id, "inquiry": event.inquiry_id, "received": str(event.amount)}
        return Change(payment, (Alarm("COPY_DEVIATES", facts),))
    settled = Settled(reference=event.transaction_id, settled_at=event.told_at)
    return Change(payment, () if event.of_return else (Tell("payment", context.id, settled),))


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
    """AOS-T3: taken only as exactly what was paid, back to the account that paid it, under its case number (EHR-12)."""
    found = (event.amount, event.creditor_iban, event.case_number)
    if found != (payment.amount, payment.debtor.iban, payment.case_number):
        return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=ErrorCode.AMOUNT_MISMATCH)),))
    matched = credits.Matched(payment_id=context.id, lot_id=payment.lot_id, owner=payment.owner)
    return Change(payment, (Tell("credit", event.credit_id, matched),))


@TABLE.on(*(state for state in _S if state is not _S.SETTLED), event=ReturnProposed)
def _return_of_nothing(payment: Payment, event: ReturnProposed, _: Context) -> Change[Payment]:
    return Change(payment, (Tell("credit", event.credit_id, credits.Mismatched(code=ErrorCode.STATE_CONFLICT)),))


@TABLE.on(_S.SETTLED, event=CameBack, to=_S.RETURNED)
def _came_back(payment: Payment, event: CameBack, context: Context) -> Change[Payment]:
    """AOS-T4: a person is told in every case; a refund's collection waits for one."""
    facts = {"payment": context.id, "reference": event.reference, "amount": str(payment.amount)}
    told = tell_returned(payment, context)
    return Change(payment, (Alarm("PAYMENT_RETURNED", facts), *told, *notices(payment, context, _S.RETURNED)))
