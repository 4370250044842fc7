"""Verify a signed HTTP message, by a plan.

 (1) Form: one Signature-Input and one Signature field with one member of the same label, all within size limits, no
     repeated Content-Digest, Content-Type or Signature-Certificate.
 (2) Parameters: exactly created, expires, keyid, alg, tag (and nonce on requests), each of its type; the tag is ours.
 (3) Components: known ones only, each once, and every part that must be signed among them; addressed to us.
 (4) Content-Digest: sha-256 recomputed over the body as received.
 (5) Certificate: sent in the signed Signature-Certificate field, or pinned; keyid is its thumbprint. What is expected
     from here on is expected of whom it names; a request signs the fields agreed with him besides (3).
 (6) Age: created not in the future and not too old, expires not passed.
 (7) Algorithm: agreed with him, and of the kind of the certificate's key.
 (8) Signature: holds over the base rebuilt from the message.
 (9) Trust: path, validity, usage and revocation at the given time.
(10) Participant: the expected one, where one is expected, and its certificate of the profile agreed with it.

Work goes on only with parts this has covered. Every fault is a `RefusedError`.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.algorithms import load_certificate, public_key_of
from certs.expectations import Expectations
from certs.explain import body_cause, http_value_cause, judge_signer
from certs.http_signature.algorithms import NAMES, verify_base
from certs.http_signature.base import (
    SignatureInput,
    malformed,
    names,
    parse_digest,
    parse_octets_list,
    parse_signature,
    signature_base,
)
from certs.http_signature.elsewhere import addresses
from certs.http_signature.message import HttpRequestParts, HttpResponseParts, MessageParts, field_values
from certs.http_signature.policy import (
    CERTIFICATE_FIELD,
    COVERED_PREFIXES,
    REQUEST_COMPONENTS,
    REQUEST_PARAMETERS,
    RESPONSE_COMPONENTS,
    RESPONSE_PARAMETERS,
    TAG,
    HttpSignaturePolicy,
)
from certs.http_signature.signing import key_id
from certs.steps import age_cause, at_step, blame, blaming
from certs.trust import Once, TrustStore, Verified
from contracts.errors import ErrorCode
from contracts.errors.causes import Cause
from contracts.errors.refusal import RefusedError, refuse

STEPS = (
    "form",
    "parameters",
    "components",
    "digest",
    "certificate",
    "age",
    "algorithms",
    "signature",
    "trust",
    "participant",
)
_DEFAULT = HttpSignaturePolicy()
_SINGLE = ("signature-input", "signature", "content-digest", "content-type", CERTIFICATE_FIELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What kind of message this is: the components and parameters it must have."""

    components: frozenset[str]
    parameters: frozenset[str]
    participant: str | None


def verify_request(
    parts: HttpRequestParts,
    trust: TrustStore,
    *,
    at: datetime,
    policy: HttpSignaturePolicy = _DEFAULT,
    expected_participant: str | None = None,
) -> Verified:
    """Verify a request at the time `at` (UTC).

    Raises:
        RefusedError: SIGNATURE_*, DIGEST_MISMATCH, ALGORITHM_NOT_ALLOWED, CERTIFICATE_*, REVOCATION_UNKNOWN,
            PARTICIPANT_MISMATCH.
    """
    expected = _Expected(components=REQUEST_COMPONENTS, parameters=REQUEST_PARAMETERS, participant=expected_participant)
    return _verify(parts, trust, at=at, policy=policy, expected=expected)


def verify_response(
    parts: HttpResponseParts,
    request: HttpRequestParts,
    trust: TrustStore,
    *,
    at: datetime,
    policy: HttpSignaturePolicy = _DEFAULT,
    expected_participant: str | None = None,
) -> Verified:
    """Verify a response to `request` (with the headers it was sent with).

    Raises:
        RefusedError: as `verify_request`; SIGNATURE_INCOMPLETE where it is not bound to the request's signature.
    """
    bound = {"signature;req"} if "signature" in field_values(request.headers) else set()
    expected = _Expected(
        components=RESPONSE_COMPONENTS | bound, parameters=RESPONSE_PARAMETERS, participant=expected_participant
    )
    return _verify(parts, trust, at=at, policy=policy, expected=expected, request=request)


