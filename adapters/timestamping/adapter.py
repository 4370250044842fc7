"""The way to an authority of time: a query in, a verified token out. No channel of the outbox: nothing waits for it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from certs.timestamp import ANSWER_MAX_BYTES, QUERY_TYPE, policy_of, request, token_of, verify
from gateway.errors import NotSentError, TheirFaultError
from gateway.wire.addresses import AddressRule
from gateway.wire.identity import Identity
from gateway.wire.resolver import GuardedResolver

_NONCE_BITS = 63
_OK = 200


class TimeStampClient:
    """Owns its connections; believes only tokens that verify by the identity's trust.

    Args:
        url: where queries are posted. No redirect is followed.
        timeout_s: from the query to the end of its answer.
        addresses: where connections may go; None: anywhere.
    """

    def __init__(
        self,
        url: str,
        identity: Callable[[], Identity],
        *,
        timeout_s: float,
        addresses: AddressRule | None = None,
    ) -> None:
        self._url, self._identity, self._timeout_s, self._addresses = url, identity, timeout_s, addresses
        self._session: aiohttp.ClientSession | None = None

    async def stamp(self, digest: bytes) -> tuple[bytes, datetime]:
        """A token over a SHA-256 digest, and the time it states.

        Raises:
            NotSentError: the authority cannot be reached; ask again.
            TheirFaultError: it answered with something else than a token.
            RefusedError: its token does not hold.
        """
        nonce = secrets.randbits(_NONCE_BITS)
        token = token_of(await self._ask(request(digest, nonce)), nonce)
        trust = self._identity().trust
        return token, verify(token, digest, trust.with_policy(policy_of(trust.policy))).at

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _ask(self, query: bytes) -> bytes:
        if self._session is None:
            rule = self._addresses
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=None if rule is None else GuardedResolver(rule)),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                auto_decompress=False,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            if self._addresses is not None:
                self._addresses.check_host(urlsplit(self._url).hostname or "")
            async with self._session.post(
                self._url, data=query, headers={"Content-Type": QUERY_TYPE}, allow_redirects=False
            ) as response:
                answer = await response.content.read(ANSWER_MAX_BYTES + 1)
                while not response.content.at_eof() and len(answer) <= ANSWER_MAX_BYTES:
                    answer += await response.content.read(ANSWER_MAX_BYTES + 1)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotSentError(f"authority of time: {type(error).__name__}: {error}") from error
        if response.status != _OK or len(answer) > ANSWER_MAX_BYTES:
            raise TheirFaultError(f"authority of time answered {response.status} with {len(answer)} B")
        return answer
