"""Who begins TLS handshakes and does not end them: over sockets, beside somebody honest."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl as tls
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector, web
from waiting import PATIENCE_S, until

from certs.authority import Authority
from gateway.tls import secured
from gateway.wire import arrivals, listener
from gateway.wire.arrivals import Arrival, Arrivals, Gone, Sockets
from gateway.wire.server import Running, serve_app

CONNECTIONS_MAX = 64
HANDSHAKES_MAX, OF_ONE_MAX = 16, 4  # what follows from it
NEIGHBOUR = "127.0.0.2"  # another address of this machine
ASKED = b"GET /said HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """The server's chain and key, and the root that clients trust."""
    folder, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)
    authority = Authority.create(now)
    key_pem, chain_pem = authority.issue_server("gateway", ["127.0.0.1"], now=now).to_pem()
    (folder / "chain.pem").write_bytes(chain_pem)
    (folder / "key.pem").write_bytes(key_pem)
    return folder / "chain.pem", folder / "key.pem", authority.anchors_pem.decode()


@pytest.fixture
def trusting(keys: tuple[Path, Path, str]) -> tls.SSLContext:
    return tls.create_default_context(cadata=keys[2])


async def listening(keys: tuple[Path, Path, str], **options: object) -> Running:
    async def said(_: web.Request) -> web.Response:
        return web.Response(text="yes")

    app = web.Application()

    async def long(_: web.Request) -> web.Response:
        return web.Response(body=bytes(16 * 1_048_576))

    app.router.add_get("/said", said)
    app.router.add_get("/long", long)
    context = secured(keys[0], keys[1])
    return await serve_app(app, "127.0.0.1", 0, context, connections_max=CONNECTIONS_MAX, **options)


@pytest.fixture
async def running(keys: tuple[Path, Path, str]) -> AsyncIterator[Running]:
    running = await listening(keys)
    yield running
    await running.close()


def client_hello(context: tls.SSLContext) -> bytes:
    """The first octets of an honest client."""
    sent = tls.MemoryBIO()
    with contextlib.suppress(tls.SSLWantReadError):
        context.wrap_bio(tls.MemoryBIO(), sent, server_hostname="127.0.0.1").do_handshake()
    return sent.read()


async def stranger(running: Running, octets: bytes, address: str = "127.0.0.1") -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(running.host, running.port, local_addr=(address, 0))
    writer.write(octets)
    return writer


async def ask(running: Running, trusting: tls.SSLContext) -> str:
    """On a connection of its own."""
    async with (
        asyncio.timeout(PATIENCE_S),
        ClientSession(connector=TCPConnector(ssl=trusting)) as session,
        session.get(f"{running.address}/said") as answer,
    ):
        return await answer.text()


