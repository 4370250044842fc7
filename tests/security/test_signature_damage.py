"""Damage at random: a signed request or a sealed container is refused or is what was signed; nothing else happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.asice import open_sealed, seal
from certs.authority import Authority
from certs.http_signature import HttpRequestParts, sign_request, verify_request
from certs.trust import TrustStore
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FILES = {"protokol.xml": ("application/xml", b"<a>1500.00</a>"), "protokol.pdf": ("application/pdf", b"%PDF-1.7")}
SIGNED = ("Content-Digest", "Signature-Certificate", "Signature-Input", "Signature")


class Signed(NamedTuple):
    trust: TrustStore
    request: HttpRequestParts
    container: bytes


@pytest.fixture(scope="module")
def signed() -> Signed:
    authority = Authority.create(NOW)
    credential = authority.issue("999202", "Günəş Nümunə Bankı", key="p256", now=NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    parts = HttpRequestParts.of("POST", "http://a.example/v1", {"Content-Type": "text/plain"}, b"1500.00")
    request = parts.with_headers(sign_request(parts, credential, now=NOW, nonce="n"))
    return Signed(trust, request, seal(FILES, credential, now=NOW))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_field_of_anything_is_refused_in_order(signed: Signed, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SIGNED))
    original = dict(signed.request.headers)[name]
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 40)))
    value = original[:start] + data.draw(st.text(max_size=20)) + original[end:]
    headers = tuple((field, value if field == name else kept) for field, kept in signed.request.headers)
    damaged = HttpRequestParts(
        method="POST", authority="a.example", path="/v1", headers=headers, body=signed.request.body
    )
    try:
        verified = verify_request(damaged, signed.trust, at=NOW)
    except RefusedError:
        return
    assert verified.signer.participant == "999202"  # only what means the same, such as a space between members


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_container_of_anything_is_refused_or_the_one_that_was_sealed(signed: Signed, data: st.DataObject) -> None:
    container = bytearray(signed.container)
    for _ in range(data.draw(st.integers(1, 4))):
        container[data.draw(st.integers(0, len(container) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del container[data.draw(st.integers(0, len(container))) :]
    try:
        sealed = open_sealed(bytes(container), signed.trust)
    except RefusedError:
        return
    assert {name: (file.media_type, file.content) for name, file in sealed.files.items()} == FILES
