"""Envelopes: one child in the Body, in either version of SOAP. Who signed it is the business of `certs.wss`."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.soap.names import SECURITY, SoapVersion

_UNDERSTOOD = frozenset({f"{{{SECURITY}}}Security"})
_TRUE = ("1", "true")
ENVELOPE_PATH, HEADER_PATH = "/Envelope", "/Envelope/Header"  # of a refusal: another root; a header not understood


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outside of a message that came in."""

    version: SoapVersion
    root: etree._Element


def wrap(version: SoapVersion, content: etree._Element) -> etree._Element:
    """Build an unsigned envelope with an empty Header and `content` as the Body's only child."""
    root = etree.Element(version.tag("Envelope"), nsmap={"soap": version.value})
    etree.SubElement(root, version.tag("Header"))
    etree.SubElement(root, version.tag("Body")).append(content)
    return root


def inspect(root: etree._Element) -> Envelope:
    """Recognise the version and refuse header blocks that must be understood and are not.

    Raises:
        RefusedError: SCHEMA_INVALID, with the path.
    """
    version = next((one for one in SoapVersion if root.tag == one.tag("Envelope")), None)
    if version is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=ENVELOPE_PATH, fault=f"{root.tag} is no SOAP envelope")
    for block in root.iterfind(f"{version.tag('Header')}/*"):
        if block.get(version.tag("mustUnderstand")) in _TRUE and block.tag not in _UNDERSTOOD:
            raise refuse(ErrorCode.SCHEMA_INVALID, path=HEADER_PATH, fault=f"{block.tag} is not understood")
    return Envelope(version, root)


def only_child(body: etree._Element) -> etree._Element:
    """The one element of a Body.

    Raises:
        RefusedError: SCHEMA_INVALID: none, or several, or text beside it, which nobody would read.
    """
    children = [child for child in body if isinstance(child.tag, str)]
    if len(children) != 1:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/Envelope/Body", fault=f"{len(children)} elements, one is wanted")
    if any(text and not text.isspace() for text in (body.text, children[0].tail)):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/Envelope/Body", fault="text beside the element")
    return children[0]


def to_bytes(root: etree._Element) -> bytes:
    """The bytes that are sent and kept; nothing is re-indented, or the signature would break."""
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
