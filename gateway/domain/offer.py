"""Offer: an unsold lot offered to its claimant bank, to accept or refuse in time (EHR-5, EHR-6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain.dispatches import Channel, Notice, NoticeKind
from gateway.domain.events import lot as lots
from gateway.domain.events.offer import Accepted, Declined, Lapsed, Opened, Withdrawn
from gateway.domain.frozen import replace
from gateway.domain.money import Money
from gateway.domain.table import CancelTimer, Change, Context, Effect, Send, StateTable, Tell, Timer
from gateway.domain.values import Account


class OfferState(StrEnum):
    """Where an offer is."""

    OPEN = "open"
    ACCEPTED = "accepted"  # razılıq
    DECLINED = "declined"  # imtina
    LAPSED = "lapsed"  # EHR-6: silence is an answer too
    WITHDRAWN = "withdrawn"  # the auction was cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the claimant is asked."""

    state: OfferState
    lot_id: str
    owner: str
    title: str
    amount: Money
    deadline: datetime
    case_number: str | None
    payer: Account | None = None
    reason: str | None = None


_S = OfferState
TABLE = StateTable(
    "offer",
    Offer,
    OfferState,
    final=(_S.ACCEPTED, _S.DECLINED, _S.LAPSED, _S.WITHDRAWN),
    scheduled=(_S.OPEN,),
    unknown=ErrorCode.OFFER_UNKNOWN,
)


def offer_id(lot_id: str) -> str:
    """A lot is offered once."""
    return f"{lot_id}.offer"


def _notices(offer: Offer, context: Context, state: OfferState, reason: str | None = None) -> tuple[Effect, ...]:
    notice = Notice(
        kind=NoticeKind.OFFER_OPENED if state is _S.OPEN else NoticeKind.OFFER_CLOSED,
        lot_id=offer.lot_id,
        subject_id=context.id,
        state=state,
        occurred_at=context.now,
        amount=offer.amount,
        deadline=offer.deadline,
        case_number=offer.case_number,
        reason=reason,
    )
    told: tuple[Effect, ...] = (Send(Channel.PLATFORM, context.rules.platform, notice),)
    if offer.owner in context.rules.banks:
        told = (Send(Channel.BANKS, offer.owner, notice), *told)
    return told


@TABLE.on(None, event=Opened, to=_S.OPEN)
def _open(_: None, event: Opened, context: Context) -> Change[Offer]:
    offer = Offer(
        state=_S.OPEN,
        lot_id=event.lot_id,
        owner=event.owner,
        title=event.title,
        amount=event.amount,
        deadline=event.deadline,
        case_number=event.case_number,
    )
    return Change(offer, (Timer("lapse", event.deadline, Lapsed()), *_notices(offer, context, _S.OPEN)))


def _in_time(offer: Offer, context: Context) -> Refusal | None:
    if context.now <= offer.deadline:
        return None
    return Refusal(code=ErrorCode.DEADLINE_PASSED, facts={"deadline": offer.deadline.isoformat()})


def _own_account(offer: Offer, payer: Account, context: Context) -> Refusal | None:
    """The claimant bank pays from an account it keeps: BIC and IBAN are its own (as AOS-C8 asks of agents)."""
    bic = context.rules.banks.get(offer.owner)
    if bic is None or (payer.bic[:8] == bic and payer.iban[4:8] == bic[:4]):
        return None
    return Refusal(code=ErrorCode.ACCOUNT_MISMATCH, facts={"expected": bic, "received": payer.bic})


@TABLE.on(_S.OPEN, event=Accepted, to=_S.ACCEPTED)
def _accept(offer: Offer, event: Accepted, context: Context) -> Change[Offer] | Refusal:
    refusal = _in_time(offer, context) or _own_account(offer, event.payer, context)
    if refusal is not None:
        return refusal
    return Change(
        replace(offer, payer=event.payer),
        (
            CancelTimer("lapse"),
            Tell("lot", offer.lot_id, lots.OfferAccepted(payer=event.payer)),
            *_notices(offer, context, _S.ACCEPTED),
        ),
    )


@TABLE.on(_S.OPEN, event=Declined, to=_S.DECLINED)
def _decline(offer: Offer, event: Declined, context: Context) -> Change[Offer] | Refusal:
    late = _in_time(offer, context)
    if late is not None:
        return late
    told = lots.OfferDeclined(lapsed=False, reason=event.reason)
    return Change(
        replace(offer, reason=event.reason),
        (
            CancelTimer("lapse"),
            Tell("lot", offer.lot_id, told),
            *_notices(offer, context, _S.DECLINED, event.reason),
        ),
    )


@TABLE.on(_S.OPEN, event=Lapsed, to=_S.LAPSED)
def _lapse(offer: Offer, _: Lapsed, context: Context) -> Change[Offer]:
    told = lots.OfferDeclined(lapsed=True, reason=None)
    return Change(offer, (Tell("lot", offer.lot_id, told), *_notices(offer, context, _S.LAPSED)))


@TABLE.on(_S.OPEN, event=Withdrawn, to=_S.WITHDRAWN)
def _withdraw(offer: Offer, event: Withdrawn, context: Context) -> Change[Offer]:
    return Change(offer, (CancelTimer("lapse"), *_notices(offer, context, _S.WITHDRAWN, event.reason)))


@TABLE.on(_S.ACCEPTED, _S.DECLINED, event=Accepted)
@TABLE.on(_S.ACCEPTED, _S.DECLINED, event=Declined)
def _decided_already(offer: Offer, _: object, __: Context) -> Refusal:
    return Refusal(code=ErrorCode.ALREADY_DECIDED, facts={"state": offer.state})


@TABLE.on(_S.LAPSED, _S.WITHDRAWN, event=Accepted)
@TABLE.on(_S.LAPSED, _S.WITHDRAWN, event=Declined)
def _decided_late(offer: Offer, _: object, __: Context) -> Refusal:
    return Refusal(code=ErrorCode.DEADLINE_PASSED, facts={"deadline": offer.deadline.isoformat(), "state": offer.state})
