"""Enveloped XML signatures over a whole document: one Reference with URI="", enveloped-signature then exclusive C14N.

Signing assembles the signature from libxml2's canonical form and OpenSSL directly, so that a device may sign too
(ADR 8). Verification (AOS-S2) is ours alone and reads
  (1) the tree is a whole document without comments, processing instructions or DTD;
  (2) exactly one ds:Signature in it, and it is the child of the one expected parent;
  (3) it consists of SignedInfo, SignatureValue and KeyInfo with X509Data, and nothing else; no Object, no Manifest;
  (4) canonicalisation, digest and signature algorithms are the allowed ones;
  (5) exactly one reference, to the whole document, by exactly the two transforms;
  (6) the certificate, the first of X509Data, is trusted at the time asked for, is the expected participant's, and what
      is expected of him, the algorithm too (certs.expectations);
  (7) the signature value over SignedInfo is the certificate's;
  (8) the digest, recomputed over the document without this signature, is the signed one.
All of the document is then what was signed: a caller may read any of it, except `xsi:type`, which is refused because
canonical form does not bind the prefix inside its value.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime

from cryptography import x509
from lxml import etree

from certs.algorithms import (
    ENVELOPED,
    EXCLUSIVE_C14N,
    XMLDSIG,
    certificate_b64,
    load_certificate,
    public_key_of,
    sha256_b64,
)
from certs.expectations import STRICT, Expected
from certs.explain import check_part, check_value, judge_signer
from certs.keystore import Credential
from certs.signed_xml import (
    KEY_INFO,
    SIGNATURE,
    SIGNATURE_VALUE,
    SIGNED_INFO,
    XSI_TYPE,
    Reference,
    canonical,
    check_document,
    check_ids_unique,
    check_one_signature,
    check_own_signature,
    children,
    decode,
    malformed,
    read_signed_info,
    write_signature,
)
from certs.steps import at_step
from certs.trust import TrustStore, Verified
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import refuse

Place = str | Callable[[etree._Element], etree._Element | None]

STEPS = ("document", "one signature", "form", "algorithms", "reference", "certificate", "signature value", "digest")
CERTIFICATES_MAX = 4

_X509_DATA = f"{{{XMLDSIG}}}X509Data"
_X509_CERTIFICATE = f"{{{XMLDSIG}}}X509Certificate"
_ID = frozenset({"Id"})
_TRANSFORMS = (ENVELOPED, EXCLUSIVE_C14N)
_HAS_XSI_TYPE = etree.XPath("boolean(//@xsi:type)", namespaces={"xsi": XSI_TYPE[1:].partition("}")[0]})


def sign_enveloped(root: etree._Element, credential: Credential, *, into: etree._Element) -> None:
    """Sign the whole document of `root` and append the `ds:Signature` to `into`, an element of it.

    KeyInfo carries the leaf and its issuing CAs. The signature is checked before this returns. Raises ValueError when
    the tree is not one that `verify_enveloped` could accept: that would be our own fault.
    """
    if root.getparent() is not None or into.getroottree().getroot() is not root:
        raise ValueError("an enveloped signature needs the document's root and a place inside it")
    if next(root.iter(SIGNATURE), None) is not None:
        raise ValueError("the document is signed already")
    reference = Reference(uri="", transforms=_TRANSFORMS, digest=sha256_b64(canonical(root)))
    certificates = "".join(
        f"<ds:X509Certificate>{certificate_b64(certificate)}</ds:X509Certificate>"
        for certificate in (credential.certificate, *credential.chain)
    )
    into.append(write_signature(credential, [reference], f"<ds:X509Data>{certificates}</ds:X509Data>"))
    check_document(root)
    check_own_signature(into[-1], [canonical(_without(root, into[-1]))], public_key_of(credential.certificate))


def verify_enveloped(
    root: etree._Element,
    trust: TrustStore,
    *,
    at: datetime,
    signature_parent: Place,
    expected_participant: str | None = None,
    expected: Expected = STRICT,
) -> Verified:
    """Verify by the plan above. `signature_parent` is an ElementPath from the root, or a function of the root.

    Raises RefusedError: SIGNATURE_MISSING, _MALFORMED, _INVALID, ALGORITHM_NOT_ALLOWED, DIGEST_MISMATCH, XML_FORBIDDEN,
    CERTIFICATE_*, REVOCATION_UNKNOWN, PARTICIPANT_MISMATCH.
    """
    with at_step(STEPS, "document"):
        check_document(root)
        check_ids_unique(root)
        if _HAS_XSI_TYPE(root):
            raise refuse(ErrorCode.XML_FORBIDDEN, what="xsi:type")
    with at_step(STEPS, "one signature"):
        check_one_signature(root)
        signature = _signature_at(root, signature_parent)
    with at_step(STEPS, "form"):
        key_info = children(signature, "form", SIGNED_INFO, SIGNATURE_VALUE, KEY_INFO, attributes=_ID)[2]
        certificates = _certificates(key_info)
    with at_step(STEPS, "certificate"):
        leaf, issuers = certificates[0], certificates[1:]
        signer = judge_signer(leaf, issuers, trust, at=at, participant=expected_participant, expected=expected)
        expected.of(signer.participant).check_key(public_key_of(leaf))
    _check_signature(root, signature, leaf)
    return Verified(signer=signer, signed_at=None, steps=STEPS)


def _signature_at(root: etree._Element, place: Place) -> etree._Element:
    """The signature that is a child of the expected parent: by position, wherever else one may stand."""
    parents = root.findall(place) if isinstance(place, str) else [place(root)]
    parent = parents[0] if len(parents) == 1 else None
    found = [] if parent is None else parent.findall(SIGNATURE)
    if len(found) != 1:
        raise malformed("one signature", "not at its place")
    return found[0]


def _certificates(key_info: etree._Element) -> list[x509.Certificate]:
    (data,) = children(key_info, "form", _X509_DATA, attributes=_ID)
    if not 1 <= len(data) <= CERTIFICATES_MAX:
        raise malformed("form", "number of certificates")
    listed = children(data, "form", *[_X509_CERTIFICATE] * len(data))
    return [load_certificate(decode(element, "form")) for element in listed]


def _check_signature(root: etree._Element, signature: etree._Element, certificate: x509.Certificate) -> None:
    """Steps (4), (5), (7) and (8)."""
    with at_step(STEPS, "reference"):
        info = read_signed_info(signature[0])
        if len(info.references) != 1 or info.references[0].uri != "":
            raise malformed("reference", "not the whole document")
        if info.references[0].transforms != _TRANSFORMS:
            raise malformed("reference", "transforms")
    with at_step(STEPS, "signature value"):
        check_value(info, signature, certificate)
    with at_step(STEPS, "digest"):
        unsigned = _without(root, signature)
        check_part(info.references[0], unsigned, canonical(unsigned))


def _without(root: etree._Element, signature: etree._Element) -> etree._Element:
    """A copy of the document from which the signature, and only it, is gone; the text after it stays."""
    route: list[int] = []
    node = signature
    while (parent := node.getparent()) is not None:
        route.append(parent.index(node))
        node = parent
    copy = deepcopy(root)
    target = copy
    for index in reversed(route[1:]):
        target = target[index]
    position = route[0]
    tail = target[position].tail or ""
    if position:
        target[position - 1].tail = (target[position - 1].tail or "") + tail
    else:
        target.text = (target.text or "") + tail
    del target[position]
    return copy
