"""XAdES-B-B and B-T over files beside the signature (ETSI EN 319 132-1), as ASiC-E containers carry it.

Written and read in one narrow form: a reference per file by name without transforms, one reference to the signed
properties, which hold the signing time, the digest of the signing certificate and each file's media type. One
time-stamp over the signature value may follow (B-T); of other unsigned properties there are none.
Verification reads
  (1) the wrapper holds exactly one signature; no id stands twice; no comments, no instructions, no `xml:` attributes;
  (2) every element stands in its one order with its expected attributes, and nothing else does;
  (3) canonicalisation, digest and signature algorithms are the allowed ones;
  (4) the references are the given files, each once, and the signed properties; each digest, recomputed, is the signed;
  (5) the signed properties name the signing certificate by its digest, a signing time, and a media type per file;
  (6) the signature value over SignedInfo is the certificate's.
Whether the certificate is trusted is for the caller to ask, at the time he asks for; and whether the time-stamp holds,
by the imprint given here.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.algorithms import (
    DIGEST_SHA256,
    EXCLUSIVE_C14N,
    XMLDSIG,
    certificate_b64,
    load_certificate,
    public_key_of,
    sha256_b64,
    signature_method,
    verify_bytes,
)
from certs.keystore import Credential
from certs.signed_xml import (
    KEY_INFO,
    SIGNATURE,
    SIGNATURE_VALUE,
    SIGNED_INFO,
    check_bare,
    check_document,
    check_ids_unique,
    check_one_signature,
    children,
    decode,
    malformed,
    text_of,
)
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import refuse
from contracts.instants import instant_of
from contracts.xml import XmlLimits, parse_xml

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
SIGNED_PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"
C14N_1_0 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_1_1 = "http://www.w3.org/2006/12/xml-c14n11"
_C14N = (C14N_1_0, C14N_1_1, EXCLUSIVE_C14N)

STEPS = ("wrapper", "form", "algorithms", "references", "signed properties", "signature value")
CERTIFICATES_MAX = 4
FILES_MAX = 16  # of a protocol; an evidence file names more

_ID = frozenset({"Id"})
_XML_ATTRIBUTES = etree.XPath("boolean(//@xml:*)")


def _ds(name: str) -> str:
    return f"{{{XMLDSIG}}}{name}"


def _xa(name: str) -> str:
    return f"{{{XADES}}}{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedFile:
    """A file beside the signature."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class XadesSignature:
    """A signature that holds: the certificate path it brought (leaf first), its claimed time, the media types.

    `token` is the time-stamp it carries, not verified; it must be of `imprint`, the SHA-256 of the signature value.
    """

    certificates: tuple[x509.Certificate, ...]
    signing_time: datetime
    media_types: Mapping[str, str]
    imprint: bytes
    token: bytes | None = None


def xml_limits(files_max: int) -> XmlLimits:
    """Limits of a document that names so many files: a reference and a format are below a kilobyte, five elements."""
    return XmlLimits(body_max_bytes=131_072 + 1_024 * files_max, elements_max=20_000 + 5 * files_max)


def sign_detached(
    files: Sequence[DetachedFile], credential: Credential, *, now: datetime, files_max: int = FILES_MAX
) -> bytes:
    """The signature file: `XAdESSignatures` with one signature. Checked before it leaves.

    File names must need no escaping in a URI. `now` becomes the claimed signing time, in whole seconds.
    """
    root = etree.fromstring(_draft(files, credential, now))
    signature = root[0]
    info, value, properties = signature[0], signature[1], signature[3][0][0]
    info[-1][-1].text = sha256_b64(_canonical(properties, C14N_1_0))
    value.text = b64encode(credential.sign(_canonical(info, C14N_1_0))).decode("ascii")
    written = _document(root)
    verify_detached(written, {file.name: file.content for file in files}, files_max=files_max)
    return written


