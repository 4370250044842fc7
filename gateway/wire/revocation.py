"""Fetching revocation lists and OCSP answers in the background, so that no message ever waits for an authority.

Only the configured addresses are asked, without following redirects, within a time and a size. What comes is believed
only as far as `certs` believes it, and never replaced by something older. What fails is logged and tried again; how
long we can go on without is told by the standing of each issuer (fresh, stale, closed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import aiohttp
import structlog
from cryptography import x509
from cryptography.x509.ocsp import OCSPResponse

from certs.ocsp import build_request, is_believed, read_answer
from certs.revocation import is_delta, load_lists
from certs.trust import Issued
from contracts.errors.refusal import RefusedError
from gateway.wire.addresses import AddressRule
from gateway.wire.identity import Identity
from gateway.wire.resolver import GuardedResolver

_log = structlog.get_logger(__name__)
_OCSP_REQUEST, _OCSP_ANSWER_MAX_BYTES = "application/ocsp-request", 65_536
_CHUNK_BYTES = 65_536
_TICK_S = 5.0  # how soon somebody new is asked about, where nothing else is due
_RETRY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationSources:
    """Where to ask. Empty: nothing is fetched, and lists come into the keys' folder by other means."""

    lists: tuple[str, ...] = ()
    ocsp_url: str | None = None
    refresh_s: float = 3600.0
    timeout_s: float = 10.0
    list_max_bytes: int = 16_777_216
    addresses: AddressRule | None = None  # where connections may go; None: anywhere


KeepAnswer = Callable[[x509.Certificate, bytes], Awaitable[None]]
"""Told of every OCSP answer that we judge by from now on, as it came, and of whose certificate it speaks."""


class KnowingKeys(Protocol):
    """Keys that can be told what was fetched."""

    def __call__(self) -> Identity: ...

    def know(self, lists: Sequence[x509.CertificateRevocationList], answers: Sequence[OCSPResponse]) -> None:
        """Judge by these too from now on; they replace what was told before."""
        ...


@dataclass(slots=True)
class _Fetched:
    """What is kept of each source, and when it is due again."""

    lists: dict[str, tuple[x509.CertificateRevocationList, ...]] = field(default_factory=dict)
    answers: dict[Issued, OCSPResponse] = field(default_factory=dict)
    due: dict[str | Issued, datetime] = field(default_factory=dict)


