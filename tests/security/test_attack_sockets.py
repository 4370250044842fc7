"""Attacks over real sockets on the whole gateway: what a parser could let through, and a sample of the mutants.

Honest statements are made first; whatever an attack does, every noun of the gateway stands afterwards as it stood
before, and every answer comes in time, is no failure of ours, and says nothing of our inside.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import http_changes
import orjson
import pytest
import pytest_asyncio
import xml_changes
from raw_http import octets, send, statuses
from town import PAYER, Town

from certs.http_signature import HttpRequestParts, sign_request
from certs.wss import sign_envelope
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.names import SoapVersion

SEED = 20261122
REST_MUTANTS, SOAP_MUTANTS = 120, 80
# What would tell of our inside. Short words have their dot: base64 has none,
# and says every four letters one day.
INSIDE = (b"Traceback", b"aiohttp", b"Python", b"Error(", b'File "', b"lxml.", b"/gateway/", b"sys.")
DECISION = "/v1/offers/L1.offer/decision"


class Scene(NamedTuple):
    """A gateway with one decided offer, and the honest requests that led there."""

    town: Town
    rest: HttpRequestParts
    soap: HttpRequestParts

    async def nouns(self) -> Any:
        """Everything the attacks could have changed."""
        counts = {
            key: count for key, count in (await self.town.counts()).items() if key[0] in ("lot", "offer", "payment")
        }
        rows = [await self.town.noun("offer", id) for id in ("L1.offer", "L2.offer")]
        return counts, [(row.state, row.data) for row in rows]


def host_of(town: Town) -> str:
    return town.system.address.partition("//")[2]


def signed(
    town: Town, body: bytes, path: str = DECISION, *extra: tuple[str, str], method: str = "POST"
) -> HttpRequestParts:
    headers = (("Content-Type", "application/json"), ("Idempotency-Key", "k-1"), *extra)
    parts = HttpRequestParts(method=method, authority=host_of(town), path=path, headers=headers, body=body)
    return parts.with_headers(sign_request(parts, town.identity("999101").credential, now=town.now(), nonce="n-1"))


def envelope(town: Town, decision: model.Decision = model.Decision.ACCEPT, code: str = "999101") -> bytes:
    payer = model.Account(**PAYER) if decision is model.Decision.ACCEPT else None
    message = model.DecideOffer(
        message_id="s-1", offer_id="L2.offer", decision=decision, decided_by="Ə. Ğ.", payer=payer
    )
    root = wrap(SoapVersion.V11, write(message))
    sign_envelope(root, town.identity(code).credential, now=town.now())
    return to_bytes(root)


def soap_request(town: Town, body: bytes) -> HttpRequestParts:
    headers = (("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", '""'))
    return HttpRequestParts(method="POST", authority=host_of(town), path="/soap/v1", headers=headers, body=body)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    town = await Town(tmp_path).open()
    for lot in ("L1", "L2"):
        await town.announce(lot)
        await town.unsold(lot)
    rest = signed(town, orjson.dumps({"decision": "accept", "payer": PAYER}))
    soap = soap_request(town, envelope(town))
    for parts in (rest, soap):
        assert statuses(await send(town.system.address, octets(parts)))[0] in (200, 202)
    yield Scene(town, rest, soap)
    await town.close()


def is_soap_fault(answer: bytes) -> bool:
    """SOAP 1.1 wants status 500 for every fault, the sender's own among them."""
    return b"Fault>" in answer and b"Client</faultcode>" in answer


async def strike(scene: Scene, data: bytes) -> bytes:
    """One attack; its answer, which is decent whatever it says."""
    answer = await send(scene.town.system.address, data)
    assert not any(word in answer for word in INSIDE), answer
    for status in statuses(answer):
        assert status < 500 or is_soap_fault(answer), (data, answer)
    return answer


async def test_a_sample_of_the_mutants_changes_nothing_over_sockets(scene: Scene) -> None:
    """AOS-S2."""
    before = await scene.nouns()
    refusing = signed(scene.town, orjson.dumps({"decision": "refuse", "reason": "yox"}), "/v1/offers/L9.offer/decision")
    rest = http_changes.mutants(SEED, REST_MUTANTS, scene.rest, [refusing])
    theirs = envelope(scene.town, model.Decision.REFUSE, "999202")
    soap = xml_changes.deep_mutants(SEED, SOAP_MUTANTS, scene.soap.body, [theirs])
    taken = 0
    for parts in itertools.chain(rest, (soap_request(scene.town, body) for body in soap)):
        answer = await strike(scene, octets(parts))
        taken += any(status < 300 for status in statuses(answer))
    assert await scene.nouns() == before
    assert taken < (REST_MUTANTS + SOAP_MUTANTS) * 0.15  # repetitions of what was said already


