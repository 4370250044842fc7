"""Envelopes and faults of both versions."""

from __future__ import annotations

import pytest
from lxml import etree

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from contracts.soap.codec import write
from contracts.soap.envelope import inspect, only_child, to_bytes, wrap
from contracts.soap.faults import blame_of, fault, http_status, read_problem
from contracts.soap.model import ListOffers
from contracts.soap.names import SECURITY, SoapVersion, version_of
from contracts.xml import parse_xml

VERSIONS = list(SoapVersion)
REFUSAL = Refusal(code=ErrorCode.SCHEMA_INVALID, facts={"path": "/DecideOffer/Payer", "fault": "bir\x07 şey"})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrapped_message_comes_out_of_its_envelope(version: SoapVersion) -> None:
    root = parse_xml(to_bytes(wrap(version, write(ListOffers(message_id="q-1")))))
    envelope = inspect(root)
    body = envelope.root.find(version.tag("Body"))
    assert body is not None
    assert envelope.version is version
    assert etree.QName(only_child(body)).localname == "ListOffers"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_says_code_words_and_path_in_every_language_azerbaijani_first(version: SoapVersion) -> None:
    element = parse_xml(to_bytes(wrap(version, fault(version, REFUSAL, "d-1"))))
    content = only_child(element[1])
    problem = read_problem(content)
    assert problem is not None
    assert (problem.code, problem.in_reply_to, problem.retry) == ("SCHEMA_INVALID", "d-1", False)
    assert [said.language for said in problem.said] == ["az", "en", "ru"]
    assert all(said.title and said.detail and said.remedy for said in problem.said)
    assert {fact.name: fact.value for fact in problem.fact} == {"path": "/DecideOffer/Payer", "fault": "bir\\x07 şey"}


def test_soap_11_tells_client_from_server_by_faultcode() -> None:
    for code, expected in ((ErrorCode.OFFER_UNKNOWN, "soap:Client"), (ErrorCode.INTERNAL, "soap:Server")):
        assert fault(SoapVersion.V11, Refusal(code=code)).findtext("faultcode") == expected


def test_soap_12_carries_our_code_as_subcode() -> None:
    element = fault(SoapVersion.V12, Refusal(code=ErrorCode.OFFER_UNKNOWN))
    values = [node.text for node in element.iter(SoapVersion.V12.tag("Value"))]
    assert values == ["soap:Sender", "gw:OFFER_UNKNOWN"]


@pytest.mark.parametrize(
    ("version", "code", "status"),
    [
        (SoapVersion.V11, ErrorCode.OFFER_UNKNOWN, 500),
        (SoapVersion.V11, ErrorCode.INTERNAL, 500),
        (SoapVersion.V12, ErrorCode.OFFER_UNKNOWN, 400),
        (SoapVersion.V12, ErrorCode.INTERNAL, 500),
    ],
)
def test_the_http_status_of_a_fault_follows_the_version(version: SoapVersion, code: ErrorCode, status: int) -> None:
    assert http_status(version, blame_of(Refusal(code=code))) == status


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_of_the_catalogue_makes_a_fault(code: ErrorCode) -> None:
    assert fault(SoapVersion.V11, Refusal(code=code)).find("detail") is not None


BAD_ENVELOPES = [
    ("<a/>", "/Envelope"),
    ('<Envelope xmlns="urn:other"><Body/></Envelope>', "/Envelope"),
    (
        f'<s:Envelope xmlns:s="{SoapVersion.V11}"><s:Header><t:Transaction xmlns:t="urn:t" s:mustUnderstand="1"/>'
        "</s:Header><s:Body/></s:Envelope>",
        "/Envelope/Header",
    ),
]


@pytest.mark.parametrize(("text", "path"), BAD_ENVELOPES)
def test_a_strange_envelope_is_refused_with_the_path(text: str, path: str) -> None:
    with pytest.raises(RefusedError) as refused:
        inspect(parse_xml(text.encode()))
    assert (refused.value.refusal.code, refused.value.refusal.facts["path"]) == (ErrorCode.SCHEMA_INVALID, path)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("header", "root", "code"),
    [('<t:T xmlns:t="urn:t" s:mustUnderstand="1"/>', "Envelope", "MustUnderstand"), ("", "Letter", "VersionMismatch")],
)
def test_what_the_standard_has_a_code_for_is_told_by_it_and_status_500(
    version: SoapVersion, header: str, root: str, code: str
) -> None:
    text = f'<s:{root} xmlns:s="{version}"><s:Header>{header}</s:Header><s:Body/></s:{root}>'
    with pytest.raises(RefusedError) as refused:
        inspect(parse_xml(text.encode()))
    refusal = refused.value.refusal
    told = fault(version, refusal)
    assert (told.findtext("faultcode") or told.findtext("{*}Code/{*}Value")) == f"soap:{code}"
    assert http_status(version, blame_of(refusal)) == 500


def test_the_security_header_and_optional_headers_are_understood() -> None:
    text = (
        f'<s:Envelope xmlns:s="{SoapVersion.V12}"><s:Header><w:Security xmlns:w="{SECURITY}" s:mustUnderstand="true"/>'
        '<t:Trace xmlns:t="urn:t"/></s:Header><s:Body/></s:Envelope>'
    )
    assert inspect(parse_xml(text.encode())).version is SoapVersion.V12


@pytest.mark.parametrize("inside", ["", "<a/><b/>", "pay<a/>", "<a/> twice"])
def test_a_body_holds_exactly_one_element(inside: str) -> None:
    with pytest.raises(RefusedError) as refused:
        only_child(parse_xml(f"<Body>{inside}</Body>".encode()))
    assert refused.value.refusal.facts["path"] == "/Envelope/Body"


@pytest.mark.parametrize(
    ("media_type", "version"),
    [("text/xml", SoapVersion.V11), ("Application/SOAP+xml", SoapVersion.V12), ("application/json", None)],
)
def test_the_content_type_announces_the_version(media_type: str, version: SoapVersion | None) -> None:
    assert version_of(media_type) is version
