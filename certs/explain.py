"""Why a signature does not hold: tries what goes wrong in practice and names the first that explains it.

Asked only after a refusal: about changed content only where a trusted key made the signature, about the signature
itself only where the certificate is trusted, and only within sizes. So nobody makes us work by sending rubbish, and a
cause never changes the verdict.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from certs.algorithms import P256_PART_BYTES, PublicKey, public_key_of, sha256_b64, verify_bytes
from certs.expectations import STRICT, Expected
from certs.signed_xml import Reference, SignedInfo, canonical, check_digest, check_signed_info, decode
from certs.steps import blaming
from certs.trust import Signer, TrustStore
from contracts.errors.causes import Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

EXAMINED_MAX_BYTES = 32_768  # some twenty ways of writing it are tried: about a tenth of a second at most
_SIGNED_INFO_MAX_BYTES = 8_192  # of an honest peer: about 1 kB
_INDENTS = ("  ", "    ", "\t", " ")


def judge_signer(
    certificate: x509.Certificate,
    issuers: Sequence[x509.Certificate],
    trust: TrustStore,
    *,
    at: datetime,
    participant: str | None,
    expected: Expected = STRICT,
) -> Signer:
    """The signer, if trusted, of the profile expected of it, and this `participant` (None: whoever).

    Raises RefusedError: CERTIFICATE_*, REVOCATION_UNKNOWN, PARTICIPANT_MISMATCH.
    """
    with blaming(ErrorCode.CERTIFICATE_UNTRUSTED, lambda: certificate_cause(certificate)):
        signer = trust.judge(certificate, issuers, at)
    if participant is not None and signer.participant != participant:
        raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=participant, received=signer.participant)
    expected.of(signer.participant).certificate.check(signer)
    return signer


def check_value(info: SignedInfo, signature: etree._Element, certificate: x509.Certificate) -> None:
    """The value of a `ds:Signature` over its SignedInfo is the certificate's, or the refusal says why not."""
    value, key = decode(signature[1], "signature value"), public_key_of(certificate)
    with blaming(ErrorCode.SIGNATURE_INVALID, lambda: xml_value_cause(signature[0], value, key)):
        check_signed_info(info, value, key)


def check_part(reference: Reference, element: etree._Element, octets: bytes) -> None:
    """The digest of a part is the signed one, or the refusal says why not."""
    with blaming(ErrorCode.DIGEST_MISMATCH, lambda: element_cause(element, reference.digest)):
        check_digest(reference, octets)


def element_cause(element: etree._Element, stated_digest: str) -> Cause:
    """Why the digest of an element is not `stated_digest` (base64)."""
    octets = canonical(element)
    if len(octets) > EXAMINED_MAX_BYTES:
        return Cause.CONTENT_CHANGED
    if _is_misspelt(stated_digest, octets):
        return Cause.DIGEST_SPELLING
    found = (cause for cause, variant in _written_otherwise(element, octets) if sha256_b64(variant) == stated_digest)
    return next(found, Cause.CONTENT_CHANGED)


def body_cause(body: bytes, stated: bytes) -> Cause:
    """Why the SHA-256 of an HTTP body is not `stated`."""
    if len(body) > EXAMINED_MAX_BYTES:
        return Cause.CONTENT_CHANGED
    found = (cause for cause, variant in _body_otherwise(body) if hashlib.sha256(variant).digest() == stated)
    return next(found, Cause.CONTENT_CHANGED)


def xml_value_cause(signed_info: etree._Element, value: bytes, key: PublicKey) -> Cause:
    """Why a signature value over `ds:SignedInfo` is not the key's."""
    octets = canonical(signed_info)
    if len(octets) > _SIGNED_INFO_MAX_BYTES:
        return Cause.WRONG_KEY
    if (raw := _from_der(value)) is not None and _holds(key, raw, octets):
        return Cause.DER_SIGNATURE
    found = (cause for cause, variant in _written_otherwise(signed_info, octets) if _holds(key, value, variant))
    return next(found, Cause.WRONG_KEY)


