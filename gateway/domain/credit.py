"""Credit: a pacs.008 that AÖS passes to us as creditor agent, confirmed only when a payment of ours awaits it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, CreditAnswer, RecallRefusal, ReturnOrder
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
    ReturnOffered,
    ReturnRejected,
    ReturnUnanswered,
    Settled,
    Unmatched,
)
from gateway.domain.money import Money
from gateway.domain.table import Alarm, Alias, ByAlias, CancelTimer, Change, Context, Send, StateTable, Tell, Timer
from gateway.domain.values import Account

_REMIND_EVERY = 20  # times the rail's answer time, while a return of ours is unanswered


class CreditState(StrEnum):
    """Where an incoming credit is."""

    OFFERED = "offered"
    AUTHORISED = "authorised"  # pacs.002/AUTH sent (AOS-P3)
    DECLINED = "declined"  # pacs.002/NAUT sent
    SETTLED = "settled"  # pacs.002/STAT came (AOS-P4)
    RELEASED = "released"  # pacs.002/RJCT came (AOS-P5)
    ARRIVED = "arrived"  # money that came without our being asked (AZIPS)
    RETURN_ASKED = "return_asked"  # camt.056 came: a person decides (AOS-T6)
    RETURNING = "returning"  # pacs.004 sent (AOS-T1)
    RETURNED = "returned"  # the money has gone back (AOS-T4)
    UNMATCHED = "unmatched"  # money that nothing of ours awaits: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One offered credit."""

    state: CreditState
    lot_id: str
    owner: str
    message_id: str
    end_to_end_id: str
    transaction_id: str
    amount: Money
    debtor_name: str
    debtor_iban: str
    creditor_iban: str
    case_number: str | None
    payment_id: str | None = None
    code: str | None = None
    debtor_bic: str = ""
    creditor_name: str = ""
    of_return: bool = False  # a pacs.004 that brings our own money back
    request_id: str | None = None  # of the camt.056 that asks for it
    requester_bic: str | None = None


_S = CreditState
TABLE = StateTable(
    "credit",
    Credit,
    CreditState,
    final=(_S.SETTLED, _S.RELEASED, _S.RETURNED),
    waiting_for_person=(_S.UNMATCHED, _S.RETURN_ASKED),
    scheduled=(_S.RETURNING,),
)
RETURN_ALIAS = "aos.return"  # the message id of our pacs.004
MESSAGE_ALIAS = "aos.credit"  # the incoming pacs.008's message id


def credit_id(message_id: str) -> str:
    """An incoming pacs.008 is known by its message id."""
    return f"credit.{message_id}"


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


def _answer(credit: Credit, context: Context, *, authorised: bool, reason: str | None) -> Send:
    address = context.rules.rail.own_address
    return Send(
        Channel.AOS,
        "AOS",
        CreditAnswer(
            credit_id=context.id,
            message_id=ids.message_id(address, local_date(context.now), f"{context.id}/answer"),
            original_message_id=credit.message_id,
            original_end_to_end_id=credit.end_to_end_id,
            original_transaction_id=credit.transaction_id,
            of_return=credit.of_return,
            authorised=authorised,
            reason=reason,
            created_at=context.now,
        ),
    )


@TABLE.on(_S.OFFERED, event=Matched, to=_S.AUTHORISED)
def _match(credit: Credit, event: Matched, context: Context) -> Change[Credit]:
    credit = replace(credit, payment_id=event.payment_id, lot_id=event.lot_id, owner=event.owner)
    return Change(credit, (_answer(credit, context, authorised=True, reason=None),))


@TABLE.on(_S.OFFERED, event=Mismatched, to=_S.DECLINED)
def _mismatch(credit: Credit, event: Mismatched, context: Context) -> Change[Credit]:
    credit = replace(credit, code=event.code)
    return Change(credit, (_answer(credit, context, authorised=False, reason=event.code),))


@TABLE.on(_S.AUTHORISED, event=Settled, to=_S.SETTLED)
def _settle(credit: Credit, event: Settled, _: Context) -> Change[Credit]:
    if credit.payment_id is None:
        return Change(credit)
    if credit.of_return:
        return Change(credit, (Tell("payment", credit.payment_id, payments.CameBack(reference=credit.message_id)),))
    settled = payments.Settled(reference=credit.transaction_id, settled_at=event.settled_at)
    return Change(credit, (Tell("payment", credit.payment_id, settled),))


@TABLE.on(_S.AUTHORISED, _S.DECLINED, event=Released, to=_S.RELEASED)
def _release(credit: Credit, event: Released, _: Context) -> Change[Credit]:
    """The payment itself hears its refusal as pain.002 (AOS-P7); here only the credit ends."""
    return Change(replace(credit, code=credit.code or event.code))


