"""A credit that AÖS passes to us: matched with what awaits it, confirmed or not, settled (AOS-P3…P5, AOS-T3)."""

from __future__ import annotations

from contracts.errors import ErrorCode
from gateway.domain import asking
from gateway.domain.credit.data import MESSAGE_ALIAS, Credit, CreditState
from gateway.domain.credit.effects import answer, deviates
from gateway.domain.credit.table import AFTER_SETTLING, TABLE
from gateway.domain.events import payment as payments
from gateway.domain.events.credit import (
    Arrived,
    Matched,
    Mismatched,
    Offered,
    Released,
    ReturnOffered,
    Settled,
    Unmatched,
)
from gateway.domain.frozen import replace
from gateway.domain.table import Alarm, Alias, ByAlias, CancelTimer, Change, Context, Effect, Tell

_S = CreditState


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
        end_to_end_id=event.end_to_end_id,
        amount=event.amount,
        debtor_iban=event.debtor_iban,
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
def _release(credit: Credit, event: Released, context: Context) -> Change[Credit]:
    """The payment itself hears its refusal as pain.002 (AOS-P7); of a return it hears that another may come."""
    heard: tuple[Effect, ...] = (CancelTimer(asking.TIMER),)
    if credit.of_return and credit.payment_id is not None:
        heard = (*heard, Tell("payment", credit.payment_id, payments.ReturnReleased(credit_id=context.id)))
    return Change(replace(credit, code=credit.code or event.code), heard)


def _is_of_another_order(credit: Credit, event: Settled | Released, _: Context) -> bool:
    return event.end_to_end_id not in (None, credit.end_to_end_id)


@TABLE.on(_S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED, event=Settled, when=_is_of_another_order)
@TABLE.on(_S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED, _S.DECLINED, event=Released, when=_is_of_another_order)
def _of_another_order(credit: Credit, event: Settled | Released, context: Context) -> Change[Credit]:
    """Of this credit it says nothing: the state stays, a person is told."""
    return Change(credit, (deviates(context, event),))


@TABLE.on(*AFTER_SETTLING, event=Settled)
@TABLE.on(_S.RELEASED, event=Released)
def _told_again(credit: Credit, _: Settled | Released, __: Context) -> Change[Credit]:
    return Change(credit)


@TABLE.on(_S.DECLINED, _S.RELEASED, event=Settled)
@TABLE.on(*AFTER_SETTLING, event=Released)
def _regression(credit: Credit, event: Settled | Released, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "state": credit.state.value, "told": type(event).__name__}
    return Change(credit, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))