def _verify(
    message: MessageParts,
    trust: TrustStore,
    *,
    at: datetime,
    policy: HttpSignaturePolicy,
    expected: _Expected,
    request: HttpRequestParts | None = None,
) -> Verified:
    with at_step(STEPS, "form"):
        fields = _single_fields(field_values(message.headers), policy)
        signed, signature = _signature(fields)
    with at_step(STEPS, "parameters"):
        _check_parameters(signed, expected, policy)
    with at_step(STEPS, "components"):
        _check_components(signed, expected, policy, fields, has_body=bool(message.body))

    def digest_cause() -> Cause | None:
        """Looked for only where a trusted key made the signature: nobody else makes us try how a body was written."""
        try:
            path = _certificates(fields, str(signed.parameters["keyid"]), policy)
            expectations = policy.expected.of_holder(path[0])
            _check_value(signed, signature, path[0], signature_base(signed, message, request), expectations)
            trust.judge(path[0], path[1:], at)
        except RefusedError:
            return None
        return body_cause(message.body, parse_digest(fields["content-digest"]))

    with at_step(STEPS, "digest"), blaming(ErrorCode.DIGEST_MISMATCH, digest_cause):
        _check_digest(fields, message.body)
    with at_step(STEPS, "certificate"):
        path = _certificates(fields, str(signed.parameters["keyid"]), policy)
        expectations = policy.expected.of_holder(path[0])
    with at_step(STEPS, "age"):
        signed_at = _check_age(signed, expectations, at)
    with at_step(STEPS, "components"):
        if request is None:
            expectations.check_parts(expectations.http_parts, names(signed.components))
        base = signature_base(signed, message, request)

    def cause() -> Cause | None:
        """Looked for only where the certificate is trusted: strangers do not make us work."""
        if not _is_trusted(path, trust, at):
            return None
        elsewhere = (signature_base(signed, variant, request) for variant in addresses(message))
        return http_value_cause(public_key_of(path[0]), signature, base, elsewhere)

    with at_step(STEPS, "signature"), blaming(ErrorCode.SIGNATURE_INVALID, cause):
        _check_value(signed, signature, path[0], base, expectations)
    with at_step(STEPS, "trust"):
        signer = judge_signer(
            path[0], path[1:], trust, at=at, participant=expected.participant, expected=policy.expected
        )
    with at_step(STEPS, "components"):
        _check_authority(message, policy)
    once = _once(signed, expectations.too_old_after(signed_at)) if request is None else None
    return Verified(signer=signer, signed_at=signed_at, steps=STEPS, once=once)


def _once(signed: SignatureInput, until: datetime) -> Once:
    """A nonce is used once per key."""
    keyid, nonce = (str(signed.parameters[name]) for name in ("keyid", "nonce"))
    return Once.of(b"http", keyid.encode(), nonce.encode(), until=until)


def _check_authority(message: MessageParts, policy: HttpSignaturePolicy) -> None:
    """Addressed to us: what its signer sent to somebody else is not for us, though the signature holds (step 3)."""
    if not policy.authorities or not isinstance(message, HttpRequestParts):
        return
    if message.authority.lower() not in policy.authorities:
        raise malformed("@authority", "addressed to another host")


def _is_trusted(path: tuple[x509.Certificate, ...], trust: TrustStore, at: datetime) -> bool:
    try:
        trust.judge(path[0], path[1:], at)
    except RefusedError:
        return False
    return True


def _check_value(
    signed: SignatureInput, signature: bytes, certificate: x509.Certificate, base: bytes, expectations: Expectations
) -> None:
    algorithm = str(signed.parameters["alg"])
    if algorithm not in NAMES:
        raise refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm)
    expectations.check_algorithm(NAMES[algorithm])
    verify_base(algorithm, public_key_of(certificate), signature, base)


def _single_fields(fields: Mapping[str, tuple[str, ...]], policy: HttpSignaturePolicy) -> dict[str, str]:
    if "signature" not in fields and "signature-input" not in fields:
        raise refuse(ErrorCode.SIGNATURE_MISSING)
    for name in _SINGLE:
        values = fields.get(name, ("",))
        if len(values) > 1:
            raise malformed(name, "the field is repeated")
        if len(values[0]) > policy.field_max_chars:
            raise malformed(name, f"longer than {policy.field_max_chars} characters")
    return {name: values[0] for name, values in fields.items()}


