"""The signature algorithms of RFC 9421 that a participant's key may use, and the check of one signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from certs.algorithms import is_allowed_key, verify_bytes
from certs.expectations import Algorithm
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

RSA_V1_5_SHA256 = "rsa-v1_5-sha256"
RSA_PSS_SHA512 = "rsa-pss-sha512"
ECDSA_P256_SHA256 = "ecdsa-p256-sha256"

_RSA_MAX_BITS = 4096  # above, one verification costs us more than a request costs its sender


def algorithm_for(key: object) -> str:
    """What we sign with.

    Raises:
        RefusedError: ALGORITHM_NOT_ALLOWED for a key of another kind.
    """
    if not is_allowed_key(key):
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=type(key).__name__)
    return RSA_V1_5_SHA256 if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else ECDSA_P256_SHA256


def verify_base(algorithm: str, key: object, signature: bytes, base: bytes) -> None:
    """Check one signature over one base with a given public key.

    Raises:
        RefusedError: ALGORITHM_NOT_ALLOWED, unknown or not of this key's kind; SIGNATURE_INVALID.
    """
    check = ALGORITHMS.get(algorithm)
    if check is None or not is_allowed_key(key):
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm)
    check(key, signature, base)


def _rsa_v1_5(key: object, signature: bytes, base: bytes) -> None:
    verify_bytes(_rsa(key, RSA_V1_5_SHA256), signature, base)


def _rsa_pss(key: object, signature: bytes, base: bytes) -> None:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
    try:
        _rsa(key, RSA_PSS_SHA512).verify(signature, base, pss, hashes.SHA512())
    except InvalidSignature:
        raise refuse(ErrorCode.SIGNATURE_INVALID) from None


def _ecdsa_p256(key: object, signature: bytes, base: bytes) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _unfit(ECDSA_P256_SHA256, key)
    verify_bytes(key, signature, base)


def _rsa(key: object, algorithm: str) -> rsa.RSAPublicKey:
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size > _RSA_MAX_BITS:
        raise _unfit(algorithm, key)
    return key


def _unfit(algorithm: str, key: object) -> RefusedError:
    """Named by who signed, and of another kind than the certificate's key; which one fits it."""
    fitting = algorithm_for(key)
    facts = {} if fitting == algorithm else {"fitting": fitting}
    return refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm, **facts)


ALGORITHMS: Mapping[str, Callable[[object, bytes, bytes], None]] = {
    RSA_V1_5_SHA256: _rsa_v1_5,
    RSA_PSS_SHA512: _rsa_pss,
    ECDSA_P256_SHA256: _ecdsa_p256,
}
NAMES: Mapping[str, Algorithm] = {
    RSA_V1_5_SHA256: Algorithm.RSA_SHA256,
    RSA_PSS_SHA512: Algorithm.RSA_PSS_SHA512,
    ECDSA_P256_SHA256: Algorithm.ECDSA_SHA256,
}
"""The house's names for them."""
