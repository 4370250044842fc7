"""Signed HTTP on the client's side: sign, send once, read within limits, verify who answered.

What goes wrong is typed by what may be done next: `NotSentError` before a connection stood, `OutcomeUnknownError` for
everything after, an answer that cannot be believed included. Nothing is retried here.
"""

from __future__ import annotations

import ssl as tls
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from secrets import token_urlsafe
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from certs.http_signature import HttpRequestParts, HttpResponseParts, sign_request, verify_response
from certs.keystore import Credential
from certs.trust import Signer
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Exhibit
from gateway.wire.addresses import AddressRule, ForbiddenAddressError
from gateway.wire.identity import Identity, check_own_end, signing
from gateway.wire.octets import exhibit, request_octets, response_octets
from gateway.wire.resolver import GuardedResolver
from gateway.wire.rules import WireRules

ANSWER_MAX_BYTES = 1_048_576
ANY = WireRules()
_FIELD_MAX_BYTES = 16_384
_CHUNK_BYTES = 65_536
_NONCE_BYTES = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAnswer:
    """What the counterparty answered. `signer` is None only where verification was not asked for."""

    status: int
    headers: Mapping[str, str]  # the last value of each field, by lower-case name
    body: bytes
    signer: Signer | None
    exhibits: tuple[Exhibit, ...]


@dataclass(slots=True)
class _Attempt:
    """How far one request came; `connected` decides between not sent and unknown."""

    connected: bool = False
    exhibits: list[Exhibit] = field(default_factory=list)


