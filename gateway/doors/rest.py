"""The REST door: signed JSON over HTTP for the auction platform and for banks (contracts/rest/openapi.yaml).

Every request is signed by RFC 9421 and judged by the middleware before a handler sees it; every answer is signed.
The platform publishes events; a bank decides and reads what is its own, and another's id answers exactly like one that
never was (EHR-4). Mounted under `PREFIX`:

    root.add_subapp(PREFIX, rest_app(settings, means))
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Protocol

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from certs.http_signature import HttpSignaturePolicy
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import refuse
from contracts.events.cloudevents import MEDIA_TYPE as CLOUDEVENT
from contracts.events.platform import parse_event
from contracts.fields import WireModel, is_subject_id, validated
from contracts.json import JsonLimits, parse_json
from contracts.rest.models import Decision, FeedPage, OfferList
from gateway.doors import mapping
from gateway.doors.callers import Caller, Callers, found
from gateway.doors.means import Means
from gateway.doors.metrics import Metrics
from gateway.doors.queries import FeedItem, Queries
from gateway.doors.rest_request import (
    JSON,
    document_form,
    expect_type,
    idempotency_key,
    path_id,
    query_of,
    whole_number,
)
from gateway.doors.root import noting
from gateway.ports import Answer, Receiver
from gateway.wire.notices import notice_event
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED, signed_http

PREFIX = "/v1"
OPENAPI_PATH = f"{PREFIX}/openapi.yaml"
REPLAYED = "Idempotent-Replayed"

_REFUSED = web.RequestKey("refused", ErrorCode)


class _Reading(Protocol):
    """The feed, or a part of it."""

    async def __call__(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """How much may be asked for, and what is expected of signatures."""

    body_max_bytes: int = 262_144  # the largest event is about 4 kB
    page_max: int = 500  # offers or notices in one answer
    page_default: int = 100
    signatures: HttpSignaturePolicy = field(default_factory=HttpSignaturePolicy)


def rest_app(settings: RestSettings, means: Means) -> web.Application:
    """Build the application to be mounted under `PREFIX`."""
    noted = noting(means.note_refusal)

    async def on_refusal(request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        request[_REFUSED] = refusal.code
        await noted(request, refusal, body)

    signed = signed_http(
        means.identity,
        clock=means.clock,
        body_max_bytes=settings.body_max_bytes,
        unsigned_paths=frozenset({OPENAPI_PATH}),
        on_refusal=on_refusal,
        policy=settings.signatures,
        keep_answer=means.keep_answer,
        admission=means.admission,
        memory=means.memory,
    )
    app = web.Application(middlewares=[_counting(means.metrics), signed])
    app.add_routes(RestDoor(settings, means.callers, means.receiver, means.queries).routes())
    return app


def _counting(metrics: Metrics) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.monotonic()
        response = await handler(request)
        metrics.request("rest", request.get(_REFUSED, "OK"), time.monotonic() - started)
        return response

    return count


class RestDoor:
    """The handlers. Each reads, asks the engine or the queries, and answers; refusals are raised."""

    def __init__(self, settings: RestSettings, callers: Callers, receiver: Receiver, queries: Queries) -> None:
        self._settings, self._callers, self._receiver, self._queries = settings, callers, receiver, queries
        self._page_default = min(settings.page_default, settings.page_max)
        self._limits = JsonLimits(body_max_bytes=settings.body_max_bytes)

    def routes(self) -> list[web.RouteDef]:
        """Every operation of the contract."""
        return [
            web.get("/openapi.yaml", _openapi),
            web.post("/events", self.publish_event),
            web.get("/offers", self.list_offers, allow_head=False),
            web.get("/offers/{id}", self.get_offer, allow_head=False),
            web.post("/offers/{id}/decision", self.decide_offer),
            web.get("/payments/{id}", self.get_payment, allow_head=False),
            web.get("/protocols/{id}", self.get_protocol, allow_head=False),
            web.get("/lots/{id}", self.get_lot, allow_head=False),
            web.get("/feed", self.read_feed, allow_head=False),
            web.get("/unacknowledged", self.read_unacknowledged, allow_head=False),
        ]

    async def publish_event(self, request: web.Request) -> web.Response:
        """The platform says what happened to a lot. The event's own id is the key of idempotency."""
        caller = self._caller(request)
        caller.as_platform("publishEvent")
        expect_type(request, CLOUDEVENT)
        body = request[RAW_BODY]
        event, digest = parse_event(body, self._limits), hashlib.sha256(body).hexdigest()
        caller.speaks_as(event.source)
        message = mapping.event_message(caller, event, digest=digest, exhibit=request[EXHIBIT])
        return _answered(await self._receiver.receive(message))

    async def decide_offer(self, request: web.Request) -> web.Response:
        """The claimant bank accepts or refuses (EHR-5). `Idempotency-Key` is the message's id."""
        caller = self._caller(request)
        caller.as_bank("decideOffer")
        expect_type(request, JSON)
        offer_id = path_id(request, ErrorCode.OFFER_UNKNOWN)
        body = request[RAW_BODY]
        decision = validated(Decision, parse_json(body, self._limits))
        key, digest = idempotency_key(request), hashlib.sha256(offer_id.encode() + b"\n" + body).hexdigest()
        message = mapping.decision_message(caller, offer_id, decision, id=key, digest=digest, exhibit=request[EXHIBIT])
        return _answered(await self._receiver.receive(message))

    async def list_offers(self, request: web.Request) -> web.Response:
        """A page of a bank's own offers (EHR-5), in order of id."""
        bank = self._caller(request).as_bank("listOffers")
        query = query_of(request, after="", limit=str(self._page_default))
        limit, after = self._page(query), query["after"]
        if after and not is_subject_id(after):
            raise refuse(ErrorCode.SCHEMA_INVALID, path="?after", fault="not an offer's id")
        views = await self._queries.offers(bank, after=after, limit=limit + 1)
        items = tuple(map(mapping.offer_model, views[:limit]))
        return _json(OfferList(items=items, next=items[-1].id if items else after, more=len(views) > limit))

    async def get_offer(self, request: web.Request) -> web.Response:
        """One offer."""
        caller, id = self._caller(request), path_id(request, ErrorCode.OFFER_UNKNOWN)
        view = found(await self._queries.offer(id, caller.actor), ErrorCode.OFFER_UNKNOWN, id)
        return _json(mapping.offer_model(view))

    async def get_payment(self, request: web.Request) -> web.Response:
        """One payment."""
        caller, id = self._caller(request), path_id(request, ErrorCode.PAYMENT_UNKNOWN)
        view = found(await self._queries.payment(id, caller.actor), ErrorCode.PAYMENT_UNKNOWN, id)
        return _json(mapping.payment_model(view))

    async def get_lot(self, request: web.Request) -> web.Response:
        """One lot."""
        caller, id = self._caller(request), path_id(request, ErrorCode.LOT_UNKNOWN)
        view = found(await self._queries.lot(id, caller.actor), ErrorCode.LOT_UNKNOWN, id)
        return _json(mapping.lot_model(view))

    async def get_protocol(self, request: web.Request) -> web.Response:
        """A protocol: its particulars, or the document in the form asked for by suffix or Accept (EHR-16)."""
        caller, (id, form) = self._caller(request), document_form(request)
        if form is None:
            view = found(await self._queries.protocol(id, caller.actor), ErrorCode.PROTOCOL_UNKNOWN, id)
            return _json(mapping.protocol_model(view))
        content = await self._queries.document(id, form, caller.actor)
        return _bytes(found(content, ErrorCode.PROTOCOL_UNKNOWN, id), form.value)

    async def read_feed(self, request: web.Request) -> web.Response:
        """The caller's notices after a sequence number, gap-free: what a callback missed is found here."""
        return await self._notices(request, self._queries.feed)

    async def read_unacknowledged(self, request: web.Request) -> web.Response:
        """The caller's notices that its callbacks have not acknowledged yet, parked ones included."""
        return await self._notices(request, self._queries.unacknowledged)

    async def _notices(self, request: web.Request, read: _Reading) -> web.Response:
        caller = self._caller(request)
        query = query_of(request, after="0", limit=str(self._page_default))
        limit, after = self._page(query), whole_number(query, "after")
        read_ahead = await read(caller.participant, after=after, limit=limit + 1)
        page = read_ahead[:limit]
        items = tuple(
            notice_event(item.notice, id=item.id, sequence=item.sequence, version=item.version) for item in page
        )
        return _json(FeedPage(items=items, next=page[-1].sequence if page else after, more=len(read_ahead) > limit))

    def _caller(self, request: web.Request) -> Caller:
        return self._callers.known(request[VERIFIED].signer.participant)

    def _page(self, query: Mapping[str, str]) -> int:
        limit = whole_number(query, "limit")
        if 1 <= limit <= self._settings.page_max:
            return limit
        raise refuse(ErrorCode.SCHEMA_INVALID, path="?limit", fault=f"1 to {self._settings.page_max}")


def _answered(answer: Answer) -> web.Response:
    """202: on disk. A repetition gets the same body, and a header that says so."""
    response = _json(mapping.accepted(answer), status=202)
    if answer.repeated:
        response.headers[REPLAYED] = "true"
    return response


def _json(model: WireModel, status: int = 200) -> web.Response:
    return _bytes(orjson.dumps(model.model_dump(mode="json")), JSON, status)


def _bytes(body: bytes, media_type: str, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


async def _openapi(_: web.Request) -> web.Response:
    document = resources.files("contracts.rest").joinpath("openapi.yaml").read_bytes()
    return _bytes(document, "application/yaml")


__all__ = ["OPENAPI_PATH", "PREFIX", "RestDoor", "RestSettings", "rest_app"]
