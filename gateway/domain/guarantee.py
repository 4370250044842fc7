"""Guarantee: a bank guarantee lodged instead of a money deposit (EHR-11). Released or called, never refunded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.dispatches import Channel, Notice, NoticeKind
from gateway.domain.events.guarantee import Called, Lodged, Released
from gateway.domain.money import Money
from gateway.domain.table import Change, Context, Effect, Send, StateTable


class GuaranteeState(StrEnum):
    """Where a guarantee is."""

    LODGED = "lodged"
    RELEASED = "released"
    CALLED = "called"  # EHR-13: the winner it stood for did not pay


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """One guarantee for one bidder's deposit."""

    state: GuaranteeState
    lot_id: str
    owner: str
    bidder_id: str
    guarantor: str
    reference: str
    amount: Money
    case_number: str | None


_S = GuaranteeState
TABLE = StateTable(
    "guarantee",
    Guarantee,
    GuaranteeState,
    final=(_S.RELEASED, _S.CALLED),
    quoted=lambda guarantee: (guarantee.reference,),
)


def guarantee_id(lot_id: str, bidder_id: str) -> str:
    """One guarantee a bidder and lot."""
    return f"{lot_id}.guarantee.{bidder_id}"


def _notices(guarantee: Guarantee, context: Context, state: GuaranteeState) -> tuple[Effect, ...]:
    notice = Notice(
        kind=NoticeKind.GUARANTEE_STATE,
        lot_id=guarantee.lot_id,
        subject_id=context.id,
        state=state,
        occurred_at=context.now,
        amount=guarantee.amount,
        case_number=guarantee.case_number,
        reference=guarantee.reference,
    )
    told: tuple[Effect, ...] = (Send(Channel.PLATFORM, context.rules.platform, notice),)
    if guarantee.guarantor in context.rules.banks:
        told += (Send(Channel.BANKS, guarantee.guarantor, notice),)
    return told


@TABLE.on(None, event=Lodged, to=_S.LODGED)
def _lodge(_: None, event: Lodged, context: Context) -> Change[Guarantee]:
    guarantee = Guarantee(
        state=_S.LODGED,
        lot_id=event.lot_id,
        owner=event.owner,
        bidder_id=event.bidder_id,
        guarantor=event.guarantor,
        reference=event.reference,
        amount=event.amount,
        case_number=event.case_number,
    )
    return Change(guarantee, _notices(guarantee, context, _S.LODGED))


@TABLE.on(_S.LODGED, event=Released, to=_S.RELEASED)
def _release(guarantee: Guarantee, _: Released, context: Context) -> Change[Guarantee]:
    return Change(guarantee, _notices(guarantee, context, _S.RELEASED))


@TABLE.on(_S.LODGED, event=Called, to=_S.CALLED)
def _call(guarantee: Guarantee, _: Called, context: Context) -> Change[Guarantee]:
    return Change(guarantee, _notices(guarantee, context, _S.CALLED))
