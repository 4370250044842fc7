"""Our own keys: a credential is a private key with the certificate path that makes it somebody's.

The participant code stands in the certificate's organizationIdentifier (OID 2.5.4.97), exactly once. Keys come from
PEM files here; a key that never leaves its device offers the same `sign`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from certs.algorithms import PrivateKey, is_allowed_key, sign_bytes
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import refuse


@dataclass(frozen=True, slots=True)
class Credential:
    """A key pair with its certificate path; `chain` holds the issuing CAs up to, without, the root.

    Two credentials are never compared by their keys; `repr` never shows the private key.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False, compare=False)

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

    @property
    def participant(self) -> str:
        """The organizationIdentifier. Raises RefusedError(CERTIFICATE_USAGE) when absent or repeated."""
        codes = participant_codes(self.certificate)
        if len(codes) != 1:
            raise refuse(ErrorCode.CERTIFICATE_USAGE, what="organizationIdentifier")
        return codes[0]

    def sign(self, data: bytes) -> bytes:
        """RSA PKCS#1 v1.5 over SHA-256, or ECDSA P-256 over SHA-256 as raw r||s (64 bytes)."""
        return sign_bytes(self.private_key, data)

    def to_pem(self) -> tuple[bytes, bytes]:
        """(unencrypted PKCS#8 key, chain with the leaf first): what `from_pem` reads."""
        key = self.private_key.private_bytes(
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
