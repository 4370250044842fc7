"""What AZIPS says to us, in MT or MX, to the noun it speaks to. Pure; the time it came is an argument.

MT196 is the booking, MT158 the refusal, MT298 a word on the way, final only where it says that the order is cancelled
(facts.md: told). A transfer to us is money that is on our account already: nobody asks us to confirm it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts import mt
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import CreditTransfer, OrderStatus, TransactionState
from gateway.domain import payment as payments
from gateway.domain.credit import data as credits
from gateway.domain.events.credit import Arrived
from gateway.domain.events.payment import Named, Rail, Rejected, Settled
from gateway.domain.liquidity import INCREASE_ALIAS, RaiseAccepted, RaiseRefused
from gateway.domain.money import Money
from gateway.domain.table import ByAlias
from gateway.doors.heard import Heard
from gateway.ports import Target

_CANCELLED = "CANCELLED"
_LIMIT = "L"  # how references of our MT205 begin; those of payments begin with P


def hear(message: Any, now: datetime) -> Heard | None:
    """What an incoming message means; None where it changes nothing.

    Raises:
        RefusedError: NOT_PERMITTED, AZIPS does not send this to a participant.
    """
    match message:
        case mt.Accepted() | mt.Refused() | mt.StatusNotice():
            return _answer(message, now)
        case mt.CustomerTransfer():
            return _arrived_mt(message, now)
        case OrderStatus():
            return _status(message)
        case CreditTransfer():
            return _arrived_mx(message, now)
    raise refuse(ErrorCode.NOT_PERMITTED, operation=type(message).__name__, participant="AZIPS")


def _answer(answer: mt.Accepted | mt.Refused | mt.StatusNotice, now: datetime) -> Heard | None:
    reference = answer.related_reference
    if reference.startswith(_LIMIT):
        return _limit_answer(answer)
    match answer:
        case mt.Accepted(reference=booking):
            settled = Settled(reference=booking, settled_at=now, named=Named(rail=Rail.AZIPS))
            return Heard(target=_by_reference(reference), event=settled)
        case mt.StatusNotice(code=code) if code != _CANCELLED:
            return None
        case mt.Refused(code=code, text=text) | mt.StatusNotice(code=code, text=text):
            rejected = Rejected(code=code, reason=text, named=Named(rail=Rail.AZIPS))
            return Heard(target=_by_reference(reference), event=rejected)


def _limit_answer(answer: mt.Accepted | mt.Refused | mt.StatusNotice) -> Heard | None:
    """AOS-L1."""
    target = _limit(answer.related_reference)
    match answer:
        case mt.Accepted():
            return Heard(target=target, event=RaiseAccepted())
        case mt.Refused(code=code, text=text):
            return Heard(target=target, event=RaiseRefused(code=code, reason=text))
    return None


def _limit(reference: str) -> Target:
    return Target(noun="liquidity", id=ByAlias(INCREASE_ALIAS, reference))


def _by_reference(reference: str) -> Target:
    return Target(noun="payment", id=ByAlias(payments.AZIPS_ALIAS, reference))


def _status(status: OrderStatus) -> Heard | None:
    target = Target(noun="payment", id=ByAlias(payments.MESSAGE_ALIAS, status.original_message_id))
    named = Named(rail=Rail.AZIPS, end_to_end_id=status.original_end_to_end_id)
    if status.state is TransactionState.ACSC:
        reference = status.original_transaction_id or status.original_message_id
        return Heard(target=target, event=Settled(reference=reference, settled_at=status.created_at, named=named))
    if status.state is TransactionState.RJCT:
        code = status.reasons[0].code if status.reasons else status.state.value
        text = status.reasons[0].text if status.reasons else ""
        return Heard(target=target, event=Rejected(code=code, reason=text, named=named))
    return None


def name_of(message: Any) -> str:
    """The id of a FIN message, which has none of its own: its reference is unique only for who gave it, and to banks
    that pass their transfers through AZIPS any reference may occur, on one day once.
    """
    if isinstance(message, mt.CustomerTransfer):
        return f"{type(message).__name__}.{_of_bank(message)}"
    return f"{type(message).__name__}.{message.reference}"


def _of_bank(transfer: mt.CustomerTransfer) -> str:
    return f"{transfer.debtor.bic}.{transfer.value_date:%y%m%d}.{transfer.reference}"


def _arrived_mt(transfer: mt.CustomerTransfer, now: datetime) -> Heard:
    return Heard(
        target=Target(noun="credit", id=credits.credit_id(f"azips.{_of_bank(transfer)}")),
        event=Arrived(
            message_id=transfer.reference,
            end_to_end_id=transfer.end_to_end_id,
            transaction_id=transfer.reference,
            amount=Money(transfer.amount_minor),
            debtor_name=transfer.debtor.name,
            debtor_iban=transfer.debtor.iban,
            creditor_iban=transfer.creditor.iban,
            case_number=transfer.case_number,
            arrived_at=now,
        ),
    )


def _arrived_mx(transfer: CreditTransfer, now: datetime) -> Heard:
    return Heard(
        target=Target(noun="credit", id=credits.credit_id(f"azips.{transfer.message_id}")),
        event=Arrived(
            message_id=transfer.message_id,
            end_to_end_id=transfer.end_to_end_id,
            transaction_id=transfer.transaction_id,
            amount=Money(transfer.amount_minor),
            debtor_name=transfer.debtor.name,
            debtor_iban=transfer.debtor.iban,
            creditor_iban=transfer.creditor.iban,
            case_number=transfer.case_number,
            arrived_at=now,
        ),
    )
