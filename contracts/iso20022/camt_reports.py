"""Statements and free texts: the request (camt.060), and camt.998 as TRANSREP or TEXTMESSAGE.

ISO publishes no schema for camt.998 any more; ours keeps its shape: `CshMgmtPrtryMsg(MsgHdr, Rltd?, PrtryData)`.
A statement of many entries comes in pages; the last one says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from lxml import etree

from contracts.iso20022.layout import Element, Fixed, Layout, Leaf, Row, Variants, Wrapped, qualified
from contracts.iso20022.names import MessageName
from contracts.iso20022.parties import AnyAccount, Balance, agent
from contracts.iso20022.scalars import AZN, DAY, FLAG, INSTANT, NUMBER, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRequest:
    """camt.060: the statement of one account for one day (AOS-I4)."""

    message_id: str
    created_at: datetime
    owner_bic: str
    account: str
    day: date


class Direction(StrEnum):
    """Which way an entry moved the account."""

    CREDIT = "CRDT"
    DEBIT = "DBIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """One posting. `message_id` and `message_name` are of the order or return that caused it; an adjustment with AZIPS
    has a reference of its own and the name AZIPS."""

    message_id: str
    message_name: str
    direction: Direction
    amount_minor: int
    counterparty_bic: str
    booked_at: datetime
    end_to_end_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """camt.998/TRANSREP: all postings of one account on one day; asked (AOS-I4), or at the end of the day (AOS-I8).

    `original_message_id` names the camt.060 it answers, and is absent at the end of the day. Balances are of the whole
    day, not of the page.
    """

    message_id: str
    created_at: datetime
    owner_bic: str
    account: str
    day: date
    opening_minor: int
    closing_minor: int
    entries: tuple[StatementEntry, ...] = ()
    page: int = 1
    last_page: bool = True
    original_message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMessage:
    """camt.998/TEXTMESSAGE: free text to another participant, at any hour (AOS-I7)."""

    message_id: str
    created_at: datetime
    from_bic: str
    to_bic: str
    text: str


_DIRECTION = Scalar(str, lambda text, path: Direction(text))


class _Entries:
    """`Ntry` elements, in order of booking."""

    steps = ("PrtryData", "Data", "TransRep")
    rows: tuple[Row, ...] = (
        Leaf("MsgId", "message_id"),
        Leaf("MsgNmId", "message_name"),
        Leaf("EndToEndId", "end_to_end_id"),
        Leaf("Amt", "amount_minor", AZN),
        Leaf("CdtDbtInd", "direction", _DIRECTION),
        agent("CtrPty", "counterparty_bic"),
        Leaf("BookgDtTm", "booked_at", INSTANT),
    )
    layout = Layout(StatementEntry, "Ntry", rows=rows)

    def value(self, message: Statement) -> Any:
        return message.entries or None

    def put(self, parent: Element, namespace: str, value: tuple[StatementEntry, ...]) -> None:
        for entry in value:
            self.layout.write(etree.SubElement(parent, namespace + "Ntry"), entry, namespace)

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        found = root.iterfind(qualified(namespace, (*self.steps, "Ntry")))
        return {"entries": tuple(self.layout.read(entry, namespace) for entry in found)}


_Q = "RptgReq"
STATEMENT_REQUEST = Layout(
    StatementRequest,
    "AcctRptgReq",
    rows=(
        Leaf("GrpHdr/MsgId", "message_id"),
        Leaf("GrpHdr/CreDtTm", "created_at", INSTANT),
        Fixed(f"{_Q}/ReqdMsgNmId", MessageName.PROPRIETARY),
        AnyAccount(f"{_Q}/Acct/Id", "account"),
        agent(f"{_Q}/AcctOwnr/Agt", "owner_bic"),
        Leaf(f"{_Q}/RptgPrd/FrToDt/FrDt", "day", DAY),
        Leaf(f"{_Q}/RptgPrd/FrToDt/ToDt", "day", DAY),
        Fixed(f"{_Q}/RptgPrd/Tp", "ALLL"),
    ),
)
_HEADER = (Leaf("MsgHdr/MsgId", "message_id"), Leaf("MsgHdr/CreDtTm", "created_at", INSTANT))
_S = "PrtryData/Data/TransRep"
STATEMENT = Layout(
    Statement,
    "CshMgmtPrtryMsg",
    rows=(
        *_HEADER,
        Leaf("Rltd/Ref", "original_message_id"),
        Fixed("PrtryData/Tp", "TRANSREP"),
        agent(f"{_S}/AcctOwnr", "owner_bic"),
        AnyAccount(f"{_S}/AcctId", "account"),
        Leaf(f"{_S}/Dt", "day", DAY),
        Leaf(f"{_S}/Pg", "page", NUMBER),
        Leaf(f"{_S}/LastPg", "last_page", FLAG),
        Balance(f"{_S}/OpngBal", "opening_minor"),
        Balance(f"{_S}/ClsgBal", "closing_minor"),
        _Entries(),
    ),
)
_X = "PrtryData/Data/TxtMsg"
TEXT_MESSAGE = Layout(
    TextMessage,
    "CshMgmtPrtryMsg",
    rows=(
        *_HEADER,
        Fixed("PrtryData/Tp", "TEXTMESSAGE"),
        agent(f"{_X}/Fr", "from_bic"),
        agent(f"{_X}/To", "to_bic"),
        Wrapped(f"{_X}/Line", "text"),
    ),
)
PROPRIETARY = Variants(
    "CshMgmtPrtryMsg", "PrtryData/Tp", {"TRANSREP": (_S, STATEMENT), "TEXTMESSAGE": (_X, TEXT_MESSAGE)}
)