@TABLE.on(_S.SETTLED, _S.RETURN_ASKED, _S.RETURNING, _S.RETURNED, event=Settled)
@TABLE.on(_S.RELEASED, event=Released)
def _told_again(credit: Credit, _: Settled | Released, __: Context) -> Change[Credit]:
    return Change(credit)


@TABLE.on(_S.DECLINED, _S.RELEASED, event=Settled)
@TABLE.on(_S.SETTLED, event=Released)
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
    return Change(credit, (_refusal(asked, context, ErrorCode.STATE_CONFLICT, credit.state.value),))


def _refusal(credit: Credit, context: Context, code: str, reason: str) -> Send:
    seed = f"{context.id}/refusal/{credit.request_id}"
    return Send(
        Channel.AOS,
        "AOS",
        RecallRefusal(
            credit_id=context.id,
            message_id=ids.message_id(context.rules.rail.own_address, local_date(context.now), seed),
            request_id=str(credit.request_id),
            requester_bic=str(credit.requester_bic),
            original_message_id=credit.message_id,
            original_end_to_end_id=credit.end_to_end_id,
            original_transaction_id=credit.transaction_id,
            code=code,
            reason=reason,
            created_at=context.now,
        ),
    )


def _may_decide(person: str, context: Context) -> Refusal | None:
    custody = context.rules.custody
    if custody is None or person not in custody.approvers:
        return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"operation": "return", "participant": person})
    return None


@TABLE.on(_S.RETURN_ASKED, event=RecallDenied, to=_S.SETTLED)
def _deny(credit: Credit, event: RecallDenied, context: Context) -> Change[Credit] | Refusal:
    denied = _may_decide(event.person, context)
    return denied or Change(credit, (_refusal(credit, context, "CUST", event.reason),))


@TABLE.on(_S.RETURN_ASKED, event=RecallGranted, to=_S.RETURNING)
def _grant(credit: Credit, event: RecallGranted, context: Context) -> Change[Credit] | Refusal:
    """AOS-T1: the whole sum, between the accounts of the payment, under its case number (EHR-12)."""
    refusal = _may_decide(event.person, context)
    if refusal is not None:
        return refusal
    rail = context.rules.rail
    order = ReturnOrder(
        credit_id=context.id,
        message_id=ids.message_id(rail.own_address, local_date(context.now), f"{context.id}/return"),
        original_message_id=credit.message_id,
        original_end_to_end_id=credit.end_to_end_id,
        original_transaction_id=credit.transaction_id,
        amount=credit.amount,
        debtor=Account(holder=credit.debtor_name, iban=credit.debtor_iban, bic=credit.debtor_bic),
        creditor=Account(holder=credit.creditor_name, iban=credit.creditor_iban, bic=rail.own_bic),
        case_number=credit.case_number,
        created_at=context.now,
    )
    silence = Timer("return", context.now + rail.answer_timeout, ReturnUnanswered())
    return Change(credit, (Alias(RETURN_ALIAS, order.message_id), Send(Channel.AOS, "AOS", order), silence))


@TABLE.on(_S.RETURNING, event=ReturnUnanswered)
def _return_unanswered(credit: Credit, _: ReturnUnanswered, context: Context) -> Change[Credit]:
    """Nothing fails by silence: a person is told, again and again, and we listen."""
    again = Timer("return", context.now + context.rules.rail.answer_timeout * _REMIND_EVERY, ReturnUnanswered())
    return Change(credit, (Alarm("RETURN_UNANSWERED", {"credit": context.id}), again))


@TABLE.on(_S.RETURNING, event=GaveBack, to=_S.RETURNED)
def _gave_back(credit: Credit, _: GaveBack, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "amount": str(credit.amount), "payment": str(credit.payment_id)}
    return Change(credit, (CancelTimer("return"), Alarm("CREDIT_RETURNED", facts)))


@TABLE.on(_S.RETURNING, event=ReturnRejected, to=_S.RETURN_ASKED)
def _return_rejected(credit: Credit, event: ReturnRejected, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "code": event.code, "reason": event.reason}
    return Change(credit, (CancelTimer("return"), Alarm("RETURN_REJECTED", facts)))


@TABLE.on(_S.RETURNED, event=GaveBack)
@TABLE.on(_S.RETURN_ASKED, _S.SETTLED, event=ReturnRejected)
def _return_told_again(credit: Credit, _: GaveBack | ReturnRejected, __: Context) -> Change[Credit]:
    return Change(credit)


@TABLE.on(_S.RETURNED, event=ReturnRejected)
@TABLE.on(_S.RETURN_ASKED, _S.SETTLED, event=GaveBack)
def _return_regression(credit: Credit, event: GaveBack | ReturnRejected, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "state": credit.state.value, "told": type(event).__name__}
    return Change(credit, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))
