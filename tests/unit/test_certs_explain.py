"""A refused signature says at which step, and what to change: every cause is made here and found by trying."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.algorithms import sha256_b64
from certs.authority import Authority
from certs.explain import EXAMINED_MAX_BYTES, body_cause, element_cause
from certs.http_signature import HttpRequestParts, sign_request, verification, verify_request
from certs.keystore import Credential
from certs.steps import Effort
from certs.trust import TrustStore
from certs.wss import SOAP_11, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors import Refusal
from contracts.errors.catalogue import LANGUAGES, describe
from contracts.errors.causes import FACT, Cause, cause_text
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PAYLOAD = '<p:Decide xmlns:p="urn:o"><p:Offer>T-1</p:Offer><p:Nm>a\nb</p:Nm></p:Decide>'


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module")
def bank(authority: Authority) -> Credential:
    return authority.issue("999202", "Günəş Nümunə Bankı", key="p256", now=NOW)


@pytest.fixture(scope="module")
def trust(authority: Authority, bank: Credential) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


def envelope(unused: str = "") -> etree._Element:
    return parse_xml(f'<s:Envelope xmlns:s="{SOAP_11}"{unused}><s:Body>{PAYLOAD}</s:Body></s:Envelope>'.encode())


def signed(credential: Credential, *, now: datetime = NOW) -> bytes:
    root = envelope()
    sign_envelope(root, credential, now=now)
    return etree.tostring(root)


def refusal_of(call: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.refusal


def soap_refusal(data: bytes, trust: TrustStore) -> Refusal:
    return refusal_of(lambda: verify_envelope(parse_xml(data), trust, at=NOW))


def told(refusal: Refusal) -> tuple[str, str, str | None]:
    return refusal.code, refusal.facts["step"], refusal.facts.get(FACT)


# --- SOAP -------------------------------------------------------------------------------------------------------------


def test_a_pretty_printed_body_is_told_to_be_reindented(bank: Credential, trust: TrustStore) -> None:
    data = signed(bank).replace(b"<p:Offer>", b"\n    <p:Offer>").replace(b"</p:Decide>", b"\n  </p:Decide>")
    refusal = soap_refusal(data, trust)
    assert told(refusal) == (ErrorCode.DIGEST_MISMATCH, "9 digests", Cause.REINDENTED)
    assert refusal.facts["reference"].startswith("#body-")
    assert refusal.facts["expected"] != refusal.facts["received"]


def test_a_body_signed_indented_and_sent_compact_is_told_too(bank: Credential, trust: TrustStore) -> None:
    root = envelope()
    etree.indent(root[0], "  ", level=1)
    sign_envelope(root, bank, now=NOW)
    for node in root[1].iter():
        node.text = None if node.text and node.text.isspace() else node.text
        node.tail = None if node.tail and node.tail.isspace() else node.tail
    assert told(soap_refusal(etree.tostring(root), trust))[2] == Cause.REINDENTED


def test_changed_content_is_not_excused_by_formatting(bank: Credential, trust: TrustStore) -> None:
    data = signed(bank).replace(b"T-1", b"T-2")
    assert told(soap_refusal(data, trust)) == (ErrorCode.DIGEST_MISMATCH, "9 digests", Cause.CONTENT_CHANGED)


def test_line_ends_that_became_characters_are_told(bank: Credential, trust: TrustStore) -> None:
    data = signed(bank).replace(b"a\nb", b"a&#13;\nb")
    assert told(soap_refusal(data, trust))[2] == Cause.LINE_ENDINGS


@pytest.mark.parametrize(
    ("offset", "cause"),
    [
        (timedelta(hours=4, seconds=3), Cause.TIME_ZONE),
        (timedelta(hours=-4, seconds=-60), Cause.TIME_ZONE),
        (timedelta(minutes=7), Cause.CLOCK_AHEAD),
        (timedelta(minutes=-20), Cause.LATE),
        (timedelta(days=-2), Cause.LATE),
    ],
)
def test_a_wrong_time_tells_clock_from_zone_from_delay(
    bank: Credential, trust: TrustStore, offset: timedelta, cause: Cause
) -> None:
    refusal = soap_refusal(signed(bank, now=NOW + offset), trust)
    assert told(refusal) == (ErrorCode.SIGNATURE_AGE, "10 timestamp", cause)


def test_the_key_of_another_certificate_is_told(bank: Credential, authority: Authority, trust: TrustStore) -> None:
    other = authority.issue("999202", "Günəş Nümunə Bankı", key="p256", now=NOW)
    refusal = soap_refusal(signed(other).replace(_token(other), _token(bank)), trust)
    assert told(refusal) == (ErrorCode.SIGNATURE_INVALID, "8 signature value", Cause.WRONG_KEY)


def _token(credential: Credential) -> bytes:
    return b64encode(credential.certificate.public_bytes(Encoding.DER))


def _with_value(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    root = etree.fromstring(data)
    value = next(root.iter("{*}SignatureValue"))
    value.text = b64encode(change(b64decode(value.text or ""))).decode()
    return etree.tostring(root)


def test_an_ecdsa_value_in_der_is_told(bank: Credential, trust: TrustStore) -> None:
    def der(raw: bytes) -> bytes:
        return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    refusal = soap_refusal(_with_value(signed(bank), der), trust)
    assert told(refusal) == (ErrorCode.SIGNATURE_INVALID, "8 signature value", Cause.DER_SIGNATURE)


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (b"2001/04/xmldsig-more#ecdsa-sha256", b"2000/09/xmldsig#rsa-sha1", Cause.SHA1),
        (b"2001/10/xml-exc-c14n#", b"TR/2001/REC-xml-c14n-20010315", Cause.INCLUSIVE_C14N),
    ],
)
def test_a_forbidden_algorithm_is_told_by_its_name(
    bank: Credential, trust: TrustStore, old: bytes, new: bytes, cause: Cause
) -> None:
    refusal = soap_refusal(signed(bank).replace(old, new), trust)
    assert told(refusal) == (ErrorCode.ALGORITHM_NOT_ALLOWED, "5 algorithms", cause)


@pytest.mark.parametrize(("index", "cause"), [(0, Cause.BODY_UNSIGNED), (1, Cause.TIMESTAMP_UNSIGNED)])
def test_a_part_that_is_not_signed_is_named(bank: Credential, trust: TrustStore, index: int, cause: Cause) -> None:
    root = etree.fromstring(signed(bank))
    info = next(root.iter("{*}SignedInfo"))
    info.remove(info.findall("{*}Reference")[index])
    assert told(soap_refusal(etree.tostring(root), trust)) == (
        ErrorCode.SIGNATURE_INCOMPLETE,
        "6 references",
        cause,
    )


def test_a_missing_timestamp_is_told(bank: Credential, trust: TrustStore) -> None:
    root = etree.fromstring(signed(bank))
    stamp = next(root.iter("{*}Timestamp"))
    stamp.getparent().remove(stamp)  # type: ignore[union-attr]
    assert told(soap_refusal(etree.tostring(root), trust))[2] == Cause.TIMESTAMP_MISSING


def test_a_certificate_that_is_only_named_is_told(bank: Credential, trust: TrustStore) -> None:
    """WSS4J's default: issuer and serial number instead of a token."""
    root = etree.fromstring(signed(bank))
    token = next(root.iter("{*}BinarySecurityToken"))
    token.getparent().remove(token)  # type: ignore[union-attr]
    assert told(soap_refusal(etree.tostring(root), trust))[2] == Cause.CERTIFICATE_UNSENT