def with_time_stamp(signature_file: bytes, token: bytes, *, files_max: int = FILES_MAX) -> bytes:
    """Our own signature file with a token over its signature value (RFC 3161, DER): B-B becomes B-T."""
    root = parse_xml(signature_file, limits=xml_limits(files_max))
    qualifying = root[0][3][0]
    qualifying.append(
        etree.fromstring(
            f'<xades:UnsignedProperties xmlns:xades="{XADES}" xmlns:ds="{XMLDSIG}"><xades:UnsignedSignatureProperties>'
            f'<xades:SignatureTimeStamp Id="S0-TS"><ds:CanonicalizationMethod Algorithm="{C14N_1_0}"/>'
            f"<xades:EncapsulatedTimeStamp>{b64encode(token).decode()}</xades:EncapsulatedTimeStamp>"
            f"</xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
        )
    )
    return _document(root)


def verify_detached(signature_file: bytes, files: Mapping[str, bytes], *, files_max: int = FILES_MAX) -> XadesSignature:
    """Verify by the plan above.

    Raises:
        RefusedError: XML_*, SIGNATURE_MISSING, _MALFORMED, _INCOMPLETE (a file is not signed), _INVALID,
            DIGEST_MISMATCH, ALGORITHM_NOT_ALLOWED, CERTIFICATE_MALFORMED, TIME_INVALID.
    """
    root = parse_xml(signature_file, limits=xml_limits(files_max))
    _check_wrapper(root)  # (1)
    wanted = (SIGNED_INFO, SIGNATURE_VALUE, KEY_INFO, _ds("Object"))
    info, value, key_info, container = children(root[0], "form", *wanted, attributes=_ID)  # (2)
    properties, *unsigned = _properties(container, root[0].get("Id", ""))
    token, c14n = _read_time_stamp(unsigned[0]) if unsigned else (None, C14N_1_0)
    certificates = _certificates(key_info)
    names = _check_references(info, files, properties, files_max)  # (3) (4)
    signing_time, media_types = _read_properties(properties, certificates[0], names)  # (5)
    _check_value(info, decode(value, "signature value", _ID), certificates[0])  # (6)
    return XadesSignature(
        certificates=certificates,
        signing_time=signing_time,
        media_types=media_types,
        imprint=hashlib.sha256(_canonical(value, c14n)).digest(),
        token=token,
    )


def _draft(files: Sequence[DetachedFile], credential: Credential, now: datetime) -> str:
    """The whole document with an empty digest of the signed properties and an empty signature value."""
    digest_method = f'<ds:DigestMethod Algorithm="{DIGEST_SHA256}"/>'
    references = "".join(
        f'<ds:Reference Id="S0-R{index}" URI="{file.name}">{digest_method}'
        f"<ds:DigestValue>{sha256_b64(file.content)}</ds:DigestValue></ds:Reference>"
        for index, file in enumerate(files)
    )
    formats = "".join(
        f'<xades:DataObjectFormat ObjectReference="#S0-R{index}"><xades:MimeType>{file.media_type}</xades:MimeType>'
        f"</xades:DataObjectFormat>"
        for index, file in enumerate(files)
    )
    certificates = "".join(
        f"<ds:X509Certificate>{certificate_b64(certificate)}</ds:X509Certificate>"
        for certificate in (credential.certificate, *credential.chain)
    )
    signing_time = now.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return (
        f'<asic:XAdESSignatures xmlns:asic="{ASIC}"><ds:Signature xmlns:ds="{XMLDSIG}" Id="S0"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{C14N_1_0}"/>'
        f'<ds:SignatureMethod Algorithm="{signature_method(credential.public_key)}"/>{references}'
        f'<ds:Reference Type="{SIGNED_PROPERTIES_TYPE}" URI="#S0-SP">'
        f'<ds:Transforms><ds:Transform Algorithm="{C14N_1_0}"/></ds:Transforms>'
        f"{digest_method}<ds:DigestValue/></ds:Reference></ds:SignedInfo>"
        f'<ds:SignatureValue Id="S0-SV"/><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo><ds:Object>'
        f'<xades:QualifyingProperties xmlns:xades="{XADES}" Target="#S0"><xades:SignedProperties Id="S0-SP">'
        f"<xades:SignedSignatureProperties><xades:SigningTime>{signing_time}</xades:SigningTime>"
        f"<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>{digest_method}"
        f"<ds:DigestValue>{sha256_b64(_der(credential.certificate))}</ds:DigestValue></xades:CertDigest></xades:Cert>"
        f"</xades:SigningCertificateV2></xades:SignedSignatureProperties>"
        f"<xades:SignedDataObjectProperties>{formats}</xades:SignedDataObjectProperties>"
        f"</xades:SignedProperties></xades:QualifyingProperties></ds:Object></ds:Signature></asic:XAdESSignatures>"
    )


