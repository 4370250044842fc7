"""What a kept message says: who signed it and when, or why it is refused. Pure: octets, a trust store and a time in.

The checks are the doors' own (`certs.wss`, `certs.http_signature`, `certs.xmldsig`); files are what banks log and what
we keep as evidence: an envelope, an ISO 20022 wrapper, an HTTP message with its fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from certs.expectations import STRICT, Expected
from certs.http_signature import (
    HttpRequestParts,
    HttpResponseParts,
    HttpSignaturePolicy,
    verify_request,
    verify_response,
)
from certs.trust import TrustStore, Verified
from certs.wss import verify_envelope
from certs.xmldsig import verify_enveloped
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import envelope
from contracts.xml import XmlLimits, parse_xml
from gateway.wire.octets import read_message

FILE_MAX_BYTES = 16 * 1_048_576  # a sealed protocol in base64 inside an envelope is the largest


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How strictly a file is judged, and whose it must be."""

    now: datetime
    expected: Expected = STRICT
    participant: str | None = None  # who must have signed; None: whoever


def verify_soap(content: bytes, trust: TrustStore, terms: Terms) -> Verified:
    """A SOAP envelope with WS-Security. Raises RefusedError as `verify_envelope` and the parser."""
    root = parse_xml(content, limits=XmlLimits(body_max_bytes=FILE_MAX_BYTES))
    return verify_envelope(root, trust, at=terms.now, expected=terms.expected, participant=terms.participant).verified


def verify_rest(content: bytes, trust: TrustStore, terms: Terms, *, request: bytes | None = None) -> Verified:
    """An HTTP message with its fields; a response is verified with the `request` it answers.

    Raises RefusedError: CONTENT_TYPE, not an HTTP message, or a response without its request; as `verify_request`.
    """
    policy, message = HttpSignaturePolicy(expected=terms.expected), read_message(content)
    judged: dict[str, Any] = {"at": terms.now, "policy": policy, "expected_participant": terms.participant}
    if isinstance(message, HttpRequestParts):
        return verify_request(message, trust, **judged)
    return verify_response(message, _request_of(message, request), trust, **judged)


def verify_iso(content: bytes, trust: TrustStore, terms: Terms) -> Verified:
    """An ISO 20022 wrapper signed in its header. Its age is that of the header's creation date.

    Raises RefusedError as `verify_enveloped`; SIGNATURE_AGE.
    """
    root = parse_xml(content, limits=XmlLimits(body_max_bytes=FILE_MAX_BYTES))
    created = envelope.read_header(root).created_at
    verified = verify_enveloped(
        root,
        trust,
        at=terms.now,
        signature_parent=envelope.signature_parent,
        expected_participant=terms.participant,
        expected=terms.expected,
    )
    terms.expected.of(verified.signer.participant).check_document_age(created, terms.now)
    return Verified(signer=verified.signer, signed_at=created, steps=verified.steps)


def _request_of(_: HttpResponseParts, request: bytes | None) -> HttpRequestParts:
    asked = None if request is None else read_message(request)
    if not isinstance(asked, HttpRequestParts):
        raise refuse(ErrorCode.CONTENT_TYPE, received="HTTP response", expected="HTTP response and its request")
    return asked
