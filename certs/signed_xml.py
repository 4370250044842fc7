"""What enveloped signatures and WS-Security share: reading and writing `ds:SignedInfo`, canonical octets, ids.

Reading is strict: elements stand in their one order, attributes are the expected ones, nothing else is there. Nothing
is ever looked up by id; an id is only compared with that of the element standing at the expected position, and no two
elements of a message may carry the same one (in whatever spelling: Id, ID, id, wsu:Id, xml:id).

Writing puts SignedInfo down in its canonical form at once, so the octets that are signed need no second pass.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

from lxml import etree

from certs.algorithms import (
    DIGEST_SHA256,
    ECDSA_SHA256,
    EXCLUSIVE_C14N,
    RSA_SHA256,
    XMLDSIG,
    PublicKey,
    sha256_b64,
    signature_method,
    verify_bytes,
)
from certs.keystore import Credential
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

EXCLUSIVE_NAMESPACE = EXCLUSIVE_C14N  # the algorithm's name is also the namespace of InclusiveNamespaces
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
SIGNATURE = f"{{{XMLDSIG}}}Signature"
SIGNED_INFO = f"{{{XMLDSIG}}}SignedInfo"
SIGNATURE_VALUE = f"{{{XMLDSIG}}}SignatureValue"
KEY_INFO = f"{{{XMLDSIG}}}KeyInfo"
_C14N_METHOD = f"{{{XMLDSIG}}}CanonicalizationMethod"
_SIGNATURE_METHOD = f"{{{XMLDSIG}}}SignatureMethod"
_REFERENCE = f"{{{XMLDSIG}}}Reference"
_TRANSFORMS = f"{{{XMLDSIG}}}Transforms"
_TRANSFORM = f"{{{XMLDSIG}}}Transform"
_DIGEST_METHOD = f"{{{XMLDSIG}}}DigestMethod"
_DIGEST_VALUE = f"{{{XMLDSIG}}}DigestValue"
_INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_NAMESPACE}}}InclusiveNamespaces"

_URI = frozenset({"URI"})
_ALGORITHM = frozenset({"Algorithm"})

REFERENCES_MAX = 16


def _usual(prefix: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Canonical SignedInfo as nearly everybody writes it (group: its method), and a reference in it (groups: URI, a
    first transform if there are two, digest)."""

    def named(element: str, algorithm: str) -> str:
        return f'<{prefix}{element} Algorithm="{algorithm}"></{prefix}{element}>'

    declared = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    exclusive, sha256 = re.escape(EXCLUSIVE_C14N), re.escape(DIGEST_SHA256)
    methods = f"({re.escape(RSA_SHA256)}|{re.escape(ECDSA_SHA256)})"
    reference = (
        f'<{prefix}Reference URI="([A-Za-z0-9#_.:-]*)"><{prefix}Transforms>'
        f"(?:{named('Transform', '([A-Za-z0-9#_.:/-]+)')})?{named('Transform', exclusive)}</{prefix}Transforms>"
        f"{named('DigestMethod', sha256)}<{prefix}DigestValue>([A-Za-z0-9+/=]+)</{prefix}DigestValue>"
        f"</{prefix}Reference>"
    )
    whole = (
        f'<{prefix}SignedInfo {declared}="{XMLDSIG}">{named("CanonicalizationMethod", exclusive)}'
        f"{named('SignatureMethod', methods)}(?:{reference}){{1,{REFERENCES_MAX}}}</{prefix}SignedInfo>"
    )
    return re.compile(whole.encode()), re.compile(reference.encode())


_USUAL = {b"<ds:": _usual("ds:"), b"<Sig": _usual("")}

