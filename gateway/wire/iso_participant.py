"""The AÖS-facing door of a bank: serves and sends signed ISO 20022 messages; what it answers is `iso_agent`'s.

    core = MyBooks()                                             # implements CoreBanking
    door = IsoParticipant(settings, lambda: identity, core)
    await door.start()                                           # serves POST {door.address}/aos/v1/messages
    door.connect("http://127.0.0.1:7001")                        # base address of AÖS, may be known later
    await door.close()

A message is acknowledged when it is verified and queued; answers follow as messages of their own, in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import BusinessHeader, CreditTransfer, Envelope, PaymentRequest
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedClient
from gateway.wire.core_banking import CoreBanking
from gateway.wire.identity import Identity
from gateway.wire.iso_agent import Agent
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGE_MAX_BYTES, MESSAGES_PATH, MessageIds, open_signed, seal
from gateway.wire.server import RAW_BODY, Running, serve_app, signed_http

__all__ = ["CoreBanking", "IsoParticipant", "IsoParticipantSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoParticipantSettings:
    """Who the bank is on the rail, and where its door listens."""

    bic: str  # of the bank, 8 characters
    address: str  # 12 characters, the prefix of its message ids (facts.md)
    system_bic: str = "NABZAZ2CIPS"  # of AÖS
    system_participant: str = "AOS"  # registration code in the certificate of AÖS (AOS-S1)
    system_url: str | None = None  # base address of AÖS; may be given later by `connect`
    envelope: Envelope = Envelope.DATA_PDU  # as AÖS wraps
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    body_max_bytes: int = MESSAGE_MAX_BYTES
    timeout_s: float = 5.0
    retry_for_s: float = 30.0  # how long an answer is tried again while AÖS is out of reach
    silent_for: frozenset[str] = frozenset()  # IBANs whose requests and credits are not answered at all (demo, tests)


class IsoParticipant:
    """One bank on the rail, with a listening socket and a client of its own."""

    def __init__(
        self,
        settings: IsoParticipantSettings,
        identity: Callable[[], Identity],
        core: CoreBanking,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._system_url = settings.system_url
        self.silent_for = set(settings.silent_for)
        self.agent = Agent(settings.bic, settings.system_bic, core, MessageIds(settings.address).next)
        self._client = SignedClient(identity, timeout_s=settings.timeout_s, clock=clock)
        self._seen: set[str] = set()
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._running: Running | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Base URL of the listening door."""
        if self._running is None:
            raise RuntimeError("the participant is not started")
        return self._running.address

    def connect(self, system_url: str) -> None:
        """Tell where AÖS is."""
        self._system_url = system_url

    async def start(self) -> None:
        """Listen, and begin to answer."""
        middleware = signed_http(self._identity, clock=self._clock, body_max_bytes=self._settings.body_max_bytes)
        app = web.Application(middlewares=[middleware], client_max_size=self._settings.body_max_bytes)
        app.router.add_post(MESSAGES_PATH, self._receive)
        self._running = await serve_app(app, self._settings.host, self._settings.port)
        self._worker = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Stop; what is queued is forgotten, as in a bank that loses its power."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
        if self._running is not None:
            await self._running.close()
        await self._client.close()

    async def send(self, message: Any) -> None:
        """Send one message of ours to AÖS, the same bytes again while it is out of reach.

        Raises:
            NotSentError, OutcomeUnknownError: still not after `retry_for_s`.
        """
        settings = self._settings
        data = await seal(
            message,
            from_bic=settings.bic,
            to_bic=settings.system_bic,
            credential=self._identity().credential,
            wrapper=settings.envelope,
        )
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((NotSentError, OutcomeUnknownError)),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            stop=stop_after_delay(settings.retry_for_s),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                await self._post(data)

    async def _post(self, data: bytes) -> None:
        if self._system_url is None:
            raise NotSentError("the address of AÖS is not known yet")
        answer = await self._client.request(
            "POST",
            self._system_url + MESSAGES_PATH,
            body=data,
            content_type=CONTENT_TYPE,
            expected_participant=self._settings.system_participant,
        )
        if answer.status >= web.HTTPBadRequest.status_code:
            _log.error("AÖS refused a message of %s: %s %r", self._settings.bic, answer.status, answer.body[:500])

    async def _receive(self, request: web.Request) -> web.Response:
        opened = open_signed(
            request[RAW_BODY],
            self._identity().trust,
            at=self._clock(),
            participant_of=self._participant_of,
            wrapper=self._settings.envelope,
        )
        message = opened.read()
        if opened.header.message_id not in self._seen and not opened.header.copy:
            self._seen.add(opened.header.message_id)
            self._inbox.put_nowait(message)
        return web.json_response({"messageId": opened.header.message_id}, status=202)

    def _participant_of(self, header: BusinessHeader) -> str:
        if header.from_bic != self._settings.system_bic or header.to_bic != self._settings.bic:
            raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=header.from_bic)
        return self._settings.system_participant

    async def _work(self) -> None:
        while True:
            message = await self._inbox.get()
            try:
                await self._react(message)
            except (NotSentError, OutcomeUnknownError):
                _log.exception("%s could not answer %s", self._settings.bic, type(message).__name__)
            except Exception:
                _log.exception("%s failed over %s", self._settings.bic, type(message).__name__)

    async def _react(self, message: Any) -> None:
        if self._is_silent(message):
            return
        answer = self.agent.answer(message, self._clock())
        if answer is not None:
            await self.send(answer)

    def _is_silent(self, message: Any) -> bool:
        match message:
            case PaymentRequest():
                return message.debtor.iban in self.silent_for
            case CreditTransfer():
                return message.creditor.iban in self.silent_for
        return False
