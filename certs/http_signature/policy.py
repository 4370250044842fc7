"""What must be signed, how old it may be, and how large: the expectations of one verification, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509

from certs.expectations import STRICT, Expected

TAG = "eherrac"
LABEL = "eherrac"
CERTIFICATE_FIELD = "signature-certificate"
COVERED_PREFIXES = ("webhook-", "ce-", "idempotency-key")  # fields that mean something: signed wherever present

REQUEST_COMPONENTS = frozenset({"@method", "@authority", "@path", "@query", "content-digest"})
RESPONSE_COMPONENTS = frozenset({"@status", "content-digest", "@method;req", "@path;req"})
REQUEST_PARAMETERS = frozenset({"created", "expires", "nonce", "keyid", "alg", "tag"})
RESPONSE_PARAMETERS = REQUEST_PARAMETERS - {"nonce"}  # a response is bound to its request's signature


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSignaturePolicy:
    """Limits of one verification.

    `pinned` names the certificate path (leaf first) of peers that cannot send Signature-Certificate, by keyid (base64
    of the leaf's SHA-256). A certificate so pinned is judged like any other. `authorities` are the names under which
    requests may reach us, host and port as the Host field has them; empty, any is taken.
    """

    expected: Expected = STRICT  # of whom, by the certificate
    components_max: int = 40
    field_max_chars: int = 16_384  # fits an RSA-4096 path of four certificates
    certificates_max: int = 5
    nonce_max_chars: int = 128
    authorities: frozenset[str] = frozenset()
    pinned: Mapping[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)
