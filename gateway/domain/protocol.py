"""Protocol: the document of an auction's outcome, sealed once and delivered until receipted (EHR-7, EHR-16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain.clock import add_business_days
from gateway.domain.dispatches import Channel, Notice, NoticeKind, ProtocolContent, ProtocolDelivery, SealOrder
from gateway.domain.events import lot as lots
from gateway.domain.events.protocol import AllReceipted, DrawnUp, Receipted, ReceiptsOverdue, Sealed
from gateway.domain.frozen import replace
from gateway.domain.table import Alarm, CancelTimer, Change, Context, Effect, Send, StateTable, Tell, Timer


class ProtocolState(StrEnum):
    """Where a protocol is."""

    DRAWN_UP = "drawn_up"  # its content is fixed; rendering and sealing are under way
    SEALED = "sealed"  # on its way to the authorities
    OVERDUE = "overdue"  # a receipt is missing: a person asks the authority
    DELIVERED = "delivered"  # every authority has sent its receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One authority's confirmation."""

    authority: str
    receipt_id: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One protocol, its container and its receipts."""

    state: ProtocolState
    lot_id: str
    owner: str
    content: ProtocolContent
    document_id: str | None = None
    sha256: str | None = None
    sealed_at: datetime | None = None
    receipts: tuple[Receipt, ...] = ()


_S = ProtocolState
TABLE = StateTable(
    "protocol",
    Protocol,
    ProtocolState,
    final=(_S.DELIVERED,),
    waiting_for_person=(_S.OVERDUE,),
    scheduled=(_S.DRAWN_UP, _S.SEALED),
    unknown=ErrorCode.PROTOCOL_UNKNOWN,
)


def protocol_id(lot_id: str) -> str:
    """One outcome, one protocol."""
    return f"{lot_id}.protocol"


@TABLE.on(None, event=DrawnUp, to=_S.DRAWN_UP)
def _draw_up(_: None, event: DrawnUp, context: Context) -> Change[Protocol]:
    protocol = Protocol(state=_S.DRAWN_UP, lot_id=event.content.lot_id, owner=event.owner, content=event.content)
    return Change(protocol, (Send(Channel.NOTARY, "NOTARY", SealOrder(content=event.content)),))


@TABLE.on(_S.DRAWN_UP, event=Sealed, to=_S.SEALED)
def _seal(protocol: Protocol, event: Sealed, context: Context) -> Change[Protocol]:
    protocol = replace(protocol, document_id=event.document_id, sha256=event.sha256, sealed_at=event.sealed_at)
    content, rules = protocol.content, context.rules
    due = add_business_days(context.now, rules.receipt_days, rules.is_business_day)
    issued = lots.ProtocolIssued(protocol_id=context.id, number=content.number)
    return Change(
        protocol,
        (
            *(_delivery(protocol, event, context.id, authority) for authority in content.recipients),
            *_notices(protocol, context),
            Timer("receipts", due, ReceiptsOverdue()),
            Tell("lot", protocol.lot_id, issued),
            *_alarms(event, context),
        ),
    )


def _alarms(sealed: Sealed, context: Context) -> tuple[Alarm, ...]:
    """Sealed without the time-stamp that was asked for: it goes on, and a person knows."""
    if sealed.unstamped is None:
        return ()
    return (Alarm("SEAL_UNSTAMPED", {"protocol": context.id, "reason": sealed.unstamped}),)


def _delivery(protocol: Protocol, sealed: Sealed, protocol_id: str, authority: str) -> Send:
    body = ProtocolDelivery(
        protocol_id=protocol_id,
        number=protocol.content.number,
        lot_id=protocol.lot_id,
        result=protocol.content.result,
        document_id=sealed.document_id,
        sha256=sealed.sha256,
        issued_at=sealed.sealed_at,
    )
    return Send(Channel.MINISTRIES, authority, body)


def _notices(protocol: Protocol, context: Context) -> tuple[Effect, ...]:
    notice = Notice(
        kind=NoticeKind.PROTOCOL_ISSUED,
        lot_id=protocol.lot_id,
        subject_id=context.id,
        state=_S.SEALED,
        occurred_at=context.now,
        case_number=protocol.content.case_number,
        reference=protocol.content.number,
    )
    told: tuple[Effect, ...] = (Send(Channel.PLATFORM, context.rules.platform, notice),)
    if protocol.owner in context.rules.banks:
        told = (Send(Channel.BANKS, protocol.owner, notice), *told)
    return told


@TABLE.on(_S.SEALED, _S.OVERDUE, event=Receipted)
def _receipt(protocol: Protocol, event: Receipted, context: Context) -> Change[Protocol] | Refusal:
    """A receipt counts once an authority."""
    if refusal := _not_this_one(protocol, event, context):
        return refusal
    if any(receipt.authority == event.authority for receipt in protocol.receipts):
        return Change(protocol)
    receipt = Receipt(authority=event.authority, receipt_id=event.receipt_id, received_at=event.received_at)
    protocol = replace(protocol, receipts=(*protocol.receipts, receipt))
    complete = len(protocol.receipts) == len(protocol.content.recipients)
    return Change(protocol, (Tell("protocol", context.id, AllReceipted()),) if complete else ())


@TABLE.on(_S.SEALED, _S.OVERDUE, event=AllReceipted, to=_S.DELIVERED)
def _delivered(protocol: Protocol, _: AllReceipted, __: Context) -> Change[Protocol]:
    return Change(protocol, (CancelTimer("receipts"),))


@TABLE.on(_S.DELIVERED, event=Receipted)
def _receipt_again(protocol: Protocol, event: Receipted, context: Context) -> Change[Protocol] | Refusal:
    return _not_this_one(protocol, event, context) or Change(protocol)


def _not_this_one(protocol: Protocol, event: Receipted, context: Context) -> Refusal | None:
    """Why a receipt is not one for the very container that was sent, by one to whom it was sent."""
    if event.sha256 != protocol.sha256:
        facts = {"reference": context.id, "expected": str(protocol.sha256), "received": event.sha256}
        return Refusal(code=ErrorCode.DIGEST_MISMATCH, facts=facts)
    if event.number not in (None, protocol.content.number):
        return Refusal(code=ErrorCode.PROTOCOL_UNKNOWN, facts={"id": str(event.number)})
    if event.authority not in protocol.content.recipients:
        return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"participant": event.authority})
    return None


@TABLE.on(_S.SEALED, event=ReceiptsOverdue, to=_S.OVERDUE)
def _overdue(protocol: Protocol, _: ReceiptsOverdue, context: Context) -> Change[Protocol]:
    have = {receipt.authority for receipt in protocol.receipts}
    missing = ", ".join(code for code in protocol.content.recipients if code not in have)
    return Change(protocol, (Alarm("RECEIPT_MISSING", {"protocol": context.id, "authorities": missing}),))
