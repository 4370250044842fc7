"""The ways in: every door in one application, what it takes in, and whether it is ready."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.ministries.grant_watch import GrantWatch
from adapters.ministries.receipts import ReceiptsConsumer
from adapters.ministries.topics import TopicWatch
from certs.freshness import RevocationState
from contracts.errors import ErrorCode, Refusal
from gateway.bootstrap.surroundings import Surroundings
from gateway.config import Config
from gateway.domain.quota import QuotaPolicy
from gateway.doors.aos import MESSAGES_PATH, AosDoor
from gateway.doors.aos_deficiency import Deficiencies
from gateway.doors.asan_pay import NOTIFICATIONS_PATH, AsanPayDoor
from gateway.doors.azips import AzipsDoor, AzipsDoorSettings
from gateway.doors.callers import Callers
from gateway.doors.fairness import Fairness
from gateway.doors.health import Check, Readiness, health_routes, takes_writes
from gateway.doors.intake import Intake, Unfinished
from gateway.doors.means import Means
from gateway.doors.reading import StoreQueries
from gateway.doors.rest import RestSettings, rest_app
from gateway.doors.root import noting, unknown_paths
from gateway.doors.shares import Shares
from gateway.doors.soap import SoapSettings, soap_app
from gateway.engine.answers import AnswerBook
from gateway.engine.engine import ANONYMOUS, Engine
from gateway.engine.refusals import RefusalBook
from gateway.engine.repetitions import Repetitions
from gateway.engine.room import Level
from gateway.engine.stamping import Stamping
from gateway.engine.watchdog import Watchdog
from gateway.ports import Receiver
from gateway.store import Store, Turn
from gateway.wire.fin import AZIPS_PATH
from gateway.wire.server import signed_http
from gateway.wire.soap_server import SoapLimits

_STRANGERS_PAUSE_S = 1.0  # between the journal's lines about a flood of who did not even sign
_STORE_SHARE = 0.5  # of the wait above which all are refused: from there on who takes the most is refused alone
# counted only: shedding must cost nothing, and a store that is away keeps no lines
_NOT_WRITTEN = frozenset({ErrorCode.OVERLOADED, ErrorCode.STORE_UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the doors lead to."""

    engine: Engine
    answers: AnswerBook
    receipts: ReceiptsConsumer
    deficiencies: Deficiencies
    repetitions: Repetitions
    watchdog: Watchdog
    topics: TopicWatch | None
    grants: GrantWatch | None
    stamping: Stamping | None
    fairness: Fairness


def application(house: Surroundings, inside: Inside) -> web.Application:
    """Every door in one application."""
    config, expected = house.config, house.rules.expected
    means, limit = _means(house, inside), config.http.body_max_bytes
    root = web.Application(middlewares=[inside.fairness.mind, unknown_paths, _signed_rails(house, inside, means)])
    rest = RestSettings(body_max_bytes=limit, signatures=house.rules.signatures)
    root.add_subapp("/v1", rest_app(rest, means))
    soap = SoapSettings(limits=SoapLimits(body_max_bytes=limit, expected=expected))
    root.add_subapp("/soap", soap_app(soap, means))
    rails = AosDoor(inside.answers, house.rail(), house.keys, clock=house.clock, expected=expected).routes()
    rails += _azips_door(house, inside.answers)
    rails += AsanPayDoor(inside.answers, participant=config.asan_pay.participant).routes()
    root.add_routes(rails)
    root.add_routes(health_routes(readiness(house, inside), house.metrics, house.standings, inside.stamping))
    return root


def _means(house: Surroundings, inside: Inside) -> Means:
    """What the doors of the platform and the banks work with."""
    config, pause = house.config, partial(asyncio.sleep, _STRANGERS_PAUSE_S)
    known = RefusalBook(inside.engine.record_refusals, nameless=ANONYMOUS)
    strangers = RefusalBook(inside.engine.record_refusals, nameless=ANONYMOUS, pause=pause)

    async def note(source: str | None, path: str, refusal: Refusal, digest: str | None) -> None:
        if refusal.code not in _NOT_WRITTEN:
            book = strangers if source is None else known
            await book.note(source, path, refusal, digest=digest or "")

    return Means(
        callers=Callers(platform=config.platform.participant, banks=frozenset(bank.code for bank in config.banks)),
        identity=house.keys,
        receiver=inside.answers,
        queries=StoreQueries(inside.engine.store),
        clock=house.clock,
        note_refusal=note,
        metrics=house.metrics,
        keep_answer=inside.answers.answered,
        admission=_intake(house, inside),
        memory=inside.repetitions,
    )


