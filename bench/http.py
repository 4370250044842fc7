"""What HTTP itself costs here: aiohttp answering and asking, unsigned, with bodies and headers of our size."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

_EXCHANGES = 1500
_TOGETHER = 8
_BODY = b'{"subject":"' + b"x" * 1500 + b'"}'
_HEADERS = {"Signature-Certificate": "x" * 3000, "Signature-Input": "y" * 500, "Signature": "z" * 360}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCost:
    """CPU of one exchange, microseconds."""

    asked_us: float  # the client's half
    answered_us: float  # the server's half


@dataclass(slots=True)
class _Server:
    """In a thread with a loop of its own, so that the halves can be told apart."""

    ready: threading.Event = field(default_factory=threading.Event)
    stop: asyncio.Event | None = None
    loop: asyncio.AbstractEventLoop | None = None
    port: int = 0
    cpu_s: float = 0.0

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/", _answer)])
        runner = web.AppRunner(app, access_log=None, max_field_size=16_384)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port, self.loop, self.stop = runner.addresses[0][1], asyncio.get_running_loop(), asyncio.Event()
        began = time.thread_time()
        self.ready.set()
        await self.stop.wait()
        self.cpu_s = time.thread_time() - began
        await runner.cleanup()

    def end(self) -> None:
        assert self.loop is not None
        assert self.stop is not None
        self.loop.call_soon_threadsafe(self.stop.set)


async def _answer(request: web.Request) -> web.Response:
    return web.Response(status=202, body=await request.read(), headers=_HEADERS)


def bare_http() -> HttpCost:
    """Measure."""
    server = _Server()
    thread = threading.Thread(target=server.run)
    thread.start()
    server.ready.wait()
    asked_s = asyncio.run(_ask(f"http://127.0.0.1:{server.port}/"))
    server.end()
    thread.join()
    return HttpCost(asked_us=asked_s / _EXCHANGES * 1e6, answered_us=server.cpu_s / _EXCHANGES * 1e6)


async def _ask(url: str) -> float:
    left = iter(range(_EXCHANGES))

    async def ask(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=_BODY, headers=_HEADERS) as response:
                await response.read()

    async with aiohttp.ClientSession(auto_decompress=False, max_field_size=16_384) as session:
        began = time.thread_time()
        await asyncio.gather(*(ask(session) for _ in range(_TOGETHER)))
        return time.thread_time() - began
