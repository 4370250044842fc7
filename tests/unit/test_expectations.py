"""What is expected of a counterparty, as data: every expectation on every plan, kept and not kept.

One table of expectations, one of plans. A plan is how one kind of message is verified where it comes in: a SOAP
envelope, an ISO 20022 message, a REST request, Asan Pay's notification, a ministry's receipt, a person's container.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from lxml import etree

from adapters.ministries.reader import ReadRecord
from adapters.ministries.receipts import judge_receipt
from certs.asice import open_sealed, seal
from certs.authority import Authority
from certs.expectations import Algorithm, CertificateProfile, Expectations, Expected, KeyType
from certs.http_signature import HttpRequestParts, HttpSignaturePolicy, sign_request, verify_request
from certs.keystore import Credential
from certs.trust import Signer, TrustStore
from certs.wss import sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped
from contracts.asan_pay.codec import NOTIFICATIONS_PATH
from contracts.errors import ErrorCode
from contracts.errors.catalogue import describe
from contracts.errors.refusal import Refusal, RefusedError
from contracts.events.protocols import ProtocolReceipted, write_receipt
from contracts.iso20022 import envelope
from contracts.iso20022.samples import STATUS
from contracts.receipt.codec import Receipt, build_receipt
from contracts.xml import parse_xml
from gateway.wire.iso_envelope import open_signed

NOW = STATUS.created_at.astimezone(UTC)  # the sample's own time is that of its header
POLICY = "1.3.6.1.4.1.99999.1.1"
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
PARTICIPANT = "999101"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_WSA_TO = "{http://www.w3.org/2005/08/addressing}To"

_authority = Authority.create(NOW)
_credential = _authority.issue(
    PARTICIPANT,
    "Nümunə",
    now=NOW - timedelta(days=1),
    profile=(
        x509.ExtendedKeyUsage([EMAIL]),
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(POLICY), None)]),
    ),
)
_trust = TrustStore.from_pem(
    anchors=_authority.anchors_pem, intermediates=_authority.intermediates_pem, crls=[_authority.crl(NOW)]
)
_issuer = _trust.judge(_credential.certificate, _credential.chain, NOW).issuer_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one kind of message is made by its sender and verified by us."""

    make: Callable[[Credential, datetime], Any]
    verify: Callable[[Any, TrustStore, datetime, Expected], Signer]


def soap(credential: Credential, at: datetime) -> bytes:
    header = f'<s:Header><a:To xmlns:a="{_WSA_TO[1:].partition("}")[0]}">us</a:To></s:Header>'
    root = parse_xml(f'<s:Envelope xmlns:s="{SOAP}">{header}<s:Body><o/></s:Body></s:Envelope>'.encode())
    sign_envelope(root, credential, now=at)
    return bytes(etree.tostring(root))


def iso(credential: Credential, at: datetime) -> bytes:
    message = replace(STATUS, created_at=at)
    root = envelope.wrap(message, from_bic="NABZAZ2CIPS", to_bic="EHRNAZ22")
    sign_enveloped(root, credential, into=envelope.signature_parent(root))
    return bytes(etree.tostring(root))


def request(method: str, path: str, body: bytes) -> Callable[[Credential, datetime], HttpRequestParts]:
    def make(credential: Credential, at: datetime) -> HttpRequestParts:
        headers = (("Content-Type", "application/json"), ("Accept", "application/pdf"))
        parts = HttpRequestParts(method=method, authority="gw", path=path, headers=headers, body=body)
        return parts.with_headers(sign_request(parts, credential, now=at, nonce="n"))

    return make


def receipt(credential: Credential, at: datetime) -> bytes:
    root = build_receipt(
        Receipt(
            receipt_id="r-1",
            protocol_number="EH-1",
            protocol_id="L.protocol",
            container_sha256="0" * 64,
            authority=PARTICIPANT,
            received_at=at,
        )
    )
    sign_enveloped(root, credential, into=root)
    return bytes(etree.tostring(root))


def verify_rest(parts: HttpRequestParts, trust: TrustStore, at: datetime, expected: Expected) -> Signer:
    return verify_request(parts, trust, at=at, policy=HttpSignaturePolicy(expected=expected)).signer


def verify_iso(data: bytes, trust: TrustStore, at: datetime, expected: Expected) -> Signer:
    return open_signed(data, trust, at=at, participant_of=lambda _: PARTICIPANT, expected=expected).verified.signer


def verify_soap(data: bytes, trust: TrustStore, at: datetime, expected: Expected) -> Signer:
    return verify_envelope(parse_xml(data), trust, at=at, expected=expected).verified.signer