def smuggled(scene: Scene) -> dict[str, tuple[bytes, int]]:
    """Requests that two parsers could read in two ways, and the one answer to each."""
    whole = octets(scene.rest)
    head, _, body = whole.partition(b"\r\n\r\n")
    bare = octets(scene.rest, length=False).partition(b"\r\n\r\n")[0]
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    size = len(body)

    def chunked(value: bytes, content: bytes = chunks) -> bytes:
        return bare + b"\r\nTransfer-Encoding: " + value + b"\r\n\r\n" + content

    def added(line: bytes) -> bytes:
        return head + b"\r\n" + line + b"\r\n\r\n" + body

    return {
        "length and chunks": (head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, 400),
        "two lengths": (added(b"Content-Length: 1"), 400),
        "a list of lengths": (bare + b"\r\nContent-Length: %d, %d\r\n\r\n" % (size, size) + body, 400),
        "a length with a sign": (bare + b"\r\nContent-Length: +%d\r\n\r\n" % size + body, 400),
        "another transfer": (chunked(b"xchunked"), 400),
        "two transfers": (chunked(b"chunked, identity"), 400),
        "a packed transfer": (chunked(b"gzip, chunked"), 400),
        "a negative chunk": (chunked(b"chunked", b"-5\r\n" + body + b"\r\n0\r\n\r\n"), 400),
        "a chunk longer than any number": (chunked(b"chunked", b"F" * 17 + b"\r\n" + body), 400),
        "a length longer than any number": (bare + b"\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n" + body, 400),
        "a target at no port": (whole.replace(b" /v1", b" http://a:99999/v1"), 400),
        "a folded line": (head.replace(b"k-1\r\n", b"k-1\r\n x\r\n") + b"\r\n\r\n" + body, 400),
        "a space before the colon": (whole.replace(b"Idempotency-Key:", b"Idempotency-Key :"), 400),
        "a name that is no token": (whole.replace(b"Idempotency-Key:", "Idempotency-\u212aey:".encode()), 400),
        "line feeds alone": (whole.replace(b"\r\n", b"\n"), 400),
        "a carriage return in a value": (whole.replace(b"k-1\r", b"k-1\rX: y\r"), 400),
        "a NUL in a value": (whole.replace(b"k-1\r", b"k\x00-1\r"), 400),
        "two hosts": (added(b"Host: bank.example"), 400),
        "no host": (octets(scene.rest, host=False), 400),
        "another host": (whole.replace(b"Host: 127.0.0.1", b"Host: bank.example"), 401),
        "a forwarded host": (added(b"X-Forwarded-Host: bank.example"), 202),
        "the target with a host": (whole.replace(b" /v1", b" http://bank.example/v1"), 401),
        "a digest twice": (added(b"Content-Digest: sha-256=:AA==:"), 401),
        "a signature twice": (added(b"Signature: eherrac=:AA==:"), 401),
        "an input twice": (added(b"signature-input: eherrac=()"), 401),
        "a key twice": (added(b"idempotency-key: k-2"), 401),
        "a webhook id put in": (added(b"webhook-id: w-1"), 401),
        "a content type twice": (added(b"Content-Type: text/xml"), 400),
        "letters beyond ASCII in the path": (whole.replace(b"L1.offer", "Lə.offer".encode()), 400),
        "letters beyond ASCII in the signature": (
            whole.replace(b"Signature: eherrac=:", b"Signature: eherrac=:\xe9"),
            401,
        ),
        "a path by another way": (whole.replace(b"/v1/offers", b"/v1/x/../offers"), 401),
        "a path in other letters": (whole.replace(b"L1.offer", b"L1%2Eoffer"), 401),
        "a long field": (added(b"X: " + b"a" * 20_000), 400),
        "many fields": (added(b"\r\n".join(b"X%d: a" % number for number in range(5_000))), 400),
        "a long target": (whole.replace(b"/v1", b"/v1/" + b"a" * 20_000), 400),
        "an unknown method": (whole.replace(b"POST /", b"PROPFIND /"), 401),
        "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00" + bytes(100) + b"\r\n\r\n", 400),
        "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        "an expectation": (added(b"Expect: x"), 400),
        "chunks in HTTP/1.0": (chunked(b"chunked").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        "a contract asked for at no port": (b"GET /soap/v1?wsdl HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
        "a contract asked for at no address": (b"GET /soap/v1?wsdl HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        "a trailer": (chunked(b"chunked", chunks[:-2] + b"Idempotency-Key: k-2\r\n\r\n"), 202),
        "a packed body": (
            octets(signed(scene.town, gzip.compress(bytes(9_000_000)), DECISION, ("Content-Encoding", "gzip"))),
            415,
        ),
        "a second request behind": (
            whole.replace(b"Connection: close\r\n", b"") + b"GET /v1/feed HTTP/1.1\r\nHost: x\r\n\r\n",
            202,
        ),
    }


async def test_no_request_is_read_in_two_ways(scene: Scene) -> None:
    before, given = await scene.nouns(), {}
    attacks = smuggled(scene)
    for name, (data, _) in attacks.items():
        given[name] = statuses(await strike(scene, data))
    first = {name: seen[0] for name, seen in given.items()}
    assert first == {name: wanted for name, (_, wanted) in attacks.items()}
    assert given["a second request behind"] == [202, 401]  # each is judged for itself
    assert await scene.nouns() == before


@pytest.mark.parametrize("path", ["/v1/events", "/soap/v1", "/healthz", "/nothing"])
async def test_nothing_is_read_behind_chunks_in_http_1_0(scene: Scene, path: str) -> None:
    """RFC 9112, 6.1: whoever stands before us may see the end of that request elsewhere."""
    head = f"POST {path} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    behind = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await send(scene.town.system.address, head.encode() + b"2\r\n{}\r\n0\r\n\r\n" + behind)
    assert (answer.count(b"HTTP/1."), b'{"status": "up"}' in answer) == (1, False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"decision":"accept","decision":"refuse","reason":"yox"}',
        b'{"decision":"refuse","reason":' + b"9" * 5_000 + b"}",
        b'{"decision":"refuse","reason":1e99999999}',
        b'{"decision":"refuse","reason":1e9999999999999999999}',
        b'{"decision":"refuse","reason":1.5e-9999999999999999999}',
        b'{"decision":"refuse","reason":NaN}',
        b"[" * 30_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"decision":"refuse","reason":"\\ud800"}',
        b'{"decision":"refuse","reason":"\\u0000"}',
        b'\xef\xbb\xbf{"decision":"refuse","reason":"yox"}',
        b'{"decision":"refuse","reason":"\xff"}',
        '{"decision":"refuse","reason":"yox"}'.encode("utf-16"),
        b'{"decision":"refuse","reason":"yox"} {}',
        b'{"Decision":"refuse","reason":"yox"}',
        '{"decision":"re\u200bfuse","reason":"yox"}'.encode(),
    ],
)
async def test_well_signed_nonsense_is_refused_as_nonsense(scene: Scene, body: bytes) -> None:
    """The bank signs it itself: the signature holds, and the content is still no message."""
    answer = await strike(scene, octets(signed(scene.town, body, "/v1/offers/L2.offer/decision")))
    assert statuses(answer)[0] in (400, 422)
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["code"] in ("JSON_MALFORMED", "SCHEMA_INVALID")


