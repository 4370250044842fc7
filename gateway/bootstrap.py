"""Putting the house together: configuration in, a running gateway out. The only importer of adapters.

One process holds all of it: doors, engine, dispatcher, receipts consumer and, where the configuration says `embedded`,
the Kafka-protocol broker for demonstration. Several such processes over one PostgreSQL and one Kafka are replicas.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.aos.adapter import AosAdapter, AosSettings
from adapters.asan_pay.adapter import AsanPayAdapter, AsanPaySettings
from adapters.azips.adapter import AzipsAdapter, AzipsSettings, Format
from adapters.banks.adapter import BankEndpoint, BanksAdapter, Transport
from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import PublisherSettings
from adapters.ministries.receipts import ReceiptsConsumer, ReceiptsSettings, RefusedRecord
from adapters.ministries.topics import TopicWatch, wanted_topics
from adapters.notary.adapter import NotaryAdapter
from adapters.platform.adapter import PlatformAdapter, PlatformSettings
from adapters.timestamping.adapter import TimeStampClient
from certs.freshness import IssuerStanding, RevocationState
from certs.http_signature import HttpSignaturePolicy
from contracts.errors import ErrorCode, Refusal
from contracts.events.topics import Topic
from gateway.config import Config, build_rulebook
from gateway.domain.delivery import RetryPolicy
from gateway.domain.nouns import TABLES
from gateway.domain.quota import QuotaPolicy
from gateway.domain.recipient import BreakerPolicy
from gateway.doors.aos import MESSAGES_PATH, AosDoor, AosDoorSettings
from gateway.doors.aos_deficiency import Deficiencies
from gateway.doors.asan_pay import NOTIFICATIONS_PATH, AsanPayDoor
from gateway.doors.azips import AzipsDoor, AzipsDoorSettings
from gateway.doors.health import Check, Readiness, health_routes
from gateway.doors.intake import Intake
from gateway.doors.metrics import Metrics
from gateway.doors.reading import StoreQueries
from gateway.doors.rest import NoteRefusal, RestSettings, rest_app
from gateway.doors.root import noting, unknown_paths
from gateway.doors.soap import SoapSettings, soap_app
from gateway.engine.answers import AnswerBook
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.engine.liquidity import LiquidityWatch
from gateway.engine.stamping import Stamping
from gateway.engine.watchdog import Watchdog
from gateway.keyring import key_folder as key_folder  # noqa: PLC0414 - for the command line
from gateway.keyring import start_key_tasks, wire_rules
from gateway.keys import WatchedKeys
from gateway.ports import Adapter, Receiver
from gateway.store import Store, open_store
from gateway.tls import kafka_ssl, server_ssl
from gateway.wire.broker import EmbeddedBroker
from gateway.wire.client import SignedClient
from gateway.wire.fin import AZIPS_PATH
from gateway.wire.revocation import stop as stop_fetching
from gateway.wire.server import Running, serve_app, signed_http
from gateway.wire.soap_server import SoapLimits

_EMBEDDED = "embedded"


def utc_now() -> datetime:
    """The clock of the house."""
    return datetime.now(UTC)


def policies(config: Config) -> dict[str, RetryPolicy]:
    """The retry schedules, by the engine's names for them."""
    settings = config.dispatcher
    default = RetryPolicy(
        pauses_s=settings.retry_s, jitter=settings.jitter_ratio, warn_at_percent=settings.warn_at_percent
    )
    own = {
        row.channel if row.recipient is None else f"{row.channel}/{row.recipient}": replace(
            default, pauses_s=row.retry_s
        )
        for row in config.deliveries
    }
    return own | {"default": default}


def kafka_settings(config: Config, bootstrap: str) -> KafkaSettings:
    """How to reach the brokers at `bootstrap`."""
    settings = config.kafka
    password = settings.sasl_password_file.read_text().strip() if settings.sasl_password_file else None
    return KafkaSettings(
        bootstrap_servers=bootstrap,
        client_id=settings.client_id,
        ssl=kafka_ssl(config),
        sasl_mechanism=settings.sasl_mechanism,
        user_name=settings.sasl_username if settings.security_protocol == "SASL_SSL" else None,
        password=password,
    )


def topics_of(config: Config) -> tuple[Topic, ...]:
    """The topics that the gateway and the ministries of the configuration use."""
    return wanted_topics({ministry.code: ministry.topic for ministry in config.ministries}, config.kafka.receipts_topic)


@dataclass(slots=True)
class System:
    """A running gateway."""

    config: Config
    store: Store
    engine: Engine
    dispatcher: Dispatcher
    watchdog: Watchdog
    running: Running
    kafka: str
    answers: AnswerBook
    stamping: Stamping | None
    _stack: AsyncExitStack

    @property
    def address(self) -> str:
        """Where the doors listen, as a URL without a path."""
        return self.running.address

    async def close(self) -> None:
        """Stop taking in, finish what is under way, let go of everything."""
        await self._stack.aclose()


