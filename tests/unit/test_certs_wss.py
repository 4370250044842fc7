"""WS-Security on SOAP 1.1 and 1.2: every wrong envelope is refused with the code that names its fault."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from certs.authority import Authority
from certs.expectations import STRICT, Expectations, Expected
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import (
    SECURITY,
    SOAP_11,
    SOAP_12,
    STEPS,
    TIMESTAMP,
    TOKEN,
    WSU_ID,
    sign_envelope,
    verify_envelope,
)
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError
from contracts.xml import XmlLimits, parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
COMMENTS_TOO = XmlLimits(comments_allowed=True)  # verification does not rely on the parser for them
DS = "{http://www.w3.org/2000/09/xmldsig#}"
PAYLOAD = '<Decide xmlns="urn:o"><Offer>T-1</Offer><Amount Ccy="AZN">1500.50</Amount><Bank>Günəş</Bank></Decide>'


def envelope(soap: str = SOAP_11, *, header: str = "") -> etree._Element:
    text = f'<s:Envelope xmlns:s="{soap}">{header}\n <s:Body>{PAYLOAD}</s:Body>\n</s:Envelope>'
    return parse_xml(text.encode())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module")
def bank(authority: Authority) -> Credential:
    return authority.issue("999202", "Günəş Nümunə Bankı", key="p256", now=NOW)


@pytest.fixture(scope="module")
def trust(authority: Authority) -> TrustStore:
    return trust_in(authority)


def trust_in(authority: Authority) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


@pytest.fixture
def signed(bank: Credential) -> str:
    root = envelope()
    sign_envelope(root, bank, now=NOW)
    return etree.tostring(root, encoding="unicode")


def refusal_of(
    text: str | etree._Element,
    trust: TrustStore,
    *,
    at: datetime = NOW,
    expected: Expected = STRICT,
    participant: str | None = None,
) -> Refusal:
    root = parse_xml(text.encode(), limits=COMMENTS_TOO) if isinstance(text, str) else text
    with pytest.raises(RefusedError) as caught:
        verify_envelope(root, trust, at=at, expected=expected, participant=participant)
    return caught.value.refusal


@pytest.mark.parametrize(("soap", "version"), [(SOAP_11, "1.1"), (SOAP_12, "1.2")])
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_a_signed_envelope_is_accepted(
    authority: Authority, trust: TrustStore, soap: str, version: str, kind: str
) -> None:
    root = envelope(soap)
    sign_envelope(root, authority.issue("999101", "Xəzər", key=kind, now=NOW), now=NOW, ttl_s=120)
    result = verify_envelope(parse_xml(etree.tostring(root)), trust, at=NOW)
    assert (result.soap_version, result.verified.signer.participant) == (version, "999101")
    assert result.verified.steps == STEPS
    assert (result.message_created, result.expires) == (NOW, NOW + timedelta(seconds=120))
    assert result.verified.signed_at == NOW


def test_a_longer_rsa_key_signs_and_is_believed_and_a_short_one_does_not_even_sign(
    authority: Authority, trust: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certs.authority.RSA_BITS", 3072)
    root = envelope()
    sign_envelope(root, authority.issue("999101", "Xəzər", key="rsa", now=NOW), now=NOW)
    assert verify_envelope(root, trust, at=NOW).verified.signer.participant == "999101"
    monkeypatch.setattr("certs.authority.RSA_BITS", 1024)
    with pytest.raises(RefusedError) as caught:
        sign_envelope(envelope(), authority.issue("999101", "Xəzər", key="rsa", now=NOW), now=NOW)
    assert caught.value.refusal.code is ErrorCode.CERTIFICATE_USAGE


def test_only_the_signed_body_is_handed_on(signed: str, trust: TrustStore) -> None:
    body = verify_envelope(parse_xml(signed.encode()), trust, at=NOW).body
    assert body.getparent() is None
    assert body.tag == f"{{{SOAP_11}}}Body"
    assert body.findtext("{urn:o}Decide/{urn:o}Amount") == "1500.50"


def test_our_header_says_that_it_must_be_understood(signed: str) -> None:
    security = parse_xml(signed.encode())[0].find(SECURITY)
    assert security.get(f"{{{SOAP_11}}}mustUnderstand") == "1"
    assert [part.tag for part in security] == [TOKEN, TIMESTAMP, f"{DS}Signature"]


def test_other_blocks_of_the_header_are_left_alone(bank: Credential, trust: TrustStore) -> None:
    root = envelope(header='<s:Header><To xmlns="urn:a">x</To></s:Header>')
    sign_envelope(root, bank, now=NOW)
    result = verify_envelope(parse_xml(etree.tostring(root)), trust, at=NOW)
    assert result.signed_headers == {}


def test_an_envelope_that_cannot_be_signed_is_our_own_fault(bank: Credential) -> None:
    signed_already = envelope()
    sign_envelope(signed_already, bank, now=NOW)
    no_body = parse_xml(f'<s:Envelope xmlns:s="{SOAP_11}"/>'.encode())
    for root in (signed_already, no_body, parse_xml(b"<Envelope/>"), signed_already[0]):
        with pytest.raises(ValueError, match=r"SOAP envelope|signed already"):
            sign_envelope(root, bank, now=NOW)


# --- Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-30, 0, 299, 329])
def test_within_its_time_a_message_is_accepted(signed: str, trust: TrustStore, seconds: int) -> None:
    verify_envelope(parse_xml(signed.encode()), trust, at=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-500, -31, 330, 331, 3600])
def test_outside_its_time_a_message_is_refused(signed: str, trust: TrustStore, seconds: int) -> None:
    refusal = refusal_of(signed, trust, at=NOW + timedelta(seconds=seconds))
    assert refusal.code is ErrorCode.SIGNATURE_AGE
    assert refusal.facts["signed_at"] == NOW.isoformat()


def test_a_long_life_given_by_the_sender_does_not_outlive_our_limit(bank: Credential, trust: TrustStore) -> None:
    root = envelope()
    sign_envelope(root, bank, now=NOW, ttl_s=86_400)
    assert refusal_of(root, trust, at=NOW + timedelta(seconds=331)).code is ErrorCode.SIGNATURE_AGE


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:00:00",
        "2026-11-22",
        "yesterday",
        "2026-13-45T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "20261122T090000Z",
    ],
)
def test_a_time_that_is_no_moment_is_refused(bank: Credential, trust: TrustStore, text: str) -> None:
    def set_created(security: etree._Element) -> None:
        security.find(TIMESTAMP)[0].text = text

    root = resigned(bank, set_created)
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_AGE


def test_an_expiry_before_creation_is_refused(bank: Credential, trust: TrustStore) -> None:
    root = envelope()
    sign_envelope(root, bank, now=NOW, ttl_s=-30)
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_AGE


# --- The signer -------------------------------------------------------------------------------------------------------


def test_another_participant_than_expected_is_refused(signed: str, trust: TrustStore) -> None:
    refusal = refusal_of(signed, trust, participant="999101")
    assert (refusal.code, refusal.facts["received"]) == (ErrorCode.PARTICIPANT_MISMATCH, "999202")


def test_an_expired_certificate_is_refused(signed: str, trust: TrustStore) -> None:
    wide = Expected(house=Expectations(max_age_s=500 * 86_400))
    refusal = refusal_of(signed, trust, at=NOW + timedelta(days=400), expected=wide)
    assert refusal.code is ErrorCode.CERTIFICATE_EXPIRED


def test_a_revoked_certificate_is_refused() -> None:
    authority = Authority.create(NOW)
    bank = authority.issue("999202", "Günəş", key="p256", now=NOW)
    authority.revoke(authority.register[0].serial, NOW)
    root = envelope()
    sign_envelope(root, bank, now=NOW)
    assert refusal_of(root, trust_in(authority)).code is ErrorCode.CERTIFICATE_REVOKED


def test_another_authority_is_refused(signed: str) -> None:
    assert refusal_of(signed, trust_in(Authority.create(NOW))).code is ErrorCode.CERTIFICATE_UNTRUSTED


def test_a_certificate_for_another_use_is_refused(authority: Authority, trust: TrustStore) -> None:
    root = envelope()
    sign_envelope(root, authority.issue_server("localhost", ["localhost"], now=NOW), now=NOW)
    assert refusal_of(root, trust).code is ErrorCode.CERTIFICATE_USAGE


# --- What is signed ---------------------------------------------------------------------------------------------------


def resigned(bank: Credential, change: Callable[[etree._Element], object]) -> etree._Element:
    """An envelope whose security header was changed by its owner and signed again: only the form is wrong."""
    from certs import wss
    from certs.signed_xml import write_signature

    root = envelope()
    sign_envelope(root, bank, now=NOW)
    security = root[0].find(SECURITY)
    change(security)
    signature = security.find(f"{DS}Signature")
    uris = {reference.get("URI") for reference in signature.iter(f"{DS}Reference")}
    parts = [part for part in root.iter() if f"#{part.get(WSU_ID)}" in uris]
    pointer = signature.find(f"{DS}KeyInfo")[0]
    again = write_signature(bank, [wss._reference_to(part) for part in parts], etree.tostring(pointer).decode())
    security.replace(signature, again)
    return root


def without_reference(number: int) -> Callable[[etree._Element], object]:
    def change(security: etree._Element) -> None:
        references = list(security.iter(f"{DS}Reference"))
        references[number].getparent().remove(references[number])

    return change


@pytest.mark.parametrize(("number", "part"), [(0, "Body"), (1, "Timestamp")])
def test_what_must_be_signed_and_is_not_is_named(bank: Credential, trust: TrustStore, number: int, part: str) -> None:
    refusal = refusal_of(resigned(bank, without_reference(number)), trust)
    assert (refusal.code, refusal.facts["part"]) == (ErrorCode.SIGNATURE_INCOMPLETE, part)


def test_the_token_may_be_unsigned_unless_expected(bank: Credential, trust: TrustStore) -> None:
    root = resigned(bank, without_reference(2))
    assert verify_envelope(root, trust, at=NOW).verified.signer.participant == "999202"
    token = Expectations(soap_parts=frozenset({"BinarySecurityToken"}))
    refusal = refusal_of(root, trust, expected=Expected(own={"999202": token}))
    assert refusal.facts["part"] == "BinarySecurityToken"


def test_a_signed_block_of_the_header_is_handed_on(bank: Credential, trust: TrustStore) -> None:
    from certs import wss
    from certs.signed_xml import write_signature

    root = envelope(
        header=f'<s:Header><To xmlns="urn:a" xmlns:u="{WSU_ID[1:].partition("}")[0]}" u:Id="to">x</To></s:Header>'
    )
    sign_envelope(root, bank, now=NOW)
    security = root[0].find(SECURITY)
    signature = security.find(f"{DS}Signature")
    parts = [root[1], security.find(TIMESTAMP), root[0][0]]
    pointer = etree.tostring(signature.find(f"{DS}KeyInfo")[0]).decode()
    security.replace(signature, write_signature(bank, [wss._reference_to(part) for part in parts], pointer))
    result = verify_envelope(parse_xml(etree.tostring(root)), trust, at=NOW)
    assert result.signed_headers["{urn:a}To"].text == "x"


def test_a_header_of_very_many_blocks_costs_no_more_than_its_length(bank: Credential, trust: TrustStore) -> None:
    """Anybody can send it: blocks are looked at before it is known whose message it is."""
    root = envelope(header=f'<s:Header xmlns:a="urn:a">{"<a:b/>" * 19_000}</s:Header>')
    sign_envelope(root, bank, now=NOW)
    began_s = time.thread_time()
    verify_envelope(root, trust, at=NOW)
    assert time.thread_time() - began_s < 1.0


def test_a_signed_part_of_the_body_does_not_stand_for_the_body(bank: Credential, trust: TrustStore) -> None:
    root = envelope()
    sign_envelope(root, bank, now=NOW)
    body = root[1]
    body[0].set(WSU_ID, body.get(WSU_ID))
    del body.attrib[WSU_ID]
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_MALFORMED


def test_tampering_names_the_part(signed: str, trust: TrustStore) -> None:
    """AOS-S2"""
    refusal = refusal_of(signed.replace("1500.50", "9500.50"), trust)
    assert refusal.code is ErrorCode.DIGEST_MISMATCH
    assert refusal.facts["reference"].startswith("#body-")
    assert refusal.facts["expected"] in signed


def test_an_unsigned_envelope_is_refused_as_unsigned(trust: TrustStore) -> None:
    assert refusal_of(envelope(), trust).code is ErrorCode.SIGNATURE_MISSING
    assert refusal_of(envelope(header="<s:Header/>"), trust).code is ErrorCode.SIGNATURE_MISSING


CHANGES: list[tuple[str, Callable[[str], str], ErrorCode]] = [
    ("comment", lambda s: s.replace("1500.50", "15<!-- -->00.50"), ErrorCode.XML_FORBIDDEN),
    (
        "digest sha1",
        lambda s: s.replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1", 1),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    (
        "signature sha1",
        lambda s: s.replace("2001/04/xmldsig-more#ecdsa-sha256", "2000/09/xmldsig#rsa-sha1"),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    ("the other method", lambda s: s.replace("#ecdsa-sha256", "#rsa-sha256"), ErrorCode.ALGORITHM_NOT_ALLOWED),
    ("created", lambda s: s.replace("09:00:00.000Z", "09:00:01.000Z"), ErrorCode.DIGEST_MISMATCH),
    (
        "foreign role",
        lambda s: s.replace("s:mustUnderstand", 's:actor="urn:x" s:mustUnderstand'),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    (
        "more in Security",
        lambda s: s.replace("</wsse:Security>", "<x/></wsse:Security>"),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    ("text in Security", lambda s: s.replace("</wsse:Security>", "x</wsse:Security>"), ErrorCode.SIGNATURE_MALFORMED),
    ("after the Body", lambda s: s.replace("</s:Envelope>", "<x/></s:Envelope>"), ErrorCode.SIGNATURE_MALFORMED),
    ("a second Body", lambda s: s.replace("</s:Envelope>", "<s:Body/></s:Envelope>"), ErrorCode.SIGNATURE_MALFORMED),
    ("another envelope", lambda s: s.replace(SOAP_11, "urn:soap"), ErrorCode.SIGNATURE_MALFORMED),
    ("token type", lambda s: s.replace("#X509v3", "#X509PKIPathv1", 1), ErrorCode.SIGNATURE_MALFORMED),
    ("token content", lambda s: s.replace(">MII", ">MIJ", 1), ErrorCode.CERTIFICATE_MALFORMED),
    (
        "pointer",
        lambda s: s.replace('<wsse:Reference URI="#token', '<wsse:Reference URI="#tokem'),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    ("an Object", lambda s: s.replace("</ds:Signature>", "<ds:Object/></ds:Signature>"), ErrorCode.SIGNATURE_MALFORMED),
    (
        "id in the payload",
        lambda s: s.replace("<Offer>", '<Offer Id="x" iD="x">'),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    (
        "no Timestamp",
        lambda s: s[: s.index("<wsu:Timestamp")] + s[s.index("</wsu:Timestamp>") + 16 :],
        ErrorCode.SIGNATURE_AGE,
    ),
    (
        "no Signature",
        lambda s: s[: s.index("<ds:Signature ")] + s[s.index("</ds:Signature>") + 15 :],
        ErrorCode.SIGNATURE_MISSING,
    ),
]


@pytest.mark.parametrize(("name", "change", "code"), CHANGES, ids=[row[0] for row in CHANGES])
def test_each_change_has_its_own_code(
    signed: str, trust: TrustStore, name: str, change: Callable[[str], str], code: ErrorCode
) -> None:
    changed = change(signed)
    assert changed != signed
    assert refusal_of(changed, trust).code is code


def test_a_changed_signature_value_is_invalid(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    value = root.find(f".//{DS}SignatureValue")
    value.text = ("B" if value.text[0] == "A" else "A") + value.text[1:]
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_INVALID


def test_a_token_without_an_id_cannot_be_pointed_at(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    security = root[0].find(SECURITY)
    del security.find(TOKEN).attrib[WSU_ID]
    security.find(f".//{{{SECURITY[1:].partition('}')[0]}}}Reference").set("URI", "#None")
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_MALFORMED
