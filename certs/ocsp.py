"""OCSP (RFC 6960): asking about a certificate, and which answers may be believed.

An answer counts for a certificate when
  (1) it is a successful one, with a nextUpdate, and repeats our nonce where we sent one and it has one;
  (2) it names this certificate: the serial number, and its issuer by name and by key;
  (3) it is signed by the issuer itself, or by a responder whose certificate the issuer signed for just that
      (OCSPSigning), which was valid when it answered, need not be asked about in turn (id-pkix-ocsp-nocheck), has a
      strong key, may sign by its key usage, and says nothing critical that is unknown to us;
  (4) the signature is that of the responder named in it, and with a digest we believe;
  (5) it is fresh by the same rules as lists are.
"Unknown" is no answer. Nothing is fetched here, and never while a message waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.algorithms import is_strong_key
from certs.freshness import Freshness
from certs.revocation import unknown, unrevoked_until
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import refuse

STRONG_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_OF_ONE = ("certificate_status", "hash_algorithm", "this_update_utc", "next_update_utc", "revocation_time_utc")
_RESPONDERS_EXTENSIONS = (x509.ExtendedKeyUsage, x509.KeyUsage, x509.BasicConstraints, x509.OCSPNoCheck)
_Answer = tuple[ocsp.OCSPResponse, ocsp.OCSPSingleResponse]


def build_request(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes | None = None) -> bytes:
    """The DER request for one certificate. Answers made in advance have no nonce; without one they may be cached."""
    # SHA-1 only names the issuer here, and is the one digest every responder knows (RFC 5019, 2.1.1).
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1())  # noqa: S303
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def read_answer(der: bytes, nonce: bytes | None = None) -> ocsp.OCSPResponse:
    """Step (1). Raises ValueError: not a readable OCSP answer, not a successful one, or to another request."""
    answer = ocsp.load_der_ocsp_response(der)
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(f"the responder says {answer.response_status.name}")
    _check_readable(answer)
    try:
        said = answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return answer
    if nonce is not None and said != nonce:
        raise ValueError("the answer is to another request")
    return answer


def _check_readable(answer: ocsp.OCSPResponse) -> None:
    """Read every field once: the library parses lazily and raises unrelated errors late."""
    signed = [answer, *answer.certificates]
    read = [(part, name) for part in signed for name in ("extensions", "signature_hash_algorithm")]
    read += [(answer, "responder_name"), (answer, "responder_key_hash"), (answer, "produced_at_utc")]
    read += [(found, name) for found in answer.certificates for name in ("issuer", "subject", "not_valid_after_utc")]
    read += [(single, name) for single in answer.responses for name in _OF_ONE]
    try:
        for part, name in read:
            getattr(part, name)
        for found in answer.certificates:
            found.public_key()
    except Exception as fault:  # UnsupportedAlgorithm, InvalidVersion, DuplicateExtension, ...
        raise ValueError(f"an answer that cannot be read: {type(fault).__name__}") from fault


def given_at(answer: ocsp.OCSPResponse) -> datetime:
    """The last moment that an answer speaks of: before it nobody had it."""
    return max(single.this_update_utc for single in answer.responses)


def is_believed(answer: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether an answer counts for a certificate at all, by steps (2) to (4); when it does is another question."""
    return OcspAnswers((answer,), Freshness()).fresh_until(certificate, issuer) is not None


