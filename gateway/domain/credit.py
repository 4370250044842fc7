"""Credit: a pacs.008 that AÖS passes to us as creditor agent, confirmed only when a payment of ours awaits it.

And its return: a pacs.004 of ours is an order like any other. Silence leads to a question by the rail's profile
(`gateway.domain.asking`), never to failure, and never to a second pacs.004 while the first is not rejected by AÖS.
"""

from __future__ import annotations

from contracts.errors import ErrorCode, Refusal
from gateway.domain import asking
from gateway.domain.credit_data import MESSAGE_ALIAS, RETURN_ALIAS, Credit, CreditState
from gateway.domain.credit_effects import answer, enquiry, recall_refusal, return_order
from gateway.domain.dispatches import Channel
from gateway.domain.events import payment as payments
from gateway.domain.events.credit import (
    Arrived,
    GaveBack,
    Matched,
    Mismatched,
    Offered,
    RecallAsked,
    RecallDenied,
    RecallGranted,
    Released,
    ReturnBooked,
    ReturnFailed,
    ReturnOffered,
    ReturnRejected,
    Settled,
    Unmatched,
)
from gateway.domain.events.order import (
    EnquiriesExhausted,
    EnquiryDue,
    EnquiryRefused,
    EnquirySent,
    NotKnownToRail,
    OutcomeUnknown,
    Sent,
    SilenceElapsed,
)
from gateway.domain.frozen import replace
from gateway.domain.table import Alarm, Alias, ByAlias, CancelTimer, Change, Context, Send, StateTable, Tell

_S = CreditState
TABLE = StateTable(
    "credit",
    Credit,
    CreditState,
    final=(_S.SETTLED, _S.RELEASED, _S.RETURNED),
    waiting_for_person=(_S.UNMATCHED, _S.UNRESOLVED, _S.RETURN_ASKED, _S.RETURN_UNRESOLVED),
    scheduled=(_S.AUTHORISED, _S.UNKNOWN, _S.RETURNING, _S.RETURN_SENT, _S.RETURN_UNKNOWN),
    quoted=lambda credit: (credit.end_to_end_id, credit.transaction_id, credit.request_id),
)
_RETURN_OPEN = (_S.RETURNING, _S.RETURN_SENT, _S.RETURN_UNKNOWN, _S.RETURN_UNRESOLVED)
_AFTER_SETTLING = (_S.SETTLED, _S.RETURN_ASKED, *_RETURN_OPEN, _S.RETURNED)


def _credit(event: Offered, state: CreditState) -> Credit:
    return Credit(
        state=state,
        lot_id="",
        owner="",
        message_id=event.message_id,
        end_to_end_id=event.end_to_end_id,
        transaction_id=event.transaction_id,
        amount=event.amount,
        debtor_name=event.debtor_name,
        debtor_iban=event.debtor_iban,
        creditor_iban=event.creditor_iban,
        case_number=event.case_number,
        debtor_bic=event.debtor_bic,
        creditor_name=event.creditor_name,
    )


@TABLE.on(None, event=Arrived, to=_S.ARRIVED)
def _arrive(_: None, event: Arrived, context: Context) -> Change[Credit]:
    """Final when it comes: nothing to confirm, only to match (AZIPS)."""
    told = payments.CreditArrived(
        credit_id=context.id,
        amount=event.amount,
        creditor_iban=event.creditor_iban,
        case_number=event.case_number,
        reference=event.transaction_id,
        settled_at=event.arrived_at,
    )
    nobody = Unmatched(code=ErrorCode.REFERENCE_UNKNOWN)
    awaited = ByAlias(payments.END_TO_END_ALIAS, event.end_to_end_id)
    return Change(_credit(event, _S.ARRIVED), (Tell("payment", awaited, told, otherwise=nobody),))


@TABLE.on(_S.ARRIVED, event=Matched, to=_S.SETTLED)
def _arrived_as_awaited(credit: Credit, event: Matched, _: Context) -> Change[Credit]:
    return Change(replace(credit, payment_id=event.payment_id, lot_id=event.lot_id, owner=event.owner))


@TABLE.on(_S.ARRIVED, event=Unmatched, to=_S.UNMATCHED)
def _arrived_unawaited(credit: Credit, event: Unmatched, context: Context) -> Change[Credit]:
    """Money that cannot be refused any more and must not stay: a person decides."""
    facts = {"credit": context.id, "code": event.code, "amount": str(credit.amount)}
    return Change(replace(credit, code=event.code), (Alarm("CREDIT_UNMATCHED", facts),))


@TABLE.on(None, event=Offered, to=_S.OFFERED)
def _offer(_: None, event: Offered, context: Context) -> Change[Credit]:
    credit = _credit(event, _S.OFFERED)
    told = payments.CreditOffered(
        credit_id=context.id,
        amount=event.amount,
        creditor_iban=event.creditor_iban,
        case_number=event.case_number,
    )
    return Change(
        credit,
        (
            Alias(MESSAGE_ALIAS, event.message_id),
            Tell(
                "payment",
                ByAlias(payments.END_TO_END_ALIAS, event.end_to_end_id),
                told,
                otherwise=Mismatched(code=ErrorCode.REFERENCE_UNKNOWN),
            ),
        ),
    )


