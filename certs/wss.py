"""WS-Security X.509 signatures on SOAP 1.1 and 1.2: BinarySecurityToken, Timestamp, and the Body signed with them.

Verification (AOS-S2) reads
  (1) the tree is a whole document without comments, processing instructions or DTD, and no id stands twice;
  (2) it is one SOAP envelope: Header and Body, in this order, and nothing else;
  (3) exactly one wsse:Security, in the Header, addressed to us; in it one token, Timestamp and ds:Signature, no more;
  (4) the signature consists of SignedInfo, SignatureValue and KeyInfo pointing at that token, and nothing else;
  (5) canonicalisation, digest and signature algorithms are the allowed ones;
  (6) each reference carries the id of an element at an expected position: Body and Timestamp must be among them, the
      token and other blocks of the Header may; each by exclusive canonicalisation alone, none twice;
  (7) the token's certificate is trusted at the time asked for, is the expected participant's, and is what is expected
      of him (certs.expectations); so are the algorithm and the parts that are signed, and what was written besides the
      profile (a token that is not first, plain ids) is tolerated of him;
  (8) the signature value over SignedInfo is the certificate's: before the digests, so that only who holds a trusted key
      can make us canonicalise a large Body;
  (9) each digest, recomputed over the element at that position, is the signed one;
  (10) the Timestamp says now: neither expired, nor too old, nor from the future.
The Body handed back is read anew from the octets whose digest was verified, cut off from everything that was not.
By the mark that comes with the verdict a repetition can be known; remembering is the caller's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography import x509
from lxml import etree

from certs.algorithms import ENVELOPED, EXCLUSIVE_C14N, certificate_b64, load_certificate, public_key_of, sha256_b64
from certs.expectations import STRICT, Expectations, Expected
from certs.explain import check_part, check_value, judge_signer
from certs.keystore import Credential
from certs.signed_xml import (
    KEY_INFO,
    SIGNATURE,
    SIGNATURE_VALUE,
    SIGNED_INFO,
    Reference,
    SignedInfo,
    canonical,
    check_bare,
    check_document,
    check_ids_unique,
    check_one_signature,
    check_own_signature,
    children,
    decode,
    malformed,
    read_signed_info,
    text_of,
    write_signature,
)
from certs.steps import age_cause, at_step, blame
from certs.tolerance import Tolerance
from certs.trust import Once, TrustStore, Verified
from contracts.errors.causes import Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import refuse
from contracts.instants import instant_of
from contracts.xml import parse_canonical

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"
X509_V3 = f"{_OASIS}x509-token-profile-1.0#X509v3"
BASE64_BINARY = f"{_OASIS}soap-message-security-1.0#Base64Binary"
WSU_ID = f"{{{WSU}}}Id"
SECURITY = f"{{{WSSE}}}Security"
TIMESTAMP = f"{{{WSU}}}Timestamp"
TOKEN = f"{{{WSSE}}}BinarySecurityToken"
_CREATED = f"{{{WSU}}}Created"
_EXPIRES = f"{{{WSU}}}Expires"
_TOKEN_REFERENCE = f"{{{WSSE}}}SecurityTokenReference"
_REFERENCE = f"{{{WSSE}}}Reference"

STEPS = (
    "document",
    "envelope",
    "security header",
    "signature form",
    "algorithms",
    "references",
    "certificate",
    "signature value",
    "digests",
    "timestamp",
)

_SECURITIES = etree.XPath("count(//wsse:Security)", namespaces={"wsse": WSSE})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_PLAIN_ID = "Id"
_NODE_SOAP_TRANSFORMS = (EXCLUSIVE_C14N,), (ENVELOPED, EXCLUSIVE_C14N)
# The one who processes the message last, which is we; also the meaning of no actor or role at all.
_ULTIMATE_RECEIVER = f"{SOAP_12}/role/ultimateReceiver"

etree.register_namespace("wsse", WSSE)
etree.register_namespace("wsu", WSU)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapVerified:
    """The signed part, read anew, and its circumstances. `signed_headers` are the Header blocks also signed, by tag."""

    body: etree._Element
    verified: Verified
    message_created: datetime
    expires: datetime
    soap_version: str  # "1.1" | "1.2"
    signed_headers: Mapping[str, etree._Element] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The elements at their positions."""

    soap: str
    header: etree._Element
    body: etree._Element
    token: etree._Element
    timestamp: etree._Element
    signature: etree._Element

    @property
    def plain(self) -> bool:
        """Body and Timestamp are named by `Id` without a namespace, as node-soap does unless told better."""
        named = (self.body.attrib, self.timestamp.attrib)
        return all(_PLAIN_ID in attributes and WSU_ID not in attributes for attributes in named)

    def name(self, element: etree._Element) -> str:
        """The reference URI that speaks of Body, Timestamp or token; "#None" of one without an id."""
        plain = self.plain and element is not self.token
        return f"#{element.get(_PLAIN_ID if plain else WSU_ID)}"