def _check_wrapper(root: etree._Element) -> None:
    check_document(root)
    check_ids_unique(root)
    check_one_signature(root)
    if root.tag != f"{{{ASIC}}}XAdESSignatures" or _XML_ATTRIBUTES(root):
        raise malformed("wrapper", "not a plain XAdESSignatures")
    children(root, "wrapper", SIGNATURE)


def _properties(container: etree._Element, signature_id: str) -> list[etree._Element]:
    """The signed properties, and the unsigned ones if there are any."""
    (qualifying,) = children(container, "form", _xa("QualifyingProperties"))
    wanted = [_xa("SignedProperties"), *[_xa("UnsignedProperties")] * (len(qualifying) > 1)]
    properties = children(qualifying, "form", *wanted, attributes=frozenset({"Target"}))
    if not signature_id or qualifying.get("Target") != f"#{signature_id}":
        raise malformed("form", "Target")
    return properties


def _read_time_stamp(unsigned: etree._Element) -> tuple[bytes, str]:
    """The one time-stamp, and the canonicalisation of the signature value that it is over."""
    (of_signature,) = children(unsigned, "form", _xa("UnsignedSignatureProperties"))
    (stamp,) = children(of_signature, "form", _xa("SignatureTimeStamp"))
    wanted = (_ds("CanonicalizationMethod"), _xa("EncapsulatedTimeStamp"))
    method, token = children(stamp, "form", *wanted, attributes=_ID)
    return decode(token, "form", _ID), _algorithm(method, _C14N)


def _certificates(key_info: etree._Element) -> tuple[x509.Certificate, ...]:
    (data,) = children(key_info, "form", _ds("X509Data"))
    if not 1 <= len(data) <= CERTIFICATES_MAX:
        raise malformed("form", "number of certificates")
    listed = children(data, "form", *[_ds("X509Certificate")] * len(data))
    return tuple(load_certificate(decode(element, "form")) for element in listed)


def _check_references(
    info: etree._Element, files: Mapping[str, bytes], properties: etree._Element, files_max: int
) -> dict[str, str]:
    """Steps (3) and (4); the file's name by its reference's id."""
    if not 3 <= len(info) <= 3 + files_max:
        raise malformed("references", "number")
    expected = (_ds("CanonicalizationMethod"), _ds("SignatureMethod"), *[_ds("Reference")] * (len(info) - 2))
    _, _, *references, last = children(info, "form", *expected, attributes=_ID)
    _check_properties_reference(last, properties)
    names = {_id_of(reference): _check_file_reference(reference, files) for reference in references}
    if len(names) != len(references) or len(set(names.values())) != len(references):
        raise malformed("references", "a file is referenced twice")
    unsigned = sorted(set(files) - set(names.values()))
    if unsigned:
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=unsigned[0])
    return names


def _check_file_reference(reference: etree._Element, files: Mapping[str, bytes]) -> str:
    wanted = (_ds("DigestMethod"), _ds("DigestValue"))
    method, value = children(reference, "references", *wanted, attributes=frozenset({"Id", "URI"}))
    name = reference.get("URI", "")
    if name not in files:
        raise malformed("references", "a file that is not in the container")
    _check_digest(name, method, value, files[name])
    return name


def _check_properties_reference(reference: etree._Element, properties: etree._Element) -> None:
    wanted = (_ds("Transforms"), _ds("DigestMethod"), _ds("DigestValue"))
    attributes = frozenset({"Id", "URI", "Type"})
    transforms, method, value = children(reference, "references", *wanted, attributes=attributes)
    (transform,) = children(transforms, "references", _ds("Transform"))
    identifier = properties.get("Id", "")
    if reference.get("Type") != SIGNED_PROPERTIES_TYPE or not identifier or reference.get("URI") != f"#{identifier}":
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part="SignedProperties")
    _check_digest(f"#{identifier}", method, value, _canonical(properties, _algorithm(transform, _C14N)))


