"""Inquiry: what we ask AÖS to tell, and what it tells unasked: operating day, statements, copies, texts (AOS-I3…I8).

It moves nothing. The message itself is kept as evidence, byte for byte; the journal says what it was about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, InformationKind, InformationQuery
from gateway.domain.events import payment as payments
from gateway.domain.frozen import replace
from gateway.domain.money import Money
from gateway.domain.table import Alarm, Alias, ByAlias, Change, Context, Send, StateTable, Tell

QUESTION_ALIAS = "aos.inquiry"  # the message id of our question
COPY_ALIAS = "aos.copy"  # the message id of the order whose copy we want


class InquiryState(StrEnum):
    """Where it is."""

    ASKED = "asked"
    ANSWERED = "answered"
    REFUSED = "refused"  # camt.025/ERRC (AOS-R5)
    TOLD = "told"  # unasked


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One question, or one thing told."""

    state: InquiryState
    lot_id: str = ""
    owner: str = ""
    kind: InformationKind
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person, or a schedule, wants to know."""

    kind: InformationKind
    account: str | None = None  # of a statement
    day: date | None = None  # of a statement
    order_id: str | None = None  # message id of the order whose copy is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer, or a page of it."""

    summary: str
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Said unasked: a statement at the end of the day (AOS-I8), a text of another participant (AOS-I7)."""

    kind: InformationKind
    summary: str
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReceived:
    """An executed order as AÖS has it: asked for (camt.034), or of an indirect participant of ours (AOS-P6)."""

    summary: str
    told_at: datetime
    end_to_end_id: str
    transaction_id: str
    amount: Money
    debtor_iban: str
    creditor_iban: str
    case_number: str | None
    of_return: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStrayed:
    """No payment of ours has that end-to-end id."""

    end_to_end_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryRefused:
    """camt.025/ERRC."""

    code: str
    reason: str


_S = InquiryState
TABLE = StateTable("inquiry", Inquiry, InquiryState, final=(_S.ANSWERED, _S.REFUSED, _S.TOLD))


@TABLE.on(None, event=Asked, to=_S.ASKED)
def _ask(_: None, event: Asked, context: Context) -> Change[Inquiry]:
    query = InformationQuery(
        kind=event.kind,
        message_id=ids.message_id(context.rules.rail.own_address, local_date(context.now), f"inquiry/{context.id}"),
        account=event.account,
        day=event.day,
        order_id=event.order_id,
        created_at=context.now,
    )
    copy = () if event.order_id is None else (Alias(COPY_ALIAS, event.order_id),)
    asked = (Alias(QUESTION_ALIAS, query.message_id), *copy, Send(Channel.AOS, "AOS", query))
    return Change(Inquiry(state=_S.ASKED, kind=event.kind), asked)


@TABLE.on(_S.ASKED, _S.ANSWERED, event=Answered, to=_S.ANSWERED)
def _answer(inquiry: Inquiry, event: Answered, _: Context) -> Change[Inquiry]:
    """A statement comes in pages; each is kept."""
    return Change(replace(inquiry, summary=event.summary))


@TABLE.on(_S.ASKED, _S.ANSWERED, event=CopyReceived, to=_S.ANSWERED)
def _copy(inquiry: Inquiry, event: CopyReceived, context: Context) -> Change[Inquiry]:
    """AOS-I3: the payment compares it with what it has ordered."""
    told = payments.CopyTold(
        inquiry_id=context.id,
        transaction_id=event.transaction_id,
        told_at=event.told_at,
        amount=event.amount,
        debtor_iban=event.debtor_iban,
        creditor_iban=event.creditor_iban,
        case_number=event.case_number,
        of_return=event.of_return,
    )
    nobody = CopyStrayed(end_to_end_id=event.end_to_end_id)
    ours = ByAlias(payments.END_TO_END_ALIAS, event.end_to_end_id)
    return Change(replace(inquiry, summary=event.summary), (Tell("payment", ours, told, otherwise=nobody),))


@TABLE.on(_S.ANSWERED, event=CopyStrayed)
def _strayed(inquiry: Inquiry, event: CopyStrayed, context: Context) -> Change[Inquiry]:
    return Change(inquiry, (Alarm("COPY_DEVIATES", {"inquiry": context.id, "end_to_end_id": event.end_to_end_id}),))


@TABLE.on(None, event=CopyReceived, to=_S.TOLD)
def _copy_unasked(_: None, event: CopyReceived, __: Context) -> Change[Inquiry]:
    """AOS-P6: an indirect participant's, not ours to judge; kept."""
    return Change(Inquiry(state=_S.TOLD, kind=InformationKind.COPY, summary=event.summary))


@TABLE.on(None, event=Told, to=_S.TOLD)
def _told(_: None, event: Told, context: Context) -> Change[Inquiry]:
    """AOS-I7: a text is for a person to read."""
    inquiry = Inquiry(state=_S.TOLD, kind=event.kind, summary=event.summary)
    reading = (Alarm("TEXT_RECEIVED", {"inquiry": context.id}),) if event.kind is InformationKind.TEXT else ()
    return Change(inquiry, reading)


@TABLE.on(_S.TOLD, event=Told)
@TABLE.on(_S.TOLD, event=CopyReceived)
def _told_again(inquiry: Inquiry, _: Told | CopyReceived, __: Context) -> Change[Inquiry]:
    return Change(inquiry)


@TABLE.on(_S.ASKED, event=InquiryRefused, to=_S.REFUSED)
def _refuse(inquiry: Inquiry, event: InquiryRefused, _: Context) -> Change[Inquiry]:
    """AOS-R5: nothing hangs on it; who asked sees why."""
    return Change(replace(inquiry, summary=f"{event.code} {event.reason}".strip()))


@TABLE.on(_S.ANSWERED, _S.REFUSED, event=InquiryRefused)
def _refused_again(inquiry: Inquiry, _: InquiryRefused, __: Context) -> Change[Inquiry]:
    return Change(inquiry)
