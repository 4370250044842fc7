"""Published attacks by name, each made and signed by a participant with a valid key: only the plan can refuse them.

The mutants of the other modules find what nobody thought of; these rows say which known trick is stopped, and how it is
told. Every attack keeps a signature that holds over what it states, so that a plan with a step missing would accept it.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from certs.algorithms import ENVELOPED, EXCLUSIVE_C14N, XMLDSIG, sha256_b64
from certs.authority import Authority
from certs.expectations import Expectations, Expected
from certs.http_signature import HttpRequestParts, content_digest, verify_request
from certs.http_signature.signing import certificate_field
from certs.keystore import Credential
from certs.signed_xml import SIGNATURE, canonical
from certs.trust import TrustStore
from certs.wss import SECURITY, SOAP_11, TIMESTAMP, TOKEN, WSSE, WSU_ID, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors import ErrorCode
from contracts.errors.catalogue import describe
from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DS = f"{{{XMLDSIG}}}"
MALFORMED, ALGORITHM = ErrorCode.SIGNATURE_MALFORMED, ErrorCode.ALGORITHM_NOT_ALLOWED
AGE, INVALID = ErrorCode.SIGNATURE_AGE, ErrorCode.SIGNATURE_INVALID
INCOMPLETE, FORBIDDEN = ErrorCode.SIGNATURE_INCOMPLETE, ErrorCode.XML_FORBIDDEN

_authority = Authority.create(NOW)
_bank = _authority.issue("999101", "Xəzər", key="p256", now=NOW)
_other = _authority.issue("999202", "Günəş", key="p256", now=NOW)
_trust = TrustStore.from_pem(
    anchors=_authority.anchors_pem, intermediates=_authority.intermediates_pem, crls=[_authority.crl(NOW)]
)

Change = Callable[[etree._Element], None]


def code_of(work: Callable[[], object]) -> ErrorCode | None:
    """The refusal's code; None where the attack got through. Whatever is refused can be told in every language."""
    refusal = None
    try:
        work()
    except RefusedError as refused:
        refusal = refused.refusal
    if refusal is None:
        return None
    assert all(describe(refusal, language).remedy for language in ("az", "en", "ru"))
    return refusal.code


# --- XML --------------------------------------------------------------------------------------------------------------


def sign_again(signature: etree._Element, credential: Credential = _bank) -> None:
    """The value over SignedInfo as it stands now."""
    signature[1].text = b64encode(credential.sign(canonical(signature[0]))).decode()


def envelope(change: Change) -> bytes:
    """A signed envelope, changed by its own signer, whose signature value holds."""
    root = parse_xml(
        f'<s:Envelope xmlns:s="{SOAP_11}"><s:Header/><s:Body><Pay xmlns="urn:o"><Amount>15.00</Amount></Pay></s:Body>'
        "</s:Envelope>".encode()
    )
    sign_envelope(root, _bank, now=NOW)
    change(root)
    return etree.tostring(root)


def in_signature(change: Change) -> Change:
    """A change of the ds:Signature, signed again."""

    def work(root: etree._Element) -> None:
        signature = next(root.iter(SIGNATURE))
        change(signature)
        sign_again(signature)

    return work


def uri(value: str) -> Change:
    return in_signature(lambda signature: signature[0][2].set("URI", value))


def transforms(*names: str) -> Change:
    def change(signature: etree._Element) -> None:
        listed = signature[0][2][0]
        listed[:] = [etree.fromstring(f'<d:Transform xmlns:d="{XMLDSIG}" Algorithm="{name}"/>') for name in names]

    return in_signature(change)


def transform_with(name: str, content: str) -> Change:
    def change(signature: etree._Element) -> None:
        listed = signature[0][2][0]
        made = f'<d:Transform xmlns:d="{XMLDSIG}" Algorithm="{name}">{content}</d:Transform>'
        listed.insert(0, etree.fromstring(made))

    return in_signature(change)


def method(position: int, name: str) -> Change:
    return in_signature(lambda signature: signature[0][position].set("Algorithm", name))


def key_info(content: str) -> Change:
    def change(signature: etree._Element) -> None:
        signature[2][:] = [etree.fromstring(f'<x xmlns:ds="{XMLDSIG}" xmlns:wsse="{WSSE}">{content}</x>')[0]]

    return in_signature(change)


