"""RFC 9421 by others: the vectors of its appendix B, and a second implementation that reads what we sign."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, RSA_V1_5_SHA256

from certs.authority import Authority
from certs.http_signature import (
    HttpRequestParts,
    HttpResponseParts,
    SignatureInput,
    sign_request,
    sign_response,
    signature_base,
    verify_base,
)
from certs.http_signature.base import parse_signature
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError

VECTORS = Path(__file__).parents[3] / "shared" / "testdata" / "rfc9421" / "vectors.json"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/testdata/rfc9421 is not here")

OURS = {"sig-b21", "sig-b22", "sig-b23", "sig-b24"}  # rsa-pss-sha512 and ecdsa-p256-sha256
REBUILT = {"sig-b21", "sig-b23", "sig-b24"}  # b22 covers @query-param, which our profile does not know


def cases() -> list[dict[str, Any]]:
    return json.loads(VECTORS.read_text())["cases"] if VECTORS.exists() else []


def message(name: str) -> HttpRequestParts | HttpResponseParts:
    head, _, body = json.loads(VECTORS.read_text())["messages"][name].partition("\n\n")
    start, *lines = head.split("\n")
    headers = tuple((line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines)
    if start.startswith("HTTP/"):
        return HttpResponseParts(status=int(start.split()[1]), headers=headers, body=body.encode())
    method, target, _ = start.split()
    path, _, query = target.partition("?")
    return HttpRequestParts(
        method=method, authority=dict(headers)["Host"], path=path, query=query, headers=headers, body=body.encode()
    )


@needs_vectors
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_appendix_b_signatures_verify_where_the_algorithm_is_allowed(case: dict[str, Any]) -> None:
    key = json.loads(VECTORS.read_text())["keys"].get(case["keyid"], {}).get("public_pem")
    public = load_pem_public_key(key.encode()) if key else None
    _, signature = parse_signature(case["signature"])
    if case["id"] in OURS:
        verify_base(case["alg"], public, signature, case["signature_base"].encode())
        with pytest.raises(RefusedError) as caught:
            verify_base(case["alg"], public, signature, case["signature_base"].encode() + b" ")
        assert caught.value.refusal.code is ErrorCode.SIGNATURE_INVALID
    else:
        with pytest.raises(RefusedError) as caught:
            verify_base(case["alg"], public, signature, case["signature_base"].encode())
        assert caught.value.refusal.code is ErrorCode.ALGORITHM_NOT_ALLOWED


@needs_vectors
@pytest.mark.parametrize("case", [case for case in cases() if case["id"] in REBUILT], ids=lambda case: case["id"])
def test_appendix_b_bases_are_rebuilt_to_the_octet(case: dict[str, Any]) -> None:
    expected = case["signature_base"]
    parts = message(case["message"])
    if case["id"] == "sig-b24":  # the RFC signs another digest than the message it prints; take the one it signed
        digest = next(line for line in expected.split("\n") if line.startswith('"content-digest"')).split(": ", 1)[1]
        parts = HttpResponseParts(
            status=parts.status,  # type: ignore[union-attr]
            headers=tuple((n, digest if n == "Content-Digest" else v) for n, v in parts.headers),
        )
    assert signature_base(SignatureInput.parse(case["signature_input"]), parts) == expected.encode()


@dataclass
class TheirRequest:
    """What the other implementation reads."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class TheirResponse:
    status_code: int
    headers: dict[str, str]
    request: TheirRequest


@pytest.mark.parametrize(("key", "algorithm"), [("rsa", RSA_V1_5_SHA256), ("p256", ECDSA_P256_SHA256)])
def test_another_implementation_verifies_our_requests_and_responses(key: str, algorithm: Any) -> None:
    now, url = datetime.now(UTC), "http://gateway.example/v1/events?a=1&b=%20"  # the other reads the clock itself
    credential = Authority.create(now).issue("GATEWAY", "Qapı", key=key, now=now)
    request = HttpRequestParts.of("POST", url, {"Content-Type": "application/json", "Webhook-Id": "1"}, b"{}")
    request = request.with_headers(sign_request(request, credential, now=now, nonce="n"))
    response = HttpResponseParts(status=202, headers=(("Content-Type", "application/json"),), body=b"[]")
    response = response.with_headers(sign_response(response, request, credential, now=now))

    keyid = str(SignatureInput.parse(dict(request.headers)["Signature-Input"]).parameters["keyid"])
    keys = MappingKeyResolver(public_keys={keyid: credential.certificate.public_key()}, private_keys={})
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=keys)
    theirs = TheirRequest("POST", url, dict(request.headers))
    for parts, body in ((theirs, b"{}"), (TheirResponse(202, dict(response.headers), theirs), b"[]")):
        (result,) = verifier.verify(parts, expect_tag="eherrac", body=body)
        assert result.body == body
