"""Receipts of AÖS (camt.025): RJCT refuses a payment request (AOS-R2), ERRC an auxiliary message (AOS-R5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022.codes import Reason, ReceiptCode
from contracts.iso20022.layout import Element, Layout, Leaf, qualified
from contracts.iso20022.scalars import INSTANT

_DESCRIPTION_MAX = 140  # Max140Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """camt.025: what AÖS says to a message it does not execute, with its reasons."""

    message_id: str
    created_at: datetime
    original_message_id: str
    original_message_name: str
    code: ReceiptCode
    reasons: tuple[Reason, ...] = ()


class _Handling:
    """`ReqHdlg` elements: one per reason, the reason's code first in its description; one bare one without reasons."""

    steps = ("RctDtls",)

    def value(self, message: Receipt) -> Any:
        return message.code, message.reasons

    def put(self, parent: Element, namespace: str, value: tuple[ReceiptCode, tuple[Reason, ...]]) -> None:
        code, reasons = value
        for reason in reasons or (None,):
            item = etree.SubElement(parent, namespace + "ReqHdlg")
            etree.SubElement(item, namespace + "StsCd").text = code.value
            if reason is not None:
                words = f"{reason.code} {reason.text}".strip()
                etree.SubElement(item, namespace + "Desc").text = words[:_DESCRIPTION_MAX]

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        items = root.findall(qualified(namespace, ("RctDtls", "ReqHdlg")))
        codes = {item.findtext(namespace + "StsCd") for item in items}
        if len(codes) > 1:
            raise refuse(ErrorCode.SCHEMA_INVALID, path="/RctDtls/ReqHdlg", fault="two values of StsCd")
        words = [item.findtext(namespace + "Desc") or "" for item in items]
        split = [text.partition(" ") for text in words if text]
        return {
            "code": ReceiptCode(codes.pop()),
            "reasons": tuple(Reason(code=code, text=text) for code, _, text in split),
        }


RECEIPT = Layout(
    Receipt,
    "Rct",
    rows=(
        Leaf("MsgHdr/MsgId", "message_id"),
        Leaf("MsgHdr/CreDtTm", "created_at", INSTANT),
        Leaf("RctDtls/OrgnlMsgId/MsgId", "original_message_id"),
        Leaf("RctDtls/OrgnlMsgId/MsgNmId", "original_message_name"),
        _Handling(),
    ),
)