def hmac_by_public_key(root: etree._Element) -> None:
    """The key everybody has, used as a shared secret."""
    signature = next(root.iter(SIGNATURE))
    signature[0][1].set("Algorithm", f"{XMLDSIG[:-1].replace('2000/09/xmldsig', '2001/04/xmldsig-more')}#hmac-sha256")
    public = _bank.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature[1].text = b64encode(hmac.digest(public, canonical(signature[0]), hashlib.sha256)).decode()


def truncated_hmac(root: etree._Element) -> None:
    """CVE-2009-0217: an output length of no bits at all."""
    signature = next(root.iter(SIGNATURE))
    signature[0][1].set("Algorithm", f"{XMLDSIG}hmac-sha1")
    signature[0][1].append(etree.fromstring(f'<d:HMACOutputLength xmlns:d="{XMLDSIG}">0</d:HMACOutputLength>'))
    signature[1].text = ""


def excluded(root: etree._Element) -> None:
    security = root[0].find(SECURITY)
    security.remove(security.find(SIGNATURE))


def doubled_id(name: str) -> Change:
    """A forged part under the Body's id, spelt as `name` in the hope that a reader takes the other."""

    def change(root: etree._Element) -> None:
        forged = etree.SubElement(root[0], "{urn:o}Pay")
        forged.set(name, root[1].get(WSU_ID))

    return change


def wrapped(root: etree._Element) -> None:
    """McIntosh and Austel: the signed Body moved into the Header, another in its place."""
    body = root[1]
    forged = deepcopy(body)
    forged[0][0].text = "99.00"
    del forged.attrib[WSU_ID]
    etree.SubElement(root[0], "{urn:o}Box").append(body)
    root.append(forged)


def wrapped_without_ids(root: etree._Element) -> None:
    """The reference speaks of the whole document, less what an XPath takes away: everything is 'signed'."""
    signature = next(root.iter(SIGNATURE))
    reference = signature[0][2]
    reference.set("URI", "")
    kept = "ancestor-or-self::*[local-name()='Pay'][1]"
    xpath = f'<d:XPath xmlns:d="{XMLDSIG}">{kept}</d:XPath>'
    made = f'<d:Transform xmlns:d="{XMLDSIG}" Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">{xpath}'
    reference[0].insert(0, etree.fromstring(f"{made}</d:Transform>"))
    sign_again(signature)


def another_token(root: etree._Element) -> None:
    """Somebody else's certificate before one's own: the first that is found is believed to have signed."""
    security = root[0].find(SECURITY)
    token = deepcopy(security.find(TOKEN))
    token.text = b64encode(_other.certificate.public_bytes(Encoding.DER)).decode()
    token.set(WSU_ID, "other")
    security.insert(0, token)


def comment_in_value(root: etree._Element) -> None:
    """Canonical form drops it, `.text` stops at it."""
    amount = root[1][0][0]
    amount.text = "15.00"
    amount.insert(0, etree.Comment("x"))
    amount[0].tail = "0"
    resign_body(root)


def resign_body(root: etree._Element) -> None:
    signature = next(root.iter(SIGNATURE))
    signature[0][2][2].text = sha256_b64(canonical(root[1]))
    sign_again(signature)


def manifest(root: etree._Element) -> None:
    """References beside SignedInfo, which nobody is obliged to check."""
    signature = next(root.iter(SIGNATURE))
    inside = etree.SubElement(etree.SubElement(signature, f"{DS}Object"), f"{DS}Manifest", {"Id": "m"})
    inside.append(deepcopy(signature[0][2]))
    signature[0][2].set("URI", "#m")
    sign_again(signature)


def many_references(root: etree._Element) -> None:
    """Work for the verifier, one canonicalisation each."""
    signature = next(root.iter(SIGNATURE))
    for _ in range(1_000):
        signature[0].append(deepcopy(signature[0][2]))
    sign_again(signature)


def timestamp_nested(root: etree._Element) -> None:
    security = root[0].find(SECURITY)
    box = etree.SubElement(root[0], "{urn:o}Box")
    box.append(security.find(TIMESTAMP))


