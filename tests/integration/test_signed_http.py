"""Signed HTTP over real sockets: what the server lets through, and how the client tells one failure from another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from aiohttp import ClientSession, web
from waiting import PATIENCE_S

from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import refuse
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED, Running, serve_app, signed_http

BODY_MAX_BYTES = 1_000
JSON = "application/json"


def clock() -> datetime:
    return datetime.now(UTC)


class People(NamedTuple):
    gateway: Identity
    bank: Identity


class House(NamedTuple):
    server: Running
    client: SignedClient
    refusals: list[tuple[ErrorCode, bytes | None]]
    people: People

    async def post(self, path: str, body: bytes = b"{}", **options: object) -> tuple[int, dict[str, object]]:
        settings: dict[str, object] = {"content_type": JSON, "expected_participant": "GATEWAY"} | options
        answer = await self.client.request("POST", self.server.address + path, body=body, **settings)  # type: ignore[arg-type]
        return answer.status, json.loads(answer.body)


@pytest.fixture(scope="module")
def people() -> People:
    authority = Authority.create(clock())
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(clock())]
    )

    def identity(code: str) -> Identity:
        return Identity(authority.issue(code, f"{code} (nümunə)", key="p256", now=clock()), trust)

    return People(identity("GATEWAY"), identity("999202"))


async def tell(request: web.Request) -> web.Response:
    told = {"from": request[VERIFIED].signer.participant, "bytes": len(request[RAW_BODY])}
    assert request[EXHIBIT].signer == told["from"]
    return web.json_response(told, status=202)


async def refuse_it(_request: web.Request) -> web.Response:
    raise refuse(ErrorCode.LOT_UNKNOWN, id="L-9")


async def nothing(request: web.Request) -> web.Response:
    return web.Response(status=int(request.query["status"]))


async def plain(_request: web.Request) -> web.Response:
    return web.Response(body=b"octets")


async def fall(_request: web.Request) -> web.Response:
    raise RuntimeError("a secret of the house")


async def health(request: web.Request) -> web.Response:
    assert VERIFIED not in request
    return web.Response(text="ok")


@pytest.fixture
async def house(people: People) -> AsyncIterator[House]:
    refusals: list[tuple[ErrorCode, bytes | None]] = []

    async def note(_request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        refusals.append((refusal.code, body))

    middleware = signed_http(
        lambda: people.gateway,
        clock=clock,
        body_max_bytes=BODY_MAX_BYTES,
        unsigned_paths=frozenset({"/healthz"}),
        on_refusal=note,
    )
    app = web.Application(middlewares=[middleware])
    app.router.add_post("/v1/events", tell)
    app.router.add_post("/v1/refused", refuse_it)
    app.router.add_post("/v1/broken", fall)
    app.router.add_post("/v1/nothing", nothing)
    app.router.add_post("/v1/plain", plain)
    app.router.add_get("/healthz", health)
    server = await serve_app(app, "127.0.0.1", 0)
    client = SignedClient(lambda: people.bank, timeout_s=PATIENCE_S, clock=clock)
    yield House(server, client, refusals, people)
    await client.close()
    await server.close()


async def test_a_signed_exchange_names_both_sides(house: House) -> None:
    answer = await house.client.request(
        "post", house.server.address + "/v1/events?x=%2F", body=b"{}", content_type=JSON, expected_participant="GATEWAY"
    )
    assert (answer.status, json.loads(answer.body)) == (202, {"from": "999202", "bytes": 2})
    assert answer.signer is not None
    assert answer.signer.participant == "GATEWAY"
    assert [(kept.direction, kept.signer) for kept in answer.exhibits] == [("out", "999202"), ("in", "GATEWAY")]
    assert answer.exhibits[0].content.startswith(b"POST /v1/events?x=%2F HTTP/1.1\r\n")
    assert house.refusals == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/refused", b"{}", 404, ErrorCode.LOT_UNKNOWN),
        ("POST", "/v1/broken", b"{}", 500, ErrorCode.INTERNAL),
        ("GET", "/v1/nowhere", b"", 404, ErrorCode.NOT_FOUND),
        ("DELETE", "/v1/events", b"", 405, ErrorCode.METHOD_NOT_ALLOWED),
        ("POST", "/v1/events", b"x" * (BODY_MAX_BYTES + 1), 413, ErrorCode.BODY_TOO_LARGE),
    ],
)
async def test_every_refusal_is_a_signed_problem_document(
    house: House, method: str, path: str, body: bytes, status: int, code: ErrorCode
) -> None:
    answer = await house.client.request(
        method,
        house.server.address + path,
        body=body,
        content_type=JSON if body else None,
        expected_participant="GATEWAY",
    )
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:eherrac:error:{code}"
    assert problem["title"] == problem["az"]["title"] != problem["en"]["title"]
    assert b"secret of the house" not in answer.body
    assert [noted for noted, _ in house.refusals] == [code]


@pytest.mark.parametrize("path", ["/v1/nothing?status=202", "/v1/nothing?status=204", "/v1/plain"])
async def test_an_answer_without_a_type_or_a_body_is_signed_like_any_other(house: House, path: str) -> None:
    answer = await house.client.request("POST", house.server.address + path, expected_participant="GATEWAY")
    assert answer.signer is not None
    assert answer.body == (b"octets" if path == "/v1/plain" else b"")


async def test_the_language_asked_for_is_spoken(house: House) -> None:
    _, problem = await house.post("/v1/refused", headers={"Accept-Language": "fr, en-GB;q=0.8"})
    assert problem["detail"] == problem["en"]["detail"]  # type: ignore[index]


async def test_an_unsigned_request_reaches_no_handler(house: House) -> None:
    status, problem = await house.post("/v1/events", sign=False)
    assert (status, problem["code"]) == (401, "SIGNATURE_MISSING")
    assert house.refusals == [(ErrorCode.SIGNATURE_MISSING, b"{}")]


async def test_an_unsigned_path_is_neither_verified_nor_signed(house: House) -> None:
    async with ClientSession() as session, session.get(house.server.address + "/healthz") as response:
        assert (response.status, await response.text()) == (200, "ok")
        assert "Signature" not in response.headers


async def test_a_body_without_a_stated_length_is_cut_off_at_the_limit(house: House) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100

    async with (
        ClientSession() as session,
        session.post(house.server.address + "/v1/events", data=endless()) as response,
    ):
        assert (response.status, (await response.json(content_type=None))["code"]) == (413, "BODY_TOO_LARGE")


async def test_a_compressed_body_is_not_unpacked(house: House) -> None:
    async with (
        ClientSession() as session,
        session.post(
            house.server.address + "/v1/events", data=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}
        ) as response,
    ):
        assert (await response.json(content_type=None))["code"] == "CONTENT_TYPE"


async def test_an_answer_by_another_participant_is_not_believed(house: House) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        await house.post("/v1/events", expected_participant="EHERRAC")
    assert caught.value.refusal is not None
    assert caught.value.refusal.code is ErrorCode.PARTICIPANT_MISMATCH
    assert [kept.direction for kept in caught.value.exhibits] == ["out", "in"]


async def test_nobody_listening_means_not_sent(house: House, people: People) -> None:
    address = house.server.address
    await house.server.close()
    client = SignedClient(lambda: people.bank, timeout_s=PATIENCE_S, clock=clock)
    with pytest.raises(NotSentError):
        await client.request("POST", address + "/v1/events", expected_participant=None)
    await client.close()


async def test_what_our_ended_certificate_would_sign_is_not_sent(house: House) -> None:
    """AOS-S1: it would be refused for good, an order to pay among it; unsent, it waits for the next key."""
    own = house.people.bank
    later = own.credential.certificate.not_valid_after_utc + timedelta(seconds=1)
    client = SignedClient(lambda: own, timeout_s=PATIENCE_S, clock=lambda: later)
    with pytest.raises(NotSentError, match="our own certificate ended at"):
        await client.request("POST", house.server.address + "/v1/events", expected_participant=None)
    assert house.refusals == []
    await client.close()


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def answering(octets: bytes) -> Peer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    "peer",
    [
        hang_up,
        say_nothing,
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000),
        answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"),
        answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        answering(b"this is not HTTP\r\n\r\n"),
    ],
    ids=["hangs up", "silent", "cut off", "unsigned", "too long", "compressed", "redirects", "not HTTP"],
)
async def test_whatever_goes_wrong_after_connecting_leaves_the_outcome_unknown(people: People, peer: Peer) -> None:
    gone = asyncio.Event()

    async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer(reader, writer)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        gone.set()

    server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = SignedClient(
        lambda: people.bank, timeout_s=1.0 if peer is say_nothing else PATIENCE_S, clock=clock, answer_max_bytes=1_000
    )
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.request(
            "POST", f"http://127.0.0.1:{port}/x", body=b"{}", content_type=JSON, expected_participant="X"
        )
    assert caught.value.exhibits[0].direction == "out"
    assert ("no answer in time" in str(caught.value)) is (peer is say_nothing)
    await client.close()
    await gone.wait()
    server.close()
    await server.wait_closed()