def _check_digest(reference: str, method: etree._Element, value: etree._Element, octets: bytes) -> None:
    _algorithm(method, (DIGEST_SHA256,))
    stated, received = "".join(text_of(value, "references").split()), sha256_b64(octets)
    if stated != received:
        raise refuse(ErrorCode.DIGEST_MISMATCH, reference=reference, expected=stated[:88], received=received)


def _read_properties(
    properties: etree._Element, certificate: x509.Certificate, names: Mapping[str, str]
) -> tuple[datetime, dict[str, str]]:
    wanted = (_xa("SignedSignatureProperties"), _xa("SignedDataObjectProperties"))
    of_signature, of_data = children(properties, "signed properties", *wanted, attributes=_ID)
    wanted = (_xa("SigningTime"), _xa("SigningCertificateV2"))
    time, certificate_reference = children(of_signature, "signed properties", *wanted)
    _check_certificate_digest(certificate_reference, certificate)
    formats = children(of_data, "signed properties", *[_xa("DataObjectFormat")] * len(of_data))
    media_types = dict(_read_format(entry, names) for entry in formats)
    if len(media_types) != len(formats) or set(media_types) != set(names.values()):
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part="DataObjectFormat")
    return _signing_time(text_of(time, "signed properties")), media_types


def _check_certificate_digest(reference: etree._Element, certificate: x509.Certificate) -> None:
    (entry,) = children(reference, "signed properties", _xa("Cert"))
    digest = entry[0] if len(entry) else entry
    # IssuerSerialV2 may follow; the digest alone identifies the certificate.
    children(entry, "signed properties", _xa("CertDigest"), *[_xa("IssuerSerialV2")] * (len(entry) - 1))
    method, value = children(digest, "signed properties", _ds("DigestMethod"), _ds("DigestValue"))
    _check_digest("SigningCertificateV2", method, value, _der(certificate))


def _read_format(entry: etree._Element, names: Mapping[str, str]) -> tuple[str, str]:
    (media_type,) = children(entry, "signed properties", _xa("MimeType"), attributes=frozenset({"ObjectReference"}))
    target = entry.get("ObjectReference", "").removeprefix("#")
    if target not in names:
        raise malformed("signed properties", "ObjectReference")
    return names[target], text_of(media_type, "signed properties")


def _signing_time(text: str) -> datetime:
    moment = instant_of(text)
    if moment is None:
        raise refuse(ErrorCode.TIME_INVALID, path="SigningTime")
    return moment


def _check_value(info: etree._Element, value: bytes, certificate: x509.Certificate) -> None:
    key = public_key_of(certificate)
    c14n = _algorithm(info[0], _C14N)
    _algorithm(info[1], (signature_method(key),))
    verify_bytes(key, value, _canonical(info, c14n))


def _algorithm(element: etree._Element, allowed: Sequence[str]) -> str:
    check_bare(element, "algorithms", frozenset({"Algorithm"}))
    algorithm = element.get("Algorithm", "")
    if len(element) or algorithm not in allowed:
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm)
    return algorithm


def _canonical(element: etree._Element, method: str) -> bytes:
    """Canonical octets with the namespaces in scope; 1.0 and 1.1 differ in `xml:` attributes only, refused above."""
    scope: Any = element.nsmap
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    carrier = etree.Element(element.tag, attributes, nsmap=scope)
    carrier.text = element.text
    carrier.extend(deepcopy(child) for child in element)
    return etree.tostring(carrier, method="c14n", exclusive=method == EXCLUSIVE_C14N, with_comments=False)


def _document(root: etree._Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root, encoding="UTF-8")


def _id_of(reference: etree._Element) -> str:
    identifier = reference.get("Id")
    if not identifier:
        raise malformed("references", "a file's reference without an id")
    return identifier


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
