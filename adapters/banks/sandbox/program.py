"""The bank as a program: starts its callback endpoint and its door to AÖS, and decides offers as its settings say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from adapters.banks.adapter import Transport
from adapters.banks.sandbox.callbacks import CALLBACK_PATH, Callbacks
from adapters.banks.sandbox.gateway_client import GatewayClient, RestGateway, SoapGateway, Told
from adapters.banks.sandbox.ledger import Ledger
from adapters.banks.sandbox.notices import NoticeBook
from adapters.banks.sandbox.settings import BankSandboxSettings, Behaviour
from contracts.fields import AccountModel
from contracts.rest.models import Decision
from contracts.soap.model import Notice
from gateway.domain.dispatches import NoticeKind
from gateway.errors import GatewayError, NotSentError, OutcomeUnknownError
from gateway.wire.iso_participant import IsoParticipant, IsoParticipantSettings
from gateway.wire.server import Running, serve_app

_log = logging.getLogger(__name__)
_OPEN = "open"


class BankSandbox:
    """`start`, `connect` (when the others' addresses were not known), `close`."""

    def __init__(
        self, settings: BankSandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock = settings, clock
        self.notices = NoticeBook()
        self.ledger = Ledger(settings.accounts)
        self.callbacks = Callbacks(settings, self._take, clock=clock)
        self.rail = IsoParticipant(_rail(settings), settings.identity, self.ledger, clock=clock)
        self.told: dict[str, Told] = {}  # offer to what the gateway said to our decision
        self._gateway: GatewayClient | None = None
        self._connected = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Running | None = None

    @property
    def address(self) -> str:
        """Base URL of the callback endpoint; of the door to AÖS where there is none."""
        if self._settings.core_only:
            return self.rail_address
        if self._running is None:
            raise RuntimeError("the bank is not running")
        return self._running.address

    @property
    def callback_url(self) -> str:
        """What stands in the gateway's configuration."""
        return self.address + CALLBACK_PATH

    @property
    def rail_address(self) -> str:
        """Base URL of the door to AÖS."""
        return self.rail.address

    async def start(self) -> None:
        """Listen on both doors, or on that of AÖS alone."""
        if not self._settings.core_only:
            self._running = await serve_app(self.callbacks.app(), self._settings.host, self._settings.port)
        await self.rail.start()
        if self._settings.gateway_url is not None:
            self.connect(self._settings.gateway_url)

    def connect(self, gateway_url: str, aos_url: str | None = None) -> None:
        """Where the gateway is, and AÖS if that was not known; decisions already due leave now."""
        self._gateway = _gateway(self._settings, gateway_url, self._clock)
        self._connected.set()
        if aos_url is not None:
            self.rail.connect(aos_url)

    async def close(self) -> None:
        """Stop deciding and listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._running is not None or self._settings.core_only:
            await self.rail.close()
        if self._running is not None:
            await self._running.close()
        if self._gateway is not None:
            await self._gateway.close()

    async def decide(self, offer_id: str, lot_id: str, behaviour: Behaviour) -> Told:
        """Tell the gateway, the same message again until it answers.

        Raises:
            NotSentError, OutcomeUnknownError: still without an answer after `decide_for_s`.
        """
        gateway = await self._connected_gateway()
        decision = self._decision(lot_id, behaviour)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((NotSentError, OutcomeUnknownError)),
            wait=wait_exponential(multiplier=0.1, max=5.0),
            stop=stop_after_delay(self._settings.decide_for_s),
            reraise=True,
        ):
            with attempt:
                told = await gateway.decide(f"{offer_id}.decision", offer_id, decision)
                if told.retry:
                    raise NotSentError(f"the gateway says {told.refused}: later")
                self.told[offer_id] = told
        return self.told[offer_id]

    async def idle(self) -> None:
        """Wait until everything that is due now has been done."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def catch_up(self) -> int:
        """Pull what callbacks missed (gap-free feed); how many notices were new."""
        gateway, fresh = await self._connected_gateway(), 0
        while page := await gateway.feed(self.notices.complete_to):
            before = self.notices.complete_to
            fresh += sum(self._keep(notice) for notice in page)
            if self.notices.complete_to == before:
                break
        return fresh

    async def document(self, protocol_id: str) -> bytes:
        """Fetch a sealed protocol. Raises GatewayError."""
        return await (await self._connected_gateway()).document(protocol_id)

    def _take(self, notice: Notice) -> None:
        self._keep(notice)
        if self.notices.has_gap:
            self._spawn(self._fill_gap())

    def _keep(self, notice: Notice) -> bool:
        if not self.notices.take(notice):
            return False
        if notice.kind == NoticeKind.OFFER_OPENED and notice.state == _OPEN:
            self._spawn(self._decide_later(notice))
        return True

    async def _fill_gap(self) -> None:
        try:
            await self.catch_up()
        except GatewayError:
            _log.warning("bank %s could not pull its feed; the gap stays until the next notice", self._settings.code)

    async def _decide_later(self, notice: Notice) -> None:
        behaviour = self._settings.decisions.get(notice.lot_id, self._settings.otherwise)
        if behaviour is Behaviour.IGNORE:
            return
        await asyncio.sleep(self._settings.decide_after_s)
        try:
            told = await self.decide(notice.subject_id, notice.lot_id, behaviour)
        except GatewayError:
            _log.exception("bank %s could not decide %s", self._settings.code, notice.subject_id)
            return
        if told.refused is not None:
            _log.warning("the gateway refused the decision of %s: %s", notice.subject_id, told.refused)

    def _decision(self, lot_id: str, behaviour: Behaviour) -> Decision:
        settings = self._settings
        if behaviour is Behaviour.REFUSE:
            return Decision(decision="refuse", decided_by=settings.decided_by, reason=settings.refusal_reason)
        iban = settings.payers.get(lot_id) or settings.accounts[0].iban
        account = self.ledger.accounts[iban]
        payer = AccountModel(holder=account.holder, iban=iban, bic=settings.bic, tax_id=account.tax_id)
        return Decision(decision="accept", decided_by=settings.decided_by, payer=payer)

    async def _connected_gateway(self) -> GatewayClient:
        await self._connected.wait()
        assert self._gateway is not None
        return self._gateway

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _rail(settings: BankSandboxSettings) -> IsoParticipantSettings:
    return IsoParticipantSettings(
        bic=settings.bic,
        address=settings.iso_address,
        system_bic=settings.aos_bic,
        system_participant=settings.aos_participant,
        system_url=settings.aos_url,
        envelope=settings.aos_envelope,
        host=settings.host,
        port=settings.iso_port,
        timeout_s=settings.timeout_s,
        silent_for=settings.silent_for,
    )


def _gateway(settings: BankSandboxSettings, url: str, clock: Callable[[], datetime]) -> GatewayClient:
    if settings.transport is Transport.REST:
        return RestGateway(
            url, settings.identity, participant=settings.gateway_participant, timeout_s=settings.timeout_s, clock=clock
        )
    return SoapGateway(
        url,
        settings.identity,
        participant=settings.gateway_participant,
        timeout_s=settings.timeout_s,
        clock=clock,
        version=settings.soap_version,
    )