async def test_a_sender_who_stops_half_way_does_not_hold_the_others_up(scene: Scene) -> None:
    """Thirty connections stand open with half a request each; an honest one is answered as ever."""
    half = octets(scene.rest)[:-20]
    waiting = [await _open(scene.town, half) for _ in range(30)]
    again = await strike(scene, octets(scene.rest))
    assert statuses(again) == [202]
    for writer in waiting:
        writer.close()


async def _open(town: Town, data: bytes) -> Any:
    host, _, port = host_of(town).partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    await writer.drain()
    return writer


async def test_what_was_signed_for_another_host_is_refused_where_our_names_are_known(tmp_path: Path) -> None:
    """Somebody to whom a bank sent a request passes it on, Host and all: the signature holds, and it is not for us."""
    town = await Town(tmp_path).open(EHERRAC__SIGNATURE__AUTHORITIES='["Gateway.example:8443", "127.0.0.1:1"]')
    try:
        answers = {}
        for host in ("gateway.EXAMPLE:8443", "aos.example", host_of(town)):
            parts = HttpRequestParts(method="GET", authority=host, path="/v1/offers")
            parts = parts.with_headers(
                sign_request(parts, town.identity("999101").credential, now=town.now(), nonce="n")
            )
            answer = await send(town.system.address, octets(parts))
            answers[host] = (statuses(answer)[0], b"addressed to another host" in answer)
        assert answers == {
            "gateway.EXAMPLE:8443": (200, False),
            "aos.example": (401, True),
            host_of(town): (401, True),
        }
    finally:
        await town.close()
