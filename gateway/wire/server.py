"""Signed HTTP on the server's side: limit, verify, hand on, sign the answer; and a runner for any app.

A middleware does four things, in this order: reads the body within its limit, verifies the request's signature,
turns whatever the handler refuses into a problem document, and signs what leaves. Handlers find what was verified
under the keys below and see no unverified request.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler, Middleware

from certs.http_signature import HttpRequestParts, HttpResponseParts, HttpSignaturePolicy, sign_response, verify_request
from certs.trust import Verified
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from gateway.ports import Exhibit
from gateway.wire.admission import Admission, Everybody, retry_after
from gateway.wire.arrivals import Arrivals, Sockets, TlsSite
from gateway.wire.identity import Identity, signing
from gateway.wire.listener import Runner, name_ourselves, room_for
from gateway.wire.octets import exhibit, request_octets, response_octets
from gateway.wire.problems import PROBLEM_TYPE, preferred_language, problem_body
from gateway.wire.repetition import FORGETFUL, Memory

VERIFIED = web.RequestKey("verified", Verified)
RAW_BODY = web.RequestKey("raw_body", bytes)
EXHIBIT = web.RequestKey("exhibit", Exhibit)

BODY_MAX_BYTES = 1_048_576
FIELD_MAX_BYTES = 16_384  # Signature-Certificate carries a whole certificate path
BODY_MAX_S = 15.0  # from a request's head to the end of its body: a slow sender holds no place for longer
_CHUNK_BYTES = 65_536
_CLOSE_TIMEOUT_S = 5.0

OnRefusal = Callable[[web.Request, Refusal, bytes | None], Awaitable[None]]
KeepAnswer = Callable[[Exhibit, Callable[[], Exhibit]], None]
"""Told of every signed answer to a verified request: the request's exhibit, and how to make the answer's."""

EVERYBODY = Everybody()
_MESSAGES = frozenset({"POST"})  # each has an id of its own: the inbox knows its repetition
_log = logging.getLogger(__name__)
_FRAMEWORK_REFUSALS = {
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.BODY_TOO_LARGE,
    415: ErrorCode.CONTENT_TYPE,
}


async def read_body(request: web.Request, body_max_bytes: int) -> bytes:
    """Read the raw body, stopping at the limit.

    Raises:
        RefusedError: BODY_TOO_LARGE; CONTENT_TYPE for an encoded (compressed) body; REQUEST_MALFORMED for one that is
            transferred in another way than whole or in chunks, or does not come to its end in `BODY_MAX_S`.
    """
    transferred = request.headers.get("Transfer-Encoding")
    if transferred is not None and (transferred.lower() != "chunked" or request.version < HttpVersion11):
        raise refuse(ErrorCode.REQUEST_MALFORMED, what="Transfer-Encoding")
    if "Content-Encoding" in request.headers:
        raise refuse(ErrorCode.CONTENT_TYPE, received=f"Content-Encoding: {request.headers['Content-Encoding']}")
    if (request.content_length or 0) > body_max_bytes:
        raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=body_max_bytes)
    try:
        async with asyncio.timeout(BODY_MAX_S):
            return await _read(request, body_max_bytes)
    except TimeoutError:
        raise refuse(ErrorCode.REQUEST_MALFORMED, what=f"no end of the body within {BODY_MAX_S:.0f} s") from None
    except (web.RequestPayloadError, ConnectionError):
        raise refuse(ErrorCode.REQUEST_MALFORMED, what="body") from None


async def _read(request: web.Request, body_max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > body_max_bytes:
            raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=body_max_bytes)
    return bytes(body)


def request_parts(request: web.Request, body: bytes) -> HttpRequestParts:
    """The request exactly as received; its target is not decoded."""
    path, _, query = request.raw_path.partition("?")
    return HttpRequestParts(
        method=request.method,
        authority=request.headers.get("Host", ""),
        path=path,
        query=query,
        headers=tuple(
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in request.raw_headers
        ),
        body=body,
    )


def problem_response(refusal: Refusal, accept_language: str = "") -> web.Response:
    """A refusal as an (unsigned) problem document. Of a request that breaks the rules nobody knows where it ends."""
    status, body = problem_body(refusal, preferred_language(accept_language))
    response = web.Response(status=status, body=body, content_type=PROBLEM_TYPE, headers=retry_after(refusal))
    if refusal.code is ErrorCode.REQUEST_MALFORMED:
        response.force_close()
    return response


def signed_http(
    identity: Callable[[], Identity],
    *,
    clock: Callable[[], datetime],
    body_max_bytes: int = BODY_MAX_BYTES,
    unsigned_paths: frozenset[str] = frozenset(),
    on_refusal: OnRefusal | None = None,
    policy: HttpSignaturePolicy | None = None,
    keep_answer: KeepAnswer | None = None,
    admission: Admission = EVERYBODY,
    memory: Memory = FORGETFUL,
) -> Middleware:
    """Build the middleware.

    Handlers find `request[VERIFIED]`, `request[RAW_BODY]` and `request[EXHIBIT]`. Requests to `unsigned_paths` are not
    verified and their answers are not signed; everything else about them is the same. `on_refusal` is told of every
    refusal, with the body if it was read. `admission` may refuse before the body is read, and once the sender is known.
    What is asked by a method that brings no message (`_MESSAGES`) is answered once for each signature, says `memory`.
    """

    expected = policy or HttpSignaturePolicy()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        signed = request.path not in unsigned_paths
        exchange = _Exchange(
            request, identity(), clock, on_refusal, signed=signed, policy=expected, admission=admission, memory=memory
        )
        response = await exchange.answer(handler, body_max_bytes)
        if exchange.signed:
            await signing(exchange.identity.credential, partial(exchange.sign, response))
        if keep_answer is not None and exchange.sent is not None and EXHIBIT in request:
            keep_answer(request[EXHIBIT], exchange.exhibit)
        return response

    return middleware


@dataclass(slots=True)
class _Exchange:
    """One request on its way through."""

    request: web.Request
    identity: Identity
    clock: Callable[[], datetime]
    on_refusal: OnRefusal | None
    signed: bool
    policy: HttpSignaturePolicy
    admission: Admission
    memory: Memory
    body: bytes | None = None
    received: HttpRequestParts | None = None  # once it is read
    sent: HttpResponseParts | None = None  # once it is signed

    async def answer(self, handler: Handler, body_max_bytes: int) -> web.StreamResponse:
        """The handler's answer, or the problem that stands for what it raised."""
        try:
            self.admission.begin(self.request.method)
            self.body = await read_body(self.request, body_max_bytes)
            self._admit(self.body)
            await self._remember()
            return await handler(self.request)
        except RefusedError as error:
            return await self._refused(error.refusal)
        except web.HTTPException as error:
            response = await self._refused(_framework_refusal(self.request, error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except Exception:
            _log.exception("unexpected failure answering %s %s", self.request.method, self.request.path)
            return await self._refused(Refusal(code=ErrorCode.INTERNAL))

    def sign(self, response: web.StreamResponse) -> None:
        """Sign a complete response.

        The answer to a request that is not ASCII where the signature would bind to it stays unsigned: no signature
        base can be written (RFC 9421, 2.5), and nobody could have signed such a request.
        """
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes | bytearray | None):
            raise TypeError("only a response with its whole body in memory can be signed")
        if response.body:
            response.headers.setdefault("Content-Type", "application/octet-stream")  # what aiohttp would add, unsigned
        parts = HttpResponseParts(
            status=response.status, headers=tuple(response.headers.items()), body=bytes(response.body or b"")
        )
        request = self.received or request_parts(self.request, self.body or b"")
        if _can_be_bound_to(request):
            signature = sign_response(parts, request, self.identity.credential, now=self.clock())
            response.headers.update(signature)
            self.sent = parts.with_headers(signature)

    def exhibit(self) -> Exhibit:
        """The signed answer as evidence."""
        assert self.sent is not None
        return exhibit("out", response_octets(self.sent), signer=self.identity.credential.participant)

    def _admit(self, body: bytes) -> None:
        parts = self.received = request_parts(self.request, body)
        verified = self._verify(parts) if self.signed else None
        if verified is not None:
            self.request[VERIFIED] = verified
            self.admission.admit(verified.signer.participant)
        kept = exhibit(
            "in",
            request_octets(parts),
            signer=verified.signer.participant if verified else None,
            certificate_sha256=verified.signer.certificate_sha256 if verified else None,
        )
        self.request[RAW_BODY], self.request[EXHIBIT] = body, kept

    async def _remember(self) -> None:
        verified = self.request.get(VERIFIED)
        if verified is not None and verified.once is not None and self.request.method not in _MESSAGES:
            await self.memory.remember(verified.once)

    def _verify(self, parts: HttpRequestParts) -> Verified:
        return verify_request(parts, self.identity.trust, at=self.clock(), policy=self.policy)

    async def _refused(self, refusal: Refusal) -> web.Response:
        if self.on_refusal is not None:
            try:
                await self.on_refusal(self.request, refusal, self.body)
            except Exception:
                _log.exception("a refusal could not be noted: %s", refusal.code)
        return problem_response(refusal, self.request.headers.get("Accept-Language", ""))


def _can_be_bound_to(request: HttpRequestParts) -> bool:
    signatures = [value for name, value in request.headers if name.lower() == "signature"]
    return all(value.isascii() for value in (request.path, *signatures))


def _framework_refusal(request: web.Request, error: web.HTTPException) -> Refusal:
    code = _FRAMEWORK_REFUSALS.get(error.status)
    if code is None:
        _log.error("a handler raised HTTP %s for %s", error.status, request.path)
        return Refusal(code=ErrorCode.INTERNAL)
    facts = {"method": request.method, "path": request.path}
    return Refusal(code=code, facts=facts | ({"allowed": error.headers["Allow"]} if "Allow" in error.headers else {}))


@dataclass(frozen=True, slots=True)
class Running:
    """An app that listens."""

    host: str
    port: int
    runner: Runner
    scheme: str = "http"

    @property
    def address(self) -> str:
        """Base URL without a slash at its end."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def sockets(self) -> Sockets:
        """What it has open now, and whom it sent away."""
        return self.runner.sockets

    async def close(self) -> None:
        """Stop listening, let requests in flight end within seconds, run the app's clean-up."""
        await self.runner.cleanup()


async def serve_app(
    app: web.Application,
    host: str,
    port: int,
    ssl: tls.SSLContext | None = None,
    *,
    connections_max: int | None = None,
    welcome: Callable[[str], bool] = lambda address: True,
) -> Running:
    """Listen on host and port (0: any free one). Bodies stay as they came: nothing is decompressed.

    `connections_max` is the listener's own (`gateway.wire.listener`) unless given; `welcome` is asked by address before
    a TLS handshake begins.
    """
    app.on_response_prepare.append(name_ourselves)
    runner = Runner(
        app,
        room=room_for(connections_max),
        access_log=None,
        auto_decompress=False,
        max_field_size=FIELD_MAX_BYTES,
        shutdown_timeout=_CLOSE_TIMEOUT_S,
    )
    await runner.setup()
    try:
        await _site(runner, host, port, ssl, welcome).start()
    except BaseException:
        await runner.cleanup()
        raise
    return Running(host, runner.addresses[0][1], runner, "https" if ssl else "http")


def _site(
    runner: Runner, host: str, port: int, ssl: tls.SSLContext | None, welcome: Callable[[str], bool]
) -> web.BaseSite:
    if ssl is None:
        return web.TCPSite(runner, host, port)
    return TlsSite(runner, host, port, Arrivals(ssl, runner.room, runner.sockets, welcome))
