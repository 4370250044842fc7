"""Every door of the gateway in this process without sockets, keys for everybody, an engine that only writes down.

What a door hands to the engine is what it processes: so an attack succeeded when something stands in `taken` that no
honest participant signed. Clock, keys' holders and messages are fixed; only the signatures differ from run to run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import orjson
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from lxml import etree
from multidict import CIMultiDict, CIMultiDictProxy
from rest_world import BANK, OFFER, OTHER_BANK, STRANGER, FakeQueries, decision, event
from yarl import URL

from certs.authority import Authority
from certs.http_signature import HttpRequestParts, sign_request
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import sign_envelope
from certs.xmldsig import sign_enveloped
from contracts.errors import Refusal
from contracts.iso20022 import envelope
from contracts.iso20022.samples import STATUS, SYSTEM_BIC
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.names import SoapVersion
from gateway.doors.aos import MESSAGES_PATH, AosDoor, AosDoorSettings
from gateway.doors.asan_pay import NOTIFICATIONS_PATH, AsanPayDoor
from gateway.doors.callers import Callers
from gateway.doors.means import Means
from gateway.doors.metrics import Metrics
from gateway.doors.rest import PREFIX, RestSettings, rest_app
from gateway.doors.root import unknown_paths
from gateway.doors.soap import PREFIX as SOAP_PREFIX
from gateway.doors.soap import SoapSettings, soap_app
from gateway.ports import Answer, Message
from gateway.wire.identity import Identity
from gateway.wire.server import signed_http

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HOST = "gateway.example:8080"
OWN_BIC, OWN_ADDRESS = "EHRNAZ22", "EHRNAZ22A001"
SOAP_PATH = "/soap/v1"
CODES = ("GATEWAY", "EHERRAC", "AOS", "ASANPAY", "ECONOMY", "JUSTICE", BANK, OTHER_BANK, STRANGER)
BODY_MAX_BYTES = 65_536
ACCOUNT = decision()["payer"]
NOTIFICATION = {
    "notificationId": "n-1",
    "invoiceNumber": "INV-1",
    "invoiceId": "LOT-B.deposit.B-1",
    "operationNumber": "OP-1",
    "paidAt": "2026-11-22T09:00:00Z",
    "amount": "1500.00",
    "currency": "AZN",
    "payer": {"name": "Əli Nümunəyev", "taxId": "5AB12CD"},
    "caseNumber": "IC-2026/77",
}

Statement = tuple[object, ...]


def stated(message: Message) -> Statement:
    """Everything of a message that is acted upon."""
    return message.source, message.id, message.target, message.event, message.actor


@dataclass(slots=True)
class World:
    """The doors, and what they took."""

    identities: dict[str, Identity]
    app: web.Application = field(init=False)
    taken: list[Message] = field(default_factory=list)

    @classmethod
    async def open(cls) -> World:
        authority = Authority.create(NOW)
        trust = TrustStore.from_pem(
            anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
        )
        issued = {code: authority.issue(code, f"{code} (nümunə)", key="p256", now=NOW) for code in CODES}
        world = cls({code: Identity(credential, trust) for code, credential in issued.items()})
        world.app = world._doors()
        return world

    @property
    def trust(self) -> TrustStore:
        return self.identities["GATEWAY"].trust

    def key(self, code: str) -> Credential:
        return self.identities[code].credential

    async def receive(self, message: Message) -> Answer:
        """The engine's place: writes down and answers."""
        self.taken.append(message)
        return Answer(noun=message.target.noun, id=str(message.target.id), state="ok", version=1, accepted_at=NOW)

    def _doors(self) -> web.Application:
        async def note(source: str | None, path: str, refusal: Refusal, digest: str | None) -> None:
            pass

        def identity() -> Identity:
            return self.identities["GATEWAY"]

        means = Means(
            callers=Callers(platform="EHERRAC", banks={BANK, OTHER_BANK}),
            identity=identity,
            receiver=self,
            queries=FakeQueries(),
            clock=lambda: NOW,
            note_refusal=note,
            metrics=Metrics(),
        )
        root = web.Application(middlewares=[unknown_paths, _rails_only(signed_http(identity, clock=lambda: NOW))])
        root.add_subapp(PREFIX, rest_app(RestSettings(body_max_bytes=BODY_MAX_BYTES), means))
        root.add_subapp(SOAP_PREFIX, soap_app(SoapSettings(), means))
        settings = AosDoorSettings(own_bic=OWN_BIC, own_address=OWN_ADDRESS, system_bic=SYSTEM_BIC)
        root.add_routes(AosDoor(self, settings, identity, clock=lambda: NOW).routes())
        root.add_routes(AsanPayDoor(self).routes())
        root.freeze()
        return root

    async def knock(self, parts: HttpRequestParts) -> tuple[int, bytes]:
        """Hand a request to the application as the server would; the answer's status and body."""
        loop = asyncio.get_running_loop()
        payload = StreamReader(BaseProtocol(loop), 2**20, loop=loop)
        payload.feed_data(parts.body)
        payload.feed_eof()
        protocol: Any = SimpleNamespace(transport=None, ssl_context=None, peername=None, sockname=None)
        message = _start_of(parts)
        request = web.Request(message, payload, protocol, Mock(), Mock(), loop, client_max_size=2**20)
        response = await self.app._handle(request)
        assert isinstance(response, web.Response)
        return response.status, bytes(response.body or b"")


