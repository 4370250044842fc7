"""Enveloped signatures: what is signed is accepted, and each departure from the form is refused for what it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.xmldsig import STEPS, sign_enveloped, verify_enveloped
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError
from contracts.xml import XmlLimits, parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
COMMENTS_TOO = XmlLimits(comments_allowed=True)  # verification does not rely on the parser for them
DS = "{http://www.w3.org/2000/09/xmldsig#}"
DOCUMENT = (
    '<m:Message xmlns:m="urn:m" xmlns="urn:d"><m:Head>\n  <m:From>Günəş</m:From>\n  <m:Sgntr/> after </m:Head>'
    '<Document xml:lang="az" Ccy="AZN">\n <Amt>1500.50</Amt><Nm>"Ə &amp; Ş" &lt;₼&gt;&#13;</Nm></Document></m:Message>'
)
PLACE = "{urn:m}Head/{urn:m}Sgntr"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module", params=["rsa", "p256"])
def credential(authority: Authority, request: pytest.FixtureRequest) -> Credential:
    return authority.issue("999202", "Günəş Nümunə Bankı", key=request.param, now=NOW)


@pytest.fixture(scope="module")
def trust(authority: Authority) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


@pytest.fixture
def signed(credential: Credential) -> str:
    root = parse_xml(DOCUMENT.encode())
    sign_enveloped(root, credential, into=root.find(PLACE))
    return etree.tostring(root, encoding="unicode")


def refusal_of(text: str | etree._Element, trust: TrustStore, *, at: datetime = NOW, place: object = PLACE) -> Refusal:
    root = parse_xml(text.encode(), limits=COMMENTS_TOO) if isinstance(text, str) else text
    with pytest.raises(RefusedError) as caught:
        verify_enveloped(root, trust, at=at, signature_parent=place)
    return caught.value.refusal


def test_a_signed_document_is_accepted_with_its_signer_and_steps(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    verified = verify_enveloped(root, trust, at=NOW, signature_parent=PLACE, expected_participant="999202")
    assert (verified.signer.participant, verified.steps, verified.signed_at) == ("999202", STEPS, None)
    assert etree.tostring(root, encoding="unicode") == signed


def test_the_place_may_be_a_function_of_the_root(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    assert verify_enveloped(root, trust, at=NOW, signature_parent=lambda node: node[0][1]).signer


def test_the_signature_may_stand_in_the_root_after_other_elements(credential: Credential, trust: TrustStore) -> None:
    root = parse_xml(b"<a>x<b/>y</a>")
    sign_enveloped(root, credential, into=root)
    again = parse_xml(etree.tostring(root).replace(b"</a>", b"z</a>").replace(b"z</a>", b"</a>"))
    assert verify_enveloped(again, trust, at=NOW, signature_parent=".").signer.participant == "999202"


def test_text_around_the_signature_is_signed(credential: Credential, trust: TrustStore) -> None:
    root = parse_xml(b"<a><b/></a>")
    sign_enveloped(root, credential, into=root)
    moved = etree.tostring(root).replace(b"</a>", b" paid</a>")
    assert refusal_of(parse_xml(moved), trust, place=".").code is ErrorCode.DIGEST_MISMATCH


def test_another_participant_than_expected_is_refused(signed: str, trust: TrustStore) -> None:
    with pytest.raises(RefusedError) as caught:
        verify_enveloped(
            parse_xml(signed.encode()), trust, at=NOW, signature_parent=PLACE, expected_participant="999101"
        )
    assert caught.value.refusal.code is ErrorCode.PARTICIPANT_MISMATCH
    assert caught.value.refusal.facts == {
        "expected": "999101",
        "received": "999202",
        "step": "6 certificate",
    }


def test_an_expired_certificate_is_refused(signed: str, trust: TrustStore) -> None:
    assert refusal_of(signed, trust, at=NOW + timedelta(days=400)).code is ErrorCode.CERTIFICATE_EXPIRED


def test_another_authority_is_refused(signed: str) -> None:
    other = Authority.create(NOW)
    trust = TrustStore.from_pem(anchors=other.anchors_pem, intermediates=other.intermediates_pem, crls=[other.crl(NOW)])
    assert refusal_of(signed, trust).code is ErrorCode.CERTIFICATE_UNTRUSTED


CHANGES: list[tuple[str, Callable[[str], str], ErrorCode]] = [
    ("amount", lambda s: s.replace("1500.50", "1500.51"), ErrorCode.DIGEST_MISMATCH),
    ("white space", lambda s: s.replace("\n <Amt>", "\n  <Amt>"), ErrorCode.DIGEST_MISMATCH),
    ("text after the signature", lambda s: s.replace(" after ", " before "), ErrorCode.DIGEST_MISMATCH),
    ("attribute", lambda s: s.replace('Ccy="AZN"', 'Ccy="USD"'), ErrorCode.DIGEST_MISMATCH),
    ("namespace", lambda s: s.replace('xmlns="urn:d"', 'xmlns="urn:e"'), ErrorCode.DIGEST_MISMATCH),
    ("comment", lambda s: s.replace("1500.50", "15<!-- -->00.50"), ErrorCode.XML_FORBIDDEN),
    (
        "digest sha1",
        lambda s: s.replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    (
        "signature sha1",
        lambda s: s.replace("2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1").replace(
            "2001/04/xmldsig-more#ecdsa-sha256", "2000/09/xmldsig#rsa-sha1"
        ),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    (
        "hmac",
        lambda s: s.replace("2001/04/xmldsig-more#rsa-sha256", "2001/04/xmldsig-more#hmac-sha256").replace(
            "2001/04/xmldsig-more#ecdsa-sha256", "2001/04/xmldsig-more#hmac-sha256"
        ),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    (
        "the other key's method",
        lambda s: s.replace("#rsa-sha256", "#x").replace("#ecdsa-sha256", "#rsa-sha256").replace("#x", "#ecdsa-sha256"),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    (
        "inclusive canonicalisation",
        lambda s: s.replace("2001/10/xml-exc-c14n#", "TR/2001/REC-xml-c14n-20010315", 1),
        ErrorCode.ALGORITHM_NOT_ALLOWED,
    ),
    ("URI of a part", lambda s: s.replace('URI=""', 'URI="#a"'), ErrorCode.SIGNATURE_MALFORMED),
    ("no URI", lambda s: s.replace(' URI=""', ""), ErrorCode.SIGNATURE_MALFORMED),
    (
        "xpath transform",
        lambda s: s.replace("2000/09/xmldsig#enveloped-signature", "TR/1999/REC-xpath-19991116"),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    (
        "no enveloped transform",
        lambda s: s.replace('<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>', ""),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    ("an Object", lambda s: s.replace("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>"), ErrorCode.SIGNATURE_MALFORMED),
    (
        "a KeyValue",
        lambda s: s.replace("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyValue/>"),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    ("text in SignedInfo", lambda s: s.replace("<ds:SignedInfo>", "<ds:SignedInfo>x"), ErrorCode.SIGNATURE_MALFORMED),
    (
        "broken certificate",
        lambda s: s.replace("<ds:X509Certificate>MII", "<ds:X509Certificate>MIJ"),
        ErrorCode.CERTIFICATE_MALFORMED,
    ),
    (
        "no base64",
        lambda s: s.replace("<ds:X509Certificate>MII", "<ds:X509Certificate>M*I"),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    (
        "id twice",
        lambda s: s.replace("<Amt>", '<Amt id="1">').replace("<Nm>", '<Nm Id="1">'),
        ErrorCode.SIGNATURE_MALFORMED,
    ),
    (
        "type by prefix",
        lambda s: s.replace("<Amt>", '<Amt xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="m:A">'),
        ErrorCode.XML_FORBIDDEN,
    ),
]


@pytest.mark.parametrize(("name", "change", "code"), CHANGES, ids=[row[0] for row in CHANGES])
def test_each_change_has_its_own_code(
    signed: str, trust: TrustStore, name: str, change: Callable[[str], str], code: ErrorCode
) -> None:
    changed = change(signed)
    assert changed != signed
    assert refusal_of(changed, trust).code is code


def test_a_changed_digest_says_what_was_expected_and_what_was_received(signed: str, trust: TrustStore) -> None:
    facts = refusal_of(signed.replace("1500.50", "1500.51"), trust).facts
    assert facts["reference"] == ""
    assert facts["expected"] in signed
    assert facts["received"] not in signed


def test_a_changed_signature_value_is_invalid(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    value = root.find(f".//{DS}SignatureValue")
    value.text = ("B" if value.text[0] == "A" else "A") + value.text[1:]
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_INVALID


def test_a_truncated_signature_value_is_invalid(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    value = root.find(f".//{DS}SignatureValue")
    value.text = value.text[:40]
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_INVALID


def test_somebody_elses_certificate_under_the_same_signature_is_invalid(
    signed: str, trust: TrustStore, authority: Authority, credential: Credential
) -> None:
    kind = "rsa" if "#rsa-sha256" in signed else "p256"
    other = parse_xml(b"<a/>")
    sign_enveloped(other, authority.issue("999101", "Xəzər", key=kind, now=NOW), into=other)
    root = parse_xml(signed.encode())
    root.find(f".//{DS}KeyInfo")[:] = other.find(f".//{DS}KeyInfo")[:]
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_INVALID


def test_an_unsigned_document_is_refused_as_unsigned(trust: TrustStore) -> None:
    assert refusal_of(DOCUMENT, trust).code is ErrorCode.SIGNATURE_MISSING


def test_a_signature_elsewhere_than_expected_is_refused(signed: str, trust: TrustStore) -> None:
    assert refusal_of(signed, trust, place="{urn:m}Head").code is ErrorCode.SIGNATURE_MALFORMED
    assert refusal_of(signed, trust, place="{urn:m}Nowhere").code is ErrorCode.SIGNATURE_MALFORMED
    assert refusal_of(signed, trust, place=lambda _root: None).code is ErrorCode.SIGNATURE_MALFORMED


def test_two_signatures_are_refused(signed: str, trust: TrustStore) -> None:
    root = parse_xml(signed.encode())
    root.append(parse_xml(signed.encode()).find(f".//{DS}Signature"))
    assert refusal_of(root, trust).code is ErrorCode.SIGNATURE_MALFORMED


def test_a_part_of_a_larger_document_is_refused(signed: str, trust: TrustStore) -> None:
    wrapper = parse_xml(f"<w>{signed}</w>".encode())
    assert refusal_of(wrapper[0], trust).code is ErrorCode.SIGNATURE_MALFORMED


def test_a_document_is_not_signed_twice(credential: Credential) -> None:
    root = parse_xml(b"<a/>")
    sign_enveloped(root, credential, into=root)
    with pytest.raises(ValueError, match="already"):
        sign_enveloped(root, credential, into=root)
    with pytest.raises(ValueError, match="root"):
        sign_enveloped(parse_xml(b"<a/>"), credential, into=parse_xml(b"<b/>"))


def test_a_comment_of_ours_is_caught_before_it_leaves(credential: Credential) -> None:
    root = etree.fromstring("<a><!-- x --></a>")
    with pytest.raises(RefusedError):
        sign_enveloped(root, credential, into=root)