class OcspAnswers:
    """All answers of one snapshot."""

    __slots__ = ("_answers", "_digests", "_freshness")

    def __init__(
        self, answers: Sequence[ocsp.OCSPResponse], freshness: Freshness, digests: frozenset[str] = STRONG_DIGESTS
    ) -> None:
        self._answers, self._freshness, self._digests = tuple(answers), freshness, digests

    def check(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> datetime:
        """Until when the answer "not revoked" holds.

        Raises RefusedError: REVOCATION_UNKNOWN(issuer[, next_update]), CERTIFICATE_REVOKED(serial, revoked_at).
        """
        newest = self._newest(certificate, issuer)
        fresh_until = None if newest is None else self._fresh_until(newest)
        if newest is None or fresh_until is None:
            raise refuse(ErrorCode.REVOCATION_UNKNOWN, issuer=issuer.subject.rfc4514_string())
        closes = fresh_until + self._freshness.grace
        if at > closes:
            raise unknown(issuer, fresh_until)
        revoked_at = newest.revocation_time_utc
        return closes if revoked_at is None else min(closes, unrevoked_until(certificate, revoked_at, at))

    def revoked_at(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """When it was revoked, by the newest answer of whatever age; None where that does not say so."""
        newest = self._newest(certificate, issuer)
        return None if newest is None else newest.revocation_time_utc

    def fresh_until(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """The end of freshness of what is known about a certificate; None where nothing is."""
        newest = self._newest(certificate, issuer)
        return None if newest is None else self._fresh_until(newest)

    def _fresh_until(self, single: ocsp.OCSPSingleResponse) -> datetime | None:
        return self._freshness.until(single.this_update_utc, single.next_update_utc)

    def _newest(self, certificate: x509.Certificate, issuer: x509.Certificate) -> ocsp.OCSPSingleResponse | None:
        believed = (
            single
            for answer, single in self._about(certificate, issuer)
            if single.certificate_status is not ocsp.OCSPCertStatus.UNKNOWN and self._is_believable(answer, issuer)
        )
        return max(believed, key=_order, default=None)

    def _about(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Iterable[_Answer]:
        """Step (2)."""
        for answer in self._answers:
            for single in answer.responses:
                if single.serial_number == certificate.serial_number and _names_issuer(single, issuer):
                    yield answer, single

    def _is_believable(self, answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
        """Steps (3) and (4)."""
        if any(extension.critical for extension in answer.extensions):
            return False
        responders = [issuer, *(found for found in answer.certificates if self._is_delegated(found, issuer, answer))]
        return any(_is_named(answer, found) and self._answers_as(found, answer) for found in responders)

    def _answers_as(self, responder: x509.Certificate, answer: ocsp.OCSPResponse) -> bool:
        octets, digest = answer.tbs_response_bytes, answer.signature_hash_algorithm
        return self._is_signed(responder.public_key(), answer.signature, octets, digest)

    def _is_delegated(self, responder: x509.Certificate, issuer: x509.Certificate, answer: ocsp.OCSPResponse) -> bool:
        """Signed by the issuer for answering, valid then, and not to be asked about in turn."""
        octets, digest = responder.tbs_certificate_bytes, responder.signature_hash_algorithm
        if responder.issuer != issuer.subject:
            return False
        in_time = responder.not_valid_before_utc <= answer.produced_at_utc <= responder.not_valid_after_utc
        meant = in_time and _may_answer(responder)
        return meant and self._is_signed(issuer.public_key(), responder.signature, octets, digest)

    def _is_signed(self, key: object, signature: bytes, octets: bytes, digest: HashAlgorithm | None) -> bool:
        if digest is None or digest.name not in self._digests:
            return False
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, octets, padding.PKCS1v15(), digest)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, octets, ec.ECDSA(digest))
            else:
                return False
        except (InvalidSignature, UnsupportedAlgorithm):
            return False
        return True


def _may_answer(responder: x509.Certificate) -> bool:
    """A certificate made for answering, and for being believed unasked: what it says besides must be known to us."""
    extensions = [(extension.critical, extension.value) for extension in responder.extensions]
    kinds = {type(value): value for _, value in extensions}
    usages, usage = kinds.get(x509.ExtendedKeyUsage), kinds.get(x509.KeyUsage)
    if not isinstance(usages, x509.ExtendedKeyUsage) or ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        return False
    if isinstance(usage, x509.KeyUsage) and not (usage.digital_signature or usage.content_commitment):
        return False  # RFC 5280, 4.2.1.12: either goes with OCSPSigning
    odd = any(critical and not isinstance(value, _RESPONDERS_EXTENSIONS) for critical, value in extensions)
    return x509.OCSPNoCheck in kinds and not odd and is_strong_key(responder.public_key())


def _order(single: ocsp.OCSPSingleResponse) -> tuple[datetime, bool]:
    """The newer last, and of two of one second that which says "revoked"."""
    return single.this_update_utc, single.certificate_status is ocsp.OCSPCertStatus.REVOKED


def _names_issuer(single: ocsp.OCSPSingleResponse, issuer: x509.Certificate) -> bool:
    algorithm = single.hash_algorithm.name
    if algorithm not in ("sha1", "sha256"):
        return False
    name = hashlib.new(algorithm, issuer.subject.public_bytes(), usedforsecurity=False).digest()
    key = hashlib.new(algorithm, _key_octets(issuer), usedforsecurity=False).digest()
    return (single.issuer_name_hash, single.issuer_key_hash) == (name, key)


def _is_named(answer: ocsp.OCSPResponse, responder: x509.Certificate) -> bool:
    if answer.responder_name is not None:
        return answer.responder_name == responder.subject
    return answer.responder_key_hash == hashlib.sha1(_key_octets(responder), usedforsecurity=False).digest()


def _key_octets(certificate: x509.Certificate) -> bytes:
    """The key's own octets, without its algorithm: what key hashes are of (RFC 6960, 4.1.1)."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return b""
