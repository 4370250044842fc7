"""Nobody knows what became of a payment: AÖS is asked, and only its answer or a person ends that.

AOS-I1, AOS-I2, AOS-R5. An order that the rail says it has never seen goes again as the same message; should the first
copy turn up after all, the rail refuses one (AOS-C3). What is refused for its day becomes an order of another day, once
nothing of the old one can be executed (`days`).
"""

from __future__ import annotations

from gateway.domain import asking
from gateway.domain.dispatches import Channel, PaymentEnquiry
from gateway.domain.events.order import (
    EnquiriesExhausted,
    EnquiryDue,
    EnquiryRefused,
    EnquirySent,
    NotKnownToRail,
    OutcomeUnknown,
    SilenceElapsed,
)
from gateway.domain.events.payment import Rail, Rejected
from gateway.domain.frozen import replace
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.payment.days import (
    a_copy_came_on_another_day,
    a_copy_was_refused_for_its_day,
    ended_for_its_day,
    renewed,
)
from gateway.domain.payment.effects import notices, wire_order
from gateway.domain.payment.table import MESSAGE_ALIAS, TABLE
from gateway.domain.routing import choose
from gateway.domain.table import Alarm, Alias, CancelTimer, Change, Context, Send, Tell

_S = PaymentState


@TABLE.on(_S.ROUTED, event=OutcomeUnknown, to=_S.UNKNOWN)
def _lost_sight(payment: Payment, event: OutcomeUnknown, context: Context) -> Change[Payment]:
    return Change(payment, (asking.first(context), *notices(payment, context, _S.UNKNOWN, event.reason)))


@TABLE.on(*(state for state in _S if state is not _S.ROUTED), event=OutcomeUnknown)
def _lost_sight_of_before(payment: Payment, _: OutcomeUnknown, __: Context) -> Change[Payment]:
    """More is known by now than whoever sent it knows; what is not, is asked about already."""
    return Change(payment)


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
        number=event.number,
    )
    asked = (Alias(asking.ENQUIRY_ALIAS, enquiry.message_id), Send(Channel.AOS, "AOS", enquiry))
    return Change(payment, (*asked, asking.unless_sent(event.number, context)))


@TABLE.on(_S.UNKNOWN, event=EnquirySent)
def _asked(payment: Payment, event: EnquirySent, context: Context) -> Change[Payment]:
    is_last = event.enquiry_id == payment.enquiry_id
    return Change(payment, (asking.next_after(event, context),) if is_last else ())


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


@TABLE.on(*(state for state in _S if state not in (_S.UNKNOWN, _S.UNRESOLVED)), event=EnquiryRefused)
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


@TABLE.on(_S.ROUTED, _S.SENT, _S.UNRESOLVED, event=Rejected, when=a_copy_came_on_another_day, to=_S.UNKNOWN)
def _ask_about_the_day(payment: Payment, event: Rejected, context: Context) -> Change[Payment]:
    """AOS-C2: the order may have been executed before its day ended, by an earlier copy; only AÖS knows."""
    payment = replace(payment, day_refused_at=event.told_at, enquiry_id=None)
    return Change(payment, (asking.first(context), *notices(payment, context, _S.UNKNOWN, event.code)))


@TABLE.on(_S.UNKNOWN, event=Rejected, when=a_copy_came_on_another_day)
def _ask_anew_about_the_day(payment: Payment, event: Rejected, context: Context) -> Change[Payment]:
    """Only the answer to a question put from now on counts."""
    return Change(replace(payment, day_refused_at=event.told_at, enquiry_id=None), (asking.first(context),))


@TABLE.on(_S.CONSENTED, _S.AUTHORISED, event=Rejected, when=a_copy_came_on_another_day)
def _spoken_of_before_the_day(payment: Payment, event: Rejected, _: Context) -> Change[Payment]:
    """AÖS has spoken of the order and ends it itself, or is asked from now on."""
    return Change(replace(payment, day_refused_at=event.told_at, enquiry_id=None))


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=Rejected, when=ended_for_its_day, to=_S.ORDERED)
@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, event=NotKnownToRail, when=a_copy_was_refused_for_its_day, to=_S.ORDERED)
def _order_anew(payment: Payment, event: Rejected | NotKnownToRail, context: Context) -> Change[Payment]:
    """The rules in force now decide what carries it; who approved it approved this amount to this account."""
    payment = renewed(payment, context, event.told_at if isinstance(event, Rejected) else None)
    route = Tell("payment", context.id, choose(payment, context.rules, context.now))
    return Change(payment, (CancelTimer(asking.TIMER), Alias(MESSAGE_ALIAS, payment.message_id), route))
