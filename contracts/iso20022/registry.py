"""Every message we speak: its name and version on the rail, its layout, its profile schema. A rail moves by one row.

`build` writes a `Document`, `check` validates one by our profile, `read` makes the typed message of it. Messages still
to come (returns, limits, statements) are one row here, a layout and a schema each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.iso20022 import camt, pacs, pain
from contracts.iso20022.layout import Element, Layout, default_namespace
from contracts.xml import CompiledSchema

_URN = "urn:iso:std:iso:20022:tech:xsd:"
SCHEMAS = "contracts.iso20022.schemas"
_SHARPER = {
    "IntrBkSttlmAmt": ErrorCode.AMOUNT_INVALID,
    "InstdAmt": ErrorCode.AMOUNT_INVALID,
    "IBAN": ErrorCode.IBAN_INVALID,
}


@dataclass(frozen=True)
class MessageType:
    """One message by its full name, `pacs.008.001.08`."""

    name: str
    layout: Layout[Any]
    purpose: str  # one line, for lists

    @cached_property
    def urn(self) -> str:
        """The document's XML namespace."""
        return _URN + self.name

    @cached_property
    def namespace(self) -> str:
        """The namespace as lxml writes it before a name."""
        return f"{{{self.urn}}}"

    @cached_property
    def schema(self) -> CompiledSchema:
        """The profile schema, compiled at first use."""
        return CompiledSchema(SCHEMAS, f"{self.name}.xsd")


MESSAGES: Mapping[str, MessageType] = {
    row.name: row
    for row in (
        MessageType("pacs.008.001.08", pacs.CREDIT_TRANSFER, "payment order (AOS-M1)"),
        MessageType("pacs.002.001.10", pacs.ORDER_STATUS, "status of a payment order (AOS-P3 to AOS-P5)"),
        MessageType("pacs.028.001.03", pacs.ORDER_ENQUIRY, "enquiry about a payment order (AOS-I1)"),
        MessageType("pain.001.001.09", pain.PAYMENT_REQUEST, "payment request (AOS-M2)"),
        MessageType("pain.002.001.10", pain.REQUEST_STATUS, "status of a payment request (AOS-P7)"),
        MessageType("pain.998.001.01", pain.REQUEST_ENQUIRY, "enquiry about a payment request (AOS-I2)"),
        MessageType("camt.025.001.05", camt.RECEIPT, "receipt: refused or erroneous (AOS-R2, AOS-R5)"),
    )
}
_BY_CLASS: Mapping[type[Any], MessageType] = {row.layout.message: row for row in MESSAGES.values()}


def named(name: str) -> MessageType:
    """The message of this name.

    Raises:
        RefusedError: OPERATION_UNKNOWN, we do not speak it (AOS-C4).
    """
    found = MESSAGES.get(name)
    if found is None:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=name)
    return found


def type_of(message: Any) -> MessageType:
    """The row of a typed message."""
    return _BY_CLASS[type(message)]


def build(message: Any, parent: Element | None = None) -> Element:
    """Write `Document`, as a tree of its own or under `parent`. Not validated yet: `check` it before it leaves."""
    kind = type_of(message)
    tag, nsmap = f"{kind.namespace}Document", default_namespace(kind.urn)
    document = etree.Element(tag, nsmap=nsmap) if parent is None else etree.SubElement(parent, tag, nsmap=nsmap)
    kind.layout.write(etree.SubElement(document, kind.namespace + kind.layout.element), message, kind.namespace)
    return document


def check(document: Element, kind: MessageType) -> None:
    """Validate a `Document` by our profile (AOS-C1, AOS-C4).

    Raises:
        RefusedError: AMOUNT_INVALID, IBAN_INVALID or SCHEMA_INVALID, with the path of the fault.
    """
    try:
        kind.schema.validate(document)
    except RefusedError as error:
        facts = error.refusal.facts
        leaf = facts.get("path", "").rsplit("/", 1)[-1].partition("[")[0]
        raise refuse(_SHARPER.get(leaf, error.refusal.code), **facts) from None


def read(document: Element, kind: MessageType) -> Any:
    """Validate and read a `Document`.

    Raises:
        RefusedError: as `check`, and for check digits and impossible dates.
    """
    check(document, kind)
    try:
        return kind.layout.read(document[0], kind.namespace)
    except RefusedError as error:
        path = f"/Document/{kind.layout.element}{error.refusal.facts.get('path', '')}"
        raise refuse(error.refusal.code, **{**error.refusal.facts, "path": path}) from None
