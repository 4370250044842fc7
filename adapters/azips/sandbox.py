"""AZIPS as a program: takes signed FIN or ISO 20022 transfers of its participants, books them, answers both sides.

    sandbox = AzipsSandbox(AzipsSandboxSettings(identity=..., correspondents=(...)))
    await sandbox.start()                                    # serves POST {sandbox.address}/azips/v1/messages
    sandbox.connect("EHRNAZ22", "http://127.0.0.1:8080")     # where a participant's own AZIPS door is
    await sandbox.close()

202 means taken; MT196, MT158 and MT298 (or pacs.002) follow as messages of their own, the transfer itself goes on to
the receiver. Each is tried until it is taken. Nothing is kept over a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import count
from typing import Any

from aiohttp import web
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from adapters.azips.books import Books, Correspondent, Fate, Order, Verdict
from contracts import mt
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import BusinessHeader, CreditTransfer, OrderStatus, Reason, StatusKind
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.names import MessageName
from gateway.domain.clock import local_date
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedClient
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE, LIMIT_ORDERS_PATH
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGE_MAX_BYTES, MessageIds, open_signed, seal
from gateway.wire.server import RAW_BODY, VERIFIED, Running, serve_app, signed_http

__all__ = ["AzipsSandbox", "AzipsSandboxSettings", "Correspondent"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzipsSandboxSettings:
    """Who AZIPS is, who takes part, when it is open, and whom it leaves without an answer."""

    identity: Callable[[], Identity]
    correspondents: tuple[Correspondent, ...]
    bic: str = "NABZAZ2CRTS"
    address: str = "NABZAZ2CARTS"  # 12 characters, the prefix of its own ISO message ids
    opens: time = time(9, 20)
    closes: time = time(17, 0)
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    timeout_s: float = 5.0
    retry_for_s: float = 60.0
    aos_url: str | None = None  # where AÖS hears of limit orders; none: they change nothing there
    aos_participant: str = "AOS"
    silent_for: frozenset[str] = frozenset()  # creditor IBANs: booked, and nobody is told (demo, tests)


class AzipsSandbox:
    """The program. State lies open in `books` and `limits`. A limit order is accepted when AÖS has heard of it."""

    def __init__(
        self,
        settings: AzipsSandboxSettings,
        *,
        is_business_day: Callable[[date], bool] = lambda day: day.weekday() < 5,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._clock = settings, clock
        self.books = Books(
            settings.correspondents, opens=settings.opens, closes=settings.closes, is_business_day=is_business_day
        )
        self.limits: dict[str, int] = {}  # debit limits ordered for settlement accounts in AÖS (AOS-L1)
        self._limit_orders: set[tuple[str, str]] = set()  # sender and reference: an order again is not another one
        self._codes = {row.bic: row.code for row in settings.correspondents}
        self._urls = {row.bic: row.url for row in settings.correspondents}
        self._ids, self._numbers = MessageIds(settings.address), count(1)
        self._client = SignedClient(settings.identity, timeout_s=settings.timeout_s, clock=clock)
        self._outboxes: dict[str, asyncio.Queue[Any]] = {bic: asyncio.Queue() for bic in self._codes}
        self._for_aos: asyncio.Queue[mt.LimitOrder] = asyncio.Queue()
        self._running: Running | None = None
        self._workers: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Base URL."""
        if self._running is None:
            raise RuntimeError("the sandbox is not started")
        return self._running.address

    def connect(self, bic: str, url: str) -> None:
        """Tell where a participant's door is."""
        self._urls[bic] = url

    async def start(self) -> None:
        """Listen and deliver."""
        middleware = signed_http(self._settings.identity, clock=self._clock, body_max_bytes=MESSAGE_MAX_BYTES)
        app = web.Application(middlewares=[middleware], client_max_size=MESSAGE_MAX_BYTES)
        app.router.add_post(AZIPS_PATH, self._receive)
        self._running = await serve_app(app, self._settings.host, self._settings.port)
        self._workers = [asyncio.create_task(self._work(bic)) for bic in self._outboxes]
        self._workers.append(asyncio.create_task(self._tell_aos()))

    async def close(self) -> None:
        """Stop; nothing is kept."""
        for worker in self._workers:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
        if self._running is not None:
            await self._running.close()
        await self._client.close()

    def fund(self, bic: str, amount: int) -> None:
        """Money comes to an account; what waited for it is booked."""
        self._tell(self.books.fund(bic, amount))

    def end_of_day(self) -> None:
        """What still waits is cancelled, and its senders are told."""
        self._tell(self.books.end_of_day())

    async def _receive(self, request: web.Request) -> web.Response:
        message = self._opened(request)
        sender = message.from_bic if request.content_type == FIN_TYPE else message.instructing_bic
        if self._codes.get(sender) != request[VERIFIED].signer.participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, received=sender)
        payer = message.participant_bic if isinstance(message, mt.LimitOrder) else message.debtor.bic
        if payer != sender:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=payer, received=sender)
        if isinstance(message, mt.LimitOrder):
            self._raise_limit(sender, message)
        else:
            self._tell([self.books.submit(_order(message), self._clock())])
        return web.json_response({"taken": True}, status=202)

    def _raise_limit(self, sender: str, order: mt.LimitOrder) -> None:
        """AOS-L1: the amount is added, nothing is debited; an order that comes again hears its answer again."""
        if (sender, order.reference) not in self._limit_orders:
            self._limit_orders.add((sender, order.reference))
            self.limits[order.account] = self.limits.get(order.account, 0) + order.amount_minor
        self._for_aos.put_nowait(order)

    async def _tell_aos(self) -> None:
        """AÖS first, then the participant: whoever hears that it is accepted finds the limit raised."""
        while True:
            order = await self._for_aos.get()
            try:
                if self._settings.aos_url is not None:
                    await self._until_taken(self._aos, mt.write(order), FIN_TYPE)
                self._put(order.participant_bic, self._accepted(order.participant_bic, order.reference))
            except (NotSentError, OutcomeUnknownError) as error:
                _log.error("AÖS was not told of limit order %s: %s", order.reference, error)
            except Exception:
                _log.exception("cannot tell AÖS of limit order %s", order.reference)

    def _opened(self, request: web.Request) -> Any:
        if request.content_type == FIN_TYPE:
            message: Any = mt.read(request[RAW_BODY])
        else:
            trust = self._settings.identity().trust
            message = open_signed(
                request[RAW_BODY], trust, at=self._clock(), participant_of=self._participant_of
            ).read()
        if not isinstance(message, mt.CustomerTransfer | mt.LimitOrder | CreditTransfer):
            raise refuse(ErrorCode.NOT_PERMITTED, operation=type(message).__name__)
        return message

    def _participant_of(self, header: BusinessHeader) -> str:
        code = self._codes.get(header.from_bic)
        if code is None or header.to_bic != self._settings.bic:
            raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=header.from_bic)
        return code

    def _tell(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            order = verdict.order
            if order.message.creditor.iban in self._settings.silent_for:
                continue
            self._put(order.sender, self._answer(verdict))
            if verdict.fate is Fate.BOOKED:
                self._put(order.receiver, self._passed_on(order))

    def _put(self, bic: str, message: Any) -> None:
        if bic in self._outboxes:
            self._outboxes[bic].put_nowait(message)

    def _answer(self, verdict: Verdict) -> Any:
        """In the format the order came in."""
        order = verdict.order
        if isinstance(order.message, CreditTransfer):
            return self._status(verdict, order.message)
        if verdict.fate is Fate.BOOKED:
            return self._accepted(order.sender, order.reference)
        common = {"from_bic": self._settings.bic, "to_bic": order.sender, "reference": self._reference()}
        words = {"related_reference": order.reference, "code": verdict.code, "text": verdict.text}
        if verdict.fate is Fate.REFUSED:
            return mt.Refused(**common, **words)
        return mt.StatusNotice(**common, **words, sub_type="100")

    def _accepted(self, bic: str, reference: str) -> mt.Accepted:
        return mt.Accepted(
            from_bic=self._settings.bic, to_bic=bic, reference=self._reference(), related_reference=reference
        )

    def _status(self, verdict: Verdict, transfer: CreditTransfer) -> OrderStatus:
        waiting, now = verdict.fate is Fate.QUEUED, self._clock()
        kind = StatusKind.STAT if verdict.fate is Fate.BOOKED or waiting else StatusKind.RJCT
        state = STATE_OF_KIND[StatusKind.ACSP if waiting else kind]
        return OrderStatus(
            message_id=self._ids.next(now),
            created_at=now,
            instructing_bic=self._settings.bic,
            instructed_bic=verdict.order.sender,
            original_message_id=transfer.message_id,
            original_message_name=MessageName.ORDER,
            kind=kind,
            state=state,
            original_end_to_end_id=transfer.end_to_end_id,
            original_transaction_id=transfer.transaction_id,
            reasons=(Reason(code=verdict.code, text=verdict.text),) if verdict.code else (),
        )

    def _passed_on(self, order: Order) -> Any:
        if isinstance(order.message, CreditTransfer):
            return order.message
        return replace(order.message, from_bic=self._settings.bic, to_bic=order.receiver)

    def _reference(self) -> str:
        return f"R{local_date(self._clock()):%y%m%d}{next(self._numbers):09d}"

    async def _work(self, bic: str) -> None:
        while True:
            message = await self._outboxes[bic].get()
            try:
                await self._deliver(bic, message)
            except (NotSentError, OutcomeUnknownError) as error:
                _log.error("given up: %s to %s: %s", type(message).__name__, bic, error)
            except Exception:
                _log.exception("cannot deliver %s to %s", type(message).__name__, bic)

    async def _deliver(self, bic: str, message: Any) -> None:
        if isinstance(message, OrderStatus | CreditTransfer):
            credential = self._settings.identity().credential
            body = await seal(message, from_bic=self._settings.bic, to_bic=bic, credential=credential)
            content_type = CONTENT_TYPE
        else:
            body, content_type = mt.write(message), FIN_TYPE
        await self._until_taken(lambda: (self._door(bic), self._codes[bic]), body, content_type)

    def _aos(self) -> tuple[str, str]:
        return f"{self._settings.aos_url}".rstrip("/") + LIMIT_ORDERS_PATH, self._settings.aos_participant

    def _door(self, bic: str) -> str:
        url = self._urls[bic]
        if url is None:
            raise NotSentError(f"the address of {bic} is not known yet")
        return url.rstrip("/") + AZIPS_PATH

    async def _until_taken(self, place: Callable[[], tuple[str, str]], body: bytes, content_type: str) -> None:
        """`place` says where to and who answers there, at each attempt anew."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((NotSentError, OutcomeUnknownError)),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            stop=stop_after_delay(self._settings.retry_for_s),
            reraise=True,
        )
        await retrying(self._post, place, body, content_type)

    async def _post(self, place: Callable[[], tuple[str, str]], body: bytes, content_type: str) -> None:
        url, participant = place()
        answer = await self._client.request(
            "POST", url, body=body, content_type=content_type, expected_participant=participant
        )
        if answer.status >= 500:
            raise OutcomeUnknownError(f"{participant} answered {answer.status}")


def _order(message: mt.CustomerTransfer | CreditTransfer) -> Order:
    if isinstance(message, CreditTransfer):
        reference, day = message.message_id, message.settlement_date
    else:
        reference, day = message.reference, message.value_date
    return Order(
        reference=reference,
        sender=message.debtor.bic,
        receiver=message.creditor.bic,
        amount=message.amount_minor,
        value_date=day,
        message=message,
    )
