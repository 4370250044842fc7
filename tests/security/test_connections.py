"""Who opens connections and says nothing, or half of it: over sockets, beside somebody honest."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from aiohttp import ClientConnectionResetError, ClientSession, web
from waiting import PATIENCE_S, until

from gateway.wire import listener
from gateway.wire.arrivals import Gone
from gateway.wire.server import Running, read_body, serve_app

CONNECTIONS_MAX = 8
HALF_A_HEAD = b"POST /said HTTP/1.1\r\nHost: x\r\nX: "
HALF_A_BODY = b"POST /said HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"


class Stranger(NamedTuple):
    """One connection of his."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ended(self) -> bool:
        """Waits for its end; what was answered before does not matter."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(1024):
                    pass
        except ConnectionError:
            pass
        await self.close()
        return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def said(request: web.Request) -> web.Response:
    return web.Response(body=await read_body(request, 1_048_576))


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    app = web.Application()
    app.router.add_post("/said", said)
    running = await serve_app(app, "127.0.0.1", 0, connections_max=CONNECTIONS_MAX)
    yield running
    await running.close()


async def stranger(running: Running, octets: bytes) -> Stranger:
    reader, writer = await asyncio.open_connection(running.host, running.port, limit=2**20)
    writer.write(octets)
    await writer.drain()
    return Stranger(reader, writer)


@pytest.mark.parametrize("octets", [b"", HALF_A_HEAD, HALF_A_BODY], ids=["nothing", "half a head", "half a body"])
async def test_who_floods_with_connections_takes_places_from_himself(running: Running, octets: bytes) -> None:
    """Without a bound he takes the files that the store and our own connections need."""
    async with ClientSession() as honest:
        for round in range(3):
            flood = [await stranger(running, octets) for _ in range(2 * CONNECTIONS_MAX)]
            async with honest.post(f"{running.address}/said", data=b"%d" % round) as answer:
                assert (answer.status, await answer.read()) == (200, b"%d" % round)
            assert all([await one.ended() for one in flood[:CONNECTIONS_MAX]])
            await asyncio.gather(*(one.close() for one in flood))


async def test_who_asked_before_keeps_his_connection_in_a_flood_of_who_never_did(running: Running) -> None:
    honest = await stranger(running, b"POST /said HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert (await honest.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    await honest.reader.readuntil(b"\r\n\r\n")
    flood = [await stranger(running, HALF_A_HEAD) for _ in range(3 * CONNECTIONS_MAX)]
    assert await flood[0].ended()
    honest.writer.write(b"POST /said HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nja")
    async with asyncio.timeout(PATIENCE_S):
        assert (await honest.reader.readuntil(b"ja")).startswith(b"HTTP/1.1 200")
    await asyncio.gather(*(one.close() for one in (honest, *flood)))


async def test_a_head_is_bounded_as_a_whole(running: Running) -> None:
    """Each field is within its bound, and their number too; together they would be 2 MB a connection."""
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(12))
    one = await stranger(running, b"GET /said HTTP/1.1\r\nHost: x\r\n" + fields)
    assert await one.ended()
    assert running.sockets.gone == {Gone.HEAD_TOO_LONG: 1}


@pytest.mark.parametrize("piece_bytes", [30_000, 200_000, 2_000_000])
async def test_who_sends_a_long_body_behind_a_short_head_is_read(running: Running, piece_bytes: int) -> None:
    """In pieces, at once, and again: neither a body that nobody reads yet nor its last piece is a head."""
    body = b"x" * 10 * listener.HEAD_MAX_BYTES
    one = await stranger(running, b"")
    for _ in range(2):
        octets = b"POST /said HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for start in range(0, len(octets), piece_bytes):
            one.writer.write(octets[start : start + piece_bytes])
            await one.writer.drain()
        assert (await one.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        assert (await one.reader.readuntil(b"\r\n\r\n" + body)).endswith(body)
    assert running.sockets.gone == {}
    await one.close()


async def test_who_does_not_take_its_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "UNREAD_MAX_S", 0.2)

    async def long(_: web.Request) -> web.Response:
        return web.Response(body=bytes(64 * 1_048_576))

    app = web.Application()
    app.router.add_get("/long", long)
    running = await serve_app(app, "127.0.0.1", 0)
    one = await stranger(running, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: running.sockets.gone == {Gone.NOT_READ: 1} and not running.sockets.connections)
    await one.close()
    await running.close()


@pytest.mark.parametrize("kept", ["keep-alive", "close"])
async def test_who_leaves_the_rest_of_an_answer_is_let_go(monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    """Too little to be called unread, and a closed transport waits for it: his places would never be free again."""
    for bound in ("IDLE_MAX_S", "UNREAD_MAX_S", "PARTING_MAX_S"):
        monkeypatch.setattr(listener, bound, 0.2)
    left: list[asyncio.Transport] = []

    async def some(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        left.append(request.transport)
        return web.Response(body=bytes(60_000))

    app = web.Application()
    app.router.add_get("/some", some)
    running = await serve_app(app, "127.0.0.1", 0)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        lazy.connect((running.host, running.port))
        lazy.sendall(b"GET /some HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n" % kept.encode())
        await until(lambda: left and left[0].get_write_buffer_size() > 0)
        await until(lambda: not running.sockets.connections)
    assert running.sockets.gone == {}
    await running.close()


async def test_who_finds_no_room_leaves_no_failure_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Everybody else is being served, so the one who comes last gives way before its task begins."""
    served = asyncio.Event()

    async def long(_: web.Request) -> web.Response:
        await served.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/long", long)
    running = await serve_app(app, "127.0.0.1", 0, connections_max=1)
    first = await stranger(running, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: running.runner.server is not None and running.runner.server.requests_count == 1)
    assert await (await stranger(running, b"")).ended()
    served.set()
    assert (await first.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    await first.close()
    await running.close()
    gc.collect()
    assert running.sockets.gone == {Gone.GAVE_WAY: 1}
    assert not caplog.records


async def test_half_a_head_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "IDLE_MAX_S", 0.2)
    running = await serve_app(web.Application(), "127.0.0.1", 0)
    assert await (await stranger(running, HALF_A_HEAD)).ended()
    await running.close()


async def test_who_is_gone_before_he_is_told_to_continue_is_no_failure_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Anybody could write tracebacks into our log."""
    gone = asyncio.Event()

    async def leave(_: web.Request) -> None:
        gone.set()
        raise ClientConnectionResetError("Cannot write to closing transport")

    app = web.Application()
    app.router.add_post("/said", said, expect_handler=leave)
    left = await serve_app(app, "127.0.0.1", 0)
    one = await stranger(left, b"POST /said HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await one.ended()
    assert gone.is_set()
    await left.close()
    assert not caplog.records
