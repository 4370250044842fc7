"""Every message we speak: its name and version on the rail, its layout, its profile schema. A rail moves by one row.

`build` writes a `Document`, `check` validates one by our profile, `read` makes the typed message of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError, refuse
from contracts.iso20022 import camt, camt_cases, camt_day, camt_limits, camt_reports, pacs, pain
from contracts.iso20022.layout import Element, Layout, Variants, default_namespace
from contracts.iso20022.names import URN, MessageName, namespace
from contracts.xml import CompiledSchema

SCHEMAS = "contracts.iso20022.schemas"
_SHARPER = {
    "IntrBkSttlmAmt": ErrorCode.AMOUNT_INVALID,
    "InstdAmt": ErrorCode.AMOUNT_INVALID,
    "RtrdIntrBkSttlmAmt": ErrorCode.AMOUNT_INVALID,
    "OrgnlIntrBkSttlmAmt": ErrorCode.AMOUNT_INVALID,
    "AmtWthCcy": ErrorCode.AMOUNT_INVALID,
    "IBAN": ErrorCode.IBAN_INVALID,
}


@dataclass(frozen=True)
class MessageType:
    """One message by its full name, `pacs.008.001.08`."""

    name: str
    layout: Layout[Any] | Variants
    purpose: str  # one line, for lists

    @cached_property
    def urn(self) -> str:
        """The document's XML namespace."""
        return URN + self.name

    @cached_property
    def namespace(self) -> str:
        """The namespace as lxml writes it before a name."""
        return namespace(self.name)

    @cached_property
    def schema(self) -> CompiledSchema:
        """The profile schema, compiled at first use."""
        return CompiledSchema(SCHEMAS, f"{self.name}.xsd")


MESSAGES: Mapping[str, MessageType] = {
    row.name: row
    for row in (
        MessageType(MessageName.ORDER, pacs.CREDIT_TRANSFER, "payment order (AOS-M1)"),
        MessageType(MessageName.ORDER_STATUS, pacs.ORDER_STATUS, "status of an order or return (AOS-P3 to AOS-P5)"),
        MessageType(MessageName.RETURN, pacs.PAYMENT_RETURN, "return order (AOS-M3)"),
        MessageType(MessageName.ORDER_ENQUIRY, pacs.ORDER_ENQUIRY, "enquiry about an order or return (AOS-I1)"),
        MessageType(MessageName.REQUEST, pain.PAYMENT_REQUEST, "payment request (AOS-M2)"),
        MessageType(MessageName.REQUEST_STATUS, pain.REQUEST_STATUS, "status of a payment request (AOS-P7)"),
        MessageType(MessageName.REQUEST_ENQUIRY, pain.REQUEST_ENQUIRY, "enquiry about a payment request (AOS-I2)"),
        MessageType(MessageName.LIMIT_QUERY, camt_limits.LIMIT_QUERY, "balance asked (AOS-L6, AOS-I5)"),
        MessageType(MessageName.LIMIT_REPORT, camt_limits.LIMIT_REPORT, "balance and limit told (AOS-L2 to AOS-L6)"),
        MessageType(MessageName.LIMIT_CHANGE, camt_limits.LIMIT_CHANGE, "debit limit to be changed (AOS-L2, AOS-L3)"),
        MessageType(MessageName.DAY_QUERY, camt_day.DAY_QUERY, "operating day asked (AOS-I6)"),
        MessageType(MessageName.DAY_REPORT, camt_day.DAY_REPORT, "operating day told (AOS-I6)"),
        MessageType(MessageName.RECEIPT, camt.RECEIPT, "receipt: refused or erroneous (AOS-R2, AOS-R5)"),
        MessageType(MessageName.RETURN_REFUSAL, camt_cases.RETURN_REFUSAL, "return refused (AOS-T6, AOS-R4)"),
        MessageType(MessageName.COPY_REQUEST, camt_cases.COPY_REQUEST, "copy of an executed order asked (AOS-I3)"),
        MessageType(MessageName.ORDER_COPY, camt_cases.ORDER_COPY, "copy of an executed order (AOS-I3)"),
        MessageType(MessageName.RETURN_REQUEST, camt_cases.RETURN_REQUEST, "return request (AOS-M4, AOS-T6)"),
        MessageType(MessageName.STATEMENT_REQUEST, camt_reports.STATEMENT_REQUEST, "statement asked (AOS-I4)"),
        MessageType(MessageName.PROPRIETARY, camt_reports.PROPRIETARY, "statement or text (AOS-I4, AOS-I7, AOS-I8)"),
    )
}
_BY_CLASS: Mapping[type[Any], MessageType] = {cls: row for row in MESSAGES.values() for cls in row.layout.messages}


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
        raise RefusedError(_sharpened(error.refusal)) from None


def faults(document: Element, kind: MessageType) -> tuple[Refusal, ...]:
    """Everything the profile has against a `Document`; empty where it may be sent."""
    found = tuple(_sharpened(fault) for fault in kind.schema.faults(document))
    if found:
        return found
    try:
        read(document, kind)
    except RefusedError as error:
        return (error.refusal,)
    return ()


def _sharpened(fault: Refusal) -> Refusal:
    leaf = fault.facts["path"].rsplit("/", 1)[-1].partition("[")[0]
    return replace(fault, code=_SHARPER.get(leaf, fault.code))


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
