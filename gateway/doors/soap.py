"""The SOAP door: POST an envelope of either version, GET `?wsdl` and `?xsd=1`.

A request passes, in this order
  (1) its Content-Type names a version of SOAP, its body is within the limit;
  (2) it parses as XML without anything an honest peer avoids; its envelope is of the announced version and asks us to
      understand nothing we do not;
  (3) its WS-Security signature holds over Body and Timestamp, by a certificate we trust: only that Body is read on;
  (4) its signer is the platform or a registered bank;
  (5) the Body's one element is an operation and follows the schema (the fault's path is told);
  (6) the operation is done. Before a state-changing one is answered, it is on disk.
Every answer and every fault is signed; nothing of our inside stands in a fault.

Mounted under `PREFIX`, without the middleware that signs HTTP:  root.add_subapp(PREFIX, soap_app(settings, ...))
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from lxml import etree

from certs.trust import Verified
from certs.wss import WssExpectations, sign_envelope, verify_envelope
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.soap import model
from contracts.soap.codec import read, write
from contracts.soap.description import Service, schema, wsdl, xsd
from contracts.soap.envelope import inspect, only_child, to_bytes, wrap
from contracts.soap.faults import fault, http_status, is_ours
from contracts.soap.names import GATEWAY, SoapVersion, version_of
from contracts.xml import XmlLimits, parse_xml
from gateway.doors.metrics import Metrics
from gateway.doors.queries import Queries
from gateway.doors.rest import NoteRefusal
from gateway.doors.soap_operations import Caller, Operations
from gateway.ports import Exhibit, Receiver
from gateway.wire.identity import Identity
from gateway.wire.server import read_body

PREFIX = "/soap"
PATH = "/v1"  # below the prefix
EXPECTED = WssExpectations(inclusive_namespaces=True)  # WSS4J, which most banks use, writes them
_XML = "text/xml"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapSettings:
    """Who may come in, and how much they may say."""

    platform: str  # participant code of the auction platform
    banks: Collection[str]  # participant codes of the banks
    address: str | None = None  # public address written into the WSDL; without, the one asked at
    body_max_bytes: int = 262_144  # the largest request is about 10 kB signed
    offers_max: int = 500  # in one answer
    expectations: WssExpectations = EXPECTED


@dataclass(slots=True)
class _Call:
    """How far one request came; a fault says as much as is known."""

    version: SoapVersion = SoapVersion.V11
    body: bytes | None = None
    verified: Verified | None = None
    message_id: str | None = None


def soap_app(
    settings: SoapSettings,
    *,
    identity: Callable[[], Identity],
    receiver: Receiver,
    queries: Queries,
    clock: Callable[[], datetime],
    note_refusal: NoteRefusal,
    metrics: Metrics,
) -> web.Application:
    """Build the application to be mounted under `PREFIX`."""
    operations = Operations(
        receiver, queries, platform=settings.platform, banks=settings.banks, offers_max=settings.offers_max
    )
    door = SoapDoor(settings, operations, identity=identity, clock=clock, note_refusal=note_refusal, metrics=metrics)
    app = web.Application()
    app.add_routes([web.post(PATH, door.call), web.get(PATH, door.describe, allow_head=False)])
    return app


class SoapDoor:
    """The envelope's side of the service."""

    def __init__(
        self,
        settings: SoapSettings,
        operations: Operations,
        *,
        identity: Callable[[], Identity],
        clock: Callable[[], datetime],
        note_refusal: NoteRefusal,
        metrics: Metrics,
    ) -> None:
        self._settings, self._operations = settings, operations
        self._identity, self._clock = identity, clock
        self._note_refusal, self._metrics = note_refusal, metrics
        self._limits = XmlLimits(body_max_bytes=settings.body_max_bytes)

    async def describe(self, request: web.Request) -> web.Response:
        """The contract. It is public, and not signed."""
        asked = request.query_string.lower()
        if asked == "wsdl":
            address = self._settings.address or str(request.url.with_query(None))
            return _bytes(wsdl(Service.GATEWAY, address), _XML)
        if asked == "xsd=1":
            return _bytes(xsd(), _XML)
        raise web.HTTPNotFound(text="?wsdl, ?xsd=1")

    async def call(self, request: web.Request) -> web.Response:
        """One operation: a signed answer, or a signed fault."""
        started, call, outcome = time.monotonic(), _Call(), "OK"
        try:
            content, status = await self._answer(request, call), 200
        except RefusedError as error:
            outcome = error.refusal.code
            await self._note(request, call, error.refusal)
            content, status = _fault(call, error.refusal)
        except Exception:
            _log.exception("unexpected failure answering a SOAP request")
            outcome = ErrorCode.INTERNAL
            content, status = _fault(call, Refusal(code=ErrorCode.INTERNAL))
        response = self._signed(call.version, content, status)
        self._metrics.request("soap", outcome, time.monotonic() - started)
        return response

    async def _answer(self, request: web.Request, call: _Call) -> etree._Element:
        call.version = _announced(request)
        call.body = await read_body(request, self._settings.body_max_bytes)
        body = self._verify(call, call.body)
        caller = self._caller(call, call.body)
        message = _message(body, call)
        return write(await self._operations.perform(message, caller))

    def _verify(self, call: _Call, raw: bytes) -> etree._Element:
        envelope = inspect(parse_xml(raw, limits=self._limits))
        if envelope.version is not call.version:
            announced, call.version = call.version, envelope.version
            raise refuse(ErrorCode.CONTENT_TYPE, received=announced.media_type, expected=envelope.version.media_type)
        signed = verify_envelope(
            envelope.root, self._identity().trust, at=self._clock(), expectations=self._settings.expectations
        )
        call.verified = signed.verified
        return signed.body

    def _caller(self, call: _Call, raw: bytes) -> Caller:
        assert call.verified is not None
        signer = call.verified.signer
        exhibit = Exhibit(
            direction="in",
            media_type=call.version.media_type,
            content=raw,
            signer=signer.participant,
            certificate_sha256=signer.certificate_sha256,
        )
        return self._operations.caller(signer.participant, exhibit)

    async def _note(self, request: web.Request, call: _Call, refusal: Refusal) -> None:
        source = None if call.verified is None else call.verified.signer.participant
        digest = None if call.body is None else hashlib.sha256(call.body).hexdigest()
        try:
            await self._note_refusal(source, request.path, refusal, digest)
        except Exception:
            _log.exception("a refusal could not be noted: %s", refusal.code)

    def _signed(self, version: SoapVersion, content: etree._Element, status: int) -> web.Response:
        envelope = wrap(version, content)
        sign_envelope(envelope, self._identity().credential, now=self._clock())
        return _bytes(to_bytes(envelope), version.media_type, status)


def _announced(request: web.Request) -> SoapVersion:
    version = version_of(request.content_type)
    charset = (request.charset or "utf-8").lower()
    if version is None or charset != "utf-8":
        expected = ", ".join(version.media_type for version in SoapVersion)
        raise refuse(ErrorCode.CONTENT_TYPE, received=request.headers.get("Content-Type", "-"), expected=expected)
    return version


def _message(body: etree._Element, call: _Call) -> Any:
    """The typed request in a verified Body."""
    element = only_child(body)
    name = etree.QName(element)
    kind = model.REQUESTS.get(name.localname) if name.namespace == GATEWAY else None
    if kind is None:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=name.localname)
    schema().validate(element)
    message = read(kind, element)
    call.message_id = message.message_id
    return message


def _fault(call: _Call, refusal: Refusal) -> tuple[etree._Element, int]:
    return fault(call.version, refusal, call.message_id), http_status(call.version, is_ours(refusal))


def _bytes(body: bytes, media_type: str, status: int = 200) -> web.Response:
    headers = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=body, status=status, headers=headers)


__all__ = ["PATH", "PREFIX", "SoapDoor", "SoapSettings", "soap_app"]
