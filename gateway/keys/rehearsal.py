"""Rotation rehearsed: everything we sign, signed with the next key and verified as a counterparty would. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from lxml import etree

from certs import asice
from certs.http_signature import (
    HttpRequestParts,
    HttpResponseParts,
    sign_request,
    sign_response,
    verify_request,
    verify_response,
)
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import SOAP_11, SOAP_12, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors.refusal import Refusal, RefusedError
from contracts.xml import parse_xml

_CONTENT = '<r:Rehearsal xmlns:r="urn:eherrac:rehearsal:1">açar</r:Rehearsal>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One kind of signature. `refusal` is None where it holds."""

    what: str
    refusal: Refusal | None


def rehearse(credential: Credential, trust: TrustStore, at: datetime) -> list[Rehearsed]:
    """Sign and verify each kind, as if it were `at`."""
    kinds: dict[str, Callable[[Credential, TrustStore, datetime], object]] = {
        "certificate": lambda own, store, now: store.judge(own.certificate, own.chain, now),
        "SOAP 1.1": lambda *given: _soap(SOAP_11, *given),
        "SOAP 1.2": lambda *given: _soap(SOAP_12, *given),
        "ISO 20022": _iso,
        "HTTP request": _request,
        "HTTP response": _response,
        "ASiC-E": _container,
    }
    attempts = {what: partial(kind, credential, trust, at) for what, kind in kinds.items()}
    return [Rehearsed(what=what, refusal=_refusal(attempt)) for what, attempt in attempts.items()]


def _refusal(attempt: Callable[[], object]) -> Refusal | None:
    try:
        attempt()
    except RefusedError as error:
        return error.refusal
    return None


def _soap(version: str, own: Credential, trust: TrustStore, at: datetime) -> None:
    root = parse_xml(f'<s:Envelope xmlns:s="{version}"><s:Body>{_CONTENT}</s:Body></s:Envelope>'.encode())
    sign_envelope(root, own, now=at)
    verify_envelope(parse_xml(etree.tostring(root)), trust, at=at)


def _iso(own: Credential, trust: TrustStore, at: datetime) -> None:
    root = parse_xml(f'<w:Wrapper xmlns:w="urn:eherrac:rehearsal:1"><w:Sgntr/>{_CONTENT}</w:Wrapper>'.encode())
    sign_enveloped(root, own, into=root[0])
    place = "{urn:eherrac:rehearsal:1}Sgntr"
    verify_enveloped(parse_xml(etree.tostring(root)), trust, at=at, signature_parent=place)


def _signed_request(own: Credential, at: datetime) -> HttpRequestParts:
    fields = (("Host", "rehearsal.invalid"), ("Content-Type", "application/json"))
    parts = HttpRequestParts(method="POST", authority="rehearsal.invalid", path="/", headers=fields, body=b"{}")
    return parts.with_headers(sign_request(parts, own, now=at, nonce="rehearsal"))


def _request(own: Credential, trust: TrustStore, at: datetime) -> None:
    verify_request(_signed_request(own, at), trust, at=at)


def _response(own: Credential, trust: TrustStore, at: datetime) -> None:
    request = _signed_request(own, at)
    answer = HttpResponseParts(status=200, headers=(("Content-Type", "application/json"),), body=b"{}")
    answer = answer.with_headers(sign_response(answer, request, own, now=at))
    verify_response(answer, request, trust, at=at)


def _container(own: Credential, trust: TrustStore, at: datetime) -> None:
    asice.open_sealed(asice.seal({"akt.txt": ("text/plain", b"x")}, own, now=at), trust, at=at)
