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
from contracts.iso20022.wrappers import WRAPPERS, Envelope, Wrapper, content_of
from contracts.xml import CompiledSchema

_HEAD_URN = f"urn:iso:std:iso:20022:tech:xsd:{HEAD_NAME}"
_HEAD = f"{{{_HEAD_URN}}}"


def wrap(
    message: Any, *, from_bic: str, to_bic: str, copy: bool = False, envelope: Envelope = Envelope.DATA_PDU
) -> Element:
    """Header and document in their wrapper, validated and read as its receiver will, `Sgntr` still empty.

    Raises:
        RefusedError: what we were about to say is not by the profile.
    """
    root, body = _opened(WRAPPERS[envelope])
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
        RefusedError: SIGNATURE_MISSING; SCHEMA_INVALID, the wrapper is not one.
    """
    parent = content_of(root)[1].find(f"{_HEAD}AppHdr/{_HEAD}Sgntr")
    if parent is None:
        raise refuse(ErrorCode.SIGNATURE_MISSING)
    return parent


def read_header(root: Element, wanted: Envelope | None = None) -> BusinessHeader:
    """Check the wrapper (the `wanted` one, or any) and read its header, before anything is believed.

    Raises:
        RefusedError: SIGNATURE_MISSING where `Sgntr` is absent or empty, SCHEMA_INVALID with the path.
    """
    head, _ = parts(root, wanted)
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
        path = f"{content_of(root)[0].path}/AppHdr/BizMsgIdr"
        raise refuse(ErrorCode.SCHEMA_INVALID, path=path, fault="not the document's id")
    return message


def header_faults(head: Element) -> tuple[Refusal, ...]:
    """What the schema has against a header, except that it is not signed yet."""
    place = head.find(_HEAD + "Sgntr")
    signed = place is not None and len(place) > 0
    return tuple(fault for fault in _head_schema().faults(head) if signed or "Sgntr" not in fault.facts["path"])


def parts(root: Element, wanted: Envelope | None = None) -> tuple[Element, Element]:
    """Header and document.

    Raises:
        RefusedError: SCHEMA_INVALID, the wrapper is not one, or not the `wanted` one.
    """
    wrapper, content = content_of(root, wanted)
    children = list(content)
    names = [etree.QName(child).localname for child in children]
    if names != ["AppHdr", "Document"] or children[0].tag != _HEAD + "AppHdr":
        raise refuse(ErrorCode.SCHEMA_INVALID, path=wrapper.path, fault="AppHdr and Document are wanted")
    return children[0], children[1]


def _opened(wrapper: Wrapper) -> tuple[Element, Element]:
    """An empty wrapper: its root, and where header and document go."""
    root = place = etree.Element(wrapper.tags[0], nsmap=default_namespace(wrapper.urn))
    for tag in wrapper.tags[1:]:
        place = etree.SubElement(place, tag)
    return root, place


@lru_cache(maxsize=1)
def _head_schema() -> CompiledSchema:
    return CompiledSchema(registry.SCHEMAS, f"{HEAD_NAME}.xsd")
