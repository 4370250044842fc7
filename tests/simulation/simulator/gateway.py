"""One gateway process on the simulated machine: the product's own parts, put together as `gateway.bootstrap` does.

Store, engine, dispatcher, watchdog, doors, adapters and the receipts' consumer are the real ones. What is left out:
sockets, signatures, the SOAP door, time-stamps, the console.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from adapters.aos.adapter import AosAdapter, AosSettings
from adapters.asan_pay.adapter import AsanPayAdapter, AsanPaySettings
from adapters.banks.adapter import BankEndpoint, BanksAdapter, Transport
from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import PublisherSettings
from adapters.ministries.receipts import ReceiptsConsumer, ReceiptsSettings
from adapters.notary.adapter import NotaryAdapter
from adapters.platform.adapter import PlatformAdapter, PlatformSettings
from gateway.domain.delivery import RetryPolicy
from gateway.domain.nouns import TABLES
from gateway.doors.aos import AosDoor, AosDoorSettings
from gateway.doors.asan_pay import AsanPayDoor
from gateway.doors.callers import Callers
from gateway.doors.reading import StoreQueries
from gateway.doors.rest import PREFIX, RestDoor, RestSettings
from gateway.engine.answers import AnswerBook
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.engine.liquidity import LiquidityWatch
from gateway.engine.watchdog import Watchdog
from gateway.ports import Adapter, Answer, Message, Receiver
from gateway.store.errors import StoreError
from gateway.store.schema import ensure_sqlite
from gateway.wire.client import SignedClient
from simulator import vfs
from simulator.loop import Process
from simulator.network import participant_of
from simulator.storage import PATH, SimulatedStore
from simulator.unsigned import identity

KAFKA = KafkaSettings(bootstrap_servers="broker:9092")
RECEIPTS = "receipts"
POLL_S = 25.0
WATCHDOG_S = 45.0
LIQUIDITY_S = 120.0
LEASE_S = 60.0
POLICY = RetryPolicy(pauses_s=(1, 5, 15, 60, 300, 900, 3600, 7200, 7200, 7200), jitter=0.1)
START_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a gateway is made of; a planted bug puts its own in the place of one."""

    engine: type[Engine] = Engine
    dispatcher: type[Dispatcher] = Dispatcher
    store: type[SimulatedStore] = SimulatedStore
    tables: Mapping[str, Any] = field(default_factory=lambda: TABLES)
    aos: type[AosAdapter] = AosAdapter


class Witness:
    """Between doors and engine: what was promised is written down in a book that no crash reaches."""

    def __init__(self, receiver: Receiver, promised: Callable[[Message, Answer], None]) -> None:
        self._receiver, self._promised = receiver, promised

    async def receive(self, message: Message) -> Answer:
        answer = await self._receiver.receive(message)
        self._promised(message, answer)
        return answer


