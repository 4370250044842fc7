"""RFC 3161 time-stamps: the request for one, the token's verification, and the answer an authority gives. Pure.

Verification of a token reads
  (1) CMS signed data with exactly one signer, over a TSTInfo;
  (2) the TSTInfo is of version 1, has no critical extension, and names the digest that was to be stamped, by SHA-256;
  (3) the signed attributes name that content, its digest, and the signing certificate by its SHA-256, the one that the
      signer's own identifier names;
  (4) the signature over the attributes is the certificate's, by an allowed algorithm;
  (5) the certificate's extended key usage is time-stamping, alone and critical;
  (6) the certificate is trusted at the time the token states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.algorithms import load_certificate, public_key_of
from certs.keystore import Credential
from certs.trust import TrustPolicy, TrustStore
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"
ANSWER_MAX_BYTES = 65_536  # a token with its certificates is about 4 kB
STEPS = ("form", "imprint", "attributes", "signature", "usage", "trust")
DEVELOPMENT_POLICY = "1.3.6.1.4.1.99999.1"  # of our development authority; nobody's in production

_CERTIFICATES_MAX = 8
_GRANTED = ("granted", "granted_with_mods")
_P256_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A token that holds: when the digest existed, by whose clock."""

    at: datetime
    authority: str
    serial: int


def policy_of(policy: TrustPolicy) -> TrustPolicy:
    """The same trust for an authority of time instead of a participant."""
    return replace(policy, participant_required=False, extended_usages=frozenset({ExtendedKeyUsageOID.TIME_STAMPING}))


def request(digest: bytes, nonce: int) -> bytes:
    """A query for a SHA-256 digest, asking for the certificate."""
    query = tsp.TimeStampReq(
        {"version": "v1", "message_imprint": _imprint(digest), "nonce": nonce, "cert_req": True},
    )
    encoded: bytes = query.dump()
    return encoded


def token_of(answer: bytes, nonce: int) -> bytes:
    """The token in an authority's answer; not verified yet but for being the answer to this query.

    Raises:
        RefusedError: SIGNATURE_MALFORMED; SIGNATURE_MISSING, the authority gave none (facts: what).
    """
    try:
        response = tsp.TimeStampResp.load(answer, strict=True)
        status = str(response["status"]["status"].native)
        if status not in _GRANTED:
            raise refuse(ErrorCode.SIGNATURE_MISSING, what=f"time-stamp (status {status})")
        token: bytes = response["time_stamp_token"].dump()
        _, info = _parts(token)
        answered = info["nonce"].native
    except (ValueError, TypeError, KeyError) as fault:
        raise _malformed("form", "not an answer to a query") from fault
    if answered != nonce:
        raise _malformed("form", "nonce")
    return token


def verify(token: bytes, digest: bytes, trust: TrustStore) -> Stamp:
    """Verify by the plan above. `trust` has the policy of `policy_of`.

    Raises:
        RefusedError: SIGNATURE_MALFORMED, _INVALID, DIGEST_MISMATCH, ALGORITHM_NOT_ALLOWED, CERTIFICATE_*,
            REVOCATION_UNKNOWN.
    """
    try:
        signed, info = _parts(token)  # (1)
        _check_imprint(info, digest)  # (2)
        signer = signed["signer_infos"][0]
        certificates = _certificates(signed)
        leaf = _check_attributes(signer, signed, certificates)  # (3)
        _check_signature(signer, leaf)  # (4)
        moment, serial = info["gen_time"].native, int(info["serial_number"].native)
    except (ValueError, TypeError, KeyError, IndexError) as fault:
        raise _malformed("form", "not a time-stamp token") from fault
    _check_usage(leaf)  # (5)
    judged = trust.judge(leaf, [one for one in certificates if one != leaf], moment)  # (6)
    return Stamp(at=moment.astimezone(UTC), authority=judged.subject, serial=serial)


def answer(query: bytes, credential: Credential, *, now: datetime, serial: int) -> bytes:
    """What an authority of time answers; for development and tests.

    Raises:
        RefusedError: SIGNATURE_MALFORMED, not a query for a SHA-256 digest.
    """
    try:
        asked = tsp.TimeStampReq.load(query, strict=True)
        imprint, nonce = asked["message_imprint"], asked["nonce"].native
        algorithm, digest = imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native
    except (ValueError, TypeError, KeyError) as fault:
        raise _malformed("form", "not a query") from fault
    if algorithm != "sha256" or len(digest) != SHA256.digest_size:
        raise _malformed("imprint", "not a SHA-256 digest")
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": DEVELOPMENT_POLICY,
            "message_imprint": _imprint(digest),
            "serial_number": serial,
            "gen_time": now.astimezone(UTC).replace(microsecond=0),
            **({} if nonce is None else {"nonce": nonce}),
        }
    )
    token = cms.ContentInfo({"content_type": "signed_data", "content": _signed_data(info, credential)})
    response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
    encoded: bytes = response.dump()
    return encoded