def test_inclusive_canonicalisation_is_found_by_trying() -> None:
    root = parse_xml(f'<s:E xmlns:s="urn:s" xmlns:unused="urn:u"><s:B>{PAYLOAD}</s:B></s:E>'.encode())

    inclusive = f'<s:B xmlns:s="urn:s" xmlns:unused="urn:u">{PAYLOAD}</s:B>'.encode()
    assert element_cause(root[0], sha256_b64(inclusive)) is Cause.INCLUSIVE_C14N


def test_a_digest_in_hexadecimal_is_told() -> None:

    assert element_cause(etree.fromstring("<a/>"), hashlib.sha256(b"<a></a>").hexdigest()) is Cause.DIGEST_SPELLING


# --- ISO 20022 and REST -----------------------------------------------------------------------------------------------


def test_a_reformatted_iso_message_is_told(bank: Credential, trust: TrustStore) -> None:
    root = parse_xml(b"<m:M xmlns:m='urn:m'><m:S/><m:Amt>1</m:Amt></m:M>")
    sign_enveloped(root, bank, into=root[0])
    data = etree.tostring(root).replace(b"<m:Amt>", b"\n  <m:Amt>")
    refusal = refusal_of(lambda: verify_enveloped(parse_xml(data), trust, at=NOW, signature_parent="{urn:m}S"))
    assert told(refusal) == (ErrorCode.DIGEST_MISMATCH, "8 digest", Cause.REINDENTED)


BODY = json.dumps({"ad": "Günəş", "n": [1, 2]}, ensure_ascii=False, separators=(",", ":")).encode()


