"""The wrapper on the wire: `DataPDU(Body(AppHdr, Document))`, with the enveloped signature inside `AppHdr/Sgntr`.

The signature itself is `certs.xmldsig`'s; this module writes and reads what is signed. Reading goes in the order in
which trust grows: `read_header` (from whom does it say to be?), then the caller verifies, then `read_document`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import Refusal, refuse
from contracts.iso20022 import registry
from contracts.iso20022.head import HEAD_NAME, HEADER, BusinessHeader
from contracts.iso20022.layout import Element, default_namespace
from contracts.xml import CompiledSchema

WRAPPER_URN = "urn:az:eherrac:aos:datapdu:1"
_WRAPPER = f"{{{WRAPPER_URN}}}"
_HEAD_URN = f"urn:iso:std:iso:20022:tech:xsd:{HEAD_NAME}"
_HEAD = f"{{{_HEAD_URN}}}"


def wrap(message: Any, *, from_bic: str, to_bic: str, copy: bool = False) -> Element:
    """Header and document in their wrapper, validated and read as its receiver will, `Sgntr` still empty.

    Raises:
        RefusedError: what we were about to say is not by the profile.
    """
    root = etree.Element(_WRAPPER + "DataPDU", nsmap=default_namespace(WRAPPER_URN))
    body = etree.SubElement(root, _WRAPPER + "Body")
    kind = registry.type_of(message)
    head = etree.SubElement(body, _HEAD + "AppHdr", nsmap=default_namespace(_HEAD_URN))
    header = BusinessHeader(
        from_bic=from_bic,
        to_bic=to_bic,
        message_id=message.message_id,
        message_name=kind.name,
        created_at=message.created_at,
        copy=copy,
    )
    HEADER.write(head, header, _HEAD)
    etree.SubElement(head, _HEAD + "Sgntr")
    registry.read(registry.build(message, body), kind)
    return root


def signature_parent(root: Element) -> Element:
    """`AppHdr/Sgntr`, the only place where the signature may be.

    Raises:
        RefusedError: SIGNATURE_MISSING.
    """
    parent = root.find(f"{_WRAPPER}Body/{_HEAD}AppHdr/{_HEAD}Sgntr")
    if parent is None:
        raise refuse(ErrorCode.SIGNATURE_MISSING)
    return parent


def read_header(root: Element) -> BusinessHeader:
    """Check the wrapper and read its header, before anything is believed.

    Raises:
        RefusedError: SIGNATURE_MISSING where `Sgntr` is absent or empty, SCHEMA_INVALID with the path.
    """
    head, _ = parts(root)
    if len(signature_parent(root)) == 0:
        raise refuse(ErrorCode.SIGNATURE_MISSING)
    _head_schema().validate(head)
    return HEADER.read(head, _HEAD)


def read_document(root: Element, header: BusinessHeader) -> Any:
    """The typed message of a verified wrapper.

    Raises:
        RefusedError: OPERATION_UNKNOWN, SCHEMA_INVALID and its kin, or header and document disagree.
    """
    kind = registry.named(header.message_name)
    _, document = parts(root)
    message = registry.read(document, kind)
    if message.message_id != header.message_id:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/DataPDU/Body/AppHdr/BizMsgIdr", fault="not the document's id")
    return message


def is_wrapper(root: Element) -> bool:
    """Whether a message comes with its wrapper, or as a bare `Document`."""
    return bool(root.tag == _WRAPPER + "DataPDU")


def header_faults(head: Element) -> tuple[Refusal, ...]:
    """What the schema has against a header, except that it is not signed yet."""
    place = head.find(_HEAD + "Sgntr")
    signed = place is not None and len(place) > 0
    return tuple(fault for fault in _head_schema().faults(head) if signed or "Sgntr" not in fault.facts["path"])


def parts(root: Element) -> tuple[Element, Element]:
    """Header and document.

    Raises:
        RefusedError: SCHEMA_INVALID, the wrapper is not one.
    """
    if root.tag != _WRAPPER + "DataPDU" or [child.tag for child in root] != [_WRAPPER + "Body"]:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/DataPDU", fault="one Body is wanted")
    children = list(root[0])
    names = [etree.QName(child).localname for child in children]
    if names != ["AppHdr", "Document"] or children[0].tag != _HEAD + "AppHdr":
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/DataPDU/Body", fault="AppHdr and Document are wanted")
    return children[0], children[1]


@lru_cache(maxsize=1)
def _head_schema() -> CompiledSchema:
    return CompiledSchema(registry.SCHEMAS, f"{HEAD_NAME}.xsd")
