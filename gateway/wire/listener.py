"""The listener under every app: aiohttp's, but what it says by itself is said our way.

Requests that aiohttp cannot read never reach a middleware: it answers them with its parser's words, and logs a
traceback for each. Here they get a problem document that says what is known to be wrong and nothing of our inside, and
a line in the log. The product and version of the library are in no answer.

Sockets are bounded: what says nothing is closed after `IDLE_MAX_S`, and where more stand open than may, room is made at
the cost of who keeps us waiting, first of all of who never sent a whole one. Whoever opens connections without end so
takes places from himself, not files from the store and from our own connections.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from contracts.errors import ErrorCode, Refusal
from gateway.wire.problems import PROBLEM_TYPE, preferred_language, problem_body

SERVER_NAME = "eherrac"
IDLE_MAX_S = 75.0  # half a head is idle too; proxies keep theirs for 60 s
_CONNECTIONS_MAX = 4096
_FILES_SHARE = 2  # of those that this process may open half are for connections made to us

_log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """An AppRunner whose connections answer unreadable requests our way."""

    __slots__ = ("_connections_max",)

    def __init__(self, app: web.Application, *, connections_max: int | None = None, **options: Any) -> None:
        super().__init__(app, keepalive_timeout=IDLE_MAX_S, **options)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._connections_max = connections_max or min(_CONNECTIONS_MAX, files // _FILES_SHARE)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)
        server.connections_max = self._connections_max
        return server


class _Server(web.Server):
    """Makes a connection of ours for each that is accepted, and room for it."""

    connections_max = _CONNECTIONS_MAX

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """One more; where it is one too many, another ends."""
        super().connection_made(handler, transport)
        if len(self._connections) > self.connections_max:
            self._make_room()

    def _make_room(self) -> None:
        """At the cost of the longest connected: of who never sent a whole request, else of whoever keeps us waiting."""
        waiting = [found for found in self.connections if isinstance(found, _Connection) and found.keeps_us_waiting]
        if waiting:
            min(waiting, key=lambda found: found.was_answered).force_close()

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """One connection."""

    __slots__ = ()

    @property
    def was_answered(self) -> bool:
        """Whether a whole request ever came."""
        return self._request_count > (self._current_request is not None)

    @property
    def keeps_us_waiting(self) -> bool:
        """For a request, or for the end of its body; false once it is ending anyway."""
        if self.transport is None or self._force_close:
            return False
        return self._current_request is None or not self._current_request.content.is_eof()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what could not be read or, by a fault of ours, not handled."""
        if status >= 500:
            _log.error("unexpected failure of a connection", exc_info=exc)
        else:
            _log.info("unreadable request from %s: %s", request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        return _problem(status, request.headers.get("Accept-Language", ""))


def _problem(status: int, accept_language: str) -> web.Response:
    code = ErrorCode.INTERNAL if status >= 500 else ErrorCode.REQUEST_MALFORMED
    own_status, body = problem_body(Refusal(code=code), preferred_language(accept_language))
    response = web.Response(status=own_status, body=body, content_type=PROBLEM_TYPE)
    response.headers["Server"] = SERVER_NAME
    response.force_close()
    return response


async def name_ourselves(_: web.BaseRequest, response: web.StreamResponse) -> None:
    """A signal for `on_response_prepare`: us, and not which version of which library."""
    response.headers["Server"] = SERVER_NAME
