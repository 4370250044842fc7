"""Credit: a pacs.008 that AÖS passes to us as creditor agent, confirmed only when a payment of ours awaits it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.errors import ErrorCode
from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, CreditAnswer
from gateway.domain.events import payment as payments
from gateway.domain.events.credit import Arrived, Matched, Mismatched, Offered, Released, Settled, Unmatched
from gateway.domain.money import Money
from gateway.domain.table import Alarm, Alias, ByAlias, Change, Context, Send, StateTable, Tell


class CreditState(StrEnum):
    """Where an incoming credit is."""

    OFFERED = "offered"
    AUTHORISED = "authorised"  # pacs.002/AUTH sent (AOS-P3)
    DECLINED = "declined"  # pacs.002/NAUT sent
    SETTLED = "settled"  # pacs.002/STAT came (AOS-P4)
    RELEASED = "released"  # pacs.002/RJCT came (AOS-P5)
    ARRIVED = "arrived"  # money that came without our being asked (AZIPS)
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


_S = CreditState
TABLE = StateTable(
    "credit",
    Credit,
    CreditState,
    final=(_S.SETTLED, _S.RELEASED),
    waiting_for_person=(_S.UNMATCHED,),
)
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
    settled = payments.Settled(reference=credit.transaction_id, settled_at=event.settled_at)
    return Change(credit, (Tell("payment", credit.payment_id, settled),))


@TABLE.on(_S.AUTHORISED, _S.DECLINED, event=Released, to=_S.RELEASED)
def _release(credit: Credit, event: Released, _: Context) -> Change[Credit]:
    """The payment itself hears its refusal as pain.002 (AOS-P7); here only the credit ends."""
    return Change(replace(credit, code=credit.code or event.code))


@TABLE.on(_S.SETTLED, event=Settled)
@TABLE.on(_S.RELEASED, event=Released)
def _told_again(credit: Credit, _: Settled | Released, __: Context) -> Change[Credit]:
    return Change(credit)


@TABLE.on(_S.DECLINED, _S.RELEASED, event=Settled)
@TABLE.on(_S.SETTLED, event=Released)
def _regression(credit: Credit, event: Settled | Released, context: Context) -> Change[Credit]:
    facts = {"credit": context.id, "state": credit.state.value, "told": type(event).__name__}
    return Change(credit, (Alarm(ErrorCode.STATUS_REGRESSION, facts),))
