"""AÖS as a program: takes signed ISO 20022 messages from its participants, runs `central`, delivers what follows.

    sandbox = AosSandbox(AosSandboxSettings(identity=..., participants=(...)))
    await sandbox.start()                              # serves POST {sandbox.address}/aos/v1/messages
    sandbox.connect("EHRNAZ22", "http://127.0.0.1:8080")   # where a participant's own AÖS door is
    await sandbox.close()

202 means taken; what becomes of it follows as messages, in order per participant, each tried until it is taken.
Works at any hour (AOS-G1). With a `state_file` it stands after a restart as it stood before; without, nothing is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.core import Outgoings
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import AZIPS_BIC, InstantPaymentSystem
from adapters.aos.delivery import Deliveries, DeliverySettings
from adapters.aos.faults import Fault, FaultKind, FaultPlan
from adapters.aos.memory import Memory
from certs.keystore import Credential
from contracts import mt
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.iso20022 import BusinessHeader, Envelope
from gateway.wire.fin import LIMIT_ORDERS_PATH
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import MESSAGE_MAX_BYTES, MESSAGES_PATH, MessageIds, Opened, open_signed
from gateway.wire.server import RAW_BODY, VERIFIED, Running, serve_app, signed_http

__all__ = ["AosSandbox", "AosSandboxSettings", "Fault", "FaultKind", "OperatingRules", "Participant"]

_log = logging.getLogger(__name__)
_IDLE_S = 0.2  # how often silence is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class AosSandboxSettings:
    """Who AÖS is, who takes part, by which operating rules, and what goes wrong."""

    identity: Callable[[], Identity]
    participants: tuple[Participant, ...]
    bic: str = "NABZAZ2CIPS"
    address: str = "NABZAZ2CAIPS"  # 12 characters, the prefix of its own message ids
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    rules: OperatingRules = field(default_factory=OperatingRules)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    faults: tuple[Fault, ...] = ()
    revoked: Credential | None = None  # a revoked key pair of its own, for the fault of that name
    azips_bic: str = AZIPS_BIC
    azips_participant: str = "AZIPS"  # whose limit orders are believed (AOS-L1)
    envelope: Envelope = Envelope.DATA_PDU
    state_file: Path | None = None  # what was said to it, to be told again after a restart


class AosSandbox:
    """The program. State lies open in `system` (ledger, orders, requests) and `deliveries`."""

    def __init__(
        self, settings: AosSandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        if settings.revoked is None and any(fault.kind is FaultKind.REVOKED_SIGNER for fault in settings.faults):
            raise ValueError("the fault revoked_signer wants a revoked key pair")
        self._settings, self._clock = settings, clock
        self.system = InstantPaymentSystem(
            settings.bic,
            settings.participants,
            settings.rules,
            MessageIds(settings.address).next,
            azips_bic=settings.azips_bic,
        )
        self.plan = FaultPlan(list(settings.faults))
        self.deliveries = Deliveries(
            settings.bic,
            settings.identity,
            settings.participants,
            settings.delivery,
            clock,
            revoked=settings.revoked,
            envelope=settings.envelope,
        )
        self._limit_orders: set[tuple[str, str]] = set()  # participant and reference
        self._memory = Memory(settings.state_file)
        self._port = settings.port
        self._running: Running | None = None
        self._watch: asyncio.Task[None] | None = None
        self._absence: asyncio.Task[None] | None = None

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
        """Remember, listen, deliver, watch the intervals. ValueError, LookupError: the state is of another world."""
        self._limit_orders |= self._memory.tell(self.system, self.plan.note)
        await self.listen()
        self.deliveries.start()
        self._watch = asyncio.create_task(self._watch_intervals())

    async def listen(self) -> None:
        """Take messages, on the same port as before where there was one."""
        middleware = signed_http(self._settings.identity, clock=self._clock, body_max_bytes=MESSAGE_MAX_BYTES)
        app = web.Application(middlewares=[middleware], client_max_size=MESSAGE_MAX_BYTES)
        app.router.add_post(MESSAGES_PATH, self._receive)
        app.router.add_post(LIMIT_ORDERS_PATH, self._ordered_in_azips)
        self._running = await serve_app(app, self._settings.host, self._port)
        self._port = self._running.port

    async def go_away(self) -> None:
        """Refuse connections until `listen`; what is held goes on and is delivered."""
        if self._running is not None:
            await self._running.close()
        self._running = None

    async def _stay_away(self, seconds: float) -> None:
        """Once the request that brought it is answered. What was away already stays so by somebody else's word."""
        if self._running is not None:
            await self.go_away()
            await asyncio.sleep(seconds)
            await self.listen()

    async def close(self) -> None:
        """Stop."""
        for task in (self._watch, self._absence):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self.go_away()
        await self.deliveries.close()

    def raise_limit(self, bic: str, amount: int) -> None:
        """AOS-L1: the amount (qəpik) is added to the debit limit of this participant's settlement account."""
        self._send(self.system.limits.raised(bic, amount, self._clock()))

    async def _ordered_in_azips(self, request: web.Request) -> web.Response:
        """AOS-L1: AZIPS tells in real time that it accepted an MT205; told again it is the same order."""
        teller = request[VERIFIED].signer.participant
        if teller != self._settings.azips_participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="limit order", participant=teller)
        order = mt.read(request[RAW_BODY])
        row = self.system.participants.of(order.participant_bic) if isinstance(order, mt.LimitOrder) else None
        if not isinstance(order, mt.LimitOrder) or row is None or row.settlement_account != order.account:
            raise refuse(ErrorCode.REFERENCE_UNKNOWN, noun="settlement account", id=getattr(order, "account", ""))
        name = (order.participant_bic, order.reference)
        if name not in self._limit_orders:
            self._limit_orders.add(name)
            self._memory.limit(order.participant_bic, order.amount_minor, order.reference, self._clock())
            self.raise_limit(order.participant_bic, order.amount_minor)
        return web.json_response({"taken": True}, status=202)

    async def _receive(self, request: web.Request) -> web.Response:
        """AOS-S1: the same participant signs the request, the message, and stands in its header."""
        now, trust = self._clock(), self._settings.identity().trust
        opened = open_signed(
            request[RAW_BODY], trust, at=now, participant_of=self._participant_of, wrapper=self._settings.envelope
        )
        if request[VERIFIED].signer.participant != opened.verified.signer.participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=opened.verified.signer.participant)
        outgoings, faults = self._follow(opened, now)
        self._send(outgoings)
        if FaultKind.SLOW in faults:
            await asyncio.sleep(faults[FaultKind.SLOW].delay_s)
        if FaultKind.REFUSED in faults:
            self._absence = asyncio.create_task(self._stay_away(faults[FaultKind.REFUSED].delay_s))
        if FaultKind.BROKEN in faults and request.transport is not None:
            request.transport.abort()
        return web.json_response({"messageId": opened.header.message_id}, status=202)

    def _follow(self, opened: Opened, now: datetime) -> tuple[Outgoings, dict[FaultKind, Fault]]:
        try:
            message: Any = opened.read()
        except RefusedError as error:
            return self.system.refuse_malformed(opened.header, error.refusal, now), {}
        self._memory.message(message, opened.header.from_bic, now)
        return self.system.handle(message, opened.header.from_bic, now), self.plan.note(message)

    def _participant_of(self, header: BusinessHeader) -> str:
        sender = self.system.participants.of(header.from_bic)
        if sender is None or header.to_bic != self._settings.bic:
            raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=header.from_bic)
        return sender.code

    def _send(self, outgoings: Outgoings) -> None:
        for outgoing in outgoings:
            self.deliveries.put(outgoing, self.plan.befalling(outgoing))

    async def _watch_intervals(self) -> None:
        before = self._clock()
        while True:
            await asyncio.sleep(_IDLE_S)
            try:
                now = self._clock()
                self._send(self._brought_by_time(before, now))
                before = now
            except Exception:
                _log.exception("the intervals could not be watched")

    def _brought_by_time(self, before: datetime, now: datetime) -> Outgoings:
        moved = len(self.system.ledger.postings)
        outgoings = self.system.tick(now)
        if outgoings or len(self.system.ledger.postings) != moved:
            self._memory.time(before, now)
        return outgoings
