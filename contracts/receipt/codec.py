"""Receipt elements to typed receipts and back. Verifying the signature is the caller's work (`certs.xmldsig`).

Order of trust: the tree is checked by the schema, its signature is verified over the whole document, and only then is
`read_receipt` asked what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.instants import instant_of
from contracts.xml import CompiledSchema, XmlLimits

NAMESPACE: Final = "urn:eherrac:receipt:1"
MEDIA_TYPE: Final = "application/xml"
DECISION_ACCEPTED: Final = "accepted"
LIMITS: Final = XmlLimits(body_max_bytes=65_536, elements_max=200, depth_max=12)  # one with its certificate is 4 kB

_VERSION: Final = "1"
_DEFAULT_NAMESPACE: Any = {None: NAMESPACE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An authority has the container of this digest. `container_sha256` is lower-case hex, `received_at` aware."""

    receipt_id: str
    protocol_number: str
    protocol_id: str
    container_sha256: str
    authority: str  # participant code
    received_at: datetime


def build_receipt(receipt: Receipt) -> etree._Element:
    """The unsigned document: its signature goes into the root, as last child."""
    root = etree.Element(f"{{{NAMESPACE}}}Receipt", {"Version": _VERSION}, nsmap=_DEFAULT_NAMESPACE)
    moment = receipt.received_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for name, text in (
        ("ReceiptId", receipt.receipt_id),
        ("ProtocolNumber", receipt.protocol_number),
        ("ProtocolId", receipt.protocol_id),
        ("ContainerSha256", receipt.container_sha256),
        ("Authority", receipt.authority),
        ("ReceivedAt", moment),
        ("Decision", DECISION_ACCEPTED),
    ):
        etree.SubElement(root, f"{{{NAMESPACE}}}{name}").text = text
    return root


def check_receipt(root: etree._Element) -> None:
    """Hold the signed document to the schema.

    Raises:
        RefusedError: SCHEMA_INVALID with the path of the fault.
    """
    _schema().validate(root)


def read_receipt(root: etree._Element) -> Receipt:
    """What a document says that kept `check_receipt`.

    Raises:
        RefusedError: TIME_INVALID when the schema's date-time is no moment of ours (24:00, a year beyond 9999).
    """
    return Receipt(
        receipt_id=_text(root, "ReceiptId"),
        protocol_number=_text(root, "ProtocolNumber"),
        protocol_id=_text(root, "ProtocolId"),
        container_sha256=_text(root, "ContainerSha256"),
        authority=_text(root, "Authority"),
        received_at=_moment(_text(root, "ReceivedAt")),
    )


@cache
def _schema() -> CompiledSchema:
    return CompiledSchema("contracts.receipt", "receipt-1.xsd")


def _text(root: etree._Element, name: str) -> str:
    return root.findtext(f"{{{NAMESPACE}}}{name}") or ""


def _moment(text: str) -> datetime:
    moment = instant_of(text)
    if moment is None:
        raise refuse(ErrorCode.TIME_INVALID, path="/Receipt/ReceivedAt")
    return moment
