"""The REST door: signed JSON over HTTP for the auction platform and for banks (contracts/rest/openapi.yaml).

Every request is signed by RFC 9421 and judged by the middleware before a handler sees it; every answer is signed.
The platform publishes events; a bank decides and reads what is its own, and another's id answers exactly like one that
never was (EHR-4). Mounted under `PREFIX`:

    root.add_subapp(PREFIX, rest_app(settings, ...))
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Protocol, TypeVar

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
from gateway.ports import Answer, Message, Receiver, Target
from gateway.wire.admission import Admission
from gateway.wire.identity import Identity
from gateway.wire.notices import notice_event
from gateway.wire.repetition import FORGETFUL, Memory
from gateway.wire.server import EVERYBODY, EXHIBIT, RAW_BODY, VERIFIED, KeepAnswer, signed_http

PREFIX = "/v1"
OPENAPI_PATH = f"{PREFIX}/openapi.yaml"
REPLAYED = "Idempotent-Replayed"

NoteRefusal = Callable[[str | None, str, Refusal, str | None], Awaitable[None]]
"""Told of every refused request: verified participant, path, refusal, hex SHA-256 of the body if it was read."""

_REFUSED = web.RequestKey("refused", ErrorCode)
_Found = TypeVar("_Found")


class _Reading(Protocol):
    """The feed, or a part of it."""

    async def __call__(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """Who may come in, and how much they may ask for."""

    platform: str  # participant code of the auction platform
    banks: Collection[str]  # participant codes of the banks
    body_max_bytes: int = 262_144  # the largest event is about 4 kB
    page_max: int = 500  # offers or notices in one answer
    page_default: int = 100
    signatures: HttpSignaturePolicy = field(default_factory=HttpSignaturePolicy)


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified participant; `actor` limits what it sees: a bank's code, or None for the platform."""

    participant: str
    actor: str | None


