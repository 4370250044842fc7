"""An authority of time for development and tests: POST a query, get a token; it can be told to be away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from aiohttp import web

from certs.keystore import Credential
from certs.timestamp import ANSWER_MAX_BYTES, REPLY_TYPE, answer
from contracts.errors.refusal import RefusedError
from gateway.wire.server import Running, serve_app

__all__ = ["TsaSandbox", "TsaSandboxSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TsaSandboxSettings:
    """Whose key stamps, and where it listens."""

    credential: Credential
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one


class TsaSandbox:
    """`away` makes it answer 503; `asked` counts queries."""

    def __init__(
        self, settings: TsaSandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock, self._serials = settings, clock, count(1)
        self._running: Running | None = None
        self.away, self.asked = False, 0

    @property
    def address(self) -> str:
        """Where queries are posted."""
        if self._running is None:
            raise RuntimeError("the authority of time is not started")
        return self._running.address

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=ANSWER_MAX_BYTES)
        app.router.add_post("/", self._asked)
        self._running = await serve_app(app, self._settings.host, self._settings.port)

    async def close(self) -> None:
        """Stop."""
        if self._running is not None:
            await self._running.close()

    async def _asked(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.away:
            return web.Response(status=503)
        try:
            token = answer(
                await request.read(), self._settings.credential, now=self._clock(), serial=next(self._serials)
            )
        except RefusedError as error:
            return web.Response(status=400, text=str(error.refusal.code))
        return web.Response(body=token, content_type=REPLY_TYPE)