async def start(config: Config, *, clock: Callable[[], datetime] = utc_now) -> System:
    """Start everything the configuration asks for.

    Raises:
        OurFaultError: keys that cannot be used.
        StoreUnavailableError: the database is away.
        OSError: the port is taken.
    """
    stack = AsyncExitStack()
    try:
        return await _Assembly(config, clock, stack).build()
    except BaseException:
        await stack.aclose()
        raise


class _Assembly:
    """The steps of `start`, each leaving on the stack how it is undone."""

    def __init__(self, config: Config, clock: Callable[[], datetime], stack: AsyncExitStack) -> None:
        self.config, self.clock, self.stack = config, clock, stack
        self.metrics = Metrics()
        self.rules = wire_rules(config)
        self.keys = WatchedKeys(key_folder(config), reload_s=config.keys.reload_s, clock=clock)

    async def build(self) -> System:
        config = self.config
        store = await open_store(config.store.url, pool_size=config.store.connections_max)
        self.stack.push_async_callback(store.close)
        engine = Engine(store, TABLES, build_rulebook(config), clock=self.clock, policies=policies(config))
        await self.revocation()
        kafka = self.broker()
        deficiencies = Deficiencies(engine, participant=config.aos.participant)
        adapters = self.adapters(kafka, deficiencies)
        for adapter in adapters.values():
            self.stack.push_async_callback(adapter.close)
        dispatcher = await self.dispatch(engine, adapters)
        watchdog = self.watch(store)
        if (asked := config.liquidity) is not None:
            liquidity = LiquidityWatch(store, engine, asked.account, clock=self.clock, every_s=asked.ask_every_s)
            self.stack.push_async_callback(stop_fetching, asyncio.create_task(liquidity.run(), name="liquidity"))
        receipts = await self.receipts(engine, kafka)
        self.topics = self.topic_watch(kafka)
        answers, self.stamping = self.answers(engine), self.stamps(store)
        application = self.application(engine, answers, receipts, deficiencies, self.intake(watchdog))
        running = await serve_app(application, config.http.host, config.http.port, server_ssl(config))
        self.stack.push_async_callback(running.close)
        reached = kafka.bootstrap_servers
        services = (dispatcher, watchdog, running, reached, answers, self.stamping)
        return System(config, store, engine, *services, self.stack)

    async def revocation(self) -> None:
        """Fetch revocation data, once before any door opens, and tell of certificates that end."""
        self.metrics.watch_revocation(self.standings)
        watch = await start_key_tasks(self.config, self.keys, self.clock, self.stack)
        self.metrics.watch_expiry(watch.all, self.clock)

    def standings(self) -> tuple[IssuerStanding, ...]:
        """How the issuers of those we trust stand now."""
        return self.keys().trust.standings(self.clock())

    def broker(self) -> KafkaSettings:
        """How to reach the broker; the embedded one is started."""
        settings = self.config.kafka
        bootstrap = settings.bootstrap
        if bootstrap == _EMBEDDED:
            names = [ministry.topic for ministry in self.config.ministries]
            broker = EmbeddedBroker(dict.fromkeys((*names, settings.receipts_topic), 1))
            broker.start()
            self.stack.callback(broker.close)
            bootstrap = broker.bootstrap_servers
        return kafka_settings(self.config, bootstrap)

    def adapters(self, kafka: KafkaSettings, deficiencies: Deficiencies) -> Mapping[str, Adapter]:
        """One adapter per channel."""
        config, keys, clock = self.config, self.keys, self.clock
        rail = self.rail()
        made: list[Adapter] = [
            AosAdapter(
                self.client(config.aos.request_timeout_s),
                AosSettings(
                    url=config.aos.url,
                    own_bic=rail.own_bic,
                    system_bic=rail.system_bic,
                    central_bank_bic=config.aos.bic,
                    participant=rail.participant,
                ),
                keys,
                on_disbelief=deficiencies.disbelieved,
            ),
            AsanPayAdapter(
                self.client(config.asan_pay.request_timeout_s),
                AsanPaySettings(url=config.asan_pay.url, participant=config.asan_pay.participant),
            ),
            BanksAdapter(
                [
                    BankEndpoint(
                        code=bank.code,
                        transport=Transport(bank.transport),
                        callback_url=bank.callback_url,
                        timeout_s=bank.request_timeout_s,
                    )
                    for bank in config.banks
                ],
                keys,
                clock=clock,
                rules=self.rules,
            ),
            PlatformAdapter(
                PlatformSettings(
                    callback_url=config.platform.callback_url,
                    participant=config.platform.participant,
                    timeout_s=config.platform.request_timeout_s,
                ),
                keys,
                clock=clock,
                rules=self.rules,
            ),
            MinistriesAdapter(
                MinistriesSettings(
                    publisher=PublisherSettings(kafka=kafka, delivery_timeout_s=config.kafka.delivery_timeout_s),
                    topics={ministry.code: ministry.topic for ministry in config.ministries},
                    source=config.gateway.code,
                )
            ),
            *self.azips(),
            NotaryAdapter(keys, clock=clock, names={bank.code: bank.name for bank in config.banks}),
        ]
        return {adapter.channel: adapter for adapter in made}

    def azips(self) -> list[Adapter]:
        """The adapter of AZIPS, where it is configured."""
        azips = self.config.azips
        if azips is None:
            return []
        settings = AzipsSettings(
            url=azips.url,
            own_bic=self.config.gateway.bic,
            azips_bic=azips.bic,
            aos_bic=self.config.aos.system_address,
            participant=azips.participant,
            format=Format(azips.format),
        )
        return [AzipsAdapter(self.client(azips.request_timeout_s), settings, self.keys)]

    async def dispatch(self, engine: Engine, adapters: Mapping[str, Adapter]) -> Dispatcher:
        """Start sending."""
        settings = self.config.dispatcher
        dispatcher = Dispatcher(
            engine,
            adapters,
            clock=self.clock,
            worker=f"{socket.gethostname()}.{os.getpid()}",
            concurrency=settings.concurrency_per_recipient,
            lease_s=settings.lease_s,
            poll_s=settings.poll_s,
            breaker=BreakerPolicy(
                failures_max=settings.breaker_failures,
                pause_s=settings.breaker_pause_s,
                pause_max_s=settings.breaker_pause_max_s,
            ),
            observe=self.metrics.delivery,
        )
        engine.wake = dispatcher.wake
        task = asyncio.create_task(dispatcher.run(), name="dispatcher")

        async def stop() -> None:
            await dispatcher.stop()
            await task

        self.stack.push_async_callback(stop)
        return dispatcher

    def watch(self, store: Store) -> Watchdog:
        """Start counting."""
        settings = self.config.watchdog
        watchdog = Watchdog(store, TABLES, clock=self.clock, interval_s=settings.interval_s, late_s=settings.late_s)
        self.metrics.watch_nouns(lambda: watchdog.census.nouns)
        self.stack.push_async_callback(stop_fetching, asyncio.create_task(watchdog.run(), name="watchdog"))
        return watchdog

    async def receipts(self, engine: Engine, kafka: KafkaSettings) -> ReceiptsConsumer:
        """Start reading the ministries' receipts."""

        async def note(refused: RefusedRecord) -> None:
            await engine.record_refusal(None, refused.place, refused.refusal)

        consumer = ReceiptsConsumer(
            ReceiptsSettings(
                kafka=kafka,
                topic=self.config.kafka.receipts_topic,
                group=f"{self.config.kafka.client_id}.receipts",
                ministries=frozenset(ministry.code for ministry in self.config.ministries),
            ),
            self.keys,
            engine,
            clock=self.clock,
            on_refusal=note,
        )
        await consumer.start()
        self.stack.push_async_callback(consumer.close)
        return consumer

    def stamps(self, store: Store) -> Stamping | None:
        """Start stamping the journal, where an authority of time is named."""
        settings = self.config.time_stamps
        if settings.url is None:
            return None
        client = TimeStampClient(settings.url, self.keys, timeout_s=settings.timeout_s)
        self.stack.push_async_callback(client.close)
        stamping = Stamping(store, client, clock=self.clock, interval_s=settings.interval_s, grace_s=settings.grace_s)
        self.metrics.watch_stamping(lambda: stamping.standing.grace_left_s)
        self.stack.push_async_callback(stop_fetching, asyncio.create_task(stamping.run(), name="stamping"))
        return stamping

    def answers(self, engine: Engine) -> AnswerBook:
        """Start keeping our signed answers."""
        book = AnswerBook(engine, clock=self.clock)
        self.stack.push_async_callback(book.close, asyncio.create_task(book.run(), name="answers"))
        return book

    def intake(self, watchdog: Watchdog) -> Intake:
        """How much the doors take in."""
        settings = self.config.intake
        return Intake(
            backlog=lambda: watchdog.census.backlog,
            backlog_max=settings.outbox_max,
            look_again_s=self.config.watchdog.interval_s,
            quota=QuotaPolicy(rate_per_s=settings.requests_per_s, burst=settings.requests_burst),
            clock=self.clock,
        )

    def topic_watch(self, kafka: KafkaSettings) -> TopicWatch | None:
        """Start looking at the topics; the embedded broker has them."""
        if self.config.kafka.bootstrap == _EMBEDDED:
            return None
        watch = TopicWatch(kafka, topics_of(self.config))
        watch.start()
        self.stack.push_async_callback(watch.close)
        return watch

    def application(
        self,
        engine: Engine,
        answers: AnswerBook,
        receipts: ReceiptsConsumer,
        deficiencies: Deficiencies,
        intake: Intake,
    ) -> web.Application:
        """Every door in one application."""
        config, store = self.config, engine.store
        queries = StoreQueries(store)
        banks = frozenset(bank.code for bank in config.banks)

        async def note(source: str | None, path: str, refusal: Refusal, digest: str | None) -> None:
            if refusal.code is not ErrorCode.OVERLOADED:  # counted, not written: shedding must cost nothing
                await engine.record_refusal(source, path, refusal, digest=digest or "")

        common: dict[str, Any] = {"identity": self.keys, "receiver": answers, "clock": self.clock, "note_refusal": note}
        common |= {"keep_answer": answers.answered, "admission": intake}
        limit, platform = config.http.body_max_bytes, config.platform.participant
        root = web.Application(middlewares=[unknown_paths, self.signed_rails(note, deficiencies, answers)])
        root.add_subapp(
            "/v1",
            rest_app(
                RestSettings(platform=platform, banks=banks, body_max_bytes=limit, signatures=self.signatures()),
                queries=queries,
                metrics=self.metrics,
                **common,
            ),
        )
        root.add_subapp(
            "/soap",
            soap_app(
                SoapSettings(platform=platform, banks=banks, limits=self.soap_limits()),
                queries=queries,
                metrics=self.metrics,
                **common,
            ),
        )
        rails = AosDoor(answers, self.rail(), self.keys, clock=self.clock).routes()
        rails += self.azips_door(answers)
        rails += AsanPayDoor(answers, participant=config.asan_pay.participant).routes()
        root.add_routes(rails)
        root.add_routes(health_routes(self.readiness(store, receipts), self.metrics, self.standings, self.stamping))
        return root

    def azips_door(self, receiver: Receiver) -> list[web.RouteDef]:
        """The door of AZIPS, where it is configured."""
        azips = self.config.azips
        if azips is None:
            return []
        settings = AzipsDoorSettings(
            own_bic=self.config.gateway.bic, azips_bic=azips.bic, participant=azips.participant
        )
        return AzipsDoor(receiver, settings, self.keys, clock=self.clock).routes()

    def signed_rails(self, note: NoteRefusal, deficiencies: Deficiencies, answers: AnswerBook) -> Middleware:
        """The signature middleware for the doors of AÖS, AZIPS and Asan Pay; the other doors bring their own."""

        async def refused(request: web.Request, refusal: Refusal, body: bytes | None) -> None:
            if request.path == MESSAGES_PATH:
                await deficiencies.refused(request, refusal, body)
            await noting(note)(request, refusal, body)

        signed = signed_http(
            self.keys,
            clock=self.clock,
            body_max_bytes=self.config.http.body_max_bytes,
            on_refusal=refused,
            policy=self.signatures(),
            keep_answer=answers.answered,
        )

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path in (MESSAGES_PATH, AZIPS_PATH, NOTIFICATIONS_PATH):
                return await signed(request, handler)
            return await handler(request)

        return middleware

    def rail(self) -> AosDoorSettings:
        """Who we and AÖS are on the instant rail."""
        return AosDoorSettings(
            own_bic=self.config.gateway.bic,
            own_address=self.config.gateway.address,
            system_bic=self.config.aos.system_address,
            participant=self.config.aos.participant,
        )

    def signatures(self) -> HttpSignaturePolicy:
        """What a signed HTTP request must be."""
        return self.rules.signatures

    def soap_limits(self) -> SoapLimits:
        """What a signed envelope must be."""
        return SoapLimits(body_max_bytes=self.config.http.body_max_bytes, expectations=self.rules.envelopes)

    def client(self, timeout_s: float) -> SignedClient:
        """A client that signs as we."""
        return SignedClient(self.keys, timeout_s=timeout_s, clock=self.clock, rules=self.rules)

    def readiness(self, store: Store, receipts: ReceiptsConsumer) -> Readiness:
        """What must work before traffic is sent here."""

        async def database() -> bool:
            await store.read(lambda reader: reader.count_outbox())
            return True

        async def broker() -> bool:
            return receipts.reader.reading.is_set()

        async def revocation() -> bool:
            standings = self.standings()
            return not standings or any(one.state is not RevocationState.CLOSED for one in standings)

        checks: dict[str, Check] = {"store": database, "broker": broker, "revocation": revocation}
        if self.topics is not None:
            checks["topics"] = self.topics.ready
        return checks if self.stamping is None else checks | {"timeStamps": self.stamping.ready}