# --- Signing ---------------------------------------------------------------------------------------------------------


def sign_envelope(
    envelope: etree._Element, credential: Credential, *, now: datetime, ttl_s: int = 300, self_check: bool = True
) -> None:
    """Add wsse:Security (token, Timestamp, signature over Body, Timestamp and token) to a SOAP envelope, in place.

    Nothing may be changed in the envelope afterwards, white space included. Raises ValueError when the tree is not an
    unsigned SOAP envelope: that would be our own fault.
    """
    header, body = _unsigned(envelope)
    body.set(WSU_ID, _new_id("body"))
    soap = etree.QName(envelope).namespace
    security = etree.SubElement(header, SECURITY, {f"{{{soap}}}mustUnderstand": "1"}, nsmap={"wsse": WSSE, "wsu": WSU})
    token = etree.SubElement(
        security, TOKEN, {"EncodingType": BASE64_BINARY, "ValueType": X509_V3, WSU_ID: _new_id("token")}
    )
    token.text = certificate_b64(credential.certificate)
    timestamp = etree.SubElement(security, TIMESTAMP, {WSU_ID: _new_id("time")})
    etree.SubElement(timestamp, _CREATED).text = _write_moment(now)
    etree.SubElement(timestamp, _EXPIRES).text = _write_moment(now + timedelta(seconds=ttl_s))
    parts = (body, timestamp, token)
    references = [_reference_to(part) for part in parts]
    security.append(write_signature(credential, references, _point_at(token.get(WSU_ID, ""))))
    if self_check:
        check_document(envelope)
        check_own_signature(security[-1], [canonical(part) for part in parts], public_key_of(credential.certificate))


def _unsigned(envelope: etree._Element) -> tuple[etree._Element, etree._Element]:
    """Header (made if absent) and Body of an envelope that has no wsse:Security yet."""
    soap = etree.QName(envelope).namespace
    if soap not in (SOAP_11, SOAP_12) or envelope.tag != f"{{{soap}}}Envelope" or envelope.getparent() is not None:
        raise ValueError("not a SOAP envelope")
    if len(envelope) and envelope[0].tag == f"{{{soap}}}Body":
        envelope.insert(0, etree.Element(f"{{{soap}}}Header"))
    if [part.tag for part in envelope] != [f"{{{soap}}}Header", f"{{{soap}}}Body"]:
        raise ValueError("a SOAP envelope has one Header and one Body")
    if _SECURITIES(envelope):
        raise ValueError("the envelope is signed already")
    return envelope[0], envelope[1]


def _reference_to(element: etree._Element) -> Reference:
    return Reference(uri=f"#{element.get(WSU_ID)}", transforms=(EXCLUSIVE_C14N,), digest=sha256_b64(canonical(element)))


def _point_at(token_id: str) -> str:
    return (
        f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}"><wsse:Reference URI="#{token_id}" ValueType="{X509_V3}"/>'
        "</wsse:SecurityTokenReference>"
    )


def _new_id(prefix: str) -> str:
    return f"{prefix}-{uuid4()}"


def _write_moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a Timestamp needs an aware moment")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- Verification ----------------------------------------------------------------------------------------------------