_IDS = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")
_DISGUISES = etree.XPath("boolean(//comment() | //processing-instruction())")
_SIGNATURES = etree.XPath("count(//ds:Signature)", namespaces={"ds": XMLDSIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One `ds:Reference`: what is signed, how it is transformed, and its SHA-256 in base64."""

    uri: str
    transforms: tuple[str, ...]
    digest: str
    prefixes: tuple[str, ...] = ()  # of InclusiveNamespaces; written by some peers, never by us


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInfo:
    """The statement that is signed: `octets` are its canonical form, exactly as the signature value covers them."""

    method: str
    references: tuple[Reference, ...]
    octets: bytes
    inclusive: bool = False  # InclusiveNamespaces with prefixes in it or in a reference


def malformed(step: str, what: str) -> RefusedError:
    """The refusal for a signature that is not of the agreed form."""
    return refuse(ErrorCode.SIGNATURE_MALFORMED, step=step, what=what)


def canonical(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    """Exclusive canonical octets without comments, as RFC 3741 has them. Raises RefusedError(SIGNATURE_MALFORMED)."""
    if prefixes:
        # lxml canonicalises a part in a document of its own, where namespaces declared further up are lost: carry them.
        attributes = {str(name): str(value) for name, value in element.attrib.items()}
        carrier = etree.Element(element.tag, attributes, nsmap=element.nsmap)  # type: ignore[arg-type]
        carrier.text = element.text
        carrier.extend(deepcopy(child) for child in element)
        element = carrier
    try:
        return etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=list(prefixes) or None
        )
    except etree.C14NError:
        raise malformed("canonical form", "a namespace is not an absolute URI") from None


def check_document(root: etree._Element) -> None:
    """The tree is a whole document without anything that canonical form drops but a reader could see.

    Raises RefusedError: SIGNATURE_MALFORMED, XML_FORBIDDEN (comments, processing instructions, DTD).
    """
    tree = root.getroottree()
    if root.getparent() is not None or tree.getroot() is not root:
        raise malformed("document", "root")
    if tree.docinfo.internalDTD is not None or _DISGUISES(root):
        raise refuse(ErrorCode.XML_FORBIDDEN, what="comment or processing instruction")


def check_one_signature(root: etree._Element) -> None:
    """Exactly one `ds:Signature` anywhere. Raises RefusedError: SIGNATURE_MISSING, SIGNATURE_MALFORMED."""
    count = _SIGNATURES(root)
    if count == 0:
        raise refuse(ErrorCode.SIGNATURE_MISSING, what="ds:Signature")
    if count != 1:
        raise malformed("signature", "more than one ds:Signature")


def check_ids_unique(root: etree._Element) -> None:
    """No two elements share an id, in any spelling. Raises RefusedError(SIGNATURE_MALFORMED)."""
    ids = [str(value) for value in cast("list[str]", _IDS(root))]
    if len(set(ids)) != len(ids):
        raise malformed("ids", "an id stands twice")


def children(
    element: etree._Element, step: str, *tags: str, attributes: frozenset[str] = frozenset()
) -> list[etree._Element]:
    """The children: exactly `tags` in this order, no text between them, no attributes but `attributes`."""
    found = list(element)
    if [child.tag for child in found] != [*tags]:
        raise malformed(step, f"content of {name_of(element)}")
    _check_bare(element, found, step, attributes)
    return found


def check_bare(element: etree._Element, step: str, attributes: frozenset[str] = frozenset()) -> None:
    """White space only between the children, and no attribute besides `attributes`."""
    _check_bare(element, list(element), step, attributes)


def _check_bare(
    element: etree._Element, found: Sequence[etree._Element], step: str, attributes: frozenset[str]
) -> None:
    for text in (element.text, *[child.tail for child in found]):
        if text and not text.isspace():
            raise malformed(step, f"text in {name_of(element)}")
    if not attributes.issuperset(element.keys()):
        raise malformed(step, f"attribute of {name_of(element)}")


def text_of(element: etree._Element, step: str, attributes: frozenset[str] = frozenset()) -> str:
    """The text of an element that has nothing but text."""
    if len(element) or not attributes.issuperset(element.keys()) or not element.text:
        raise malformed(step, name_of(element))
    return element.text


def decode(element: etree._Element, step: str, attributes: frozenset[str] = frozenset()) -> bytes:
    """The base64 content of an element, white space ignored."""
    text = "".join(text_of(element, step, attributes).split())
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise malformed(step, f"base64 of {name_of(element)}") from None


def name_of(element: etree._Element) -> str:
    """The local name, for refusals."""
    return etree.QName(element).localname


def read_signed_info(element: etree._Element, *, inclusive_allowed: bool = False) -> SignedInfo:
    """Read `ds:SignedInfo`. `inclusive_allowed` tolerates InclusiveNamespaces in the exclusive canonicalisation.

    Of a document that went through `check_document`: a comment, which canonical form drops, is not looked for again.

    Raises RefusedError: SIGNATURE_MALFORMED, ALGORITHM_NOT_ALLOWED(algorithm).
    """
    return _usual_signed_info(canonical(element)) or _read_signed_info(element, inclusive_allowed)


def _read_signed_info(element: etree._Element, inclusive_allowed: bool) -> SignedInfo:
    """Element by element, for whatever is unusual or wrong."""
    if not 3 <= len(element) <= 2 + REFERENCES_MAX:
        raise malformed("signed info", "number of references")
    expected = (_C14N_METHOD, _SIGNATURE_METHOD, *[_REFERENCE] * (len(element) - 2))
    c14n, method, *references = children(element, "signed info", *expected)
    prefixes = _exclusive(c14n, inclusive_allowed)
    method_name = _algorithm(method, (RSA_SHA256, ECDSA_SHA256))
    read = tuple(_read_reference(reference, inclusive_allowed) for reference in references)
    return SignedInfo(
        method=method_name,
        references=read,
        octets=canonical(element, prefixes),
        inclusive=bool(prefixes) or any(reference.prefixes for reference in read),
    )


def _usual_signed_info(octets: bytes) -> SignedInfo | None:
    """What everybody writes, read from the very octets that are signed; None: ask element by element, what is wrong."""
    whole, reference = _USUAL.get(octets[:4], _USUAL[b"<ds:"])
    found = whole.fullmatch(octets)
    if found is None:
        return None
    references = tuple(
        Reference(
            uri=uri.decode(),
            transforms=(first.decode(), EXCLUSIVE_C14N) if first else (EXCLUSIVE_C14N,),
            digest=digest.decode(),
        )
        for uri, first, digest in reference.findall(octets)
    )
    return SignedInfo(method=found[1].decode(), references=references, octets=octets)


def _read_reference(element: etree._Element, inclusive_allowed: bool) -> Reference:
    wanted = (_TRANSFORMS, _DIGEST_METHOD, _DIGEST_VALUE)
    transforms, method, value = children(element, "reference", *wanted, attributes=_URI)
    _algorithm(method, (DIGEST_SHA256,))
    if not 1 <= len(transforms) <= 2:
        raise malformed("reference", "number of transforms")
    listed = children(transforms, "reference", *[_TRANSFORM] * len(transforms))
    prefixes = _exclusive(listed[-1], inclusive_allowed)
    return Reference(
        uri=element.get("URI", "-"),
        transforms=tuple(transform.get("Algorithm", "") for transform in listed),
        digest="".join(text_of(value, "reference").split()),
        prefixes=prefixes,
    )


def _algorithm(element: etree._Element, allowed: Sequence[str]) -> str:
    if len(element) or element.keys() != ["Algorithm"] or (element.text or "").strip():
        raise malformed("algorithm", name_of(element))
    algorithm = element.get("Algorithm", "")
    if algorithm not in allowed:
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm)
    return algorithm


def _exclusive(element: etree._Element, inclusive_allowed: bool) -> tuple[str, ...]:
    """The element names exclusive canonicalisation; its inclusive prefixes, if tolerated."""
    if not (inclusive_allowed and len(element)):
        _algorithm(element, (EXCLUSIVE_C14N,))
        return ()
    (inclusive,) = children(element, "algorithm", _INCLUSIVE_NAMESPACES, attributes=_ALGORITHM)
    if element.get("Algorithm") != EXCLUSIVE_C14N:
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=element.get("Algorithm", ""))
    children(inclusive, "algorithm", attributes=frozenset({"PrefixList"}))
    prefixes = inclusive.get("PrefixList", "").split()
    if "#default" in prefixes:
        raise malformed("algorithm", "#default in PrefixList")
    return tuple(prefixes)


def check_digest(reference: Reference, octets: bytes) -> None:
    """The reference's digest is that of `octets`. Raises RefusedError(DIGEST_MISMATCH, reference, expected, received).

    `expected` is what the signature states, `received` what the part really has.
    """
    received = sha256_b64(octets)
    if received != reference.digest:
        raise refuse(
            ErrorCode.DIGEST_MISMATCH, reference=reference.uri, expected=reference.digest[:88], received=received
        )


def check_signed_info(info: SignedInfo, value: bytes, key: PublicKey) -> None:
    """The method is the key's own and the value is its signature. Raises ALGORITHM_NOT_ALLOWED, SIGNATURE_INVALID."""
    if info.method != signature_method(key):
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=info.method)
    verify_bytes(key, value, info.octets)


def write_signature(credential: Credential, references: Sequence[Reference], key_info: str) -> etree._Element:
    """A signed `ds:Signature`. `key_info` is the XML inside `ds:KeyInfo`, with its own namespace declarations."""
    method = signature_method(credential.public_key)
    inner = "".join(
        [
            f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>',
            f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>',
            *map(_write_reference, references),
        ]
    )
    octets = f'<ds:SignedInfo xmlns:ds="{XMLDSIG}">{inner}</ds:SignedInfo>'.encode()
    value = b64encode(credential.sign(octets)).decode("ascii")
    return etree.fromstring(
        f'<ds:Signature xmlns:ds="{XMLDSIG}"><ds:SignedInfo>{inner}</ds:SignedInfo>'
        f"<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo>{key_info}</ds:KeyInfo></ds:Signature>"
    )


def check_own_signature(signature: etree._Element, parts: Sequence[bytes], key: PublicKey) -> None:
    """What we are about to send: each digest is that of its part, in order, and the value holds in the tree.

    Raises RefusedError(DIGEST_MISMATCH, SIGNATURE_INVALID): the tree is not what was signed.
    """
    for element, octets in zip(signature[0].iter(_REFERENCE), parts, strict=True):
        stated = Reference(uri=element.get("URI", ""), transforms=(), digest=element[2].text or "")
        check_digest(stated, octets)
    verify_bytes(key, decode(signature[1], "signature value"), canonical(signature[0]))


def _write_reference(reference: Reference) -> str:
    transforms = "".join(f'<ds:Transform Algorithm="{name}"></ds:Transform>' for name in reference.transforms)
    return (
        f'<ds:Reference URI="{reference.uri}"><ds:Transforms>{transforms}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGEST_SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{reference.digest}</ds:DigestValue></ds:Reference>"
    )