class Gateway:
    """A replica: starts, dies, starts again. `offset_s` is how far its wall clock is off."""

    def __init__(self, name: str, world: Any, parts: Parts) -> None:
        self.name, self._world, self._parts = name, world, parts
        self.offset_s, self.lives = 0.0, 0
        self.process: Process | None = None
        self.store: SimulatedStore | None = None
        self.engine: Engine | None = None
        self.watchdog: Watchdog | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive

    def clock(self) -> Any:
        return self._world.now() + timedelta(seconds=self.offset_s)

    # -- life and death ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new process, from what is on disk."""
        self.lives += 1
        self.process = Process(f"GATEWAY/{self.name}.{self.lives}")
        self.store = self.engine = self.watchdog = None
        self._world.trace(self._world.loop.time(), f"{self.process.name} starts")
        self.process.spawn(self._live(self.process))

    def bury(self) -> None:
        """What the system does after a process: locks go, files are closed."""
        assert self.process is not None
        vfs.release(self.process)
        if self.store is not None:
            self.store.bury()

    async def _live(self, process: Process) -> None:
        while self.store is None:
            try:
                ensure_sqlite(PATH, 0.0)
                self.store = self._parts.store(self._world)
            except Exception as error:  # as its supervisor would: start again
                if not process.alive:  # it died while opening it
                    return
                self._world.trace(self._world.loop.time(), f"{process.name} cannot open its store: {error}")
                await asyncio.sleep(START_AGAIN_S)
        self._assemble(process, self.store)

    def _assemble(self, process: Process, store: SimulatedStore) -> None:
        world = self._world
        engine = self.engine = self._parts.engine(
            store,
            self._parts.tables,
            world.rules,
            clock=self.clock,
            policies={"default": POLICY},
            chance=world.random.random,
        )
        dispatcher = self._parts.dispatcher(
            engine,
            self._ways_out(),
            clock=self.clock,
            worker=process.name,
            concurrency=4,
            lease_s=LEASE_S,
            poll_s=POLL_S,
            alone=world.plan.gateways == 1,
        )
        engine.attach(dispatcher)
        self.watchdog = Watchdog(
            store, self._parts.tables, clock=self.clock, interval_s=WATCHDOG_S, late_s=3600, proven_nouns=5
        )
        book = AnswerBook(engine, clock=self.clock)
        receiver = Witness(book if world.plan.keeps_answers else engine, world.promised)
        for work in (dispatcher.run(), self.watchdog.run(), self._receipts(receiver).start()):
            process.spawn(work)
        if world.plan.keeps_answers:
            process.spawn(book.run())
        if world.plan.watches_liquidity:
            rule = world.rules.liquidity
            watch = LiquidityWatch(store, receiver, world.rules, rule, clock=self.clock, every_s=LIQUIDITY_S)
            process.spawn(watch.run())
        world.network.serve(self._ways_in(receiver, store), "gateway")
        if world.plan.keeps_answers:
            world.network.host("gateway").answered = book.answered

    # -- its doors and adapters --------------------------------------------------------------------------------------

    def _ways_in(self, receiver: Receiver, store: SimulatedStore) -> web.Application:
        rules, app = self._world.rules, web.Application()
        callers = Callers(platform=rules.platform, banks=frozenset(rules.banks))
        for route in RestDoor(RestSettings(), callers, receiver, StoreQueries(store)).routes():
            app.router.add_route(route.method, PREFIX + route.path, route.handler)
        rail = AosDoorSettings(own_bic=rules.rail.own_bic, own_address=rules.rail.own_address)
        app.add_routes(AosDoor(receiver, rail, _own, clock=self.clock).routes())
        app.add_routes(AsanPayDoor(receiver).routes())
        return app

    def _ways_out(self) -> dict[str, Adapter]:
        world, clock = self._world, self.clock

        def client(timeout_s: float = 10.0) -> SignedClient:
            return SignedClient(_own, timeout_s=timeout_s, clock=clock)

        banks = [
            BankEndpoint(code=code, transport=Transport.REST, callback_url=f"http://{code}/callback")
            for code in world.rules.banks
        ]
        publisher = PublisherSettings(kafka=KAFKA)
        topics = {code: code.lower() for code in world.rules.authorities}
        made: list[Adapter] = [
            self._parts.aos(client(), AosSettings(url="http://aos", own_bic=world.rules.rail.own_bic), _own),
            AsanPayAdapter(client(), AsanPaySettings(url="http://asanpay")),
            BanksAdapter(banks, _own, clock=clock),
            PlatformAdapter(PlatformSettings(callback_url="http://eherrac/notices"), _own, clock=clock),
            MinistriesAdapter(MinistriesSettings(publisher=publisher, topics=topics)),
            NotaryAdapter(_own, clock=clock),
        ]
        return {adapter.channel: adapter for adapter in made}

    def _receipts(self, receiver: Receiver) -> ReceiptsConsumer:
        world = self._world

        async def note(refused: Any) -> None:
            world.fails(f"a receipt was refused: {refused.refusal}")

        settings = ReceiptsSettings(kafka=KAFKA, topic=RECEIPTS, ministries=frozenset(world.rules.authorities))
        return ReceiptsConsumer(settings, _own, receiver, clock=self.clock, on_refusal=note)

    async def read(self, work: Any) -> Any:
        """A look into its store, from outside; None while there is none."""
        if self.store is None or not self.alive:
            return None
        try:
            return await self.store.read(work)
        except StoreError:
            return None


def _own() -> Any:
    return identity("GATEWAY")


__all__ = ["Gateway", "Parts", "participant_of"]
