"""What an engineer is told when his signature fails: step, cause and remedy, at the REST and the SOAP door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace

import orjson
import pytest
from aiohttp import ClientSession, web
from lxml import etree

from certs.authority import Authority
from certs.http_signature import HttpRequestParts, sign_request
from certs.trust import TrustStore
from certs.wss import sign_envelope
from contracts.soap.calls import RESPONSES
from contracts.soap.description import Service
from contracts.soap.envelope import wrap
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.wire.identity import Identity
from gateway.wire.server import Running, serve_app, signed_http
from gateway.wire.soap_server import Offered, SoapEndpoint, SoapLimits

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def parties() -> SimpleNamespace:
    authority = Authority.create(NOW)
    bank = authority.issue("999101", "Bank", key="p256", now=NOW)
    own = authority.issue("GATEWAY", "Şlüz", key="p256", now=NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    return SimpleNamespace(bank=bank, gateway=Identity(own, trust))


@pytest.fixture
async def door(parties: SimpleNamespace) -> AsyncIterator[Running]:
    """Both kinds of door; whatever reaches what lies behind them fails the test."""

    async def reached(*_: object) -> web.Response:
        raise AssertionError("a refused message went on")

    rest = web.Application(middlewares=[signed_http(lambda: parties.gateway, clock=lambda: NOW)])
    rest.add_routes([web.post("/x", reached)])
    offered: Offered[None] = Offered(
        service=Service.GATEWAY,
        requests={kind.__name__: kind for kind in RESPONSES},
        admit=lambda *_: None,
        perform=reached,  # type: ignore[arg-type]
    )
    endpoint = SoapEndpoint(offered, lambda: parties.gateway, clock=lambda: NOW, limits=SoapLimits())
    root = web.Application()
    root.add_subapp("/rest", rest)
    root.add_routes(endpoint.routes("/soap"))
    running = await serve_app(root, "127.0.0.1", 0)
    yield running
    await running.close()


async def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    async with (
        ClientSession(skip_auto_headers=["Content-Type"]) as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return await answer.read()


async def test_rewritten_json_is_told_in_the_problem_document(parties: SimpleNamespace, door: Running) -> None:
    host = door.address.removeprefix("http://")
    fields = {"Host": host, "Content-Type": "application/json", "Accept-Language": "en"}
    parts = HttpRequestParts(
        method="POST", authority=host, path="/rest/x", headers=tuple(fields.items()), body=b'{"a":1}'
    )
    signed = sign_request(parts, parties.bank, now=NOW, nonce="n")
    problem = orjson.loads(await post(f"{door.address}/rest/x", b'{"a": 1}', fields | signed))
    assert problem["code"] == "DIGEST_MISMATCH"
    assert problem["facts"]["step"] == "4 digest"
    assert problem["facts"]["cause"] == "json_rewritten"
    assert "written differently after signing" in problem["detail"]
    assert "compute Content-Digest over those bytes" in problem["remedy"]
    assert "JSON" in problem["az"]["remedy"]


async def test_reindented_xml_is_told_in_the_fault(parties: SimpleNamespace, door: Running) -> None:
    envelope = wrap(SoapVersion.V11, parse_xml(b"<q:Q xmlns:q='urn:q'><q:a>1</q:a></q:Q>"))
    sign_envelope(envelope, parties.bank, now=NOW)
    sent = etree.tostring(envelope).replace(b"<q:a>", b"\n  <q:a>")
    told = etree.fromstring(await post(f"{door.address}/soap", sent, {"Content-Type": "text/xml; charset=utf-8"}))
    problem = next(told.iter("{*}Problem"))
    facts = {fact.get("name"): fact.text for fact in problem.iterfind("{*}Fact")}
    assert problem.findtext("{*}Code") == "DIGEST_MISMATCH"
    assert (facts["step"], facts["cause"]) == ("9 digests", "reindented")
    assert facts["expected"] != facts["received"]
    remedies = [said.findtext("{*}Remedy") or "" for said in problem.iterfind("{*}Said")]
    assert any("imzaladıqdan sonra formatlamayın" in remedy for remedy in remedies)
    assert any("Do not format" in remedy for remedy in remedies)
