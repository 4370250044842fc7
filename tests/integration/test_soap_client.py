"""The SOAP client against peers that answer wrongly: only a signed answer to this very request is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from lxml import etree
from waiting import PATIENCE_S

from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import sign_envelope
from contracts.errors import ErrorCode, Refusal
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.faults import SoapFault, fault
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.identity import Identity
from gateway.wire.server import serve_app
from gateway.wire.soap_client import SoapClient

NOW = datetime.now(UTC)
BANK = "999101"
FEED = model.GetFeed(message_id="q-1", after=0, limit=1)
SOAP_11, SOAP_12 = SoapVersion.V11, SoapVersion.V12


@dataclass
class Peer:
    """A server that answers whatever it is told to, and a client that calls it."""

    keys: dict[str, Credential]
    client: SoapClient
    impatient: SoapClient
    url: str = ""
    answer: bytes = b""
    seen: list[web.Request] | None = None
    hang: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.seen = [*(self.seen or []), request]
        if self.hang is not None:
            await self.hang.wait()
        return web.Response(body=self.answer, content_type="text/xml")

    def signed(self, content: Any, who: str = BANK, version: SoapVersion = SOAP_11) -> bytes:
        envelope = wrap(version, content if isinstance(content, etree._Element) else write(content))
        sign_envelope(envelope, self.keys[who], now=datetime.now(UTC))
        return to_bytes(envelope)

    async def call(self, message: Any = FEED) -> Any:
        return (await self.client.call(self.url, message, expected_participant=BANK)).message


@pytest.fixture(scope="module")
def identity() -> tuple[TrustStore, dict[str, Credential]]:
    authority = Authority.create(NOW)
    keys = {name: authority.issue(name, name, key="p256", now=NOW) for name in ("GATEWAY", BANK, "999202")}
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    return trust, keys


@pytest_asyncio.fixture(params=[SOAP_11, SOAP_12], ids=lambda version: version.name)
async def peer(
    request: pytest.FixtureRequest, identity: tuple[TrustStore, dict[str, Credential]]
) -> AsyncIterator[Peer]:
    trust, keys = identity

    def client(timeout_s: float) -> SoapClient:
        return SoapClient(
            lambda: Identity(keys["GATEWAY"], trust),
            timeout_s=timeout_s,
            clock=lambda: datetime.now(UTC),
            version=request.param,
            answer_max_bytes=20_000,
        )

    peer = Peer(keys, client(PATIENCE_S), impatient=client(1.0))
    app = web.Application()
    app.router.add_post("/", peer.handle)
    running = await serve_app(app, "127.0.0.1", 0)
    peer.url = f"{running.address}/"
    yield peer
    if peer.hang is not None:
        peer.hang.set()
    await peer.client.close()
    await peer.impatient.close()
    await running.close()


async def test_the_action_is_said_where_each_version_says_it(peer: Peer) -> None:
    peer.answer = peer.signed(model.GetFeedResponse(in_reply_to="q-1"))
    assert await peer.call() == model.GetFeedResponse(in_reply_to="q-1")
    assert peer.seen is not None
    headers = peer.seen[0].headers
    if headers["Content-Type"].startswith("text/xml"):
        assert headers["SOAPAction"] == '"urn:eherrac:gateway:1:GetFeed"'
    else:
        assert 'action="urn:eherrac:gateway:1:GetFeed"' in headers["Content-Type"]


def _response(in_reply_to: str) -> model.GetFeedResponse:
    return model.GetFeedResponse(in_reply_to=in_reply_to)


def _spoilt(peer: Peer) -> bytes:
    return peer.signed(parse_xml(etree.tostring(write(_response("q-1"))).replace(b"q-1", b"two words")))


def _problem(in_reply_to: str) -> etree._Element:
    return fault(SOAP_11, Refusal(code=ErrorCode.OVERLOADED), in_reply_to)


UNBELIEVABLE: list[tuple[str, Callable[[Peer], bytes], ErrorCode]] = [
    ("an answer to another request", lambda p: p.signed(_response("q-0")), ErrorCode.REFERENCE_UNKNOWN),
    ("a fault about another request", lambda p: p.signed(_problem("q-0")), ErrorCode.REFERENCE_UNKNOWN),
    (
        "another operation's answer",
        lambda p: p.signed(model.NotifyResponse(in_reply_to="q-1", received_at=NOW)),
        ErrorCode.OPERATION_UNKNOWN,
    ),
    ("not by the schema", _spoilt, ErrorCode.SCHEMA_INVALID),
    ("our own request sent back", lambda p: p.signed(FEED, "GATEWAY"), ErrorCode.PARTICIPANT_MISMATCH),
    ("signed by another bank", lambda p: p.signed(_response("q-1"), "999202"), ErrorCode.PARTICIPANT_MISMATCH),
    ("unsigned", lambda _: to_bytes(wrap(SOAP_11, write(_response("q-1")))), ErrorCode.SIGNATURE_MISSING),
    ("changed on the way", lambda p: p.signed(_response("q-1")).replace(b">q-1<", b">q-2<"), ErrorCode.DIGEST_MISMATCH),
    ("a proxy's page", lambda _: b"<html>Bad Gateway", ErrorCode.XML_MALFORMED),
    ("nothing", lambda _: b"", ErrorCode.XML_MALFORMED),
    ("too long", lambda _: b"<a>" + b" " * 20_000, ErrorCode.BODY_TOO_LARGE),
]


@pytest.mark.parametrize(("make", "code"), [row[1:] for row in UNBELIEVABLE], ids=[row[0] for row in UNBELIEVABLE])
async def test_an_answer_that_cannot_be_believed_leaves_the_outcome_unknown(
    peer: Peer, make: Callable[[Peer], bytes], code: ErrorCode
) -> None:
    peer.answer = make(peer)
    with pytest.raises(OutcomeUnknownError) as unknown:
        await peer.call()
    assert unknown.value.refusal is not None
    assert unknown.value.refusal.code is code
    assert unknown.value.exhibits[0].direction == "out"


async def test_a_signed_fault_is_a_value(peer: Peer) -> None:
    peer.answer = peer.signed(_problem("q-1"))
    told = await peer.call()
    assert isinstance(told, SoapFault)
    assert (told.code, told.retry, told.in_reply_to) == ("OVERLOADED", True, "q-1")


FOREIGN_FAULTS = [
    (SOAP_11, "<faultcode>s:Client</faultcode><faultstring>Xeyr</faultstring>", ("Client", "Xeyr", False)),
    (SOAP_11, "<faultcode>s:Server</faultcode><faultstring>Sonra</faultstring>", ("Server", "Sonra", True)),
    (
        SOAP_12,
        '<s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang="az">Sonra</s:Text></s:Reason>',
        ("Receiver", "Sonra", True),
    ),
    (SOAP_12, "", ("Fault", "Fault", False)),
]


@pytest.mark.parametrize(("version", "inside", "expected"), FOREIGN_FAULTS)
async def test_a_fault_without_our_detail_is_read_by_its_standard_parts(
    peer: Peer, version: SoapVersion, inside: str, expected: tuple[str, str, bool]
) -> None:
    content = parse_xml(f'<s:Fault xmlns:s="{version}">{inside}</s:Fault>'.encode())
    peer.answer = peer.signed(content, version=version)
    told = await peer.call()
    assert (told.code, told.reason, told.retry) == expected


async def test_silence_after_sending_is_unknown_and_no_connection_is_not_sent(peer: Peer) -> None:
    peer.hang = asyncio.Event()
    peer.client, peer.impatient = peer.impatient, peer.client
    with pytest.raises(OutcomeUnknownError):
        await peer.call()
    peer.url = "http://127.0.0.1:1/"
    with pytest.raises(NotSentError):
        await peer.call()


async def test_a_message_our_schema_does_not_allow_is_never_sent(peer: Peer) -> None:
    with pytest.raises(ValueError, match="Limit"):
        await peer.call(model.GetFeed(message_id="q-1", after=0, limit=10_000))
    assert peer.seen is None
