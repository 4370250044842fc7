"""RFC 9421 signatures: what is accepted, and that every single change to a signed message is refused by its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from certs.authority import Authority
from certs.expectations import Algorithm, Expectations, Expected
from certs.http_signature import (
    HttpRequestParts,
    HttpResponseParts,
    HttpSignaturePolicy,
    SignatureInput,
    base,
    content_digest,
    sign_request,
    sign_response,
    signature_base,
    verify_base,
    verify_request,
    verify_response,
)
from certs.http_signature.base import octets_text
from certs.keystore import Credential
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
MALFORMED = ErrorCode.SIGNATURE_MALFORMED
ALGORITHM = ErrorCode.ALGORITHM_NOT_ALLOWED


class World(NamedTuple):
    bank: Credential
    gateway: Credential
    stranger: Credential
    trust: TrustStore


@pytest.fixture(scope="module")
def world() -> World:
    authority, other = Authority.create(NOW), Authority.create(NOW)
    return World(
        bank=authority.issue("999202", "Günəş Nümunə Bankı", key="p256", now=NOW),
        gateway=authority.issue("GATEWAY", "Qapı", key="rsa", now=NOW),
        stranger=other.issue("999202", "Başqa mərkəzin kağızı", key="p256", now=NOW),
        trust=TrustStore.from_pem(
            anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
        ),
    )


def order(body: bytes = b'{"amount":"1500.00"}', **headers: str) -> HttpRequestParts:
    fields = {"Content-Type": "application/json", "Webhook-Id": "evt-1", "Idempotency-Key": "k-1"} | headers
    return HttpRequestParts.of("POST", "https://gateway.example/v1/events?dry=0&x=%2F", fields, body)


def signed(parts: HttpRequestParts, credential: Credential, now: datetime = NOW) -> HttpRequestParts:
    return parts.with_headers(sign_request(parts, credential, now=now, nonce="n-1"))


def with_field(parts: HttpRequestParts, name: str, change: Callable[[str], str]) -> HttpRequestParts:
    headers = tuple((n, change(v) if n.lower() == name else v) for n, v in parts.headers)
    assert headers != parts.headers, f"the test changed nothing in {name}"
    return replace(parts, headers=headers)


def without_field(parts: HttpRequestParts, name: str) -> HttpRequestParts:
    return replace(parts, headers=tuple(pair for pair in parts.headers if pair[0].lower() != name))


def code_of(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.refusal.code


@pytest.mark.parametrize("who", ["bank", "gateway"])
def test_a_signed_request_names_its_signer_and_its_time(world: World, who: str) -> None:
    credential: Credential = getattr(world, who)
    verified = verify_request(signed(order(), credential), world.trust, at=NOW)
    assert verified.signer.participant == credential.participant
    assert verified.signed_at == NOW
    assert len(verified.steps) == 10


def test_a_get_without_body_is_signed_with_the_digest_of_nothing(world: World) -> None:
    parts = HttpRequestParts.of("GET", "http://127.0.0.1:8080/v1/offers")
    request = signed(parts, world.bank)
    assert "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:" in dict(request.headers).values()
    assert verify_request(request, world.trust, at=NOW).signer.participant == "999202"


CHANGED: list[tuple[str, Callable[[HttpRequestParts], HttpRequestParts], ErrorCode]] = [
    ("method", lambda p: replace(p, method="PUT"), ErrorCode.SIGNATURE_INVALID),
    ("authority", lambda p: replace(p, authority="gateway.example:8443"), ErrorCode.SIGNATURE_INVALID),
    ("path", lambda p: replace(p, path="/v1/event"), ErrorCode.SIGNATURE_INVALID),
    ("path encoding", lambda p: replace(p, path="/v1/%65vents"), ErrorCode.SIGNATURE_INVALID),
    ("query", lambda p: replace(p, query="dry=1&x=%2F"), ErrorCode.SIGNATURE_INVALID),
    ("query left out", lambda p: replace(p, query=""), ErrorCode.SIGNATURE_INVALID),
    ("body", lambda p: replace(p, body=p.body.replace(b"1500", b"9500")), ErrorCode.DIGEST_MISMATCH),
    ("body left out", lambda p: replace(p, body=b""), ErrorCode.DIGEST_MISMATCH),
    (
        "body with its digest",
        lambda p: with_field(replace(p, body=b"{}"), "content-digest", lambda _: content_digest(b"{}")),
        ErrorCode.SIGNATURE_INVALID,
    ),
    (
        "content type",
        lambda p: with_field(p, "content-type", lambda _: "text/plain"),
        ErrorCode.SIGNATURE_INVALID,
    ),
    (
        "idempotency key",
        lambda p: with_field(p, "idempotency-key", lambda _: "k-2"),
        ErrorCode.SIGNATURE_INVALID,
    ),
    ("webhook field added", lambda p: p.with_headers({"webhook-timestamp": "1"}), ErrorCode.SIGNATURE_INCOMPLETE),
    ("event field added", lambda p: p.with_headers({"ce-type": "x"}), ErrorCode.SIGNATURE_INCOMPLETE),
    ("event field repeated", lambda p: p.with_headers({"webhook-id": "evt-2"}), ErrorCode.SIGNATURE_MALFORMED),
    ("signature repeated", lambda p: p.with_headers({"signature": "a=:AA==:"}), ErrorCode.SIGNATURE_MALFORMED),
    ("digest repeated", lambda p: p.with_headers({"content-digest": "sha-256=:AA==:"}), ErrorCode.SIGNATURE_MALFORMED),
    ("type repeated", lambda p: p.with_headers({"content-type": "text/xml"}), ErrorCode.SIGNATURE_MALFORMED),
    ("digest left out", lambda p: without_field(p, "content-digest"), ErrorCode.SIGNATURE_INCOMPLETE),
    ("certificate left out", lambda p: without_field(p, "signature-certificate"), ErrorCode.SIGNATURE_INCOMPLETE),
    ("covered field left out", lambda p: without_field(p, "webhook-id"), ErrorCode.SIGNATURE_INCOMPLETE),
    ("signature left out", lambda p: without_field(p, "signature"), ErrorCode.SIGNATURE_MALFORMED),
    ("input left out", lambda p: without_field(p, "signature-input"), ErrorCode.SIGNATURE_MALFORMED),
]


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED])
def test_a_changed_request_is_refused(
    world: World, change: Callable[[HttpRequestParts], HttpRequestParts], code: ErrorCode
) -> None:
    """AOS-S2: integrity and authenticity of everything received are verified."""
    request = change(signed(order(), world.bank))
    assert code_of(lambda: verify_request(request, world.trust, at=NOW)) is code


def test_an_unsigned_request_is_refused(world: World) -> None:
    assert code_of(lambda: verify_request(order(), world.trust, at=NOW)) is ErrorCode.SIGNATURE_MISSING


INPUTS: list[tuple[str, Callable[[str], str], ErrorCode]] = [
    ("other tag", lambda v: v.replace('tag="eherrac"', 'tag="other"'), ErrorCode.SIGNATURE_MALFORMED),
    ("no tag", lambda v: v.replace(';tag="eherrac"', ""), ErrorCode.SIGNATURE_MALFORMED),
    ("no nonce", lambda v: v.replace(';nonce="n-1"', ""), ErrorCode.SIGNATURE_MALFORMED),
    ("empty nonce", lambda v: v.replace('nonce="n-1"', 'nonce=""'), ErrorCode.SIGNATURE_MALFORMED),
    ("long nonce", lambda v: v.replace("n-1", "n" * 129), ErrorCode.SIGNATURE_MALFORMED),
    ("unknown parameter", lambda v: v + ';extra="1"', ErrorCode.SIGNATURE_MALFORMED),
    ("parameter twice", lambda v: v + ';tag="eherrac"', ErrorCode.SIGNATURE_MALFORMED),
    ("created as text", lambda v: v.replace("created=", 'created="').replace(";exp", '";exp'), MALFORMED),
    ("nonce as token", lambda v: v.replace('"n-1"', "n-1"), ErrorCode.SIGNATURE_MALFORMED),
    ("two signatures", lambda v: v + ', b=("@path");created=1', ErrorCode.SIGNATURE_MALFORMED),
    ("other label", lambda v: "sig1" + v.removeprefix("eherrac"), ErrorCode.SIGNATURE_MALFORMED),
    ("not a list", lambda _: "eherrac=1;created=1", ErrorCode.SIGNATURE_MALFORMED),
    ("not structured", lambda _: "eherrac=(", ErrorCode.SIGNATURE_MALFORMED),
    ("not ASCII", lambda _: "eherrac=ə", ErrorCode.SIGNATURE_MALFORMED),
    ("too long", lambda v: v + " " * 1 + "x" * 20_000, ErrorCode.SIGNATURE_MALFORMED),
    ("covered twice", lambda v: v.replace('"@path"', '"@path" "@path"'), ErrorCode.SIGNATURE_MALFORMED),
    ("method not covered", lambda v: v.replace('"@method" ', ""), ErrorCode.SIGNATURE_INCOMPLETE),
    ("digest not covered", lambda v: v.replace('"content-digest" ', ""), ErrorCode.SIGNATURE_INCOMPLETE),
    ("type not covered", lambda v: v.replace('"content-type" ', ""), ErrorCode.SIGNATURE_INCOMPLETE),
    ("certificate not covered", lambda v: v.replace('"signature-certificate" ', ""), ErrorCode.SIGNATURE_INCOMPLETE),
    ("unknown derived part", lambda v: v.replace("(", '("@target-uri" '), ErrorCode.SIGNATURE_MALFORMED),
    ("component parameter", lambda v: v.replace('"content-type"', '"content-type";bs'), ErrorCode.SIGNATURE_MALFORMED),
    ("upper case", lambda v: v.replace('"content-type"', '"Content-Type"'), ErrorCode.SIGNATURE_MALFORMED),
    ("of a request", lambda v: v.replace("(", '("@path";req '), ErrorCode.SIGNATURE_INCOMPLETE),
    ("hmac", lambda v: v.replace("ecdsa-p256-sha256", "hmac-sha256"), ErrorCode.ALGORITHM_NOT_ALLOWED),
    ("rsa for a P-256 key", lambda v: v.replace("ecdsa-p256-sha256", "rsa-v1_5-sha256"), ALGORITHM),
    ("pss for a P-256 key", lambda v: v.replace("ecdsa-p256-sha256", "rsa-pss-sha512"), ALGORITHM),
    ("longer life", lambda v: v.replace(str(STAMP + 300), str(STAMP + 310)), ErrorCode.SIGNATURE_INVALID),
    ("other nonce", lambda v: v.replace("n-1", "n-2"), ErrorCode.SIGNATURE_INVALID),
]


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in INPUTS], ids=[row[0] for row in INPUTS])
def test_a_changed_signature_input_is_refused(world: World, change: Callable[[str], str], code: ErrorCode) -> None:
    request = with_field(signed(order(), world.bank), "signature-input", change)
    assert code_of(lambda: verify_request(request, world.trust, at=NOW)) is code


@pytest.mark.parametrize(
    ("change", "fact", "said"),
    [
        (lambda v: v.replace('"@path" "@query" ', ""), "part", "@path, @query"),
        (lambda v: v.replace(';nonce="n-1"', ";first=1"), "what", "missing: nonce; unknown: first"),
        (lambda v: v.replace(';tag="eherrac"', ""), "what", "missing: tag"),
        (lambda v: v.replace("ecdsa-p256-sha256", "rsa-v1_5-sha256"), "fitting", "ecdsa-p256-sha256"),
    ],
)
def test_what_is_missing_is_named_at_once_and_what_would_fit(
    world: World, change: Callable[[str], str], fact: str, said: str
) -> None:
    request = with_field(signed(order(), world.bank), "signature-input", change)
    with pytest.raises(RefusedError) as caught:
        verify_request(request, world.trust, at=NOW)
    assert caught.value.refusal.facts[fact] == said


SPELLINGS = [
    'a=("@method" "@path");created=1;nonce="x y"',
    'a=("@method" "signature";req);created=1',
    "a=();created=1",
    'a=("@method");created=007',
    'a=("@method");created=123456789012345',
    'a=("@method");created=1234567890123456',
    'a=("@method");created=-1',
    'a=("@method");created=1.5',
    'a=("@method");created=1;created=2',
    'a=("@method"); created=1',
    'a=("@method");nonce="a\\"b"',
    'a=("@method");nonce="ü"',
    'a=("@method");nonce=""',
    'a=("@method");flag',
    'a=("@method");flag=?0',
    'a=("@method");key=:AA==:',
    'a=("@method")',
    'a=("@method"   "@path" );created=1',
    'a=("@method""@path");created=1',
    'a=("(");created=1',
    'a=("@Method");created=1',
    'a=("@method";bs);created=1',
    "a=(1 2);created=1",
    'a=("@method");created=1, b=("@path");created=1',
    'a=("@method");created=1, a=("@path");created=1',
    'A=("@method");created=1',
    'a=("@method");Created=1',
    'a="@method";created=1',
    'a=("@method");created=1\n',
    "",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_the_quick_reading_of_a_signature_input_is_that_of_the_whole_grammar(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    quick = read_input(text)
    monkeypatch.setattr(base, "_usual_input", lambda _: None)
    assert quick == read_input(text)


def read_input(text: str) -> tuple[str, str | None]:
    try:
        read = SignatureInput.parse(text)
    except RefusedError as error:
        return error.refusal.code, str(error.refusal.facts)
    return read.label, read.signature_params


@pytest.mark.parametrize(
    ("after_s", "accepted"),
    [(-31, False), (-30, True), (0, True), (330, True), (331, False)],
)
def test_age_is_bounded_both_ways(world: World, after_s: int, accepted: bool) -> None:
    request, at = signed(order(), world.bank), NOW + timedelta(seconds=after_s)
    if accepted:
        assert verify_request(request, world.trust, at=at)
    else:
        assert code_of(lambda: verify_request(request, world.trust, at=at)) is ErrorCode.SIGNATURE_AGE


def test_a_signer_of_another_authority_is_refused(world: World) -> None:
    request = signed(order(), world.stranger)
    assert code_of(lambda: verify_request(request, world.trust, at=NOW)) is ErrorCode.CERTIFICATE_UNTRUSTED


def test_the_certificate_of_another_is_refused(world: World) -> None:
    theirs = dict(sign_request(order(), world.gateway, now=NOW, nonce="n"))["Signature-Certificate"]
    request = with_field(signed(order(), world.bank), "signature-certificate", lambda _: theirs)
    assert code_of(lambda: verify_request(request, world.trust, at=NOW)) is ErrorCode.SIGNATURE_MALFORMED


def test_another_participant_than_the_expected_one_is_refused(world: World) -> None:
    request = signed(order(), world.bank)
    code = code_of(lambda: verify_request(request, world.trust, at=NOW, expected_participant="999101"))
    assert code is ErrorCode.PARTICIPANT_MISMATCH


def test_a_peer_that_cannot_send_its_certificate_may_be_pinned(world: World) -> None:
    request = unsent_certificate(world)
    keyid = str(SignatureInput.parse(dict(request.headers)["Signature-Input"]).parameters["keyid"])
    pinned = {keyid: (world.bank.certificate, *world.bank.chain)}
    policy = HttpSignaturePolicy(pinned=pinned)
    assert verify_request(request, world.trust, at=NOW, policy=policy).signer.participant == "999202"
    wrong = HttpSignaturePolicy(pinned={keyid: (world.gateway.certificate,)})
    assert code_of(lambda: verify_request(request, world.trust, at=NOW, policy=wrong)) is MALFORMED
    assert code_of(lambda: verify_request(request, world.trust, at=NOW)) is ErrorCode.SIGNATURE_INCOMPLETE


def unsent_certificate(world: World) -> HttpRequestParts:
    """A request signed by a peer whose library knows no Signature-Certificate."""
    usual = signed(order(), world.bank)
    full = SignatureInput.parse(dict(usual.headers)["Signature-Input"])
    bare = replace(full, components=tuple(c for c in full.components if c.name != "signature-certificate"))
    request = without_field(usual, "signature-certificate")
    signature = world.bank.sign(signature_base(bare, request))
    request = with_field(request, "signature-input", lambda _: f"eherrac={bare.signature_params}")
    return with_field(request, "signature", lambda _: f"eherrac={octets_text(signature)}")


def test_rsa_pss_is_verified(world: World) -> None:
    usual = signed(order(), world.gateway)
    full = SignatureInput.parse(dict(usual.headers)["Signature-Input"])
    pss_input = replace(full, parameters=dict(full.parameters) | {"alg": "rsa-pss-sha512"})
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
    signature = world.gateway.private_key.sign(signature_base(pss_input, usual), pss, hashes.SHA512())  # type: ignore[call-arg]
    request = with_field(usual, "signature-input", lambda _: f"eherrac={pss_input.signature_params}")
    request = with_field(request, "signature", lambda _: f"eherrac={octets_text(signature)}")
    assert verify_request(request, world.trust, at=NOW).signer.participant == "GATEWAY"
    expectations = Expectations(algorithms=frozenset({Algorithm.ECDSA_SHA256}))
    only_ecdsa = HttpSignaturePolicy(expected=Expected(own={"GATEWAY": expectations}))
    code = code_of(lambda: verify_request(request, world.trust, at=NOW, policy=only_ecdsa))
    assert code is ErrorCode.ALGORITHM_NOT_ALLOWED


def answer(world: World, request: HttpRequestParts, status: int = 202) -> HttpResponseParts:
    parts = HttpResponseParts(status=status, headers=(("Content-Type", "application/json"),), body=b"{}")
    return parts.with_headers(sign_response(parts, request, world.gateway, now=NOW))


def test_a_response_is_bound_to_the_very_request_it_answers(world: World) -> None:
    request = signed(order(), world.bank)
    response = answer(world, request)
    verified = verify_response(response, request, world.trust, at=NOW, expected_participant="GATEWAY")
    assert verified.signer.participant == "GATEWAY"
    same_again = order().with_headers(sign_request(order(), world.bank, now=NOW, nonce="n-2"))
    code = code_of(lambda: verify_response(response, same_again, world.trust, at=NOW))
    assert code is ErrorCode.SIGNATURE_INVALID


def test_a_response_to_an_unsigned_request_does_not_answer_a_signed_one(world: World) -> None:
    response = answer(world, order())
    assert verify_response(response, order(), world.trust, at=NOW)
    request = signed(order(), world.bank)
    code = code_of(lambda: verify_response(response, request, world.trust, at=NOW))
    assert code is ErrorCode.SIGNATURE_INCOMPLETE


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: replace(r, status=200), ErrorCode.SIGNATURE_INVALID),
        (lambda r: replace(r, body=b"[]"), ErrorCode.DIGEST_MISMATCH),
        (lambda r: replace(r, headers=()), ErrorCode.SIGNATURE_MISSING),
    ],
    ids=["status", "body", "unsigned"],
)
def test_a_changed_response_is_refused(
    world: World, change: Callable[[HttpResponseParts], HttpResponseParts], code: ErrorCode
) -> None:
    request = signed(order(), world.bank)
    response = change(answer(world, request))
    assert code_of(lambda: verify_response(response, request, world.trust, at=NOW)) is code


@pytest.mark.parametrize("signature", [b"", b"\0" * 63, b"\0" * 64, b"\xff" * 64, b"\0" * 65])
def test_a_signature_of_nonsense_is_invalid_and_nothing_else(world: World, signature: bytes) -> None:
    key = world.bank.certificate.public_key()
    assert code_of(lambda: verify_base("ecdsa-p256-sha256", key, signature, b"base")) is ErrorCode.SIGNATURE_INVALID


@pytest.mark.parametrize("value", [":AA==:", ":AA==:, :AA==:", "", '"x"', ":AA==:;a=1", ", ".join([":AA==:"] * 6)])
def test_a_certificate_field_of_nonsense_is_refused(world: World, value: str) -> None:
    request = with_field(signed(order(), world.bank), "signature-certificate", lambda _: value)
    assert code_of(lambda: verify_request(request, world.trust, at=NOW)) in (MALFORMED, ErrorCode.SIGNATURE_INCOMPLETE)
