"""What an authority is told of a receipt that was refused: the same code, facts and words as a caller over HTTP gets.

Signing it is the caller's work (`certs.xmldsig`). The schema is `refusal-1.xsd`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lxml import etree

from contracts.errors import Refusal
from contracts.errors.catalogue import LANGUAGES, describe

NAMESPACE: Final = "urn:eherrac:receipt-refusal:1"

_VERSION: Final = "1"
_DEFAULT_NAMESPACE: Any = {None: NAMESPACE}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # facts may quote anybody's bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRefused:
    """A record of the topic of receipts that was refused. `refused_at` is aware.

    `signature_held`: the record is this authority's for sure; else it only says so itself.
    """

    refusal_id: str
    authority: str  # participant code
    record: str  # topic/partition/offset
    record_sha256: str  # of its value, hexadecimal
    signature_held: bool
    refused_at: datetime
    refusal: Refusal


def build_refusal(refused: ReceiptRefused) -> etree._Element:
    """The unsigned document: its signature goes into the root, as last child."""
    root = etree.Element(f"{{{NAMESPACE}}}ReceiptRefusal", {"Version": _VERSION}, nsmap=_DEFAULT_NAMESPACE)
    for name, text in _fields(refused):
        _add(root, name, text)
    for name, fact in refused.refusal.facts.items():
        _add(root, "Fact", fact).set("Name", _clean(name))
    for language in LANGUAGES:
        problem = describe(refused.refusal, language)
        explanation = etree.SubElement(root, f"{{{NAMESPACE}}}Explanation", {"Language": language})
        for name, text in (("Title", problem.title), ("Detail", problem.detail), ("Remedy", problem.remedy)):
            _add(explanation, name, text)
    return root


def _fields(refused: ReceiptRefused) -> Iterator[tuple[str, str]]:
    moment = refused.refused_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield "RefusalId", refused.refusal_id
    yield "Authority", refused.authority
    yield "Record", refused.record
    yield "RecordSha256", refused.record_sha256
    yield "SignatureHeld", str(refused.signature_held).lower()
    yield "RefusedAt", moment
    yield "Code", refused.refusal.code.value
    yield "Retry", str(describe(refused.refusal).retry).lower()


def _add(parent: etree._Element, name: str, text: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    element.text = _clean(text)
    return element


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
