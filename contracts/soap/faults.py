"""Faults of both versions, with the catalogue's words in the detail; and reading the other side's faults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lxml import etree

from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import LANGUAGES, describe
from contracts.soap.codec import read, write
from contracts.soap.description import schema
from contracts.soap.envelope import ENVELOPE_PATH, HEADER_PATH
from contracts.soap.model import Fact, Problem, Said
from contracts.soap.names import GATEWAY, XML_LANG, SoapVersion

_SERVER_FAULT = 500
_THEIR_OWN = ("Server", "Receiver")  # the peer says that it is at fault: the same message may succeed later
_CODE_MAX, _REASON_MAX = 64, 300


class Blame(Enum):
    """Whose fault it is, as SOAP 1.1 (4.4.1) and SOAP 1.2 (part 1, 5.4.6) call it."""

    SENDER = ("Client", "Sender")
    RECEIVER = ("Server", "Receiver")
    VERSION = ("VersionMismatch", "VersionMismatch")
    HEADER = ("MustUnderstand", "MustUnderstand")


_OF_PLACES = {ENVELOPE_PATH: Blame.VERSION, HEADER_PATH: Blame.HEADER}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapFault:
    """A peer's no. `retry`: the same message may be sent again later."""

    code: str
    reason: str
    retry: bool
    in_reply_to: str | None


def problem_of(refusal: Refusal, in_reply_to: str | None = None) -> Problem:
    """The detail of a refusal: Azerbaijani first, then English, then Russian."""
    facts = {name: _printable(value) for name, value in refusal.facts.items()}
    texts = {language: describe(Refusal(code=refusal.code, facts=facts), language) for language in LANGUAGES}
    first = texts[LANGUAGES[0]]
    return Problem(
        in_reply_to=in_reply_to,
        code=refusal.code,
        said=tuple(
            Said(title=text.title, detail=text.detail, remedy=text.remedy, language=language)
            for language, text in texts.items()
        ),
        retry=first.retry,
        who_acts=first.who_acts,
        fact=tuple(Fact(name=name, value=value) for name, value in facts.items()),
    )


def blame_of(refusal: Refusal) -> Blame:
    """Whose fault a refusal is."""
    if describe(refusal, LANGUAGES[0]).http_status >= _SERVER_FAULT:
        return Blame.RECEIVER
    place = refusal.facts.get("path", "") if refusal.code is ErrorCode.SCHEMA_INVALID else ""
    return _OF_PLACES.get(place, Blame.SENDER)


def http_status(version: SoapVersion, blame: Blame) -> int:
    """SOAP 1.1 sends every fault with 500; SOAP 1.2 tells the sender's (400) from all others (part 2, table 20)."""
    return 400 if version is SoapVersion.V12 and blame is Blame.SENDER else 500


def fault(version: SoapVersion, refusal: Refusal, in_reply_to: str | None = None) -> etree._Element:
    """Build the Fault element for the Body."""
    problem = problem_of(refusal, in_reply_to)
    build = _fault_11 if version is SoapVersion.V11 else _fault_12
    return build(problem, blame_of(refusal))


def read_problem(content: etree._Element) -> Problem | None:
    """The `Problem` in a Fault, None where the element is no Fault or its detail is not ours to read."""
    if etree.QName(content).localname != "Fault":
        return None
    found = next(content.iter(f"{{{GATEWAY}}}Problem"), None)
    if found is None:
        return None
    schema().validate(found)
    return read(Problem, found)


def read_fault(content: etree._Element) -> SoapFault | None:
    """What a peer's Fault says, by our detail where it has one, otherwise by the standard parts; None if no Fault.

    Raises:
        RefusedError: SCHEMA_INVALID: our detail, but not by our schema.
    """
    if etree.QName(content).namespace not in tuple(SoapVersion) or etree.QName(content).localname != "Fault":
        return None
    problem = read_problem(content)
    if problem is not None:
        said = problem.said[0]
        return SoapFault(code=problem.code, reason=said.detail, retry=problem.retry, in_reply_to=problem.in_reply_to)
    code = (content.findtext("faultcode") or content.findtext("{*}Code/{*}Value") or "Fault").rpartition(":")[2]
    reason = content.findtext("faultstring") or content.findtext("{*}Reason/{*}Text") or code
    return SoapFault(code=code[:_CODE_MAX], reason=reason[:_REASON_MAX], retry=code in _THEIR_OWN, in_reply_to=None)


def _fault_11(problem: Problem, blame: Blame) -> etree._Element:
    version = SoapVersion.V11
    root = etree.Element(version.tag("Fault"), nsmap={"soap": version.value})
    etree.SubElement(root, "faultcode").text = f"soap:{blame.value[0]}"
    etree.SubElement(root, "faultstring").text = problem.said[0].title
    etree.SubElement(root, "detail").append(write(problem))
    return root


def _fault_12(problem: Problem, blame: Blame) -> etree._Element:
    version = SoapVersion.V12
    root = etree.Element(version.tag("Fault"), nsmap={"soap": version.value, "gw": GATEWAY})
    code = etree.SubElement(root, version.tag("Code"))
    etree.SubElement(code, version.tag("Value")).text = f"soap:{blame.value[1]}"
    subcode = etree.SubElement(code, version.tag("Subcode"))
    etree.SubElement(subcode, version.tag("Value")).text = f"gw:{problem.code}"
    reason = etree.SubElement(root, version.tag("Reason"))
    for said in problem.said:
        text = etree.SubElement(reason, version.tag("Text"))
        text.text = said.title
        text.set(XML_LANG, said.language)
    etree.SubElement(root, version.tag("Detail")).append(write(problem))
    return root


def _printable(value: str) -> str:
    """Facts may quote what came in; what XML cannot carry is shown by its code."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in value)