class RevocationFetcher:
    """One per process. `run` until cancelled; `refresh` is one round."""

    def __init__(
        self,
        sources: RevocationSources,
        keys: KnowingKeys,
        *,
        clock: Callable[[], datetime],
        keep_answer: KeepAnswer | None = None,
    ) -> None:
        self._sources, self._keys, self._clock, self._keep_answer = sources, keys, clock, keep_answer
        self._kept = _Fetched()

    @property
    def answers(self) -> tuple[OCSPResponse, ...]:
        """The newest about everybody."""
        return tuple(self._kept.answers.values())

    async def run(self) -> None:
        """Keep everything fresh."""
        while True:
            await self.refresh()
            await asyncio.sleep(_TICK_S)

    async def refresh(self) -> None:
        """Fetch what is due; never raises for what a source does."""
        now = self._clock()
        lists = [url for url in self._sources.lists if self._is_due(url, now)]
        seen = self._seen(now) if self._sources.ocsp_url else ()
        pairs = [pair for pair in seen if self._is_due(pair, now)]
        if not lists and not pairs:
            return
        async with self._session() as session:
            changed = [await self._take(url, self._list(session, url)) for url in lists]
            changed += [await self._take(pair, self._answer(session, pair)) for pair in pairs]
        self._forget(seen)
        if any(changed):
            known = [entry for entries in self._kept.lists.values() for entry in entries]
            self._keys.know(known, list(self._kept.answers.values()))

    def _seen(self, now: datetime) -> tuple[Issued, ...]:
        """Everybody we have met whose certificate has not ended, ourselves among them: others judge us too, and
        evidence proves how we stood.
        """
        identity = self._keys()
        own = identity.credential
        try:
            identity.trust.meet(own.certificate, own.chain, now)
        except RefusedError as error:
            _log.warning("our own certificate has no path", reason=str(error.refusal.code))
        return tuple(pair for pair in identity.trust.seen if pair[0].not_valid_after_utc >= now)

    def _is_due(self, what: str | Issued, now: datetime) -> bool:
        due = self._kept.due.get(what)
        return due is None or due <= now

    async def _take(self, what: str | Issued, fetching: Awaitable[bool]) -> bool:
        """Await one source; when it is due again depends on how it went."""
        pause_s, changed = self._sources.refresh_s, False
        try:
            changed = await fetching
        except Exception as error:  # whatever it was: a fetcher that ends unseen closes every door when the grace ends
            pause_s = min(_RETRY_S, self._sources.refresh_s)
            source = what if isinstance(what, str) else self._sources.ocsp_url
            _log.warning("revocation source failed", source=source, reason=f"{type(error).__name__}: {error}"[:300])
        self._kept.due[what] = self._clock() + timedelta(seconds=pause_s)
        return changed

    async def _list(self, session: aiohttp.ClientSession, url: str) -> bool:
        content = await _fetch(session, "GET", url, self._sources.list_max_bytes)
        trust = self._keys().trust
        lists = tuple(entry for entry in load_lists([content]) if trust.believes_list(entry))
        if not lists:
            raise ValueError("no list in it that we believe")
        kept = self._kept.lists.get(url, ())
        newest = _newest_of_each((*kept, *lists))
        if newest == kept and any(entry not in kept for entry in lists):
            raise ValueError("older than what we have")
        self._kept.lists[url] = newest
        return kept != newest

    async def _answer(self, session: aiohttp.ClientSession, pair: Issued) -> bool:
        assert self._sources.ocsp_url is not None
        headers = {"Content-Type": _OCSP_REQUEST}
        request = build_request(*pair)
        content = await _fetch(
            session, "POST", self._sources.ocsp_url, _OCSP_ANSWER_MAX_BYTES, data=request, headers=headers
        )
        answer = read_answer(content)
        if not is_believed(answer, *pair):
            raise ValueError("no answer that we believe")  # else whoever stands on the line could outdate the true one
        kept = self._kept.answers.get(pair)
        if kept is not None and answer.this_update_utc < kept.this_update_utc:
            raise ValueError("older than what we have")
        if self._keep_answer is not None:
            await self._keep_answer(pair[0], content)
        self._kept.answers[pair] = answer
        return True

    def _forget(self, seen: Sequence[Issued]) -> None:
        """Answers about those whom we have not met for long."""
        gone = {what for what in self._kept.due if not isinstance(what, str)}.difference(seen)
        for pair in gone:
            del self._kept.due[pair]
            self._kept.answers.pop(pair, None)

    def _session(self) -> aiohttp.ClientSession:
        rule = self._sources.addresses
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=None if rule is None else GuardedResolver(rule)),
            timeout=aiohttp.ClientTimeout(total=self._sources.timeout_s),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )


async def stop(task: asyncio.Task[None]) -> None:
    """End a running fetcher."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _fetch(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    max_bytes: int,
    *,
    data: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    """The body of a 200 answer. Raises ValueError: another status (a redirect too), encoded, or too long."""
    async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
        if response.status != 200 or "Content-Encoding" in response.headers:
            raise ValueError(f"answered {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > max_bytes:
                raise ValueError(f"longer than {max_bytes} bytes")
        return bytes(body)


def _newest_of_each(lists: Sequence[x509.CertificateRevocationList]) -> tuple[x509.CertificateRevocationList, ...]:
    """Of each issuer the newest complete list and the newest delta: a source cannot take one back beside another's."""
    newest: dict[tuple[x509.Name, bool], x509.CertificateRevocationList] = {}
    for entry in lists:
        kind = (entry.issuer, is_delta(entry))
        if kind not in newest or newest[kind].last_update_utc < entry.last_update_utc:
            newest[kind] = entry
    return tuple(newest.values())
