"""The listener under every app: aiohttp's, but what it says by itself is said our way.

Requests that aiohttp cannot read never reach a middleware: it answers them with its parser's words, and logs a
traceback for each. Here they get a problem document that says what is known to be wrong and nothing of our inside, and
a line in the log. The product and version of the library are in no answer.
"""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from contracts.errors import ErrorCode, Refusal
from gateway.wire.problems import PROBLEM_TYPE, preferred_language, problem_body

SERVER_NAME = "eherrac"

_log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """An AppRunner whose connections answer unreadable requests our way."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)


class _Server(web.Server):
    """Makes a connection of ours for each that is accepted."""

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """One connection."""

    __slots__ = ()

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
