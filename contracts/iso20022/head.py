"""The business application header (head.001): from whom, to whom, which message; its `Sgntr` holds the signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree

from contracts.iso20022.layout import Element, Layout, Leaf
from contracts.iso20022.parties import agent
from contracts.iso20022.scalars import INSTANT

HEAD_NAME = "head.001.001.02"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHeader:
    """`message_id` is the document's own id and the key of idempotency at the receiver.

    A `copy` informs a third party of an executed order and asks nothing of it (AOS-P6).
    """

    from_bic: str
    to_bic: str
    message_id: str
    message_name: str
    created_at: datetime
    copy: bool = False


class _CopyMark:
    """`CpyDplct` says COPY, or is absent."""

    steps: tuple[str, ...] = ()

    def value(self, message: BusinessHeader) -> Any:
        return message.copy or None

    def put(self, parent: Element, namespace: str, value: Any) -> None:
        etree.SubElement(parent, namespace + "CpyDplct").text = "COPY"

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        return {"copy": root.find(namespace + "CpyDplct") is not None}


HEADER = Layout(
    BusinessHeader,
    "AppHdr",
    rows=(
        agent("Fr/FIId", "from_bic"),
        agent("To/FIId", "to_bic"),
        Leaf("BizMsgIdr", "message_id"),
        Leaf("MsgDefIdr", "message_name"),
        Leaf("CreDt", "created_at", INSTANT),
        _CopyMark(),
    ),
)