def http_value_cause(key: PublicKey, value: bytes, base: bytes, elsewhere: Iterator[bytes]) -> Cause:
    """Why an HTTP signature is not the key's; `elsewhere` are the bases of the same message at other addresses."""
    if (raw := _from_der(value)) is not None and _holds(key, raw, base):
        return Cause.DER_SIGNATURE
    if any(_holds(key, value, variant) for variant in elsewhere):
        return Cause.ADDRESS_REWRITTEN
    return Cause.WRONG_KEY


def certificate_cause(certificate: x509.Certificate) -> Cause | None:
    """Why no path leads from a certificate to an anchor."""
    return Cause.SELF_SIGNED if certificate.subject == certificate.issuer else None


def _written_otherwise(element: etree._Element, octets: bytes) -> Iterator[tuple[Cause, bytes]]:
    """The element's octets as they would be, had they not been touched in one of the ways that happen."""
    yield Cause.INCLUSIVE_C14N, _inclusive(element)
    for stray in (b"&#xD;\n", b"&#xD;"):
        yield Cause.LINE_ENDINGS, octets.replace(stray, b"\n" if stray.endswith(b"\n") else b"")
    yield Cause.LINE_ENDINGS, octets.replace(b"\n", b"&#xD;\n")
    bare = _without_space(element)
    yield Cause.REINDENTED, canonical(bare)
    for indent in _INDENTS:
        for level in range(4):
            etree.indent(bare, indent, level=level)
            yield Cause.REINDENTED, canonical(bare)


def _inclusive(element: etree._Element) -> bytes:
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    carrier = etree.Element(element.tag, attributes, nsmap=element.nsmap)  # type: ignore[arg-type]
    carrier.text = element.text
    carrier.extend(deepcopy(child) for child in element)
    return etree.tostring(carrier, method="c14n", with_comments=False)


def _without_space(element: etree._Element) -> etree._Element:
    copy = deepcopy(element)
    copy.tail = None
    for node in copy.iter():
        if len(node) and node.text and node.text.isspace():
            node.text = None
        if node.tail and node.tail.isspace():
            node.tail = None
    return copy


def _body_otherwise(body: bytes) -> Iterator[tuple[Cause, bytes]]:
    unix = body.replace(b"\r\n", b"\n")
    for text in (unix, unix.replace(b"\n", b"\r\n"), body.rstrip(b"\r\n"), body + b"\n", body + b"\r\n"):
        yield Cause.LINE_ENDINGS, text
    try:
        value = json.loads(body)
        for indent in (None, 2, 4):
            for separators in ((",", ":"), (", ", ": "), (",", ": ")):
                for ascii_only in (False, True):
                    written = json.dumps(value, indent=indent, separators=separators, ensure_ascii=ascii_only)
                    yield Cause.JSON_REWRITTEN, written.encode()
    except (ValueError, RecursionError):
        return


def _is_misspelt(stated: str, octets: bytes) -> bool:
    digest = hashlib.sha256(octets).digest()
    return stated in (digest.hex(), digest.hex().upper(), b64encode(digest.hex().encode()).decode()) or (
        stated.rstrip("=") != b64encode(digest).decode().rstrip("=") and _from_url_spelling(stated) == digest
    )


def _from_url_spelling(stated: str) -> bytes:
    try:
        return urlsafe_b64decode(stated + "=" * (-len(stated) % 4))
    except ValueError:
        return b""


def _from_der(value: bytes) -> bytes | None:
    try:
        r, s = decode_dss_signature(value)
        return r.to_bytes(P256_PART_BYTES, "big") + s.to_bytes(P256_PART_BYTES, "big")
    except (ValueError, OverflowError):
        return None


def _holds(key: PublicKey, value: bytes, octets: bytes) -> bool:
    try:
        verify_bytes(key, value, octets)
    except RefusedError:
        return False
    return True