def _imprint(digest: bytes) -> tsp.MessageImprint:
    return tsp.MessageImprint({"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest})


def _parts(token: bytes) -> tuple[cms.SignedData, tsp.TSTInfo]:
    """Step (1)."""
    outer = cms.ContentInfo.load(token, strict=True)
    if outer["content_type"].native != "signed_data":
        raise _malformed("form", "not signed data")
    signed = outer["content"]
    inner = signed["encap_content_info"]
    if inner["content_type"].native != "tst_info" or len(signed["signer_infos"]) != 1:
        raise _malformed("form", "not one signature over a TSTInfo")
    return signed, tsp.TSTInfo.load(inner["content"].contents, strict=True)


def _check_imprint(info: tsp.TSTInfo, digest: bytes) -> None:
    """Step (2)."""
    imprint = info["message_imprint"]
    if info["version"].native != "v1" or imprint["hash_algorithm"]["algorithm"].native != "sha256":
        raise _malformed("imprint", "another version or digest algorithm")
    if any(extension["critical"].native for extension in info["extensions"]):
        raise _malformed("imprint", "a critical extension")
    stamped = imprint["hashed_message"].native
    if stamped != digest:
        raise refuse(ErrorCode.DIGEST_MISMATCH, reference="imprint", expected=stamped.hex(), received=digest.hex())


def _certificates(signed: cms.SignedData) -> list[x509.Certificate]:
    held = signed["certificates"]
    if not 1 <= len(held) <= _CERTIFICATES_MAX:
        raise _malformed("form", "number of certificates")
    return [load_certificate(one.chosen.dump()) for one in held]


def _check_attributes(
    signer: cms.SignerInfo, signed: cms.SignedData, certificates: Sequence[x509.Certificate]
) -> x509.Certificate:
    """Step (3); the certificate that signed, found by its digest."""
    attributes = {one["type"].native: one["values"] for one in signer["signed_attrs"]}
    if len(attributes) != len(signer["signed_attrs"]) or any(len(values) != 1 for values in attributes.values()):
        raise _malformed("attributes", "one stands twice")
    if attributes["content_type"][0].native != "tst_info" or signer["digest_algorithm"]["algorithm"].native != "sha256":
        raise _malformed("attributes", "another content or digest algorithm")
    content = signed["encap_content_info"]["content"].contents
    if attributes["message_digest"][0].native != hashlib.sha256(content).digest():
        raise refuse(ErrorCode.DIGEST_MISMATCH, reference="TSTInfo")
    named = attributes["signing_certificate_v2"][0]["certs"][0]
    if named["hash_algorithm"]["algorithm"].native != "sha256":
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm="signing certificate digest")
    for certificate in certificates:
        if certificate.fingerprint(SHA256()) == named["cert_hash"].native:
            _check_named(signer["sid"], certificate)
            return certificate
    raise _malformed("attributes", "the signing certificate is not there")


def _check_named(sid: cms.SignerIdentifier, certificate: x509.Certificate) -> None:
    """What is not signed says the same as what is: other readers look for the certificate by it."""
    if sid.name == "issuer_and_serial_number":
        own, named = _asn1(certificate), sid.chosen  # names by RFC 5280, 7.1: others may encode them anew
        agrees = named["issuer"] == own.issuer and named["serial_number"].native == own.serial_number
    else:
        agrees = sid.chosen.native == _asn1(certificate).key_identifier
    if not agrees:
        raise _malformed("attributes", "another certificate is named beside them")


def _check_signature(signer: cms.SignerInfo, leaf: x509.Certificate) -> None:
    """Step (4). The attributes are signed as a SET, whatever tag they travel under."""
    signed = signer["signed_attrs"].untag().dump()
    value, key = signer["signature"].native, public_key_of(leaf)
    algorithm = signer["signature_algorithm"]["algorithm"].native
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm in ("rsassa_pkcs1v15", "sha256_rsa"):
            key.verify(value, signed, padding.PKCS1v15(), SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "sha256_ecdsa":
            key.verify(value, signed, ec.ECDSA(SHA256()))
        else:
            raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm)
    except InvalidSignature:
        raise refuse(ErrorCode.SIGNATURE_INVALID) from None


def _check_usage(leaf: x509.Certificate) -> None:
    """Step (5)."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise refuse(ErrorCode.CERTIFICATE_USAGE, what="extendedKeyUsage") from None
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise refuse(ErrorCode.CERTIFICATE_USAGE, what="extendedKeyUsage")


def _signed_data(info: tsp.TSTInfo, credential: Credential) -> cms.SignedData:
    content = info.dump()
    leaf = _asn1(credential.certificate)
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [hashlib.sha256(content).digest()]},
            {
                "type": "signing_certificate_v2",
                "values": [tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(leaf.dump()).digest()}]})],
            },
        ]
    )
    algorithm, value = _sign(credential, attributes.dump())
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.IssuerAndSerialNumber({"issuer": leaf.issuer, "serial_number": leaf.serial_number}),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": algorithm,
            "signature": value,
        }
    )
    return cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "certificates": [leaf, *(_asn1(issuer) for issuer in credential.chain)],
            "signer_infos": [signer],
        }
    )


def _sign(credential: Credential, octets: bytes) -> tuple[dict[str, str], bytes]:
    value = credential.sign(octets)
    if isinstance(credential.certificate.public_key(), ec.EllipticCurvePublicKey):
        r, s = value[:_P256_BYTES], value[_P256_BYTES:]
        return {"algorithm": "sha256_ecdsa"}, encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    return {"algorithm": "sha256_rsa"}, value


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _malformed(step: str, what: str) -> RefusedError:
    return refuse(ErrorCode.SIGNATURE_MALFORMED, step=step, what=what)
