"""At every door, before anything is read: whether there is processor time for whoever asks (`gateway.doors.shares`).

Who asks is not known before his signature is verified, and that is what costs. So he is whom his connection proved
last; else the certificate that he showed in the handshake; else his address, if a signature came from there not long
ago; else one of the strangers, who have one share together. Who is refused gets a 503 made beforehand, *unsigned*,
after a pause in which he holds nothing but his own connection: a signature would cost more than what is saved, and
says nothing that a broken connection would not say, too: send it again. Health is always answered. What is counted has
an account of its own: to write it out costs as much as a signature, and anybody may ask.
"""

from __future__ import annotations

import asyncio
import random
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from contracts.errors import ErrorCode, Refusal
from gateway.domain.quota import Bucket, QuotaPolicy, take
from gateway.doors.metrics import Metrics
from gateway.doors.shares import SCRAPERS, STRANGERS, Account, Kind, Shares
from gateway.engine.unavailable import spread
from gateway.wire.listener import Connection
from gateway.wire.problems import PROBLEM_TYPE, preferred_language, problem_body
from gateway.wire.server import VERIFIED

BEAT_S = 0.1  # between two looks at the loop's lateness
PAUSE_S = 2.0  # before a refusal: of who asks again at once, each connection asks so seldom
METRICS_PATH = "/metrics"
_HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
UNSIGNED_PATHS = _HEALTH_PATHS | {METRICS_PATH}
_PROVEN_S = 600.0  # so long an address is known by a signature that came from there
_ADDRESSES_MAX = 4096
_HANDSHAKES = QuotaPolicy(rate_per_s=5, burst=10)  # of one unknown address, while the processor is short
_HANDSHAKES_PROVEN = QuotaPolicy(rate_per_s=50, burst=100)
_OUTSIDE_S = 0.0002  # what a request costs beside its handler: TLS, the parser, its task
_REFUSAL_S = 0.0003  # what a refusal here costs, all in all

T = TypeVar("T")


class Fairness:
    """The shares of one process, at its doors. `mind` is to be the first middleware of all."""

    def __init__(
        self,
        shares: Shares,
        metrics: Metrics,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        store_late_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`store_late_s` is how late a loop would be that is as late as the store is behind."""
        self._store_late_s = store_late_s
        self.late_s = 0.0  # the loop, at the last beat
        self._shares, self._metrics, self._clock, self._chance = shares, metrics, clock, chance
        self._proven_at: dict[str, float] = {}  # by address, in the order of proofs
        self._handshakes: dict[str, Bucket] = {}

    async def run(self) -> None:
        """Measure how late the loop is, or the store, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            now = loop.time()
            self.late_s = now - due
            self._shares.beat(max(self.late_s, self._store_late_s()), now)

    def welcome(self, address: str) -> bool:
        """Whether a handshake from there may begin."""
        if not self._shares.is_short:
            return True
        policy = _HANDSHAKES_PROVEN if self._is_proven(address) else _HANDSHAKES
        bucket, wait = take(self._handshakes.pop(address, None), policy, self._clock())
        self._handshakes[address] = bucket
        _bound(self._handshakes)
        return wait is None

    @property
    def mind(self) -> Middleware:
        """The middleware."""

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path in _HEALTH_PATHS:
                return await handler(request)
            return await self._judge(request, handler)

        return middleware

    async def _judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        loop, account = asyncio.get_running_loop(), self._account(request)
        if not self._shares.admits(account, loop.time()):
            self._shares.refused(account, _REFUSAL_S, loop.time())
            return await self._put_off(request, account)
        expected_s, spent = self._shares.begin(account, loop.time()), Spent()
        try:
            return await spent.watch(_coroutine(handler(request)))
        finally:
            self._shares.end(account, expected_s, spent.seconds + _OUTSIDE_S, loop.time())
            self._note_proof(request, loop.time())

    def _account(self, request: web.Request) -> Account:
        if request.path == METRICS_PATH:
            return SCRAPERS
        connection = request.protocol
        proven = connection.proven if isinstance(connection, Connection) else None
        if proven is not None:
            return Account(kind=Kind.PARTICIPANT, name=proven)
        shown = None if request.transport is None else request.transport.get_extra_info("peercert")
        if shown:
            return Account(kind=Kind.CERTIFICATE, name=f"{shown['serialNumber']} of {shown['issuer']}")
        address = request.remote or ""
        return Account(kind=Kind.ADDRESS, name=address) if self._is_proven(address) else STRANGERS

    def _note_proof(self, request: web.Request, now: float) -> None:
        verified, connection = request.get(VERIFIED), request.protocol
        if verified is None or not isinstance(connection, Connection):
            return
        connection.proven = verified.signer.participant
        self._proven_at.pop(connection.address, None)
        self._proven_at[connection.address] = now
        _bound(self._proven_at)

    def _is_proven(self, address: str) -> bool:
        at = self._proven_at.get(address)
        return at is not None and asyncio.get_running_loop().time() - at < _PROVEN_S

    async def _put_off(self, request: web.Request, account: Account) -> web.Response:
        self._metrics.shed(account.kind)
        connection = request.protocol
        if isinstance(connection, Connection):
            connection.is_put_off = True
        await asyncio.sleep(PAUSE_S)
        if isinstance(connection, Connection):
            connection.is_put_off = False
        after_s = spread(self._chance())
        status, body = _said(after_s, preferred_language(request.headers.get("Accept-Language", "")))
        return web.Response(status=status, body=body, content_type=PROBLEM_TYPE, headers={"Retry-After": str(after_s)})


class Spent:
    """The processor time that one request takes on the loop's thread, between its waits."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0

    @types.coroutine
    def watch(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Do it, step by step."""
        step: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            began = time.thread_time()
            try:
                waited_for = step(given)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            finally:
                self.seconds += time.thread_time() - began
            try:
                given, step = (yield waited_for), work.send
            except BaseException as thrown:  # a cancellation belongs to the work
                given, step = thrown, work.throw


async def _coroutine(work: Awaitable[T]) -> T:
    return await work


@lru_cache(maxsize=64)
def _said(after_s: int, language: str) -> tuple[int, bytes]:
    return problem_body(Refusal(code=ErrorCode.OVERLOADED, facts={"retry_after_s": str(after_s)}), language)


def _bound(known: dict[str, Any]) -> None:
    if len(known) > _ADDRESSES_MAX:
        del known[next(iter(known))]