@TABLE.on(None, event=ReturnOffered, to=_S.OFFERED)
def _offer_back(_: None, event: ReturnOffered, context: Context) -> Change[Credit]:
    """AOS-T2: money of a payment of ours; that payment says whether it is."""
    told = payments.ReturnProposed(
        credit_id=context.id,
        amount=event.amount,
        creditor_iban=event.creditor_iban,
        case_number=event.case_number,
    )
    ours, nobody = (
        ByAlias(payments.ORDER_ALIAS, event.returned_message_id),
        Mismatched(code=ErrorCode.REFERENCE_UNKNOWN),
    )
    credit = replace(_credit(event, _S.OFFERED), of_return=True)
    return Change(credit, (Alias(MESSAGE_ALIAS, event.message_id), Tell("payment", ours, told, otherwise=nobody)))


@TABLE.on(_S.OFFERED, event=Matched, to=_S.AUTHORISED)
def _match(credit: Credit, event: Matched, context: Context) -> Change[Credit]:
    """AUTH; from now on AÖS has its time to say that it is booked. A request of ours that awaits it asks first."""
    credit = replace(credit, payment_id=event.payment_id, lot_id=event.lot_id, owner=event.owner)
    silence = asking.silence(context, times=1 if credit.of_return else 2)
    return Change(credit, (answer(credit, context, authorised=True, reason=None), silence))


@TABLE.on(_S.OFFERED, event=Mismatched, to=_S.DECLINED)
def _mismatch(credit: Credit, event: Mismatched, context: Context) -> Change[Credit]:
    credit = replace(credit, code=event.code)
    return Change(credit, (answer(credit, context, authorised=False, reason=event.code),))


@TABLE.on(_S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED, event=Settled, to=_S.SETTLED)
def _settle(credit: Credit, event: Settled, _: Context) -> Change[Credit]:
    """AOS-P4, AOS-T4: told late or asked for, it is booked once."""
    heard = CancelTimer(asking.TIMER)
    if credit.payment_id is None:
        return Change(credit, (heard,))
    settled = payments.Settled(reference=credit.transaction_id, settled_at=event.settled_at)
    came_back = payments.CameBack(reference=credit.message_id)
    return Change(credit, (heard, Tell("payment", credit.payment_id, came_back if credit.of_return else settled)))


@TABLE.on(_S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED, _S.DECLINED, event=Released, to=_S.RELEASED)
def _release(credit: Credit, event: Released, _: Context) -> Change[Credit]:
    """The payment itself hears its refusal as pain.002 (AOS-P7); here only the credit ends."""
    return Change(replace(credit, code=credit.code or event.code), (CancelTimer(asking.TIMER),))


@TABLE.on(*_AFTER_SETTLING, event=Settled)
@TABLE.on(_S.RELEASED, event=Released)
def _told_again(credit: Credit, _: Settled | Released, __: Context) -> Change[Credit]:
    return Change(credit)


@TABLE.on(_S.DECLINED, _S.RELEASED, event=Settled)
@TABLE.on(*_AFTER_SETTLING, event=Released)
def _regression(credit: Credit, event: Settled | Released, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "state": credit.state.value, "told": type(event).__name__}
    return Change(credit, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))


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
        spoken_of=credit.state not in _RETURN_OPEN,
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


@TABLE.on(*_RETURN_OPEN, event=GaveBack)
def _gave_back(credit: Credit, event: GaveBack, context: Context) -> Change[Credit]:
    """A word on an order that AÖS had rejected before this one is a regression, and says nothing of this one."""
    if not _is_of_last_order(credit, event):
        return _return_regression(credit, event, context)
    return Change(credit, (Tell("credit", context.id, ReturnBooked()),))


@TABLE.on(*_RETURN_OPEN, event=ReturnRejected)
def _not_given_back(credit: Credit, event: ReturnRejected, context: Context) -> Change[Credit]:
    if not _is_of_last_order(credit, event):
        return _return_told_again(credit, event, context)
    failed = ReturnFailed(code=event.code, reason=event.reason)
    return Change(credit, (Tell("credit", context.id, failed),))


def _a_copy_came_on_another_day(credit: Credit, event: ReturnRejected, context: Context) -> bool:
    order = credit.return_order
    if event.asked or order is None or order.message_id != event.return_id:
        return False
    return asking.is_of_another_day(event.code, event.told_at, order.created_at, context.rules.rail)


@TABLE.on(*_RETURN_OPEN, event=ReturnRejected, when=_a_copy_came_on_another_day, to=_S.RETURN_UNKNOWN)
def _ask_about_the_day(credit: Credit, _: ReturnRejected, context: Context) -> Change[Credit]:
    """AOS-C2: an earlier copy may have been executed before its day ended; a second return would pay twice.

    Only an answer to a question put from now on counts.
    """
    return Change(replace(credit, day_refused=True, enquiry_id=None), (asking.first(context),))


def _is_of_last_order(credit: Credit, event: GaveBack | ReturnRejected) -> bool:
    return credit.return_order is not None and credit.return_order.message_id == event.return_id


@TABLE.on(*_RETURN_OPEN, event=ReturnBooked, to=_S.RETURNED)
def _returned(credit: Credit, _: ReturnBooked, context: Context) -> Change[Credit]:
    """AOS-T4: told late or asked for, it is booked once."""
    facts = {"credit": context.id, "amount": str(credit.amount), "payment": str(credit.payment_id)}
    return Change(credit, (CancelTimer(asking.TIMER), Alarm("CREDIT_RETURNED", facts)))


@TABLE.on(*_RETURN_OPEN, event=ReturnFailed, to=_S.RETURN_ASKED)
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
