"""Nobody knows whether a credit was booked, or what became of our return of it: AÖS is asked (AOS-I1, AOS-R5)."""

from __future__ import annotations

from gateway.domain import asking
from gateway.domain.credit.data import Credit, CreditState
from gateway.domain.credit.effects import enquiry
from gateway.domain.credit.table import RETURN_OPEN, TABLE
from gateway.domain.dispatches import Channel
from gateway.domain.events.credit import ReturnFailed, ReturnRejected
from gateway.domain.events.order import (
    EnquiriesExhausted,
    EnquiryDue,
    EnquiryRefused,
    EnquirySent,
    NotKnownToRail,
    OutcomeUnknown,
    SilenceElapsed,
)
from gateway.domain.frozen import replace
from gateway.domain.table import Alarm, Alias, CancelTimer, Change, Context, Send, Tell

_S = CreditState


@TABLE.on(_S.RETURNING, event=OutcomeUnknown, to=_S.RETURN_UNKNOWN)
@TABLE.on(_S.RETURN_SENT, event=SilenceElapsed, to=_S.RETURN_UNKNOWN)
@TABLE.on(_S.AUTHORISED, event=SilenceElapsed, to=_S.UNKNOWN)
def _lost_sight(credit: Credit, _: OutcomeUnknown | SilenceElapsed, context: Context) -> Change[Credit]:
    return Change(credit, (asking.first(context),))


@TABLE.on(*(state for state in _S if state is not _S.RETURNING), event=OutcomeUnknown)
def _lost_sight_of_before(credit: Credit, _: OutcomeUnknown, __: Context) -> Change[Credit]:
    """More is known by now than whoever sent it knows."""
    return Change(credit)


@TABLE.on(_S.UNKNOWN, _S.RETURN_UNKNOWN, event=EnquiryDue)
def _enquire(credit: Credit, event: EnquiryDue, context: Context) -> Change[Credit]:
    """AOS-I1: pacs.028, about our return or about the order that we authorised."""
    if event.number > context.rules.rail.enquiries_max:
        return Change(credit, (Tell("credit", context.id, EnquiriesExhausted()),))
    credit = replace(credit, enquiry_id=asking.enquiry_id(credit.enquiry_id, event.number, context))
    question = enquiry(credit, event.number, context)
    asked = (Alias(asking.ENQUIRY_ALIAS, question.message_id), Send(Channel.AOS, "AOS", question))
    return Change(credit, (*asked, asking.unless_sent(event.number, context)))


@TABLE.on(_S.UNKNOWN, _S.RETURN_UNKNOWN, event=EnquirySent)
def _asked(credit: Credit, event: EnquirySent, context: Context) -> Change[Credit]:
    is_last = event.enquiry_id == credit.enquiry_id
    return Change(credit, (asking.next_after(event, context),) if is_last else ())


@TABLE.on(_S.UNKNOWN, _S.UNRESOLVED, _S.RETURN_UNKNOWN, _S.RETURN_UNRESOLVED, event=EnquiryRefused)
def _enquiry_refused(credit: Credit, event: EnquiryRefused, context: Context) -> Change[Credit]:
    """AOS-R5: what AÖS has passed to us it knows; our return it may never have seen."""
    verdict = asking.judge(
        event,
        context.rules.rail,
        last=credit.enquiry_id,
        spoken_of=credit.state not in RETURN_OPEN,
        resends=0 if credit.day_refused else credit.resends,
    )
    still = credit.state in (_S.UNKNOWN, _S.RETURN_UNKNOWN)
    return Change(credit, asking.after_refusal("credit", verdict, event, context, asking=still))


@TABLE.on(_S.SETTLED, _S.RELEASED, _S.RETURN_ASKED, _S.RETURNING, _S.RETURN_SENT, _S.RETURNED, event=EnquiryRefused)
def _enquiry_overtaken(credit: Credit, _: EnquiryRefused, __: Context) -> Change[Credit]:
    """More is known by now than when we asked."""
    return Change(credit)


def _was_refused_for_its_day(credit: Credit, _: NotKnownToRail, __: Context) -> bool:
    return credit.day_refused


@TABLE.on(_S.RETURN_UNKNOWN, _S.RETURN_UNRESOLVED, event=NotKnownToRail, when=_was_refused_for_its_day)
def _return_of_another_day(credit: Credit, event: NotKnownToRail, context: Context) -> Change[Credit]:
    """Nothing of it can be executed any more, and the same message would be refused again: a person decides again."""
    failed = ReturnFailed(code="NOT_OF_THIS_DAY", reason="AOS-C2")
    return Change(credit, (Tell("credit", context.id, failed),))


@TABLE.on(_S.RETURN_UNKNOWN, _S.RETURN_UNRESOLVED, event=NotKnownToRail, to=_S.RETURNING)
def _return_again(credit: Credit, _: NotKnownToRail, __: Context) -> Change[Credit]:
    """The very same pacs.004: should the first copy arrive too, AOS-C3 refuses one of them."""
    credit = replace(credit, resends=credit.resends + 1, enquiry_id=None)
    return Change(credit, (CancelTimer(asking.TIMER), Send(Channel.AOS, "AOS", credit.return_order)))


@TABLE.on(_S.UNKNOWN, event=EnquiriesExhausted, to=_S.UNRESOLVED)
@TABLE.on(_S.RETURN_UNKNOWN, event=EnquiriesExhausted, to=_S.RETURN_UNRESOLVED)
def _give_to_a_person(credit: Credit, _: EnquiriesExhausted, context: Context) -> Change[Credit]:
    """Nothing fails by silence: a person goes on, and we listen."""
    returning = credit.state is _S.RETURN_UNKNOWN
    alarm = Alarm("RETURN_UNRESOLVED" if returning else "CREDIT_UNRESOLVED", {"credit": context.id})
    return Change(credit, (CancelTimer(asking.TIMER), alarm))


def _a_copy_came_on_another_day(credit: Credit, event: ReturnRejected, context: Context) -> bool:
    order = credit.return_order
    if event.asked or order is None or order.message_id != event.return_id:
        return False
    return asking.is_of_another_day(event.code, event.told_at, order.created_at, context.rules.rail)


@TABLE.on(*RETURN_OPEN, event=ReturnRejected, when=_a_copy_came_on_another_day, to=_S.RETURN_UNKNOWN)
def _ask_about_the_day(credit: Credit, _: ReturnRejected, context: Context) -> Change[Credit]:
    """AOS-C2: an earlier copy may have been executed before its day ended; a second return would pay twice.

    Only an answer to a question put from now on counts.
    """
    return Change(replace(credit, day_refused=True, enquiry_id=None), (asking.first(context),))