class SignedClient:
    """One per adapter; owns an aiohttp session, opened at the first request.

    Args:
        identity: asked anew for every request, so that keys may turn.
        timeout_s: from the start of a request to the end of its answer.
        answer_max_bytes: longer answers are not read.
        ssl: TLS context for https addresses; the platform's default without.
        rules: how answers must be signed, and where connections may go.
    """

    def __init__(
        self,
        identity: Callable[[], Identity],
        *,
        timeout_s: float,
        clock: Callable[[], datetime],
        answer_max_bytes: int = ANSWER_MAX_BYTES,
        ssl: tls.SSLContext | None = None,
        rules: WireRules = ANY,
    ) -> None:
        self._identity, self._clock, self._answer_max_bytes = identity, clock, answer_max_bytes
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._ssl, self._rules = ssl, rules
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        expected_participant: str | None,
        sign: bool = True,
        verify: bool = True,
    ) -> SignedAnswer:
        """Send one request and believe its answer only as far as it is signed.

        Raises:
            NotSentError: no connection was made, or our own certificate has ended; safe to send again.
            OutcomeUnknownError: sent, then timeout, broken connection, too long an answer, or one whose signature
                does not hold (`refusal` says why).
        """
        check_own_end(self._identity().credential, self._clock())
        target = URL(url, encoded=True)
        sent = self._prepare(method, target, body, content_type, headers or {})
        if sign:
            credential = self._identity().credential
            sent = await signing(credential, partial(self._signed, sent, credential))
        attempt = _Attempt(exhibits=[exhibit("out", request_octets(sent), signer=self._own_name() if sign else None)])
        answer = await self._exchange(target, sent, attempt)
        signer = self._verified(answer, sent, attempt, expected_participant) if verify else None
        attempt.exhibits.append(_answer_exhibit(answer, signer))
        return SignedAnswer(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.headers},
            body=answer.body,
            signer=signer,
            exhibits=tuple(attempt.exhibits),
        )

    async def close(self) -> None:
        """Close all connections. The client may be used again afterwards."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _own_name(self) -> str:
        return self._identity().credential.participant

    def _prepare(
        self,
        method: str,
        target: URL,
        body: bytes,
        content_type: str | None,
        headers: Mapping[str, str],
    ) -> HttpRequestParts:
        authority = _authority(target, self._rules.addresses)
        fields = {"Host": authority.lower(), "Accept-Encoding": "identity", **headers}
        if content_type is not None:
            fields["Content-Type"] = content_type
        return HttpRequestParts(
            method=method.upper(),
            authority=fields["Host"],
            path=target.raw_path or "/",
            query=target.raw_query_string,
            headers=tuple(fields.items()),
            body=body,
        )

    def _signed(self, parts: HttpRequestParts, credential: Credential) -> HttpRequestParts:
        nonce = token_urlsafe(_NONCE_BYTES)
        return parts.with_headers(sign_request(parts, credential, now=self._clock(), nonce=nonce))

    async def _exchange(self, target: URL, sent: HttpRequestParts, attempt: _Attempt) -> HttpResponseParts:
        try:
            async with self._open_session().request(
                sent.method,
                target,
                data=sent.body or None,
                headers=dict(sent.headers),
                skip_auto_headers=("Content-Type", "User-Agent"),
                allow_redirects=False,
                trace_request_ctx=attempt,
            ) as response:
                body = await self._read(response)
                return HttpResponseParts(status=response.status, headers=_fields(response), body=body)
        except RefusedError as error:
            raise OutcomeUnknownError(
                f"unreadable answer: {error.refusal.code}", refusal=error.refusal, exhibits=tuple(attempt.exhibits)
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _failure(error, attempt) from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if "Content-Encoding" in response.headers:
            raise refuse(ErrorCode.CONTENT_TYPE, received="Content-Encoding")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._answer_max_bytes:
                raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=self._answer_max_bytes)
        return bytes(body)

    def _verified(
        self, answer: HttpResponseParts, sent: HttpRequestParts, attempt: _Attempt, expected_participant: str | None
    ) -> Signer:
        try:
            return verify_response(
                answer,
                sent,
                self._identity().trust,
                at=self._clock(),
                policy=self._rules.signatures,
                expected_participant=expected_participant,
            ).signer
        except RefusedError as error:
            exhibits = (*attempt.exhibits, _answer_exhibit(answer, None))
            reason = f"answer {answer.status} not verifiable: {error.refusal.code}"
            raise OutcomeUnknownError(reason, refusal=error.refusal, exhibits=exhibits) from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            rule = self._rules.addresses
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._ssl if self._ssl is not None else True,
                    limit=100,
                    resolver=None if rule is None else GuardedResolver(rule),
                ),
                timeout=self._timeout,
                auto_decompress=False,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_field_size=_FIELD_MAX_BYTES,
                trace_configs=[_connection_trace()],
            )
        return self._session


@lru_cache(maxsize=256)
def _authority(target: URL, rule: AddressRule | None) -> str:
    """Host and port of an address we may send to. Names are judged again at every connection, by what they resolve to.

    Numeric addresses never come to the resolver, so they are judged here, once: the rule is not going to change.

    Raises:
        NotSentError: not an absolute address, or one the rule forbids.
    """
    authority = target.host_port_subcomponent
    if authority is None:
        raise NotSentError(f"not an absolute address: {target}")
    try:
        if rule is not None and target.host is not None:
            rule.check_host(target.host)
    except ForbiddenAddressError as error:
        raise NotSentError(str(error)) from error
    return authority


def _connection_trace() -> aiohttp.TraceConfig:
    """From the moment a request has its connection, its octets may be on the way."""

    async def connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
        context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


def _failure(error: BaseException, attempt: _Attempt) -> NotSentError | OutcomeUnknownError:
    said = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else "")
    reason = f"{type(error).__name__}: {said}".rstrip(": ")
    if not attempt.connected:
        return NotSentError(reason)
    return OutcomeUnknownError(reason, exhibits=tuple(attempt.exhibits))


def _fields(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in response.raw_headers
    )


def _answer_exhibit(answer: HttpResponseParts, signer: Signer | None) -> Exhibit:
    return exhibit(
        "in",
        response_octets(answer),
        signer=signer.participant if signer else None,
        certificate_sha256=signer.certificate_sha256 if signer else None,
    )