def _start_of(parts: HttpRequestParts) -> RawRequestMessage:
    headers = CIMultiDict((("Host", parts.authority), *parts.headers))
    raw = tuple(
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for name, value in headers.items()
    )
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return RawRequestMessage(
        parts.method,
        target,
        HttpVersion11,
        CIMultiDictProxy(headers),
        raw,
        False,
        None,
        False,
        False,
        URL(target, encoded=True),
    )


def _rails_only(signed: Any) -> Any:
    """As the bootstrap has it: the doors of AÖS and Asan Pay behind the middleware, the others bring their own."""

    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> Any:
        rails = request.path in (MESSAGES_PATH, NOTIFICATIONS_PATH)
        return await (signed(request, handler) if rails else handler(request))

    return middleware


# --- Honest messages -------------------------------------------------------------------------------------------------


def request(
    world: World, code: str, method: str, path: str, body: bytes = b"", query: str = "", **headers: str
) -> HttpRequestParts:
    """A request as this participant would sign it."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    parts = HttpRequestParts(
        method=method, authority=HOST, path=path, query=query, headers=tuple(fields.items()), body=body
    )
    return parts.with_headers(sign_request(parts, world.key(code), now=NOW, nonce=f"n-{code}"))


def decide(world: World, code: str = BANK, key: str = "k-1", **changes: Any) -> HttpRequestParts:
    body = orjson.dumps(decision(**changes))
    headers = {"Content_Type": "application/json", "Idempotency_Key": key}
    return request(world, code, "POST", f"/v1/offers/{OFFER.id}/decision", body, **headers)


def publish(world: World, **changes: Any) -> HttpRequestParts:
    body = orjson.dumps(event(**changes))
    return request(world, "EHERRAC", "POST", "/v1/events", body, Content_Type="application/cloudevents+json")


def notify(world: World, code: str = "ASANPAY", **changes: Any) -> HttpRequestParts:
    body = orjson.dumps(NOTIFICATION | changes)
    return request(world, code, "POST", NOTIFICATIONS_PATH, body, Content_Type="application/json")


def soap(world: World, code: str, message: Any, version: SoapVersion = SoapVersion.V11) -> bytes:
    root = wrap(version, write(message))
    sign_envelope(root, world.key(code), now=NOW)
    return to_bytes(root)


def soap_decide(world: World, code: str = BANK, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "message_id": "d-1",
        "offer_id": OFFER.id,
        "decision": model.Decision.ACCEPT,
        "decided_by": "Ə. Ğ.",
        "payer": model.Account(**ACCOUNT),
    }
    return soap(world, code, model.DecideOffer(**fields | changes))


def soap_request(envelope_bytes: bytes) -> HttpRequestParts:
    """SOAP's signature is in the envelope; the request around it is bare."""
    headers = (("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", '""'))
    return HttpRequestParts(method="POST", authority=HOST, path=SOAP_PATH, headers=headers, body=envelope_bytes)


def iso(world: World, message: Any = STATUS, code: str = "AOS") -> bytes:
    root = envelope.wrap(message, from_bic=SYSTEM_BIC, to_bic=OWN_BIC)
    sign_enveloped(root, world.key(code), into=envelope.signature_parent(root))
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def iso_request(world: World, data: bytes, code: str = "AOS") -> HttpRequestParts:
    """The channel's own signature holds: the attacker sits inside it, so that only the message's own can stop him."""
    return request(world, code, "POST", MESSAGES_PATH, data, Content_Type="application/xml")
