"""Our own keys: a credential is a private key with the certificate path that makes it somebody's.

The participant code stands in the certificate's organizationIdentifier (OID 2.5.4.97), exactly once. Keys come from
PEM files here, or stay inside a device that signs for us (PKCS#11): both sign through the same `Credential`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from certs.algorithms import PrivateKey, PublicKey, is_allowed_key, public_key_of, sign_bytes, verify_bytes
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

_PROBE = b"eherrac-gateway: does this key belong to this certificate?"


class DeviceKey(Protocol):
    """A private key that never leaves its device."""

    def sign_message(self, data: bytes) -> bytes:
        """RSA PKCS#1 v1.5 over SHA-256, or ECDSA P-256 over SHA-256 as raw r||s (64 bytes)."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """A key pair with its certificate path; `chain` holds the issuing CAs up to, without, the root.

    Two credentials are never compared by their keys; `repr` never shows the private key.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey | DeviceKey = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, key_pem: bytes, certificate_chain_pem: bytes) -> Credential:
        """Read a PKCS#8 key and a chain with the leaf first.

        Raises ValueError when the key cannot be read, does not belong to the leaf, or is neither RSA of 2048 to 4096
        bits nor P-256: this is our own configuration, so it is a fault to stop at and not a refusal.
        """
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
        except (TypeError, UnsupportedAlgorithm) as fault:
            raise ValueError(f"the private key cannot be read: {fault}") from fault
        certificates = x509.load_pem_x509_certificates(certificate_chain_pem)
        if not is_allowed_key(key):
            raise ValueError("the private key is neither RSA of 2048 to 4096 bits nor P-256")
        if _spki(key.public_key()) != _spki(certificates[0].public_key()):
            raise ValueError("the private key does not belong to the first certificate of the chain")
        return cls(certificates[0], tuple(certificates[1:]), key)  # type: ignore[arg-type]  # narrowed by is_allowed_key

    @classmethod
    def in_device(cls, key: DeviceKey, certificate_chain_pem: bytes) -> Credential:
        """A key inside a device, with its chain, the leaf first. It signs once to show that it is the leaf's.

        Raises ValueError when it is not, or the leaf's key is of a kind we do not speak.
        """
        certificates = x509.load_pem_x509_certificates(certificate_chain_pem)
        credential = cls(certificates[0], tuple(certificates[1:]), key)
        try:
            verify_bytes(credential.public_key, credential.sign(_PROBE), _PROBE)
        except RefusedError as fault:
            raise ValueError("the device's key does not belong to the first certificate of the chain") from fault
        return credential

    @property
    def participant(self) -> str:
        """The organizationIdentifier. Raises RefusedError(CERTIFICATE_USAGE) when absent or repeated."""
        codes = participant_codes(self.certificate)
        if len(codes) != 1:
            raise refuse(ErrorCode.CERTIFICATE_USAGE, what="organizationIdentifier")
        return codes[0]

    def sign(self, data: bytes) -> bytes:
        """RSA PKCS#1 v1.5 over SHA-256, or ECDSA P-256 over SHA-256 as raw r||s (64 bytes)."""
        key = self.private_key
        if isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
            return sign_bytes(key, data)
        return key.sign_message(data)

    @property
    def is_in_device(self) -> bool:
        """Whether a signature has to be waited for."""
        return not isinstance(self.private_key, RSAPrivateKey | EllipticCurvePrivateKey)

    @property
    def public_key(self) -> PublicKey:
        """The certificate's key, which tells the algorithm. Raises RefusedError(CERTIFICATE_USAGE)."""
        return public_key_of(self.certificate)

    @property
    def file_key(self) -> PrivateKey:
        """The private key itself. Raises ValueError where it is inside a device."""
        if not isinstance(self.private_key, RSAPrivateKey | EllipticCurvePrivateKey):
            raise ValueError("the private key never leaves its device")
        return self.private_key

    def to_pem(self) -> tuple[bytes, bytes]:
        """(unencrypted PKCS#8 key, chain with the leaf first): what `from_pem` reads. Not for devices: ValueError."""
        key = self.file_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key, pem_bundle((self.certificate, *self.chain))


def participant_codes(certificate: x509.Certificate) -> list[str]:
    """Every organizationIdentifier in the subject; a trusted certificate has exactly one."""
    return [str(part.value) for part in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)]


def pem_bundle(certificates: Sequence[x509.Certificate]) -> bytes:
    """The certificates one after another in PEM."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def _spki(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined,no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
