"""Verifying a kept message again, from its octets alone, at the time it passed. Pure.

A message is one of: an HTTP request or response (RFC 9421), and the ISO 20022 message in it, if there is one; a SOAP
envelope (WS-Security); a receipt (enveloped XML signature); a person's decision (sealed container). What carries no
signature is our own note of where a record was written; it stands only under the seal of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certs.asice import MEDIA_TYPE as SEALED_TYPE
from certs.asice import open_sealed
from certs.expectations import Expectations, Expected
from certs.http_signature import (
    HttpRequestParts,
    HttpResponseParts,
    HttpSignaturePolicy,
    verify_request,
    verify_response,
)
from certs.tolerance import Tolerance
from certs.trust import Signer, TrustStore
from certs.wss import verify_envelope
from certs.xmldsig import verify_enveloped
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.receipt.codec import LIMITS as RECEIPT_LIMITS
from contracts.receipt.codec import MEDIA_TYPE as RECEIPT_TYPE
from contracts.soap.names import SoapVersion
from contracts.xml import XmlLimits, parse_xml
from gateway.wire import octets
from gateway.wire.iso_envelope import MESSAGES_PATH, open_signed

# When it passed, its age and form were judged by the settings of that day; here only that it belongs to its time.
AGE_MAX_S = 3_900
CLOCK_SKEW_MAX_S = 600
_THEN = Expected(
    house=Expectations(max_age_s=AGE_MAX_S, clock_skew_s=CLOCK_SKEW_MAX_S, tolerances=frozenset(Tolerance))
)
_ENVELOPE_LIMITS = XmlLimits(body_max_bytes=16 * 1_048_576)  # as the SOAP client takes them
_SOAP_TYPES = frozenset(version.media_type for version in SoapVersion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibited:
    """A kept message. `request` are the octets of the request that an HTTP response answers."""

    media_type: str
    content: bytes
    at: datetime
    request: bytes | None = None


def is_signed(media_type: str) -> bool:
    """Whether messages of this kind carry a signature."""
    return media_type in _VERIFIERS


def signer_of(exhibited: Exhibited, trust: TrustStore, pinned: Mapping[str, tuple[x509.Certificate, ...]]) -> Signer:
    """Who signed the message.

    Args:
        pinned: paths of signers whose messages name their certificate without carrying it, by keyid.

    Raises:
        RefusedError: the signature does not hold, or not at that time, with the step that says so.
    """
    return _VERIFIERS[exhibited.media_type](exhibited, trust, pinned)


def _http(exhibited: Exhibited, trust: TrustStore, pinned: Mapping[str, tuple[x509.Certificate, ...]]) -> Signer:
    policy = HttpSignaturePolicy(expected=_THEN, pinned=pinned)
    message = octets.read_message(exhibited.content)
    if isinstance(message, HttpRequestParts):
        signer = verify_request(message, trust, at=exhibited.at, policy=policy).signer
        if message.path.endswith(MESSAGES_PATH):
            _check_iso(message.body, trust, exhibited.at, signer.participant)
        return signer
    return _response(message, exhibited, trust, policy)


def _response(
    answer: HttpResponseParts, exhibited: Exhibited, trust: TrustStore, policy: HttpSignaturePolicy
) -> Signer:
    request = None if exhibited.request is None else octets.read_message(exhibited.request)
    if not isinstance(request, HttpRequestParts):
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part="the request that is answered")
    return verify_response(answer, request, trust, at=exhibited.at, policy=policy).signer


def _check_iso(body: bytes, trust: TrustStore, at: datetime, participant: str) -> None:
    """The ISO 20022 message bears the same participant's own signature (AOS-S2)."""
    open_signed(body, trust, at=at, participant_of=lambda _: participant, wrapper=None)


def _soap(exhibited: Exhibited, trust: TrustStore, _: Mapping[str, tuple[x509.Certificate, ...]]) -> Signer:
    root = parse_xml(exhibited.content, limits=_ENVELOPE_LIMITS)
    return verify_envelope(root, trust, at=exhibited.at, expected=_THEN).verified.signer


def _receipt(exhibited: Exhibited, trust: TrustStore, _: Mapping[str, tuple[x509.Certificate, ...]]) -> Signer:
    root = parse_xml(exhibited.content, limits=RECEIPT_LIMITS)
    return verify_enveloped(root, trust, at=exhibited.at, signature_parent=".").signer


def _decision(exhibited: Exhibited, trust: TrustStore, _: Mapping[str, tuple[x509.Certificate, ...]]) -> Signer:
    return open_sealed(exhibited.content, trust, at=exhibited.at).verified.signer


_VERIFIERS: Mapping[str, Callable[[Exhibited, TrustStore, Mapping[str, tuple[x509.Certificate, ...]]], Signer]] = {
    octets.MEDIA_TYPE: _http,
    RECEIPT_TYPE: _receipt,
    SEALED_TYPE: _decision,
    **dict.fromkeys(_SOAP_TYPES, _soap),
}
