"""AÖS as a program: takes signed ISO 20022 messages from its participants, runs `central`, delivers what follows.

    sandbox = AosSandbox(AosSandboxSettings(identity=..., participants=(...)))
    await sandbox.start()                              # serves POST {sandbox.address}/aos/v1/messages
    sandbox.connect("EHRNAZ22", "http://127.0.0.1:8080")   # where a participant's own AÖS door is
    await sandbox.close()

202 means taken; what becomes of it follows as messages, in order per participant, each tried until it is taken.
Works at any hour (AOS-G1). Nothing is kept over a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.core import Outgoings
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.delivery import Deliveries, DeliverySettings
from adapters.aos.faults import Fault, FaultPlan
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.iso20022 import BusinessHeader
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import MESSAGE_MAX_BYTES, MESSAGES_PATH, MessageIds, Opened, open_signed
from gateway.wire.server import RAW_BODY, VERIFIED, Running, serve_app, signed_http

__all__ = ["AosSandbox", "AosSandboxSettings", "Fault", "OperatingRules", "Participant"]

_log = logging.getLogger(__name__)
_IDLE_S = 0.2  # how often silence is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class AosSandboxSettings:
    """Who AÖS is, who takes part, by which operating rules, and what goes wrong."""

    identity: Identity
    participants: tuple[Participant, ...]
    bic: str = "NABZAZ2CIPS"
    address: str = "NABZAZ2CAIPS"  # 12 characters, the prefix of its own message ids
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    rules: OperatingRules = field(default_factory=OperatingRules)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    faults: tuple[Fault, ...] = ()


class AosSandbox:
    """The program. State lies open in `system` (ledger, orders, requests) and `deliveries`."""

    def __init__(
        self, settings: AosSandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock = settings, clock
        self.system = InstantPaymentSystem(
            settings.bic, settings.participants, settings.rules, MessageIds(settings.address).next
        )
        self.plan = FaultPlan(list(settings.faults))
        self.deliveries = Deliveries(settings.bic, settings.identity, settings.participants, settings.delivery, clock)
        self._running: Running | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Base URL."""
        if self._running is None:
            raise RuntimeError("the sandbox is not started")
        return self._running.address

    def connect(self, bic: str, url: str) -> None:
        """Tell where a participant's door is; what waits for it leaves now."""
        self.deliveries.connect(bic, url)

    async def start(self) -> None:
        """Listen, deliver, watch the intervals."""
        middleware = signed_http(lambda: self._settings.identity, clock=self._clock, body_max_bytes=MESSAGE_MAX_BYTES)
        app = web.Application(middlewares=[middleware], client_max_size=MESSAGE_MAX_BYTES)
        app.router.add_post(MESSAGES_PATH, self._receive)
        self._running = await serve_app(app, self._settings.host, self._settings.port)
        self.deliveries.start()
        self._watch = asyncio.create_task(self._watch_intervals())

    async def close(self) -> None:
        """Stop; nothing is kept."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._running is not None:
            await self._running.close()
        await self.deliveries.close()

    async def _receive(self, request: web.Request) -> web.Response:
        """AOS-S1: the same participant signs the request, the message, and stands in its header."""
        now, trust = self._clock(), self._settings.identity.trust
        opened = open_signed(request[RAW_BODY], trust, at=now, participant_of=self._participant_of)
        if request[VERIFIED].signer.participant != opened.verified.signer.participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=opened.verified.signer.participant)
        self._send(self._follow(opened, now))
        return web.json_response({"messageId": opened.header.message_id}, status=202)

    def _follow(self, opened: Opened, now: datetime) -> Outgoings:
        try:
            message: Any = opened.read()
        except RefusedError as error:
            return self.system.refuse_malformed(opened.header, error.refusal, now)
        self.plan.note(message)
        return self.system.handle(message, opened.header.from_bic, now)

    def _participant_of(self, header: BusinessHeader) -> str:
        sender = self.system.participants.of(header.from_bic)
        if sender is None or header.to_bic != self._settings.bic:
            raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=header.from_bic)
        return sender.code

    def _send(self, outgoings: Outgoings) -> None:
        for outgoing in outgoings:
            self.deliveries.put(outgoing, self.plan.befalling(outgoing))

    async def _watch_intervals(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_S)
            try:
                self._send(self.system.tick(self._clock()))
            except Exception:
                _log.exception("the intervals could not be watched")