def verify_envelope(
    root: etree._Element,
    trust: TrustStore,
    *,
    at: datetime,
    expected: Expected = STRICT,
    participant: str | None = None,
) -> SoapVerified:
    """Verify by the plan above, a `participant`'s or whose ever; only `body` (and `signed_headers`) may be processed.

    Raises RefusedError: SIGNATURE_MISSING, _MALFORMED, _INCOMPLETE, _INVALID, _AGE, ALGORITHM_NOT_ALLOWED,
    DIGEST_MISMATCH, XML_FORBIDDEN, CERTIFICATE_*, REVOCATION_UNKNOWN, PARTICIPANT_MISMATCH.
    """
    with at_step(STEPS, "document"):
        check_document(root)
        check_ids_unique(root)
    with at_step(STEPS, "security header"):
        parts = _locate(root)
    with at_step(STEPS, "signature form"):
        info = _read_signature(parts)
    places = _places(parts)
    with at_step(STEPS, "references"):
        _check_references(info, parts, places)
    with at_step(STEPS, "certificate"):
        certificate = _certificate(parts.token)
        signer = judge_signer(certificate, (), trust, at=at, participant=participant, expected=expected)
        expectations = expected.of(signer.participant)
        expectations.check_tolerances(_besides(info, parts))
        expectations.check_key(public_key_of(certificate))
    with at_step(STEPS, "references"):
        expectations.check_parts(expectations.soap_parts, _signed_names(info, parts, places))
    with at_step(STEPS, "signature value"):
        check_value(info, parts.signature, certificate)
    with at_step(STEPS, "digests"):
        octets = _check_digests(info, places)
    with at_step(STEPS, "timestamp"):
        created, expires = _check_timestamp(parts, at, expectations)
    # Of the signer, not of its certificate: another one for the same key may be put in place of an unsigned token.
    once = Once.of(b"wss", signer.participant.encode(), info.octets, until=expectations.too_old_after(created))
    return SoapVerified(
        body=parse_canonical(octets[parts.body]),
        verified=Verified(signer=signer, signed_at=created, steps=STEPS, once=once),
        message_created=created,
        expires=expires,
        soap_version="1.1" if parts.soap == SOAP_11 else "1.2",
        signed_headers=_signed_headers(octets, parts),
    )


def _locate(root: etree._Element) -> _Parts:
    """Steps (2) and (3): every element by its position."""
    soap = etree.QName(root).namespace or ""
    if soap not in (SOAP_11, SOAP_12) or root.tag != f"{{{soap}}}Envelope":
        raise malformed("envelope", "not a SOAP envelope")
    if [part.tag for part in root] == [f"{{{soap}}}Body"]:
        raise refuse(ErrorCode.SIGNATURE_MISSING, what="wsse:Security")
    if [part.tag for part in root] != [f"{{{soap}}}Header", f"{{{soap}}}Body"]:
        raise malformed("envelope", "content of Envelope")
    header, body = root
    security = _security(root, header, soap)
    check_one_signature(root)
    token, timestamp, signature = (_only(security, tag) for tag in (TOKEN, TIMESTAMP, SIGNATURE))
    if len(security) != 3:
        raise malformed("security header", "content of Security")
    return _Parts(soap=soap, header=header, body=body, token=token, timestamp=timestamp, signature=signature)


def _security(root: etree._Element, header: etree._Element, soap: str) -> etree._Element:
    count = _SECURITIES(root)
    if count == 0:
        raise refuse(ErrorCode.SIGNATURE_MISSING, what="wsse:Security")
    found = header.findall(SECURITY)
    if count != 1 or len(found) != 1:
        raise malformed("security header", "not exactly one wsse:Security in the Header")
    address = f"{{{soap}}}actor" if soap == SOAP_11 else f"{{{soap}}}role"
    check_bare(found[0], "security header", frozenset({f"{{{soap}}}mustUnderstand", address, WSU_ID}))
    role = found[0].get(address)
    if role not in (None, _ULTIMATE_RECEIVER):
        raise malformed("security header", "addressed to another role")
    return found[0]


def _only(security: etree._Element, tag: str) -> etree._Element:
    found = security.findall(tag)
    name = tag.partition("}")[2]
    if not found and tag == SIGNATURE:
        raise refuse(ErrorCode.SIGNATURE_MISSING, what=name)
    if not found and tag == TIMESTAMP:
        raise refuse(ErrorCode.SIGNATURE_AGE, what=name)
    if len(found) != 1:
        refused = malformed("security header", f"not exactly one {name}")
        raise refused if found else blame(refused, Cause.CERTIFICATE_UNSENT)
    return found[0]


def _read_signature(parts: _Parts) -> SignedInfo:
    """Steps (4) and (5)."""
    wanted = (SIGNED_INFO, SIGNATURE_VALUE, KEY_INFO)
    info, _, key_info = children(parts.signature, "signature form", *wanted, attributes=frozenset({"Id"}))
    (pointer,) = children(key_info, "signature form", _TOKEN_REFERENCE, attributes=frozenset({"Id"}))
    (reference,) = children(pointer, "signature form", _REFERENCE, attributes=frozenset({WSU_ID}))
    children(reference, "signature form", attributes=frozenset({"URI", "ValueType"}))
    token_id = parts.token.get(WSU_ID)
    if not token_id or reference.get("URI") != f"#{token_id}" or reference.get("ValueType", X509_V3) != X509_V3:
        raise malformed("signature form", "KeyInfo does not point at the token")
    return read_signed_info(info, inclusive_allowed=True)  # whether of this signer is step (7)