def stamped(created: str, expires: str | None = None) -> Change:
    """A Timestamp of one's own, signed."""

    def change(root: etree._Element) -> None:
        timestamp = root[0].find(SECURITY).find(TIMESTAMP)
        timestamp[0].text = created
        timestamp[1].text = timestamp[1].text if expires is None else expires
        signature = next(root.iter(SIGNATURE))
        signature[0][3][2].text = sha256_b64(canonical(timestamp))
        sign_again(signature)

    return change


def value(write: Callable[[int, int], bytes]) -> Change:
    """The signature's two numbers written in another way."""

    def change(root: etree._Element) -> None:
        signature = next(root.iter(SIGNATURE))
        made = b64decode(signature[1].text)
        octets = write(int.from_bytes(made[:32], "big"), int.from_bytes(made[32:], "big"))
        signature[1].text = b64encode(octets).decode()

    return change


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def security(place: str, name: str, text: str) -> Change:
    """An attribute of wsse:Security ("") or of an element in it."""
    return lambda root: root[0].find(SECURITY if not place else f"{SECURITY}/{place}").set(name, text)


_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_TOKENS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#"
_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
_ISSUER_SERIAL = (
    "<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=x</ds:X509IssuerName>"
    "<ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>"
)
_XSLT = (
    '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"><x:template match="/"/></x:stylesheet>'
)

