"""Sign: the headers to add to a request or a response that is otherwise ready to leave."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.algorithms import verify_bytes
from certs.http_signature.algorithms import algorithm_for
from certs.http_signature.base import Component, SignatureInput, content_digest, octets_text, signature_base
from certs.http_signature.message import Headers, HttpRequestParts, HttpResponseParts, MessageParts, field_values
from certs.http_signature.policy import COVERED_PREFIXES, LABEL, TAG
from certs.keystore import Credential

_LIFETIME_S = 300
_REQUEST = ("@method", "@authority", "@path", "@query", "content-digest", "signature-certificate")
_RESPONSE = ("@status", "content-digest", "signature-certificate")


def sign_request(parts: HttpRequestParts, credential: Credential, *, now: datetime, nonce: str) -> dict[str, str]:
    """Headers to add: Content-Digest, Signature-Certificate, Signature-Input, Signature.

    `nonce` is the caller's: unique per signature, printable ASCII.
    """
    covered = _of_request(_meaningful(parts.headers, has_body=bool(parts.body)))
    return _sign(parts, credential, covered, now=now, extra={"nonce": nonce})


def sign_response(
    parts: HttpResponseParts, request: HttpRequestParts, credential: Credential, *, now: datetime
) -> dict[str, str]:
    """Headers to add, as for a request; binds the response to the request and, if that was signed, to its signature."""
    was_signed = len(field_values(request.headers).get("signature", ())) == 1
    covered = _of_response(_meaningful(parts.headers, has_body=bool(parts.body)), was_signed)
    return _sign(parts, credential, covered, now=now, request=request)


@lru_cache(maxsize=64)
def _of_request(fields: tuple[str, ...]) -> tuple[Component, ...]:
    return tuple(Component(name) for name in (*_REQUEST, *fields))


@lru_cache(maxsize=64)
def _of_response(fields: tuple[str, ...], was_signed: bool) -> tuple[Component, ...]:
    asked = ("@method", "@path", "signature") if was_signed else ("@method", "@path")
    own = tuple(Component(name) for name in (*_RESPONSE, *fields))
    return own + tuple(Component(name, req=True) for name in asked)


def _sign(
    parts: MessageParts,
    credential: Credential,
    covered: tuple[Component, ...],
    *,
    now: datetime,
    request: HttpRequestParts | None = None,
    extra: Mapping[str, str | int] = MappingProxyType({}),
) -> dict[str, str]:
    keyid, certificates = certificate_field(credential.certificate, credential.chain)
    created = int(now.timestamp())
    signed = SignatureInput(
        label=LABEL,
        components=covered,
        parameters={"created": created, "expires": created + _LIFETIME_S}
        | dict(extra)
        | {"keyid": keyid, "alg": algorithm_for(credential.public_key), "tag": TAG},
    )
    added = {"Content-Digest": content_digest(parts.body), "Signature-Certificate": certificates}
    base = signature_base(signed, parts.with_headers(added), request)
    signature = credential.sign(base)
    verify_bytes(credential.public_key, signature, base)  # nothing leaves that our own certificate does not verify
    return added | {
        "Signature-Input": f"{LABEL}={signed.signature_params}",
        "Signature": f"{LABEL}={octets_text(signature)}",
    }


def _meaningful(headers: Headers, *, has_body: bool) -> tuple[str, ...]:
    present = dict.fromkeys([name.lower() for name, _ in headers])
    found = [name for name in present if name.startswith(COVERED_PREFIXES)]
    return ("content-type", *found) if has_body or "content-type" in present else tuple(found)


@lru_cache(maxsize=64)
def certificate_field(leaf: x509.Certificate, chain: tuple[x509.Certificate, ...]) -> tuple[str, str]:
    """The keyid of a certificate (base64 of its SHA-256), and its path as a Signature-Certificate field."""
    path = [certificate.public_bytes(Encoding.DER) for certificate in (leaf, *chain)]
    return key_id(path[0]), ", ".join(octets_text(der) for der in path)


def key_id(certificate_der: bytes) -> str:
    """base64 of the certificate's SHA-256."""
    return b64encode(hashlib.sha256(certificate_der).digest()).decode()