def _azips_door(house: Surroundings, receiver: Receiver) -> list[web.RouteDef]:
    """The door of AZIPS, where it is configured."""
    azips = house.config.azips
    if azips is None:
        return []
    settings = AzipsDoorSettings(own_bic=house.config.gateway.bic, system_bic=azips.bic, participant=azips.participant)
    return AzipsDoor(receiver, settings, house.keys, clock=house.clock, expected=house.rules.expected).routes()


def _signed_rails(house: Surroundings, inside: Inside, means: Means) -> Middleware:
    """The signature middleware for the doors of AÖS, AZIPS and Asan Pay; the other doors bring their own."""

    async def refused(request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        if request.path == MESSAGES_PATH:
            await inside.deficiencies.refused(request, refusal, body)
        await noting(means.note_refusal)(request, refusal, body)

    signed = signed_http(
        house.keys,
        clock=house.clock,
        body_max_bytes=house.config.http.body_max_bytes,
        on_refusal=refused,
        policy=house.rules.signatures,
        keep_answer=means.keep_answer,
        admission=Unfinished(means.admission),
        memory=means.memory,
    )

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in (MESSAGES_PATH, AZIPS_PATH, NOTIFICATIONS_PATH):
            return await signed(request, handler)
        return await handler(request)

    return middleware


def _intake(house: Surroundings, inside: Inside) -> Intake:
    """How much the doors take in."""
    config, settings = house.config, house.config.intake
    watchdog, store = inside.watchdog, inside.engine.store
    rails = [config.aos.participant, config.asan_pay.participant]
    rails += [config.azips.participant] if config.azips is not None else []
    return Intake(
        backlog=lambda: watchdog.census.backlog,
        backlog_max=settings.outbox_max,
        look_again_s=config.watchdog.interval_s,
        quota=QuotaPolicy(rate_per_s=settings.requests_per_s, burst=settings.requests_burst),
        own_quotas=dict.fromkeys(rails, QuotaPolicy(rate_per_s=settings.rail_per_s, burst=settings.rail_burst)),
        clock=house.clock,
        waited_s=partial(store.waited_s, Turn.NEW),
        wait_max_s=settings.wait_max_s,
        is_full=lambda: watchdog.census.room.level is Level.FULL,
    )


def start_fairness(house: Surroundings, store: Store) -> Fairness:
    """Start measuring how late the loop is; and the store, before all new work is refused for its sake."""
    config, intake = house.config, house.config.intake
    shares = Shares(late_max_s=intake.late_max_s, finishing=finishing(config))

    def store_late_s() -> float:
        return intake.late_max_s * store.waited_s(Turn.NEW) / (intake.wait_max_s * _STORE_SHARE)

    fairness = Fairness(shares, house.metrics, clock=house.clock, store_late_s=store_late_s)
    house.metrics.watch_loop(lambda: fairness.late_s, lambda: shares.level)
    house.keep_running(fairness.run(), "fairness")
    return fairness


def finishing(config: Config) -> frozenset[str]:
    """Whose statements finish what is under way: the rails' and the ministries'."""
    rails = {config.aos.participant, config.asan_pay.participant, *(ministry.code for ministry in config.ministries)}
    return frozenset(rails | ({config.azips.participant} if config.azips is not None else set()))


def readiness(house: Surroundings, inside: Inside) -> Readiness:
    """What must work before traffic is sent here."""

    store = inside.engine.store

    async def broker() -> bool:
        return inside.receipts.reader.reading.is_set() and (inside.topics is None or inside.topics.is_answered)

    async def revocation() -> bool:
        standings = house.standings()
        return not standings or any(one.state is not RevocationState.CLOSED for one in standings)

    checks: dict[str, Check] = {"store": partial(takes_writes, store), "broker": broker, "revocation": revocation}
    if inside.topics is not None:
        checks["topics"] = inside.topics.ready
    if inside.grants is not None:
        checks["grants"] = inside.grants.ready
    return checks if inside.stamping is None else checks | {"timeStamps": inside.stamping.ready}
