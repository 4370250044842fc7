"""The auction platform as the bench plays it: publishes lots, takes every callback, remembers how long it waited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from adapters.platform.scenario import LotScript, Publish, WaitFor, event_of
from bench.town import Town
from contracts.events.cloudevents import MEDIA_TYPE
from contracts.events.notices import parse_notice
from gateway.wire.client import SignedAnswer, SignedClient
from gateway.wire.server import RAW_BODY, serve_app, signed_http

_PRICE = "12000.00"
_TIMEOUT_S = 60.0
_CLAIMANTS = ("999101", "999202")  # one speaks SOAP, one REST


def now() -> datetime:
    """The clock of everybody here."""
    return datetime.now(UTC)


def unsold_lot(number: int) -> LotScript:
    """A lot nobody wants, whose claimant takes turns; its bank will accept and pay."""
    announced = Publish(
        type="az.eherrac.lot.announced.v1",
        data={
            "title": "Qeyri-yaşayış sahəsi, 41 kv. m (nümunə)",
            "address": "Gəncə şəhəri, Kəpəz rayonu, Nümunə prospekti 3",
            "regime": "enforcement",
            "claimant": _CLAIMANTS[number % 2],
            "startingPrice": _PRICE,
            "auctionAt": "@now+1s",
            "caseNumber": f"5-{number}/2026",
        },
    )
    closed = Publish(
        type="az.eherrac.auction.closed.v1",
        data={"result": "unsold", "heldAt": "@now", "reason": "Heç kim iştirak etmədi"},
    )
    return LotScript(lot_id=f"BENCH-{number:06d}", steps=(announced, closed))


def cancelled_lot(number: int) -> LotScript:
    """A lot whose one bidder pays a deposit, before the auction is called off: the last step is the one that has it
    returned, by nobody's decision.
    """
    lot = f"REFUND-{number:06d}"
    announced = Publish(
        type="az.eherrac.lot.announced.v1",
        data={
            "title": "İki otaqlı mənzil, 64 kv. m (nümunə)",
            "address": "Bakı şəhəri, Nərimanov rayonu, Nümunə küçəsi 12, mənzil 7",
            "regime": "enforcement",
            "claimant": _CLAIMANTS[0],
            "startingPrice": _PRICE,
            "auctionAt": "@now+3600s",
            "caseNumber": f"5-{number}/2026",
        },
    )
    bidder = f"B{number}"
    registered = Publish(
        type="az.eherrac.bidder.registered.v1",
        data={
            "bidderId": bidder,
            "name": "Quliyev Şahin Çingiz oğlu (nümunə)",
            "taxId": "2NUMUN2",
            "depositForm": "money",
            "refundAccount": {
                "holder": "Quliyev Şahin Çingiz oğlu (nümunə)",
                "iban": "AZ69GNSN38010000000000020202",
                "bic": "GNSNAZ22",
                "taxId": "2NUMUN2",
            },
        },
    )
    paid = WaitFor(kind="collection.state", subject=f"{lot}.deposit.{bidder}", state="paid")
    cancelled = Publish(type="az.eherrac.auction.cancelled.v1", data={"reason": "Sifarişçi imtina etdi"})
    refunded = replace(paid, state="refunded")
    return LotScript(lot_id=lot, steps=(announced, registered, paid, cancelled, refunded))


class Platform:
    """Publishes and is told. `waits_s` holds, per event, the time from sending it to the verified 202.

    An event that is refused with 503 is sent again, under its id, after `Retry-After`; `shed_at` says when that was.
    """

    def __init__(self, town: Town) -> None:
        own = town.identity("EHERRAC")
        self._events_url = f"{town.world.gateway.url}/v1/events"
        self._client = SignedClient(lambda: own, timeout_s=_TIMEOUT_S, clock=now)
        self._settled: dict[str, asyncio.Future[None]] = {}
        self._told: set[tuple[str, str]] = set()  # subject and state
        self._heard = asyncio.Condition()
        self.waits_s: list[float] = []
        self.shed_at: list[float] = []  # seconds since the epoch
        self.notices = 0
        self.regressions = 0  # notices older than one that was told before about the same subject
        self._versions: dict[str, int] = {}

    async def sell(self, script: LotScript, *, patience_s: float = _TIMEOUT_S) -> None:
        """Announce a lot, close its auction unsold, and return when its payment is known to be settled."""
        settled = self._settled[script.lot_id] = asyncio.get_running_loop().create_future()
        for index in range(len(script.steps)):
            await self._publish(event_of(script, index, source="EHERRAC", now=now()))
        await asyncio.wait_for(settled, patience_s)
        del self._settled[script.lot_id]

    async def play(self, script: LotScript, first: int, end: int, *, patience_s: float = _TIMEOUT_S) -> None:
        """The steps from `first` until `end`, which is left out: publish, or wait until a callback has told it."""
        for index, step in enumerate(script.steps[first:end], start=first):
            if isinstance(step, WaitFor):
                async with asyncio.timeout(patience_s):
                    await self._until_told((step.subject, step.state))
            else:
                await self._publish(event_of(script, index, source="EHERRAC", now=now()))

    async def _until_told(self, state: tuple[str, str]) -> None:
        async with self._heard:
            await self._heard.wait_for(lambda: state in self._told)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def take(self, request: web.Request) -> web.Response:
        """A verified callback."""
        notice = parse_notice(request[RAW_BODY]).data
        self.notices += 1
        self.regressions += notice.version < self._versions.get(notice.subject_id, 0)
        self._versions[notice.subject_id] = notice.version
        async with self._heard:
            self._told.add((notice.subject_id, notice.state))
            self._heard.notify_all()
        settled = self._settled.get(notice.lot_id)
        if settled is not None and not settled.done():
            if notice.state == "settled":
                settled.set_result(None)
            elif notice.state == "failed":
                settled.set_exception(RuntimeError(f"{notice.subject_id} failed: {notice.reason}"))
        return web.Response(status=204)

    async def _publish(self, event: Any) -> None:
        body = orjson.dumps(event.model_dump(mode="json", exclude_none=True))
        began = time.perf_counter()
        while (answer := await self._post(body)).status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.shed_at.append(time.time())
            await asyncio.sleep(float(answer.headers["retry-after"]))
            began = time.perf_counter()
        self.waits_s.append(time.perf_counter() - began)
        if answer.status != HTTPStatus.ACCEPTED:
            raise RuntimeError(f"{event.id}: {answer.status} {answer.body.decode()}")

    async def _post(self, body: bytes) -> SignedAnswer:
        return await self._client.request(
            "POST", self._events_url, body=body, content_type=MEDIA_TYPE, expected_participant="GATEWAY"
        )


@asynccontextmanager
async def playing(town: Town) -> AsyncIterator[Platform]:
    """A platform that listens where the gateway's configuration says it does."""
    platform, own = Platform(town), town.identity("EHERRAC")
    app = web.Application(middlewares=[signed_http(lambda: own, clock=now)])
    app.add_routes([web.post("/notices", platform.take)])
    running = await serve_app(app, town.world.host, town.world.platform.port)
    try:
        yield platform
    finally:
        await platform.close()
        await running.close()