def request_of(credential: Credential, *, authority: str = "gw.example", path: str = "/v1/x") -> HttpRequestParts:
    parts = HttpRequestParts(
        method="POST",
        authority=authority,
        path=path,
        headers=(("Host", authority), ("Content-Type", "application/json")),
        body=BODY,
    )
    return parts.with_headers(sign_request(parts, credential, now=NOW, nonce="n-1"))


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (BODY + b"\n", Cause.LINE_ENDINGS),
        (json.dumps(json.loads(BODY), indent=2).encode(), Cause.JSON_REWRITTEN),
        (json.dumps(json.loads(BODY)).encode(), Cause.JSON_REWRITTEN),
        (BODY.replace(b"2", b"3"), Cause.CONTENT_CHANGED),
    ],
)
def test_a_rewritten_body_is_told(bank: Credential, trust: TrustStore, body: bytes, cause: Cause) -> None:
    request = replace(request_of(bank), body=body)
    refusal = refusal_of(lambda: verify_request(request, trust, at=NOW))
    assert told(refusal) == (ErrorCode.DIGEST_MISMATCH, "4 digest", cause)


@pytest.mark.parametrize(
    "change", [{"authority": "gw.example:8443"}, {"path": "/v1/x/"}, {"authority": "gw.example:80"}]
)
def test_an_address_rewritten_by_a_proxy_is_told(bank: Credential, trust: TrustStore, change: dict[str, str]) -> None:
    request = replace(request_of(bank), **change)
    refusal = refusal_of(lambda: verify_request(request, trust, at=NOW))
    assert told(refusal) == (ErrorCode.SIGNATURE_INVALID, "8 signature", Cause.ADDRESS_REWRITTEN)


def test_a_stranger_gets_no_explanation_of_his_signature(bank: Credential, trust: TrustStore) -> None:
    stranger = Authority.create(NOW).issue("999202", "X", key="p256", now=NOW)
    request = replace(request_of(stranger), path="/v1/x/")
    refusal = refusal_of(lambda: verify_request(request, trust, at=NOW))
    assert told(refusal) == (ErrorCode.SIGNATURE_INVALID, "8 signature", None)


def test_a_body_is_examined_only_for_who_holds_a_trusted_key(
    bank: Credential, trust: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies are large and strangers many: a certificate that anybody may have seen is not enough."""
    monkeypatch.setattr(verification, "body_cause", lambda *_: pytest.fail("examined"))
    request = replace(request_of(bank), body=BODY + b"\n")
    headers = [
        (name, value.replace("created=", "created=1") if name == "Signature-Input" else value)
        for name, value in request.headers
    ]
    forged = replace(request, headers=tuple(headers))
    stranger = replace(request_of(Authority.create(NOW).issue("999202", "X", key="p256", now=NOW)), body=BODY + b"\n")
    for sent in (forged, stranger):
        assert told(refusal_of(lambda sent=sent: verify_request(sent, trust, at=NOW)))[1:] == ("4 digest", None)


# --- Bounds and words -------------------------------------------------------------------------------------------------


def test_large_parts_are_not_examined() -> None:
    assert body_cause(b"1" * (EXAMINED_MAX_BYTES + 1) + b"\n", b"") is Cause.CONTENT_CHANGED


def test_deeply_nested_json_ends_the_search() -> None:
    assert body_cause(b"[" * 100_000, b"") is Cause.CONTENT_CHANGED


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_is_told_in_every_language(cause: Cause, language: str) -> None:
    text = cause_text(cause, language)
    assert text is not None
    assert text.why.endswith(".")
    assert text.remedy.endswith(".")
    problem = describe(Refusal(code=ErrorCode.DIGEST_MISMATCH, facts={FACT: cause.value}), language)
    assert problem.detail.endswith(f" {text.why}")
    assert problem.remedy == text.remedy


def test_an_unknown_cause_changes_no_answer() -> None:
    plain = describe(Refusal(code=ErrorCode.DIGEST_MISMATCH), "en")
    assert describe(Refusal(code=ErrorCode.DIGEST_MISMATCH, facts={FACT: "x"}), "en") == plain


def test_a_namespace_that_cannot_be_canonicalised_is_refused(bank: Credential, trust: TrustStore) -> None:
    data = signed(bank).replace(b'xmlns:p="urn:o"', b'xmlns:p="o"')
    refusal = soap_refusal(data, trust)
    assert (refusal.code, refusal.facts["step"]) == (ErrorCode.SIGNATURE_MALFORMED, "9 digests")


def test_looking_for_causes_takes_a_twentieth_of_the_processor_in_the_long_run() -> None:
    """Each refusal may cost a tenth of a second, and who holds a trusted key may be refused as often as he likes."""
    now, spent, looked = 0.0, 0.0, 0

    def cause() -> Cause:
        nonlocal spent, looked
        spent, looked = spent + 0.1, looked + 1
        return Cause.CONTENT_CHANGED

    effort = Effort(lambda: now, lambda: spent)
    found = [effort.search(cause) for _ in range(100)]
    assert (found.count(Cause.CONTENT_CHANGED), found[-1]) == (looked, None)
    assert looked in (10, 11)  # a second
    for _ in range(600):
        now += 0.1
        effort.search(cause)
    assert spent == pytest.approx(1.0 + 60 * 0.05, abs=0.21)