def _besides(info: SignedInfo, parts: _Parts) -> Iterator[Tolerance]:
    """What is written besides the profile: judged once it is known whose message it is."""
    if parts.token.getprevious() is not None:
        yield Tolerance.WCF_ORDER
    if info.inclusive:
        yield Tolerance.INCLUSIVE_NAMESPACES
    if parts.plain:
        yield Tolerance.NODE_SOAP


def _places(parts: _Parts) -> dict[str, etree._Element]:
    """Reference URI to the element at each position a reference may speak of."""
    if parts.plain:
        return {parts.name(place): place for place in (parts.body, parts.timestamp)}
    blocks = [block for block in parts.header if block.tag != SECURITY]
    often = Counter(block.tag for block in blocks)  # which of two is signed nobody asks; SOAP wants each in a namespace
    blocks = [block for block in blocks if often[block.tag] == 1 and etree.QName(block).namespace]
    places = [parts.body, parts.timestamp, parts.token, *blocks]
    return {f"#{place.get(WSU_ID)}": place for place in places if place.get(WSU_ID)}


def _check_references(info: SignedInfo, parts: _Parts, places: Mapping[str, etree._Element]) -> None:
    """Step (6)."""
    uris = [reference.uri for reference in info.references]
    if len(set(uris)) != len(uris) or not set(uris) <= places.keys():
        raise malformed("references", "a reference to an unexpected place")
    _check_transforms(info, parts)
    for name, element in {"Body": parts.body, "Timestamp": parts.timestamp}.items():
        if parts.name(element) not in uris:
            raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=name)


def _signed_names(info: SignedInfo, parts: _Parts, places: Mapping[str, etree._Element]) -> Iterator[str]:
    """What is signed, as expectations name it: the standing parts by local name, other blocks of the Header by tag."""
    standing = (parts.body, parts.timestamp, parts.token)
    for reference in info.references:
        element = places[reference.uri]
        yield etree.QName(element).localname if element in standing else str(element.tag)


def _check_transforms(info: SignedInfo, parts: _Parts) -> None:
    """Canonicalisation alone, or as node-soap has it: taking away a signature that is not inside changes nothing."""
    listed = {reference.transforms for reference in info.references}
    as_node_soap = listed <= set(_NODE_SOAP_TRANSFORMS)
    if listed != {(EXCLUSIVE_C14N,)} and not (parts.plain and as_node_soap):
        raise blame(malformed("references", "transforms"), Cause.NODE_SOAP_DEFAULTS if as_node_soap else None)


def _certificate(token: etree._Element) -> x509.Certificate:
    attributes = frozenset({"ValueType", "EncodingType", WSU_ID})
    if token.get("ValueType") != X509_V3 or token.get("EncodingType", BASE64_BINARY) != BASE64_BINARY:
        raise malformed("certificate", "type of the BinarySecurityToken")
    return load_certificate(decode(token, "certificate", attributes))


def _check_digests(info: SignedInfo, places: Mapping[str, etree._Element]) -> dict[etree._Element, bytes]:
    """Step (9); the verified octets of each element."""
    octets = {}
    for reference in info.references:
        element = places[reference.uri]
        octets[element] = canonical(element, reference.prefixes)
        check_part(reference, element, octets[element])
    return octets


def _signed_headers(octets: Mapping[etree._Element, bytes], parts: _Parts) -> dict[str, etree._Element]:
    own = (parts.body, parts.timestamp, parts.token)
    return {str(block.tag): parse_canonical(data) for block, data in octets.items() if block not in own}


def _check_timestamp(parts: _Parts, at: datetime, expectations: Expectations) -> tuple[datetime, datetime]:
    """Step (10): Created and Expires."""
    named = frozenset({_PLAIN_ID if parts.plain else WSU_ID})
    moments = children(parts.timestamp, "timestamp", _CREATED, _EXPIRES, attributes=named)
    created, expires = map(_read_moment, moments)
    skew = timedelta(seconds=expectations.clock_skew_s)
    too_old = at - created > timedelta(seconds=expectations.max_age_s) + skew
    if too_old or created > at + skew or expires <= at - skew or expires <= created:
        refused = refuse(
            ErrorCode.SIGNATURE_AGE,
            signed_at=created.isoformat(),
            expires=expires.isoformat(),
            now=at.isoformat(),
            max_age_s=expectations.max_age_s,
            clock_skew_s=expectations.clock_skew_s,
        )
        raise blame(refused, age_cause((created - at).total_seconds()))
    return created, expires


def _read_moment(element: etree._Element) -> datetime:
    text = text_of(element, "timestamp")
    moment = instant_of(text) if _MOMENT.fullmatch(text) else None
    if moment is None:
        raise refuse(ErrorCode.SIGNATURE_AGE, signed_at=text[:40])
    return moment
