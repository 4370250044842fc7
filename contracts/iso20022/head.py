"""The business application header (head.001): from whom, to whom, which message; its `Sgntr` holds the signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.iso20022.layout import Layout, Leaf
from contracts.iso20022.parties import agent
from contracts.iso20022.scalars import INSTANT

HEAD_NAME = "head.001.001.02"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHeader:
    """`message_id` is the document's own id and the key of idempotency at the receiver."""

    from_bic: str
    to_bic: str
    message_id: str
    message_name: str
    created_at: datetime


HEADER = Layout(
    BusinessHeader,
    "AppHdr",
    rows=(
        agent("Fr/FIId", "from_bic"),
        agent("To/FIId", "to_bic"),
        Leaf("BizMsgIdr", "message_id"),
        Leaf("MsgDefIdr", "message_name"),
        Leaf("CreDt", "created_at", INSTANT),
    ),
)