def verify_receipt(data: bytes, trust: TrustStore, at: datetime, expected: Expected) -> Signer:
    event = ProtocolReceipted(id="r-1", source=PARTICIPANT, lot_id="L", time=at, document=data)
    record = ReadRecord(topic="t", partition=0, offset=1, value=data, headers=tuple(write_receipt(event)))
    message = judge_receipt(record, trust, frozenset({PARTICIPANT}), at=at, expected=expected)
    assert message.source == PARTICIPANT
    return trust.judge(_credential.certificate, (), at)


def verify_container(data: bytes, trust: TrustStore, at: datetime, expected: Expected) -> Signer:
    sealed = open_sealed(data, trust, at=at, expected=expected)
    assert sealed.verified.signed_at is not None
    expected.of(sealed.verified.signer.participant).check_age(sealed.verified.signed_at, at)
    return sealed.verified.signer


PLANS = {
    "soap": Plan(make=soap, verify=verify_soap),
    "iso": Plan(make=iso, verify=verify_iso),
    "rest": Plan(make=request("GET", "/v1/offers", b""), verify=verify_rest),
    "asan pay": Plan(make=request("POST", NOTIFICATIONS_PATH, b"{}"), verify=verify_rest),
    "receipt": Plan(make=receipt, verify=verify_receipt),
    "container": Plan(
        make=lambda credential, at: seal({"a.txt": ("text/plain", b"x")}, credential, now=at), verify=verify_container
    ),
}
ALL = frozenset(PLANS)
STATING = frozenset({"soap", "rest", "asan pay", "container"})  # the signature itself says when it was made
DOCUMENTS = frozenset({"iso", "receipt"})  # the document says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One expectation: a setting that the message keeps, one that it does not, and how that is told."""

    plans: frozenset[str] = ALL
    kept: Expectations
    broken: Expectations
    code: ErrorCode
    facts: dict[str, str]
    signed_s: int = 0  # how long before our now the message was made


def of(**profile: Any) -> Expectations:
    return Expectations(certificate=CertificateProfile(**profile))


ROWS = {
    "age": Row(
        plans=STATING,
        kept=Expectations(max_age_s=120, clock_skew_s=0),
        broken=Expectations(max_age_s=60, clock_skew_s=0),
        code=ErrorCode.SIGNATURE_AGE,
        facts={"max_age_s": "60"},
        signed_s=90,
    ),
    "clock": Row(
        plans=STATING,
        kept=Expectations(clock_skew_s=20),
        broken=Expectations(clock_skew_s=5),
        code=ErrorCode.SIGNATURE_AGE,
        facts={"clock_skew_s": "5", "cause": "clock_ahead"},
        signed_s=-10,
    ),
    "age of documents": Row(
        plans=DOCUMENTS,
        kept=Expectations(document_max_age_s=3600),
        broken=Expectations(document_max_age_s=60),
        code=ErrorCode.SIGNATURE_AGE,
        facts={"max_age_s": "60", "cause": "late"},
        signed_s=600,
    ),
    "algorithm": Row(
        kept=Expectations(algorithms=frozenset({Algorithm.RSA_SHA256})),
        broken=Expectations(algorithms=frozenset({Algorithm.ECDSA_SHA256})),
        code=ErrorCode.ALGORITHM_NOT_ALLOWED,
        facts={"algorithm": "rsa-sha256", "agreed": "ecdsa-sha256", "cause": "algorithm_agreed"},
    ),
    "key type": Row(
        kept=of(key_types=frozenset({KeyType.RSA})),
        broken=of(key_types=frozenset({KeyType.P256})),
        code=ErrorCode.CERTIFICATE_USAGE,
        facts={"what": "key type", "expected": "p256", "received": "rsa", "cause": "certificate_agreed"},
    ),
    "key length": Row(
        kept=of(rsa_min_bits=2048),
        broken=of(rsa_min_bits=3072),
        code=ErrorCode.CERTIFICATE_USAGE,
        facts={"what": "RSA bits", "expected": "3072", "received": "2048"},
    ),
    "extended usage": Row(
        kept=of(extended_usages=frozenset({EMAIL.dotted_string, "1.2.3"})),
        broken=of(extended_usages=frozenset({"1.2.3"})),
        code=ErrorCode.CERTIFICATE_USAGE,
        facts={"what": "extendedKeyUsage", "expected": "1.2.3", "received": EMAIL.dotted_string},
    ),
    "policy": Row(
        kept=of(policies=frozenset({POLICY, "1.2.3"})),
        broken=of(policies=frozenset({"1.2.3"})),
        code=ErrorCode.CERTIFICATE_USAGE,
        facts={"what": "certificatePolicies", "expected": "1.2.3", "received": POLICY},
    ),
    "issuer": Row(
        kept=of(issuers=frozenset({_issuer})),
        broken=of(issuers=frozenset({"ab" * 32})),
        code=ErrorCode.CERTIFICATE_USAGE,
        facts={"what": "issuer", "expected": "ab" * 32, "received": _issuer},
    ),
    "parts of an envelope": Row(
        plans=frozenset({"soap"}),
        kept=Expectations(soap_parts=frozenset({"BinarySecurityToken"})),
        broken=Expectations(soap_parts=frozenset({_WSA_TO})),
        code=ErrorCode.SIGNATURE_INCOMPLETE,
        facts={"part": _WSA_TO, "signed": "BinarySecurityToken, Body, Timestamp", "cause": "part_agreed"},
    ),
    "parts of a request": Row(
        plans=frozenset({"rest", "asan pay"}),
        kept=Expectations(http_parts=frozenset({"content-type"})),
        broken=Expectations(http_parts=frozenset({"accept"})),
        code=ErrorCode.SIGNATURE_INCOMPLETE,
        facts={"part": "accept", "cause": "part_agreed"},
    ),
}
CASES = [
    pytest.param(row, PLANS[plan], id=f"{name}-{plan}") for name, row in ROWS.items() for plan in sorted(row.plans)
]