def rest_app(
    settings: RestSettings,
    *,
    identity: Callable[[], Identity],
    receiver: Receiver,
    queries: Queries,
    clock: Callable[[], datetime],
    note_refusal: NoteRefusal,
    metrics: Metrics,
    keep_answer: KeepAnswer | None = None,
    admission: Admission = EVERYBODY,
    memory: Memory = FORGETFUL,
) -> web.Application:
    """Build the application to be mounted under `PREFIX`."""

    async def on_refusal(request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        request[_REFUSED] = refusal.code
        verified = request.get(VERIFIED)
        source = None if verified is None else verified.signer.participant
        await note_refusal(source, request.path, refusal, None if body is None else hashlib.sha256(body).hexdigest())

    signed = signed_http(
        identity,
        clock=clock,
        body_max_bytes=settings.body_max_bytes,
        unsigned_paths=frozenset({OPENAPI_PATH}),
        on_refusal=on_refusal,
        policy=settings.signatures,
        keep_answer=keep_answer,
        admission=admission,
        memory=memory,
    )
    app = web.Application(middlewares=[_counting(metrics), signed])
    app.add_routes(RestDoor(settings, receiver, queries).routes())
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

    def __init__(self, settings: RestSettings, receiver: Receiver, queries: Queries) -> None:
        self._settings, self._receiver, self._queries = settings, receiver, queries
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
        self._only(caller.actor is None, caller, "publishEvent")
        expect_type(request, CLOUDEVENT)
        body = request[RAW_BODY]
        event = parse_event(body, self._limits)
        if event.source != caller.participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=caller.participant, received=event.source)
        message = Message(
            source=caller.participant,
            id=event.id,
            target=mapping.event_target(event),
            event=mapping.domain_event(event),
            digest=hashlib.sha256(body).hexdigest(),
            exhibits=(request[EXHIBIT],),
        )
        return _answered(await self._receiver.receive(message))

    async def decide_offer(self, request: web.Request) -> web.Response:
        """The claimant bank accepts or refuses (EHR-5). `Idempotency-Key` is the message's id."""
        caller = self._caller(request)
        self._only(caller.actor is not None, caller, "decideOffer")
        expect_type(request, JSON)
        offer_id = path_id(request, ErrorCode.OFFER_UNKNOWN)
        body = request[RAW_BODY]
        decision = validated(Decision, parse_json(body, self._limits))
        message = Message(
            source=caller.participant,
            id=idempotency_key(request),
            target=Target(noun="offer", id=offer_id),
            event=mapping.decision_event(decision),
            digest=hashlib.sha256(offer_id.encode() + b"\n" + body).hexdigest(),
            exhibits=(request[EXHIBIT],),
            actor=caller.actor,
        )
        return _answered(await self._receiver.receive(message))

    async def list_offers(self, request: web.Request) -> web.Response:
        """A page of a bank's own offers (EHR-5), in order of id."""
        caller = self._caller(request)
        self._only(caller.actor is not None, caller, "listOffers")
        query = query_of(request, after="", limit=str(self._page_default))
        limit, after = self._page(query), query["after"]
        if after and not is_subject_id(after):
            raise refuse(ErrorCode.SCHEMA_INVALID, path="?after", fault="not an offer's id")
        views = await self._queries.offers(caller.actor, after=after, limit=limit + 1)
        items = tuple(map(mapping.offer_model, views[:limit]))
        return _json(OfferList(items=items, next=items[-1].id if items else after, more=len(views) > limit))

    async def get_offer(self, request: web.Request) -> web.Response:
        """One offer."""
        caller, id = self._caller(request), path_id(request, ErrorCode.OFFER_UNKNOWN)
        view = _found(await self._queries.offer(id, caller.actor), ErrorCode.OFFER_UNKNOWN, id)
        return _json(mapping.offer_model(view))

    async def get_payment(self, request: web.Request) -> web.Response:
        """One payment."""
        caller, id = self._caller(request), path_id(request, ErrorCode.PAYMENT_UNKNOWN)
        view = _found(await self._queries.payment(id, caller.actor), ErrorCode.PAYMENT_UNKNOWN, id)
        return _json(mapping.payment_model(view))

    async def get_lot(self, request: web.Request) -> web.Response:
        """One lot."""
        caller, id = self._caller(request), path_id(request, ErrorCode.LOT_UNKNOWN)
        view = _found(await self._queries.lot(id, caller.actor), ErrorCode.LOT_UNKNOWN, id)
        return _json(mapping.lot_model(view))

    async def get_protocol(self, request: web.Request) -> web.Response:
        """A protocol: its particulars, or the document in the form asked for by suffix or Accept (EHR-16)."""
        caller, (id, form) = self._caller(request), document_form(request)
        if form is None:
            view = _found(await self._queries.protocol(id, caller.actor), ErrorCode.PROTOCOL_UNKNOWN, id)
            return _json(mapping.protocol_model(view))
        content = await self._queries.document(id, form, caller.actor)
        return _bytes(_found(content, ErrorCode.PROTOCOL_UNKNOWN, id), form.value)

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
        found = await read(caller.participant, after=after, limit=limit + 1)
        page = found[:limit]
        items = tuple(
            notice_event(item.notice, id=item.id, sequence=item.sequence, version=item.version) for item in page
        )
        return _json(FeedPage(items=items, next=page[-1].sequence if page else after, more=len(found) > limit))

    def _caller(self, request: web.Request) -> Caller:
        participant = request[VERIFIED].signer.participant
        if participant == self._settings.platform:
            return Caller(participant, None)
        if participant in self._settings.banks:
            return Caller(participant, participant)
        raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=participant)

    def _page(self, query: Mapping[str, str]) -> int:
        limit = whole_number(query, "limit")
        if 1 <= limit <= self._settings.page_max:
            return limit
        raise refuse(ErrorCode.SCHEMA_INVALID, path="?limit", fault=f"1 to {self._settings.page_max}")

    @staticmethod
    def _only(permitted: bool, caller: Caller, operation: str) -> None:
        if not permitted:
            raise refuse(ErrorCode.NOT_PERMITTED, operation=operation, participant=caller.participant)


def _found(value: _Found | None, unknown: ErrorCode, id: str) -> _Found:
    if value is None:
        raise refuse(unknown, id=id)
    return value


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


__all__ = ["OPENAPI_PATH", "PREFIX", "NoteRefusal", "RestDoor", "RestSettings", "rest_app"]