def _signature(fields: dict[str, str]) -> tuple[SignatureInput, bytes]:
    for name in ("signature-input", "signature"):
        if name not in fields:
            raise malformed(name, "the field is missing")
    signed = SignatureInput.parse(fields["signature-input"])
    label, signature = parse_signature(fields["signature"])
    if label != signed.label:
        raise malformed("signature", "its label is not that of signature-input")
    return signed, signature


def _check_parameters(signed: SignatureInput, expected: _Expected, policy: HttpSignaturePolicy) -> None:
    given = frozenset(signed.parameters)
    if given != expected.parameters:
        wrong = {"missing": expected.parameters - given, "unknown": given - expected.parameters}
        told = "; ".join(f"{how}: {', '.join(sorted(which))}" for how, which in wrong.items() if which)
        raise malformed("parameters", told)
    for name, value in signed.parameters.items():
        if isinstance(value, int) is not (name in ("created", "expires")):
            raise malformed("parameters", f"{name} is of another type")
    if signed.parameters["tag"] != TAG:
        raise malformed("parameters", f"the tag is not {TAG}")
    if len(str(signed.parameters.get("nonce", "-"))) not in range(1, policy.nonce_max_chars + 1):
        raise malformed("parameters", "nonce is empty or too long")


def _check_components(
    signed: SignatureInput, expected: _Expected, policy: HttpSignaturePolicy, fields: dict[str, str], *, has_body: bool
) -> None:
    covered = names(signed.components)
    if len(signed.components) > policy.components_max or len(covered) != len(signed.components):
        raise malformed("components", "too many, or one is covered twice")
    required = set(expected.components) | {name for name in fields if name.startswith(COVERED_PREFIXES)}
    if has_body or "content-type" in fields:
        required.add("content-type")
    if CERTIFICATE_FIELD in fields:
        required.add(CERTIFICATE_FIELD)
    missing = sorted(required - covered)
    if missing:
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=", ".join(missing))


def _check_digest(fields: dict[str, str], body: bytes) -> None:
    if "content-digest" not in fields:
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part="content-digest")
    stated, received = parse_digest(fields["content-digest"]), hashlib.sha256(body).digest()
    if not hmac.compare_digest(stated, received):
        raise refuse(
            ErrorCode.DIGEST_MISMATCH,
            reference="content-digest",
            expected=b64encode(stated).decode(),
            received=b64encode(received).decode(),
        )


def _check_age(signed: SignatureInput, expectations: Expectations, at: datetime) -> datetime:
    created, expires = int(signed.parameters["created"]), int(signed.parameters["expires"])
    now, skew, max_age_s = at.timestamp(), expectations.clock_skew_s, expectations.max_age_s
    if not (created - skew <= now <= created + max_age_s + skew and created <= expires and now <= expires + skew):
        refused = refuse(
            ErrorCode.SIGNATURE_AGE,
            created=created,
            expires=expires,
            now=int(now),
            max_age_s=max_age_s,
            clock_skew_s=skew,
        )
        raise blame(refused, age_cause(created - now))
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=created)


def _certificates(fields: dict[str, str], keyid: str, policy: HttpSignaturePolicy) -> tuple[x509.Certificate, ...]:
    if CERTIFICATE_FIELD not in fields:
        return _pinned(keyid, policy)
    path_der = parse_octets_list(CERTIFICATE_FIELD, fields[CERTIFICATE_FIELD])
    if len(path_der) not in range(1, policy.certificates_max + 1):
        raise malformed(CERTIFICATE_FIELD, f"not 1 to {policy.certificates_max} certificates")
    if keyid != key_id(path_der[0]):
        raise malformed("keyid", "not the certificate's SHA-256 thumbprint in base64")
    return tuple(load_certificate(der) for der in path_der)


def _pinned(keyid: str, policy: HttpSignaturePolicy) -> tuple[x509.Certificate, ...]:
    path = policy.pinned.get(keyid)
    if path is None:
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=CERTIFICATE_FIELD)
    if key_id(path[0].public_bytes(Encoding.DER)) != keyid:
        raise malformed("keyid", "pinned under another certificate's thumbprint")
    return path
