"""The algorithms the house speaks, as data: SHA-256 with RSA (PKCS#1 v1.5, 2048 bits or more) or ECDSA on P-256.

A signature value over ECDSA travels as raw r||s, 64 bytes (XMLDSig, RFC 9421 and JWS all want it so); OpenSSL's DER
form never leaves this file. Which algorithm is used follows from the key, never from what a message asks for.
"""

from __future__ import annotations

import hashlib
import warnings
from base64 import b64encode
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

RSA_MIN_BITS = 2048
RSA_MAX_BITS = 4096  # a longer one, brought by a stranger, would cost us more to refuse than him to send
RSA_MAX_EXPONENT = 2**32
CERTIFICATE_MAX_BYTES = 16_384
P256_PART_BYTES = 32
_FIELDS = ("version", "serial_number", "issuer", "subject", "not_valid_before_utc", "not_valid_after_utc", "extensions")

XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
DIGEST_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"


def is_allowed_key(key: object) -> bool:
    """RSA of 2048 to 4096 bits, or P-256."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return RSA_MIN_BITS <= key.key_size <= RSA_MAX_BITS
    return isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"


def is_affordable_key(key: object) -> bool:
    """A stranger's issuing key that may be tried: an elliptic curve, or RSA of bounded size and exponent."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size <= RSA_MAX_BITS and key.public_numbers().e < RSA_MAX_EXPONENT
    return isinstance(key, ec.EllipticCurvePublicKey)


def is_strong_key(key: object) -> bool:
    """An authority's: of an elliptic curve of 256 bits or more, or RSA of 2048 to 4096."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.key_size >= 8 * P256_PART_BYTES
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_MIN_BITS and is_affordable_key(key)


def signature_method(key: PrivateKey | PublicKey) -> str:
    """The XMLDSig name of the only algorithm this key signs with."""
    return RSA_SHA256 if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else ECDSA_SHA256


def sign_bytes(key: PrivateKey, data: bytes) -> bytes:
    """RSA PKCS#1 v1.5 over SHA-256, or ECDSA over SHA-256 as raw r||s."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), SHA256())
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256())))
    return r.to_bytes(P256_PART_BYTES, "big") + s.to_bytes(P256_PART_BYTES, "big")


def verify_bytes(key: PublicKey, signature: bytes, data: bytes) -> None:
    """Raise RefusedError(SIGNATURE_INVALID) unless `signature` is this key's over `data`."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), SHA256())
        else:
            key.verify(_to_der(signature), data, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise refuse(ErrorCode.SIGNATURE_INVALID) from None


def _to_der(signature: bytes) -> bytes:
    if len(signature) != 2 * P256_PART_BYTES:
        raise refuse(ErrorCode.SIGNATURE_INVALID)
    r, s = signature[:P256_PART_BYTES], signature[P256_PART_BYTES:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def sha256_b64(data: bytes) -> str:
    """Base64 of the SHA-256, as XMLDSig and Content-Digest write it."""
    return b64encode(hashlib.sha256(data).digest()).decode("ascii")


@lru_cache(maxsize=64)
def certificate_b64(certificate: x509.Certificate) -> str:
    """Base64 of the DER, as XML signatures carry it. Remembered: our own stands in every one we make."""
    return b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")


@lru_cache(maxsize=1024)
def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a DER certificate; remembered, because the same few peers send theirs with every message.

    Raises RefusedError(CERTIFICATE_MALFORMED).
    """
    if len(der) > CERTIFICATE_MAX_BYTES:
        raise refuse(ErrorCode.CERTIFICATE_MALFORMED, what="size")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities of a stranger's certificate are ours to judge, not to warn of
        try:
            certificate = x509.load_der_x509_certificate(der)
        except (ValueError, TypeError, x509.InvalidVersion):
            raise refuse(ErrorCode.CERTIFICATE_MALFORMED) from None
        check_readable(certificate)
    return certificate


def check_readable(certificate: x509.Certificate) -> None:
    """Read every field once: the library parses lazily and raises half a dozen unrelated errors late.

    Raises RefusedError(CERTIFICATE_MALFORMED, what).
    """
    for field in _FIELDS:
        try:
            getattr(certificate, field)
        except Exception as fault:  # ValueError, TypeError, InvalidVersion, DuplicateExtension, ...
            raise refuse(ErrorCode.CERTIFICATE_MALFORMED, what=field) from fault


@lru_cache(maxsize=1024)
def public_key_of(certificate: x509.Certificate) -> PublicKey:
    """The certificate's key. Raises RefusedError(CERTIFICATE_USAGE, what=key) for other kinds and short ones."""
    try:
        key = certificate.public_key()
    except (ValueError, TypeError):
        raise refuse(ErrorCode.CERTIFICATE_MALFORMED, what="key") from None
    except UnsupportedAlgorithm:
        raise _unspoken("unknown") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _unspoken(type(key).__name__.removesuffix("PublicKey"))
    if not is_allowed_key(key) or not is_affordable_key(key):  # a stranger's signature is looked at before his path
        raise _unspoken(_described(key))
    return key


def _described(key: PublicKey) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    return f"RSA of {key.key_size} bits, exponent of {key.public_numbers().e.bit_length()} bits"


def _unspoken(received: str) -> RefusedError:
    expected = f"RSA of {RSA_MIN_BITS} to {RSA_MAX_BITS} bits, or secp256r1"
    return refuse(ErrorCode.CERTIFICATE_USAGE, what="key", expected=expected, received=received)