async def leave(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("kind", ["nothing", "a byte", "half a hello", "a hello", "garbage"])
async def test_unfinished_handshakes_are_bounded_and_honest_clients_shake_hands_all_along(
    running: Running, trusting: tls.SSLContext, kind: str
) -> None:
    hello = client_hello(trusting)
    octets = {"nothing": b"", "a byte": hello[:1], "half a hello": hello[:100], "a hello": hello, "garbage": b"GET /"}
    flood, most = [], 0
    for round in range(60):
        flood.append(await stranger(running, octets[kind], NEIGHBOUR))
        if round % 10 == 9:
            assert await ask(running, trusting) == "yes"
        most = max(most, running.sockets.handshakes)
    assert most <= OF_ONE_MAX + 1
    await until(lambda: sum(running.sockets.gone.values()) >= len(flood) - OF_ONE_MAX)
    await leave(*flood)


async def test_a_crowd_of_addresses_is_bounded_too_and_a_slow_honest_one_ends_its_handshake(
    running: Running, trusting: tls.SSLContext
) -> None:
    """What gives way is of the address that has the most."""
    hello = client_hello(trusting)
    incoming, outgoing = tls.MemoryBIO(), tls.MemoryBIO()
    honest = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    reader, writer = await asyncio.open_connection(running.host, running.port)
    crowd = [
        await stranger(running, hello, f"127.0.0.{2 + number % 8}") for number in range(HANDSHAKES_MAX * OF_ONE_MAX)
    ]
    assert 1 < running.sockets.handshakes <= HANDSHAKES_MAX
    request = bytearray()
    async with asyncio.timeout(PATIENCE_S):
        while not request:
            try:
                honest.do_handshake()
                honest.write(ASKED)  # in one flight with the handshake's last words
                request += ASKED
            except tls.SSLWantReadError:
                pass
            writer.write(outgoing.read())
            if not request:
                incoming.write(await reader.read(65_536))
        answer = b""
        while not answer.endswith(b"yes"):
            incoming.write(await reader.read(65_536))
            with contextlib.suppress(tls.SSLWantReadError):
                answer += honest.read(65_536)
    assert answer.startswith(b"HTTP/1.1 200")
    await leave(writer, *crowd)


async def test_a_handshake_is_not_waited_for_without_end(
    keys: tuple[Path, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "HANDSHAKE_MAX_S", 0.2)
    running = await listening(keys)
    slow = await stranger(running, b"\x16")
    await until(lambda: running.sockets.gone == {Gone.HANDSHAKE_LATE: 1} and running.sockets.handshakes == 0)
    await leave(slow)
    await running.close()


async def test_who_is_not_welcome_gets_no_handshake(keys: tuple[Path, Path, str], trusting: tls.SSLContext) -> None:
    running = await listening(keys, welcome=lambda address: address != NEIGHBOUR)
    assert await ask(running, trusting) == "yes"
    refused = await stranger(running, client_hello(trusting), NEIGHBOUR)
    await until(lambda: running.sockets.gone == {Gone.NOT_WELCOME: 1})
    await leave(refused)
    await running.close()


async def test_the_end_waits_for_no_handshake(keys: tuple[Path, Path, str]) -> None:
    running = await listening(keys)
    slow = [await stranger(running, b"\x16") for _ in range(3)]
    await until(lambda: running.sockets.handshakes == 3)
    async with asyncio.timeout(arrivals.HANDSHAKE_MAX_S / 2):
        await running.close()
    assert running.sockets.handshakes == 0
    await leave(*slow)


def test_an_answer_that_is_the_last_has_over_tls_the_time_that_it_has_without() -> None:
    """TLS ends what is closed and not taken; most clients of SOAP want each connection closed behind the answer."""
    assert arrivals.GOODBYE_MAX_S >= listener.UNREAD_MAX_S


async def test_who_is_closed_for_his_silence_is_let_go_whatever_he_did_not_take(
    keys: tuple[Path, Path, str], trusting: tls.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("IDLE_MAX_S", "PARTING_MAX_S"):
        monkeypatch.setattr(listener, bound, 0.2)
    running = await listening(keys)
    lazy, writer = await asyncio.open_connection(running.host, running.port, ssl=trusting, limit=1)
    writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    await lazy.readexactly(1)
    await until(lambda: not running.sockets.connections)
    writer.transport.abort()
    await running.close()


async def test_who_was_accepted_but_not_yet_met_when_the_doors_closed_is_not_let_in(trusting: tls.SSLContext) -> None:
    """He would be served by what is closed behind the doors."""
    sockets = Sockets()
    closed = Arrivals(trusting, listener.room_for(8), sockets, lambda address: True)
    closed.close()
    server = await asyncio.get_running_loop().create_server(lambda: Arrival(closed, asyncio.Protocol), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    assert sockets.handshakes == 0
    await leave(writer)
    server.close()


async def test_who_wants_to_shake_hands_again_on_one_connection_is_refused(running: Running) -> None:
    """TLS 1.2 has it (1.3 does not); each would cost us a signature."""
    again = ["openssl", "s_client", "-tls1_2", "-connect", f"{running.host}:{running.port}"]
    client = await asyncio.create_subprocess_exec(
        *again, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert client.stdin is not None
    assert client.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        said = await client.stdout.readuntil(b"Verify return code")
        client.stdin.write(b"R\n")
        await client.stdin.drain()
        said += await client.stdout.read()
        await client.wait()
    assert re.search(rb"no renegotiation", said), said.decode(errors="replace")


def test_the_neighbour_is_another_address() -> None:
    """What the other tests rest upon."""
    with socket.socket() as one:
        one.bind((NEIGHBOUR, 0))
        assert one.getsockname()[0] == NEIGHBOUR
