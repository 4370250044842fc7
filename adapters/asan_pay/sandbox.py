"""Asan Pay as a program of its own: takes invoices, lets payers pay, notifies the gateway until it says 2xx.

Payers pay by themselves after `pay_after_s` if the settings say so, or by `pay(number)`, or by the control address
(`POST /control/payments {"number": …}`, `GET /control/invoices`), which is unsigned and so belongs on loopback only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from adapters.asan_pay.books import Books, Invoice, notification
from contracts.asan_pay import codec
from contracts.asan_pay.messages import CancellationRequest, InvoiceRequest
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.fields import WireModel
from contracts.json import parse_json
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.server import RAW_BODY, VERIFIED, Running, serve_app, signed_http

CONTROL_PAYMENTS = "/control/payments"
CONTROL_INVOICES = "/control/invoices"

_log = logging.getLogger(__name__)
_TRY_LATER = frozenset({408, 425, 429})


class Payers(StrEnum):
    """Who pays without being asked."""

    ALL = "all"
    LISTED = "listed"  # those whose tax id stands in `paying_tax_ids`
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsanPaySandboxSettings:
    """How this Asan Pay behaves. `notify_times` and `leave_out_case_number` are faults."""

    identity: Callable[[], Identity]
    host: str = "127.0.0.1"
    port: int = 0
    gateway_url: str | None = None  # may be told later by `connect`
    gateway_participant: str = "GATEWAY"
    payers: Payers = Payers.ALL
    paying_tax_ids: frozenset[str] = frozenset()
    pay_after_s: float = 0.5
    notify_again_s: float = 0.5  # first pause between two tries; doubles up to `notify_again_max_s`
    notify_again_max_s: float = 30.0
    timeout_s: float = 10.0
    notify_times: int = 1  # how often every notification is sent although acknowledged
    leave_out_case_number: bool = False  # breaks EHR-12


@dataclass(slots=True)
class Delivery:
    """How one notification fared, for tests and the control address."""

    number: str
    tries: int = 0
    acknowledged: int = 0
    refused_with: int | None = None  # the status of the gateway's final no


class _TryAgainError(Exception):
    """The gateway has not taken the notification yet."""


class AsanPaySandbox:
    """The program. `start`, `connect` (when the gateway's address was not known), `close`."""

    def __init__(
        self, settings: AsanPaySandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock = settings, clock
        self.books = Books()
        self._deliveries: dict[str, Delivery] = {}
        self._gateway_url = settings.gateway_url
        self._connected = asyncio.Event()
        self._client = SignedClient(settings.identity, timeout_s=settings.timeout_s, clock=clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Running | None = None

    @property
    def address(self) -> str:
        """Base URL it listens on."""
        if self._running is None:
            raise RuntimeError("the sandbox is not running")
        return self._running.address

    async def start(self) -> None:
        """Listen."""
        if self._gateway_url is not None:
            self._connected.set()
        app = web.Application(middlewares=[self._middleware()])
        app.add_routes(
            [
                web.post(codec.INVOICES_PATH, self._open),
                web.post(codec.CANCELLATION_PATH, self._cancel),
                web.get(codec.SETTLEMENT_PATH, self._settlement),
                web.post(CONTROL_PAYMENTS, self._control_pay),
                web.get(CONTROL_INVOICES, self._control_list),
            ]
        )
        self._running = await serve_app(app, self._settings.host, self._settings.port)

    def connect(self, gateway_url: str) -> None:
        """Where notifications go; those already due leave now."""
        self._gateway_url = gateway_url
        self._connected.set()

    async def close(self) -> None:
        """Stop paying, notifying and listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
        if self._running is not None:
            await self._running.close()

    def pay(self, number: str) -> Invoice:
        """The payer pays now. Raises RefusedError as `Books.pay`."""
        invoice = self.books.pay(number, self._clock())
        self._spawn(self._notify(invoice))
        return invoice

    def delivery(self, number: str) -> Delivery:
        """How the notification of this invoice fared."""
        return self._deliveries.setdefault(number, Delivery(number))

    def _middleware(self) -> Middleware:
        return signed_http(
            self._settings.identity,
            clock=self._clock,
            unsigned_paths=frozenset({CONTROL_PAYMENTS, CONTROL_INVOICES}),
        )

    async def _open(self, request: web.Request) -> web.Response:
        self._only_the_gateway(request)
        key, content = _idempotency_key(request), request[RAW_BODY]
        answer = self.books.first_answer(key, content)
        if answer is None:
            invoice = self.books.open(codec.read(InvoiceRequest, content), self._clock())
            answer = self.books.remember(key, content, invoice.answer)
            if self._pays(invoice):
                self._spawn(self._pay_later(invoice.number))
        return _written(answer, status=201)

    async def _cancel(self, request: web.Request) -> web.Response:
        self._only_the_gateway(request)
        key, content = _idempotency_key(request), request[RAW_BODY]
        answer = self.books.first_answer(key, content)
        if answer is None:
            wanted = codec.read(CancellationRequest, content)
            invoice = self.books.cancel(request.match_info["number"], wanted.invoice_id)
            answer = self.books.remember(key, content, invoice.answer)
        return _written(answer)

    async def _settlement(self, request: web.Request) -> web.Response:
        self._only_the_gateway(request)
        try:
            day = date.fromisoformat(request.match_info["day"])
        except ValueError:
            raise refuse(ErrorCode.TIME_INVALID, path="/day") from None
        return _written(self.books.settlement(day))

    async def _control_pay(self, request: web.Request) -> web.Response:
        wanted = parse_json(request[RAW_BODY])
        number = wanted.get("number") if isinstance(wanted, dict) else None
        if not isinstance(number, str):
            raise refuse(ErrorCode.SCHEMA_INVALID, path="/number", fault="the number of an invoice is wanted")
        return _written(self.pay(number).answer)

    async def _control_list(self, _: web.Request) -> web.Response:
        rows = [self._row(invoice) for invoice in self.books]
        return web.Response(body=orjson.dumps(rows), content_type=codec.MEDIA_TYPE)

    def _row(self, invoice: Invoice) -> dict[str, object]:
        row = invoice.answer.model_dump(by_alias=True)
        delivery = self.delivery(invoice.number)
        return row | {"amount": invoice.request.amount, "notificationAcknowledged": delivery.acknowledged > 0}

    def _only_the_gateway(self, request: web.Request) -> None:
        caller = request[VERIFIED].signer.participant
        if caller != self._settings.gateway_participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="invoice", participant=caller)

    def _pays(self, invoice: Invoice) -> bool:
        settings = self._settings
        listed = invoice.request.payer.tax_id in settings.paying_tax_ids
        return settings.payers is Payers.ALL or (settings.payers is Payers.LISTED and listed)

    async def _pay_later(self, number: str) -> None:
        await asyncio.sleep(self._settings.pay_after_s)
        if self.books.get(number).state == "open":
            self.pay(number)

    async def _notify(self, invoice: Invoice) -> None:
        await self._connected.wait()
        told = notification(invoice, with_case_number=not self._settings.leave_out_case_number)
        delivery = self.delivery(invoice.number)
        for _ in range(self._settings.notify_times):
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_TryAgainError),
                wait=wait_exponential(self._settings.notify_again_s, self._settings.notify_again_max_s),
                sleep=asyncio.sleep,
            ):
                with attempt:
                    await self._notify_once(codec.write(told), delivery)

    async def _notify_once(self, content: bytes, delivery: Delivery) -> None:
        delivery.tries += 1
        try:
            answer = await self._client.request(
                "POST",
                f"{self._gateway_url}{codec.NOTIFICATIONS_PATH}",
                body=content,
                content_type=codec.MEDIA_TYPE,
                expected_participant=self._settings.gateway_participant,
            )
        except (NotSentError, OutcomeUnknownError) as error:
            raise _TryAgainError from error
        if answer.status >= 500 or answer.status in _TRY_LATER:
            raise _TryAgainError
        if answer.status >= 300:
            delivery.refused_with = answer.status
            _log.warning("the gateway refused the notification of %s with %s", delivery.number, answer.status)
            return
        delivery.acknowledged += 1

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _idempotency_key(request: web.Request) -> str:
    key = request.headers.get(codec.IDEMPOTENCY_HEADER, "")
    if not key:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{codec.IDEMPOTENCY_HEADER}", fault="the header is missing")
    return key


def _written(message: WireModel, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=codec.write(message), content_type=codec.MEDIA_TYPE)
