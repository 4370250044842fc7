"""A signed SOAP endpoint: POST an envelope of either version, GET `?wsdl`, `?wsdl=callback` and `?xsd=1`.

A request passes, in this order
  (1) its Content-Type names a version of SOAP, its body is within the limit;
  (2) it parses as XML without anything an honest peer avoids; its envelope is of the announced version and asks us to
      understand nothing we do not;
  (3) its WS-Security signature holds over Body and Timestamp, by a certificate we trust: only that Body is read on;
  (4) its signer is admitted;
  (5) the Body's one element is an operation and follows the schema (the fault's path is told);
  (6) one that only asks was not answered before under the same signature;
  (7) the operation is performed.
Every answer and every fault is signed; nothing of our inside stands in a fault.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from aiohttp import web
from lxml import etree

from certs.expectations import Expected
from certs.keystore import Credential
from certs.trust import Verified
from certs.wss import sign_envelope, verify_envelope
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.soap.codec import read
from contracts.soap.description import Service, schema, wsdl, xsd
from contracts.soap.envelope import inspect, only_child, to_bytes, wrap
from contracts.soap.faults import blame_of, fault, http_status
from contracts.soap.names import GATEWAY, SoapVersion, version_of
from contracts.soap.outgoing import written
from contracts.xml import XmlLimits, parse_xml
from gateway.ports import Exhibit
from gateway.wire.admission import Admission, retry_after
from gateway.wire.identity import Identity, signing
from gateway.wire.repetition import FORGETFUL, Memory
from gateway.wire.rules import TOLERANT
from gateway.wire.server import EVERYBODY, VERIFIED, KeepAnswer, problem_response, read_body

_XML = "text/xml"
_DESCRIBED = frozenset({"wsdl", "wsdl=callback"})
_BANKS_OWN = "https://bank.invalid/callback"  # the address that every bank puts in for itself

CallerT = TypeVar("CallerT")
OnRefusal = Callable[[str | None, str, Refusal, str | None], Awaitable[None]]
"""Told of every refused request: verified participant, path, refusal, hex SHA-256 of the body if it was read."""
OnAnswered = Callable[[str, float], None]
"""Told of every answer: OK or the error code, and how long it took in seconds."""

_NO_MORE: Mapping[str, str] = MappingProxyType({})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapLimits:
    """What is accepted of an envelope."""

    body_max_bytes: int = 262_144  # the largest request is about 10 kB signed
    expected: Expected = TOLERANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered(Generic[CallerT]):
    """What an endpoint offers: its contract, whom it admits, and what it does.

    `admit` makes a caller of a verified signer and the envelope kept as evidence; `perform` makes a response of
    `contracts.soap.model` of a request. Both refuse by RefusedError.
    """

    service: Service
    requests: Mapping[str, type[Any]]
    admit: Callable[[Verified, Exhibit], CallerT]
    perform: Callable[[Any, CallerT], Awaitable[Any]]
    address: str | None = None  # public address written into the WSDL; without, the one asked at
    questions: frozenset[type[Any]] = frozenset()  # requests that no inbox keeps: answered once for each signature


@dataclass(slots=True)
class _Call:
    """How far one request came; a fault says as much as is known."""

    version: SoapVersion = SoapVersion.V11
    body: bytes | None = None
    verified: Verified | None = None
    message_id: str | None = None
    exhibit: Exhibit | None = None


class SoapEndpoint(Generic[CallerT]):
    """The envelope's side of a service."""

    def __init__(
        self,
        offered: Offered[CallerT],
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        limits: SoapLimits,
        on_refusal: OnRefusal | None = None,
        on_answered: OnAnswered | None = None,
        keep_answer: KeepAnswer | None = None,
        admission: Admission = EVERYBODY,
        memory: Memory = FORGETFUL,
    ) -> None:
        self._offered, self._identity, self._clock, self._limits = offered, identity, clock, limits
        self._on_refusal, self._on_answered, self._keep_answer = on_refusal, on_answered, keep_answer
        self._admission, self._memory = admission, memory

    def routes(self, path: str) -> list[web.RouteDef]:
        """To be added to an application without the middleware that signs HTTP."""
        return [web.post(path, self.call), web.get(path, self.describe, allow_head=False)]

    async def describe(self, request: web.Request) -> web.Response:
        """The contract. It is public, and not signed."""
        asked = request.query_string.lower()
        if asked in _DESCRIBED:
            try:
                address = self._offered.address or str(request.url.with_query(None))
            except ValueError:  # the Host field is no host and port
                refusal = Refusal(code=ErrorCode.REQUEST_MALFORMED, facts={"what": "Host"})
                return problem_response(refusal, request.headers.get("Accept-Language", ""))
            if asked == "wsdl":
                return _bytes(wsdl(self._offered.service, address), _XML)
            return _bytes(wsdl(Service.CALLBACK, _BANKS_OWN, schema_at=address), _XML)
        if asked == "xsd=1":
            return _bytes(xsd(), _XML)
        raise web.HTTPNotFound(text="?wsdl, ?wsdl=callback, ?xsd=1")

    async def call(self, request: web.Request) -> web.Response:
        """One operation: a signed answer, or a signed fault."""
        started, call, outcome, headers = time.monotonic(), _Call(), "OK", {}
        try:
            content, status = await self._answer(request, call), 200
        except Exception as error:
            refusal = _refusal(error)
            outcome, headers = refusal.code, dict(retry_after(refusal))
            await self._note(request, call, refusal)
            content = fault(call.version, refusal, call.message_id)
            status = http_status(call.version, blame_of(refusal))
        credential = self._identity().credential
        answer = await signing(credential, partial(self._signed, call.version, content, credential))
        if self._keep_answer is not None and call.exhibit is not None:
            self._keep_answer(call.exhibit, lambda: self._exhibit(call.version, answer))
        if self._on_answered is not None:
            self._on_answered(outcome, time.monotonic() - started)
        response = _bytes(answer, call.version.media_type, status, headers)
        if outcome == ErrorCode.REQUEST_MALFORMED:
            response.force_close()  # nobody knows where it ends
        return response

    async def _answer(self, request: web.Request, call: _Call) -> etree._Element:
        call.version = _announced(request)
        self._admission.begin(request.method)
        call.body = await read_body(request, self._limits.body_max_bytes)
        body, request[VERIFIED] = self._verify(call, call.body)
        caller = self._admit(call, call.body)
        message = self._message(body, call)
        await self._remember(message, call)
        return written(await self._offered.perform(message, caller))

    def _verify(self, call: _Call, raw: bytes) -> tuple[etree._Element, Verified]:
        envelope = inspect(parse_xml(raw, limits=XmlLimits(body_max_bytes=self._limits.body_max_bytes)))
        if envelope.version is not call.version:
            announced, call.version = call.version, envelope.version
            raise refuse(ErrorCode.CONTENT_TYPE, received=announced.media_type, expected=envelope.version.media_type)
        signed = verify_envelope(
            envelope.root, self._identity().trust, at=self._clock(), expected=self._limits.expected
        )
        call.verified = signed.verified
        return signed.body, signed.verified

    def _admit(self, call: _Call, raw: bytes) -> CallerT:
        assert call.verified is not None
        self._admission.admit(call.verified.signer.participant)
        call.exhibit = envelope_exhibit("in", call.version, raw, call.verified)
        return self._offered.admit(call.verified, call.exhibit)

    def _message(self, body: etree._Element, call: _Call) -> Any:
        """The typed request in a verified Body."""
        element = only_child(body)
        name = etree.QName(element)
        kind = self._offered.requests.get(name.localname) if name.namespace == GATEWAY else None
        if kind is None:
            raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=name.localname)
        schema().validate(element)
        message = read(kind, element)
        call.message_id = message.message_id
        return message

    async def _remember(self, message: Any, call: _Call) -> None:
        assert call.verified is not None
        if type(message) in self._offered.questions and call.verified.once is not None:
            await self._memory.remember(call.verified.once)

    async def _note(self, request: web.Request, call: _Call, refusal: Refusal) -> None:
        if self._on_refusal is None:
            return
        source = None if call.verified is None else call.verified.signer.participant
        digest = None if call.body is None else hashlib.sha256(call.body).hexdigest()
        try:
            await self._on_refusal(source, request.path, refusal, digest)
        except Exception:
            _log.exception("a refusal could not be noted: %s", refusal.code)

    def _signed(self, version: SoapVersion, content: etree._Element, credential: Credential) -> bytes:
        envelope = wrap(version, content)
        sign_envelope(envelope, credential, now=self._clock())
        return to_bytes(envelope)

    def _exhibit(self, version: SoapVersion, answer: bytes) -> Exhibit:
        """Our signed answer as evidence."""
        kept = envelope_exhibit("out", version, answer, None)
        return replace(kept, signer=self._identity().credential.participant)


def envelope_exhibit(direction: str, version: SoapVersion, raw: bytes, verified: Verified | None) -> Exhibit:
    """An envelope as evidence: its signature can be verified again from these bytes alone."""
    signer = None if verified is None else verified.signer
    return Exhibit(
        direction=direction,
        media_type=version.media_type,
        content=raw,
        signer=None if signer is None else signer.participant,
        certificate_sha256=None if signer is None else signer.certificate_sha256,
    )


def _announced(request: web.Request) -> SoapVersion:
    version = version_of(request.content_type)
    charset = (request.charset or "utf-8").lower()
    if version is None or charset != "utf-8":
        expected = ", ".join(version.content_type for version in SoapVersion)
        raise refuse(ErrorCode.CONTENT_TYPE, received=request.headers.get("Content-Type", "-"), expected=expected)
    return version


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, RefusedError):
        return error.refusal
    _log.error("unexpected failure answering a SOAP request", exc_info=error)
    return Refusal(code=ErrorCode.INTERNAL)


def _bytes(body: bytes, media_type: str, status: int = 200, more: Mapping[str, str] = _NO_MORE) -> web.Response:
    headers = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store", **more}
    return web.Response(body=body, status=status, headers=headers)