def refusal_of(plan: Plan, row: Row, expected: Expected) -> Refusal | None:
    message = plan.make(_credential, NOW - timedelta(seconds=row.signed_s))
    try:
        plan.verify(message, _trust, NOW, expected)
    except RefusedError as refused:
        return refused.refusal
    return None


@pytest.mark.parametrize(("row", "plan"), CASES)
def test_an_expectation_that_is_kept_is_no_hindrance(row: Row, plan: Plan) -> None:
    """AOS-S2."""
    assert refusal_of(plan, row, Expected(own={PARTICIPANT: row.kept})) is None


@pytest.mark.parametrize(("row", "plan"), CASES)
def test_one_that_is_not_kept_is_told_with_what_was_expected_and_found(row: Row, plan: Plan) -> None:
    """AOS-S2."""
    refusal = refusal_of(plan, row, Expected(own={PARTICIPANT: row.broken}))
    assert refusal is not None
    assert refusal.code is row.code
    assert {name: str(refusal.facts.get(name)) for name in row.facts} == row.facts
    assert plan.verify is verify_receipt or row.code is ErrorCode.SIGNATURE_AGE or "step" in refusal.facts
    for language in ("az", "en", "ru"):
        problem = describe(refusal, language)
        told = f"{problem.title} {problem.detail} {problem.remedy}"
        assert all(value in told for name, value in row.facts.items() if name not in ("cause", "clock_skew_s"))
        assert problem.remedy


@pytest.mark.parametrize(("row", "plan"), CASES)
def test_what_is_expected_of_another_hinders_nobody(row: Row, plan: Plan) -> None:
    """AOS-S1."""
    lax = Expectations(max_age_s=3600, clock_skew_s=600)
    assert refusal_of(plan, row, Expected(house=lax, own={"999202": row.broken})) is None


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_nobody_has_of_his_own_is_the_houses(plan: Plan) -> None:
    house = Expected(house=ROWS["algorithm"].broken)
    refusal = refusal_of(plan, ROWS["algorithm"], house)
    assert refusal is not None
    assert refusal.code is ErrorCode.ALGORITHM_NOT_ALLOWED


def test_a_container_without_the_agreed_time_stamp_is_refused() -> None:
    """EHR-16; that one with it is taken, `test_timestamp` shows."""
    container = PLANS["container"].make(_credential, NOW)
    wanted = Expected(own={PARTICIPANT: Expectations(time_stamp_required=True)})
    with pytest.raises(RefusedError) as refused:
        open_sealed(container, _trust, expected=wanted)
    refusal = refused.value.refusal
    assert (refusal.code, refusal.facts["part"]) == (ErrorCode.SIGNATURE_INCOMPLETE, "SignatureTimeStamp")
    assert str(refusal.facts["step"]).endswith("time-stamp")


def test_the_house_speaks_no_other_algorithm() -> None:
    """A list can leave out and never add: there is no name for SHA-1, MD5, HMAC or none."""
    assert {str(algorithm) for algorithm in Algorithm} == {"rsa-sha256", "ecdsa-sha256", "rsa-pss-sha512"}
    with pytest.raises(ValueError, match="rsa-sha1"):
        Algorithm("rsa-sha1")