ENVELOPES: dict[str, tuple[Change, ErrorCode]] = {
    "signature wrapping, the Body moved": (wrapped, MALFORMED),
    "signature wrapping without ids, by XPath": (wrapped_without_ids, MALFORMED),
    "an id twice, as Id": (doubled_id("Id"), MALFORMED),
    "an id twice, as ID": (doubled_id("ID"), MALFORMED),
    "an id twice, as xml:id": (doubled_id("{http://www.w3.org/XML/1998/namespace}id"), MALFORMED),
    "an id twice, in a namespace of one's own": (doubled_id("{urn:x}Id"), MALFORMED),
    "signature exclusion": (excluded, ErrorCode.SIGNATURE_MISSING),
    "the Timestamp moved": (timestamp_nested, ErrorCode.SIGNATURE_AGE),
    "HMAC by the public key": (hmac_by_public_key, ALGORITHM),
    "truncated HMAC": (truncated_hmac, MALFORMED),
    "no algorithm": (method(1, "none"), ALGORITHM),
    "RSA with MD5": (method(1, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"), ALGORITHM),
    "DSA": (method(1, f"{XMLDSIG}dsa-sha1"), ALGORITHM),
    "canonicalisation with comments": (method(0, f"{EXCLUSIVE_C14N}WithComments"), ALGORITHM),
    "inclusive canonicalisation": (method(0, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), ALGORITHM),
    "physical canonicalisation": (method(0, "http://santuario.apache.org/c14n/physical"), ALGORITHM),
    "a reference over the network": (uri("http://attacker.example/x"), MALFORMED),
    "a reference to a file": (uri("file:///etc/passwd"), MALFORMED),
    "a reference by XPointer": (uri("#xpointer(/)"), MALFORMED),
    "a reference by XPointer and id": (uri("#xpointer(id('body'))"), MALFORMED),
    "a reference to an attachment": (uri("cid:x"), MALFORMED),
    "a reference to the whole document": (uri(""), MALFORMED),
    "a reference to nothing": (uri("#nothing"), MALFORMED),
    "an XSLT transform": (transform_with("http://www.w3.org/TR/1999/REC-xslt-19991116", _XSLT), MALFORMED),
    "an XPath filter": (transform_with("http://www.w3.org/2002/06/xmldsig-filter2", "<x/>"), MALFORMED),
    "a base64 transform": (transforms(f"{XMLDSIG}base64"), ALGORITHM),
    "a decryption transform": (transforms("http://www.w3.org/2002/07/decrypt#XML", EXCLUSIVE_C14N), MALFORMED),
    "an STR transform": (transforms(f"{WSSE}#STR-Transform", EXCLUSIVE_C14N), MALFORMED),
    "the enveloped transform": (transforms(ENVELOPED, EXCLUSIVE_C14N), MALFORMED),
    "no transform": (transforms(), MALFORMED),
    "a key by its name": (key_info("<ds:KeyName>key.pem</ds:KeyName>"), MALFORMED),
    "a key itself": (key_info("<ds:KeyValue/>"), MALFORMED),
    "a key to be fetched": (key_info('<ds:RetrievalMethod URI="http://attacker.example/key"/>'), MALFORMED),
    "a certificate by issuer and serial": (key_info(_ISSUER_SERIAL), MALFORMED),
    "a token by key identifier": (
        key_info(
            "<wsse:SecurityTokenReference><wsse:KeyIdentifier>x</wsse:KeyIdentifier></wsse:SecurityTokenReference>"
        ),
        MALFORMED,
    ),
    "a token elsewhere": (
        key_info(
            '<wsse:SecurityTokenReference><wsse:Reference URI="http://a.example/t"/></wsse:SecurityTokenReference>'
        ),
        MALFORMED,
    ),
    "a second token": (another_token, MALFORMED),
    "a comment in a value": (comment_in_value, FORBIDDEN),
    "a manifest": (manifest, MALFORMED),
    "a thousand references": (many_references, MALFORMED),
    "a Timestamp that ends before it begins": (stamped("2026-11-22T09:00:00Z", "2026-11-22T08:59:00Z"), AGE),
    "a Timestamp without a zone": (stamped("2026-11-22T09:00:00"), AGE),
    "a Timestamp of yesterday that ends never": (stamped("2026-11-21T09:00:00Z", "9999-12-31T23:59:59Z"), AGE),
    "a Timestamp of tomorrow": (stamped("2026-11-23T09:00:00Z", "2026-11-23T09:05:00Z"), AGE),
    "a Timestamp of another zone": (stamped("2026-11-22T09:00:00+04:00"), AGE),
    "a Timestamp at the end of time": (stamped("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:00"), AGE),
    "a Timestamp before all time": (stamped("0001-01-01T00:00:00+14:00"), AGE),
    "a Timestamp in wide digits": (stamped("２０２６-11-22T09:00:00Z"), AGE),
    "a Timestamp with white space": (stamped(" 2026-11-22T09:00:00Z"), AGE),
    "ECDSA as DER": (value(encode_dss_signature), INVALID),
    "ECDSA of nothing": (value(lambda _r, _s: raw(0, 0)), INVALID),
    "ECDSA with r zero": (value(lambda _, s: raw(0, s)), INVALID),
    "ECDSA with s zero": (value(lambda r, _: raw(r, 0)), INVALID),
    "ECDSA with s the order": (value(lambda r, _: raw(r, _P256_ORDER)), INVALID),
    "ECDSA an octet short": (value(lambda r, s: raw(r, s)[:-1]), INVALID),
    "ECDSA an octet long": (value(lambda r, s: raw(r, s) + b"\0"), INVALID),
    "ECDSA of longer numbers": (value(lambda r, s: b"\0" + raw(r, s)[:32] + b"\0" + raw(r, s)[32:]), INVALID),
    "a token of many certificates": (security(TOKEN, "ValueType", f"{_TOKENS}X509PKIPathv1"), MALFORMED),
    "a token in PKCS#7": (security(TOKEN, "ValueType", f"{_TOKENS}PKCS7"), MALFORMED),
    "a token in another writing": (security(TOKEN, "EncodingType", "urn:x#HexBinary"), MALFORMED),
    "a header for another actor": (security("", f"{{{SOAP_11}}}actor", "urn:other"), MALFORMED),
    "a header for the next on the way": (security("", f"{{{SOAP_11}}}actor", _NEXT), MALFORMED),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_a_published_attack_on_an_envelope_is_refused_though_its_signature_holds(name: str) -> None:
    """AOS-S2."""
    change, code = ENVELOPES[name]
    data = envelope(change)
    assert code_of(lambda: verify_envelope(parse_xml(data), _trust, at=NOW)) is code


def agreed_block(*blocks: str, signed: int) -> Change:
    """Blocks of the Header by their tags, one of them signed in place of the token."""

    def change(root: etree._Element) -> None:
        made = [etree.SubElement(root[0], tag) for tag in blocks]
        made[signed].set(WSU_ID, "block")
        signature = next(root.iter(SIGNATURE))
        signature[0][4].set("URI", "#block")
        signature[0][4][2].text = sha256_b64(canonical(made[signed]))
        sign_again(signature)

    return change


BLOCKS = {
    "the token's namesake without a namespace": (agreed_block("BinarySecurityToken", signed=0), "BinarySecurityToken"),
    "the second of two": (agreed_block("{urn:a}To", "{urn:a}To", signed=1), "{urn:a}To"),
    "the first of two": (agreed_block("{urn:a}To", "{urn:a}To", signed=0), "{urn:a}To"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_signed_block_stands_for_no_other_that_was_agreed(name: str) -> None:
    """AOS-S2: what is agreed with a counterparty to be signed is the one part of that name."""
    change, agreed = BLOCKS[name]
    data, expected = envelope(change), Expected(house=Expectations(soap_parts=frozenset({agreed})))
    assert code_of(lambda: verify_envelope(parse_xml(data), _trust, at=NOW, expected=expected)) is MALFORMED


def test_the_agreed_block_once_and_signed_is_accepted() -> None:
    data = envelope(agreed_block("{urn:a}To", "{urn:a}From", signed=0))
    expected = Expected(house=Expectations(soap_parts=frozenset({"{urn:a}To"})))
    assert code_of(lambda: verify_envelope(parse_xml(data), _trust, at=NOW, expected=expected)) is None


def test_the_other_of_two_signatures_that_always_hold_is_the_same_request() -> None:
    """Whoever reads one can make the other; a repetition is known by what was signed, never by the value."""
    data = envelope(lambda _: None)
    other = parse_xml(data)
    value(lambda r, s: raw(r, _P256_ORDER - s))(other)
    first, second = (verify_envelope(root, _trust, at=NOW).verified.once for root in (parse_xml(data), other))
    assert first is not None
    assert first == second


def test_the_envelope_without_an_attack_is_accepted() -> None:
    assert code_of(lambda: verify_envelope(parse_xml(envelope(in_signature(lambda _: None))), _trust, at=NOW)) is None


ENVELOPED_ATTACKS = [
    name
    for name in ENVELOPES
    if name.split()[0]
    in ("HMAC", "truncated", "no", "RSA", "DSA", "canonicalisation", "inclusive", "physical", "a", "an")
    and not any(word in name for word in ("Timestamp", "header", "token", "comment", "whole", "id twice", "enveloped"))
]


@pytest.mark.parametrize("name", ENVELOPED_ATTACKS)
def test_a_published_attack_on_an_enveloped_signature_is_refused_though_it_holds(name: str) -> None:
    """AOS-S2: ISO 20022 messages and receipts."""
    root = parse_xml(b'<w:W xmlns:w="urn:w"><w:S/><w:Amount>15.00</w:Amount></w:W>')
    sign_enveloped(root, _bank, into=root[0])
    ENVELOPES[name][0](root)
    code = code_of(
        lambda: verify_enveloped(parse_xml(etree.tostring(root)), _trust, at=NOW, signature_parent="{urn:w}S")
    )
    assert code in (MALFORMED, ALGORITHM, INCOMPLETE, FORBIDDEN)


# --- HTTP -------------------------------------------------------------------------------------------------------------

BODY = b'{"decision":"accept"}'
_KEYID, _CERTIFICATES = certificate_field(_bank.certificate, _bank.chain)
CREATED = int(NOW.timestamp())
VALUES = {
    '"@method"': "POST",
    '"@authority"': "gw.example",
    '"@path"': "/v1/offers/L1.offer/decision",
    '"@query"': "?a=1",
    '"content-digest"': content_digest(BODY),
    '"content-type"': "application/json",
    '"idempotency-key"': "k-1",
    '"signature-certificate"': _CERTIFICATES,
}
PARAMETERS = (
    f';created={CREATED};expires={CREATED + 300};nonce="n-1";keyid="{_KEYID}";alg="ecdsa-p256-sha256";tag="eherrac"'
)


def request(
    *,
    covered: dict[str, str] | None = None,
    parameters: str = PARAMETERS,
    digest: str | None = None,
    path: str = "/v1/offers/L1.offer/decision",
    query: str = "a=1",
    member: str = "{}",
) -> HttpRequestParts:
    """A request whose signature holds over the base that RFC 9421 gives for these identifiers and values."""
    covered = VALUES | ({} if digest is None else {'"content-digest"': digest}) | (covered or {})
    covered = {name: value for name, value in covered.items() if value != "left out"}
    signed = f"({' '.join(covered)}){parameters}"
    base = "".join(f"{name}: {value}\n" for name, value in covered.items()) + f'"@signature-params": {signed}'
    value = b64encode(_bank.sign(base.encode())).decode()
    headers = {
        "Content-Digest": digest or VALUES['"content-digest"'],
        "Content-Type": "application/json",
        "Idempotency-Key": "k-1",
        "Signature-Certificate": _CERTIFICATES,
        "Signature-Input": member.format(f"eherrac={signed}"),
        "Signature": f"eherrac=:{value}:",
    }
    return HttpRequestParts(
        method="POST", authority="gw.example", path=path, query=query, headers=tuple(headers.items()), body=BODY
    )


def changed_parameters(old: str, new: str) -> HttpRequestParts:
    assert old in PARAMETERS
    return request(parameters=PARAMETERS.replace(old, new))


def digest_by(algorithm: str, body: bytes = BODY) -> str:
    value = b64encode(hashlib.new(algorithm.replace("-", ""), body, usedforsecurity=False).digest()).decode()
    return f"{algorithm}=:{value}:"


LEFT_OUT = "left out"
REQUESTS: dict[str, tuple[HttpRequestParts, ErrorCode]] = {
    "a component left out": (request(covered={'"idempotency-key"': LEFT_OUT}), INCOMPLETE),
    "the query left out": (request(covered={'"@query"': LEFT_OUT}), INCOMPLETE),
    "the path by request target": (
        request(covered={'"@path"': LEFT_OUT, '"@request-target"': "/v1/offers/L1.offer/decision?a=1"}),
        INCOMPLETE,
    ),
    "the query by one parameter": (request(covered={'"@query"': LEFT_OUT, '"@query-param";name="a"': "1"}), MALFORMED),
    "the whole target beside": (request(covered={'"@target-uri"': "http://gw.example/"}), MALFORMED),
    "the scheme beside": (request(covered={'"@scheme"': "https"}), MALFORMED),
    "a field strictly serialised": (
        request(covered={'"content-digest"': LEFT_OUT, '"content-digest";sf': VALUES['"content-digest"']}),
        MALFORMED,
    ),
    "a member of a field": (
        request(covered={'"content-digest"': LEFT_OUT, '"content-digest";key="sha-512"': ":AA==:"}),
        MALFORMED,
    ),
    "a field wrapped in bytes": (request(covered={'"content-type";bs': ":YQ==:"}), MALFORMED),
    "a field of the trailers": (request(covered={'"content-type";tr': "application/json"}), MALFORMED),
    "a field in capitals": (
        request(covered={'"content-type"': LEFT_OUT, '"Content-Type"': "application/json"}),
        MALFORMED,
    ),
    "a field of another request": (request(covered={'"@method";req': "GET"}), INCOMPLETE),
    "created tomorrow": (
        changed_parameters(
            f"created={CREATED};expires={CREATED + 300}", f"created={CREATED + 86_400};expires={CREATED + 90_000}"
        ),
        ErrorCode.SIGNATURE_AGE,
    ),
    "created yesterday, good for a week": (
        changed_parameters(
            f"created={CREATED};expires={CREATED + 300}", f"created={CREATED - 86_400};expires={CREATED + 600_000}"
        ),
        ErrorCode.SIGNATURE_AGE,
    ),
    "expired before it was made": (
        changed_parameters(f"expires={CREATED + 300}", f"expires={CREATED - 1}"),
        ErrorCode.SIGNATURE_AGE,
    ),
    "without an end": (changed_parameters(f";expires={CREATED + 300}", ""), MALFORMED),
    "without a beginning": (changed_parameters(f";created={CREATED}", ""), MALFORMED),
    "without a nonce": (changed_parameters(';nonce="n-1"', ""), MALFORMED),
    "without an algorithm": (changed_parameters(';alg="ecdsa-p256-sha256"', ""), MALFORMED),
    "without a tag": (changed_parameters(';tag="eherrac"', ""), MALFORMED),
    "for another application": (changed_parameters('tag="eherrac"', 'tag="other"'), MALFORMED),
    "by another key's name": (changed_parameters(f'keyid="{_KEYID}"', 'keyid="x"'), MALFORMED),
    "a time as a fraction": (changed_parameters(f"created={CREATED}", f"created={CREATED}.0"), MALFORMED),
    "a time as a date": (changed_parameters(f"created={CREATED}", f"created=@{CREATED}"), MALFORMED),
    "HMAC": (changed_parameters("ecdsa-p256-sha256", "hmac-sha256"), ALGORITHM),
    "RSA for a P-256 key": (changed_parameters("ecdsa-p256-sha256", "rsa-v1_5-sha256"), ALGORITHM),
    "P-384 for a P-256 key": (changed_parameters("ecdsa-p256-sha256", "ecdsa-p384-sha384"), ALGORITHM),
    "no algorithm": (changed_parameters("ecdsa-p256-sha256", "none"), ALGORITHM),
    "two members of one label": (request(member="{0}, {0}"), MALFORMED),
    "a second signature beside": (request(member='{}, other=("@method")'), MALFORMED),
    "a digest by MD5": (request(digest=digest_by("md5")), MALFORMED),
    "a digest by SHA-512 alone": (request(digest=digest_by("sha-512")), MALFORMED),
    "a true SHA-512 beside a false SHA-256": (
        request(digest=f"{digest_by('sha-512')}, {digest_by('sha-256', b'{}')}"),
        ErrorCode.DIGEST_MISMATCH,
    ),
    "two digests by SHA-256": (request(digest=f"{digest_by('sha-256', b'{}')}, {digest_by('sha-256')}"), MALFORMED),
    "a digest as text": (request(digest='sha-256="x"'), MALFORMED),
    "another path": (request(path="/v1/offers/L2.offer/decision"), ErrorCode.SIGNATURE_INVALID),
    "another query": (request(query="a=2"), ErrorCode.SIGNATURE_INVALID),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_published_attack_on_a_request_is_refused_though_its_signature_holds(name: str) -> None:
    """AOS-S2."""
    parts, code = REQUESTS[name]
    assert code_of(lambda: verify_request(parts, _trust, at=NOW)) is code


def test_the_request_without_an_attack_is_accepted() -> None:
    """Also with a second digest beside: RFC 9530 allows it."""
    for parts in (request(), request(digest=f"{digest_by('sha-512')}, {digest_by('sha-256')}")):
        assert code_of(lambda parts=parts: verify_request(parts, _trust, at=NOW)) is None


def test_an_older_convention_is_no_signature() -> None:
    """draft-cavage: a header of its own that this profile never reads."""
    usual = request()
    value = f'Signature keyId="{_KEYID}",algorithm="hs2019",headers="date",signature="AA=="'
    kept = tuple((name, text) for name, text in usual.headers if not name.startswith("Signature"))
    parts = HttpRequestParts(
        method="POST", authority="gw.example", path="/x", headers=(*kept, ("Authorization", value)), body=BODY
    )
    assert code_of(lambda: verify_request(parts, _trust, at=NOW)) is ErrorCode.SIGNATURE_MISSING


def test_the_age_of_a_signature_ends_at_the_second() -> None:
    """With the clocks' difference, and not a second later, whatever `expires` allows."""
    longer = changed_parameters(f"expires={CREATED + 300}", f"expires={CREATED + 86_400}")
    verdicts = {
        seconds: code_of(lambda s=seconds: verify_request(longer, _trust, at=NOW + timedelta(seconds=s)))
        for seconds in (-31, -30, 330, 331)
    }
    assert verdicts == {-31: ErrorCode.SIGNATURE_AGE, -30: None, 330: None, 331: ErrorCode.SIGNATURE_AGE}


def test_the_signature_of_these_attacks_really_holds() -> None:
    """Else the rows above would show nothing: the same base, verified by the key alone."""
    from certs.algorithms import public_key_of, verify_bytes

    parts = changed_parameters('tag="eherrac"', 'tag="other"')
    fields = dict(parts.headers)
    signed = fields["Signature-Input"].removeprefix("eherrac=")
    base = "".join(f"{name}: {value}\n" for name, value in VALUES.items()) + f'"@signature-params": {signed}'
    value = b64decode(fields["Signature"].removeprefix("eherrac=:").removesuffix(":"))
    verify_bytes(public_key_of(_bank.certificate), value, base.encode())
