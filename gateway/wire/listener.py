"""The listener under every app: aiohttp's, but what it says by itself is said our way.

Requests that aiohttp cannot read never reach a middleware: it answers them with its parser's words, and logs a
traceback for each. Here they get a problem document that says what is known to be wrong and nothing of our inside, and
a line in the log. The product and version of the library are in no answer.

Sockets are bounded: what says nothing is closed after `IDLE_MAX_S`, who does not take its answer after `UNREAD_MAX_S`,
what is closed is gone soon after, whatever of its answer was not taken. Where more stand open than may, room is made at
the cost of who keeps us waiting, first of all of who never sent anything signed. Whoever opens connections without end
so takes places from himself, not files from the store and from our own connections. Handshakes of TLS that are under
way have bounds of their own (`gateway.wire.arrivals`).
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import Counter
from typing import Any

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.web_protocol import RequestHandler

from contracts.errors import ErrorCode, Refusal
from gateway.wire.arrivals import Gone, SocketRoom, Sockets, address_of
from gateway.wire.problems import PROBLEM_TYPE, preferred_language, problem_body

SERVER_NAME = "eherrac"
IDLE_MAX_S = 75.0  # half a head is idle too; proxies keep theirs for 60 s
UNREAD_MAX_S = 30.0  # for the next 48 kB of an answer to be taken, or what is left of the last one on a connection
# (over TLS for the last one only: what else is not taken is not seen there, and ends with `IDLE_MAX_S`)
PARTING_MAX_S = 5.0  # for what is left of an answer where we close for want of anything said
HEAD_MAX_BYTES = 65_536  # of a request, all its fields together: one of them carries a certificate path
_CONNECTIONS_MAX = 4096
_FILES_SHARE = 2  # of those that this process may open half are for connections made to us
_HANDSHAKES_SHARE = 4  # for four connections one handshake may be under way besides
_ADDRESS_SHARE = 4  # and of those one address may have a quarter
_AT_ONCE_SHARE = 64  # who looks for room looks at everybody: so much is made at once

_log = logging.getLogger(__name__)


def room_for(connections_max: int | None = None) -> SocketRoom:
    """So many connections, or as many as the files of this process allow."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = connections_max or min(_CONNECTIONS_MAX, files // _FILES_SHARE)
    handshakes = max(connections // _HANDSHAKES_SHARE, 1)
    return SocketRoom(
        connections=connections, handshakes=handshakes, handshakes_of_one=max(handshakes // _ADDRESS_SHARE, 1)
    )


class Runner(web.AppRunner):
    """An AppRunner whose connections answer unreadable requests our way."""

    __slots__ = ("_sockets", "room")

    def __init__(self, app: web.Application, *, room: SocketRoom, **options: Any) -> None:
        super().__init__(app, keepalive_timeout=IDLE_MAX_S, **options)
        self.room, self._sockets = room, Sockets()

    @property
    def sockets(self) -> Sockets:
        """What is open now, and who was sent away."""
        self._sockets.connections = 0 if self.server is None else len(self.server.connections)
        return self._sockets

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)
        server.connections_max, server.gone = self.room.connections, self._sockets.gone
        return server


class _Server(web.Server):
    """Makes a connection of ours for each that is accepted, and room for it."""

    connections_max: int
    gone: Counter[Gone]

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """One more; where it is one too many, others end."""
        super().connection_made(handler, transport)
        if len(self._connections) > self.connections_max:
            self._make_room()

    def _make_room(self) -> None:
        """At the cost of who keeps us waiting: of who proved nothing, then of who was never answered, then of the
        address that has the most, and of these of the longest connected.
        """
        waiting = [found for found in self.connections if isinstance(found, Connection) and found.keeps_us_waiting]
        crowds = Counter(found.address for found in waiting)
        waiting.sort(key=lambda found: (found.proven is not None, found.was_answered, -crowds[found.address]))
        for found in waiting[: 1 + self.connections_max // _AT_ONCE_SHARE]:
            found.send_away(Gone.GAVE_WAY)

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(RequestHandler):
    """One connection. `proven` is the participant whose signature came on it last."""

    __slots__ = ("_body", "_head_bytes", "_parting", "_unread", "address", "is_put_off", "proven")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.proven: str | None = None
        self.is_put_off = False  # its request waits to be refused
        self.address = ""
        self._head_bytes = 0  # of a head that has not come to its end
        self._body: StreamReader | None = None  # of the request whose head came last
        self._unread: asyncio.TimerHandle | None = None
        self._parting: asyncio.TimerHandle | None = None

    @property
    def was_answered(self) -> bool:
        """Whether a whole request ever came."""
        return self._request_count > (self._current_request is not None)

    @property
    def keeps_us_waiting(self) -> bool:
        """For a request, for the end of its body, or for room for its answer; false once it is ending anyway."""
        if self.transport is None or self._force_close:
            return False
        return self._awaits_head or not self._has_whole_body or self.is_put_off or self.writing_paused

    @property
    def _awaits_head(self) -> bool:
        return self._current_request is None

    @property
    def _has_whole_body(self) -> bool:
        return self._current_request is not None and self._current_request.content.is_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See the base."""
        self.address = address_of(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See the base."""
        self._forget_unread()
        super().connection_lost(exc)
        if self._parting is not None:
            self._parting.cancel()

    async def start(self) -> None:
        """See the base, which fails where the connection is gone before its task begins."""
        if self._manager is None:
            return
        await super().start()
        if self.transport is not None:
            self._part(self.transport, UNREAD_MAX_S)

    def force_close(self) -> None:
        """See the base."""
        transport = self.transport
        super().force_close()
        if transport is not None:
            self._part(transport, PARTING_MAX_S)

    def _part(self, transport: asyncio.Transport, within_s: float) -> None:
        """A closed transport stays open until the other side has taken what was written: for ever, if it likes."""
        if self._parting is None:
            self._parting = self._loop.call_later(within_s, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See the base. The parser bounds each field and their number; what they come to together is bounded here."""
        in_head, known = self._body is None or self._body.is_eof(), len(self._messages)
        super().data_received(data)
        if len(self._messages) > known:
            _, self._body = self._messages[-1]
            self._head_bytes = 0
        elif in_head:
            self._head_bytes += len(data)
        if self._head_bytes > HEAD_MAX_BYTES:
            self.send_away(Gone.HEAD_TOO_LONG)

    def pause_writing(self) -> None:
        """See the base. What is not taken is kept in memory, but not without end."""
        super().pause_writing()
        self._unread = self._loop.call_later(UNREAD_MAX_S, self.send_away, Gone.NOT_READ)

    def resume_writing(self) -> None:
        """See the base."""
        self._forget_unread()
        super().resume_writing()

    def send_away(self, why: Gone) -> None:
        """End it now: to close it in order would wait until it has read everything."""
        transport, manager = self.transport, self._manager
        if transport is None:
            return
        if isinstance(manager, _Server):
            manager.gone[why] += 1
        self.force_close()
        transport.abort()

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """See the base. An expectation that aiohttp does not know it refuses by itself, before any middleware.

        Chunks in HTTP/1.0, which has none: where that request ends others may see elsewhere (RFC 9112, 6.1).
        """
        if isinstance(resp, web.HTTPExpectationFailed):
            resp = _problem(resp.status, request.headers.get("Accept-Language", ""), what="Expect")
        if request.version < HttpVersion11 and "Transfer-Encoding" in request.headers:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what could not be read or, by a fault of ours, not handled."""
        if isinstance(exc, ConnectionError):  # gone before aiohttp itself could write: "100 Continue"
            raise exc
        if status >= 500:
            _log.error("unexpected failure of a connection", exc_info=exc)
        else:
            _log.info("unreadable request from %s: %s", request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        return _problem(status, request.headers.get("Accept-Language", ""))


def _problem(status: int, accept_language: str, **facts: str) -> web.Response:
    code = ErrorCode.INTERNAL if status >= 500 else ErrorCode.REQUEST_MALFORMED
    own_status, body = problem_body(Refusal(code=code, facts=facts), preferred_language(accept_language))
    response = web.Response(status=own_status, body=body, content_type=PROBLEM_TYPE)
    response.headers["Server"] = SERVER_NAME
    response.force_close()
    return response


async def name_ourselves(_: web.BaseRequest, response: web.StreamResponse) -> None:
    """A signal for `on_response_prepare`: us, and not which version of which library."""
    response.headers["Server"] = SERVER_NAME
