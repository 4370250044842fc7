"""What our profile has against a message, told to whoever wrote it: every fault with its path and the rule it breaks.

Judges form alone: amounts against the maximum, days and numbers are the system's to judge (AOS-C2, AOS-C3, AOS-C9).
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.iso20022 import envelope, registry
from contracts.iso20022.layout import Element
from contracts.iso20022.names import URN
from contracts.iso20022.wrappers import is_wrapper
from contracts.xml import parse_xml

_SEQUENCE = ("Missing child element", "This element is not expected")  # something is missing, or too much
_BIC_LEAVES = ("BICFI", "AnyBIC")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFault:
    """One fault; the refusal's facts hold its path."""

    rule: str
    refusal: Refusal


def faults(data: bytes) -> tuple[ProfileFault, ...]:
    """Everything against a bare `Document` or a whole wrapper, signed or not; the signature is not judged."""
    try:
        found = _found(parse_xml(data))
    except RefusedError as error:
        found = (error.refusal,)
    return tuple(ProfileFault(rule=_rule(refusal), refusal=refusal) for refusal in found)


def _found(root: Element) -> tuple[Refusal, ...]:
    if not is_wrapper(root):
        return _document_faults(root)
    head, document = envelope.parts(root)
    return envelope.header_faults(head) + _document_faults(document)


def _document_faults(document: Element) -> tuple[Refusal, ...]:
    _, _, namespace = document.tag.rpartition("}")[0].partition("{")
    if not namespace.startswith(URN) or len(document) != 1:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=namespace or document.tag)
    return registry.faults(document, registry.named(namespace.removeprefix(URN)))


def _rule(refusal: Refusal) -> str:
    if any(words in refusal.facts.get("fault", "") for words in _SEQUENCE):
        return "AOS-C1, AOS-C4"
    return "AOS-C5" if refusal.facts.get("path", "").endswith(_BIC_LEAVES) else "AOS-C4"
