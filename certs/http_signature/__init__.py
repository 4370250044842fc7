"""HTTP message signatures (RFC 9421) with Content-Digest (RFC 9530): who sent these bytes, and are they unchanged?

Pure: parts of a message, a key or a trust store, and a time in; headers to add, or a verdict, out. The profile is
narrow on purpose, see `verify` for the numbered plan and `docs` of `HttpSignaturePolicy` for its limits.
"""

from certs.http_signature.algorithms import ALGORITHMS, verify_base
from certs.http_signature.base import Component, SignatureInput, content_digest, signature_base
from certs.http_signature.message import HttpRequestParts, HttpResponseParts
from certs.http_signature.policy import HttpSignaturePolicy
from certs.http_signature.signing import sign_request, sign_response
from certs.http_signature.verification import verify_request, verify_response

__all__ = [
    "ALGORITHMS",
    "Component",
    "HttpRequestParts",
    "HttpResponseParts",
    "HttpSignaturePolicy",
    "SignatureInput",
    "content_digest",
    "sign_request",
    "sign_response",
    "signature_base",
    "verify_base",
    "verify_request",
    "verify_response",
]
