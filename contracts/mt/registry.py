"""Every MT we speak: number, class, and both directions. `read` makes a typed message of bytes, `write` the bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.mt import answers, limit_order, transfer
from contracts.mt.answers import Accepted, Refused, StatusNotice
from contracts.mt.fin import Frame, read_frame, write_frame
from contracts.mt.limit_order import LimitOrder
from contracts.mt.transfer import CustomerTransfer

MtMessage = CustomerTransfer | LimitOrder | Accepted | Refused | StatusNotice


@dataclass(frozen=True, slots=True)
class MtType:
    """One message by its number."""

    number: str
    message: type[Any]
    to_frame: Callable[[Any], Frame]
    from_frame: Callable[[Frame], Any]
    purpose: str  # one line, for lists


MESSAGES: Mapping[str, MtType] = {
    row.number: row
    for row in (
        MtType("103", CustomerTransfer, transfer.to_frame, transfer.from_frame, "customer's transfer above AOS-C9"),
        MtType("205", LimitOrder, limit_order.to_frame, limit_order.from_frame, "debit limit set or raised (AOS-L1)"),
        MtType("196", Accepted, answers.accepted_to_frame, answers.accepted_from_frame, "AZIPS accepts"),
        MtType("158", Refused, answers.refused_to_frame, answers.refused_from_frame, "AZIPS refuses, with its reason"),
        MtType("298", StatusNotice, answers.notice_to_frame, answers.notice_from_frame, "AZIPS tells status or error"),
    )
}
_BY_CLASS = {row.message: row for row in MESSAGES.values()}


def write(message: MtMessage) -> bytes:
    """Bytes of a typed message, read back before they are given out.

    Raises:
        RefusedError: what we were about to say is not of the format.
    """
    data = write_frame(_BY_CLASS[type(message)].to_frame(message))
    read(data)
    return data


def read(data: bytes) -> MtMessage:
    """The typed message.

    Raises:
        RefusedError: OPERATION_UNKNOWN for another number, and those of the frame and the fields.
    """
    frame = read_frame(data)
    kind = MESSAGES.get(frame.kind)
    if kind is None:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=f"MT{frame.kind}")
    message: MtMessage = kind.from_frame(frame)
    return message
