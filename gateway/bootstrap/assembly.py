"""Starting and ending: the parts of the house in their order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.receipts import ReceiptsConsumer, ReceiptsSettings, RefusedRecord
from adapters.ministries.refusals import Answers
from adapters.timestamping.adapter import TimeStampClient
from gateway.bootstrap.alone import keep_others_out
from gateway.bootstrap.brokers import watch_grants, watch_topics
from gateway.bootstrap.console import open_console
from gateway.bootstrap.surroundings import Surroundings, utc_now
from gateway.bootstrap.ways_in import Inside, application, finishing, start_fairness
from gateway.bootstrap.ways_out import breakers, make_adapters, policies, receipts_group, refusals_topics, start_broker
from gateway.config import Config, build_rulebook
from gateway.domain.nouns import TABLES
from gateway.domain.rulebook import Rulebook
from gateway.doors.aos_deficiency import Deficiencies
from gateway.engine.answers import AnswerBook
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.engine.liquidity import LiquidityWatch
from gateway.engine.repetitions import Repetitions
from gateway.engine.revocation import AnswerKeeper
from gateway.engine.room import RoomRule
from gateway.engine.stamping import Stamping
from gateway.engine.watchdog import Watchdog
from gateway.keys.expiry import ExpiryWatch
from gateway.keys.keyring import start_key_tasks
from gateway.logs import alarms_told
from gateway.ports import Adapter
from gateway.store import Store, disk_free, open_store
from gateway.tls import server_ssl
from gateway.wire.server import Running, serve_app


@dataclass(slots=True)
class System:
    """A running gateway."""

    config: Config
    store: Store
    engine: Engine
    dispatcher: Dispatcher
    watchdog: Watchdog
    running: Running
    console: Running | None
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
        OurFaultError: keys that cannot be used, grants at the brokers that are missing, or a SQLite file that another
            process serves.
        StoreUnavailableError: the database is away.
        OSError: the port is taken.
    """
    stack = AsyncExitStack()
    try:
        return await _build(Surroundings(config, clock, stack))
    except BaseException:
        await stack.aclose()
        raise


async def _build(house: Surroundings) -> System:
    config = house.config
    if (lock := await keep_others_out(config.store.url)) is not None:
        house.stack.callback(os.close, lock)
    store = await open_store(config.store.url, pool_size=config.store.connections_max)
    house.stack.push_async_callback(store.close)
    rules = build_rulebook(config)
    engine = Engine(store, TABLES, rules, clock=house.clock, policies=policies(config), finishing=finishing(config))
    house.metrics.watch_store(store.pressure)
    expiry = await _revocation(house, store)
    kafka = start_broker(house)
    grants = await watch_grants(config, house.stack, kafka)
    deficiencies = Deficiencies(engine, participant=config.aos.participant, clock=house.clock)
    dispatcher = _dispatch(house, engine, make_adapters(house, kafka, deficiencies))
    watchdog = _watch(house, store)
    _watch_liquidity(house, engine, rules)
    inside = Inside(
        engine=engine,
        receipts=await _receipts(house, engine, kafka),
        topics=watch_topics(config, house.stack, kafka),
        grants=grants,
        answers=_answers(house, engine),
        repetitions=_repetitions(house, store),
        stamping=_stamping(house, store),
        deficiencies=deficiencies,
        watchdog=watchdog,
        fairness=start_fairness(house, store),
    )
    running = await _open_doors(house, inside)
    return System(
        config=config,
        store=store,
        engine=engine,
        dispatcher=dispatcher,
        watchdog=watchdog,
        running=running,
        console=await open_console(house, inside, dispatcher, expiry),
        kafka=kafka.bootstrap_servers,
        answers=inside.answers,
        stamping=inside.stamping,
        _stack=house.stack,
    )


async def _open_doors(house: Surroundings, inside: Inside) -> Running:
    """Listen."""
    http, app = house.config.http, application(house, inside)
    running = await serve_app(app, http.host, http.port, server_ssl(house.config), welcome=inside.fairness.welcome)
    house.stack.push_async_callback(running.close)
    house.metrics.watch_sockets(lambda: running.sockets)
    return running


async def _revocation(house: Surroundings, store: Store) -> ExpiryWatch:
    """Fetch revocation data, once before any door opens, and tell of certificates that end."""
    house.metrics.watch_revocation(house.standings)
    keep = AnswerKeeper(store, clock=house.clock).keep
    watch = await start_key_tasks(house.config, house.keys, house.clock, house.stack, keep)
    house.metrics.watch_expiry(watch.all, house.clock)
    return watch


def _dispatch(house: Surroundings, engine: Engine, adapters: Mapping[str, Adapter]) -> Dispatcher:
    """Start sending."""
    settings = house.config.dispatcher
    dispatcher = Dispatcher(
        engine,
        adapters,
        clock=house.clock,
        worker=house.replica,
        concurrency=settings.concurrency_per_recipient,
        lease_s=settings.lease_s,
        poll_s=settings.poll_s,
        breakers=breakers(house.config),
        alone=house.config.store.url.startswith("sqlite"),  # where more than one process may not work
        observe=house.metrics.delivery,
    )
    engine.attach(dispatcher)
    task = asyncio.create_task(dispatcher.run(), name="dispatcher")

    async def stop() -> None:
        await dispatcher.stop()
        await task

    house.stack.push_async_callback(stop)
    return dispatcher


def _watch_liquidity(house: Surroundings, engine: Engine, rules: Rulebook) -> None:
    """Start asking for the account's balance, where its watch is configured."""
    asked = house.config.liquidity
    if asked is None or rules.liquidity is None:
        return
    watch = LiquidityWatch(engine.store, engine, rules, rules.liquidity, clock=house.clock, every_s=asked.ask_every_s)
    house.metrics.watch_liquidity(lambda: watch.standing)
    house.keep_running(watch.run(), "liquidity")
    house.keep_running(watch.follow(), "liquidity standing")


def _watch(house: Surroundings, store: Store) -> Watchdog:
    """Start counting."""
    settings, kept = house.config.watchdog, house.config.store
    rule = RoomRule(size_max=kept.size_max_bytes, warn=kept.warn_bytes, reserve=kept.reserve_bytes)
    watchdog = Watchdog(
        store,
        TABLES,
        clock=house.clock,
        interval_s=settings.interval_s,
        late_s=settings.late_s,
        proven_nouns=settings.proven_nouns,
        room=lambda used: rule.judge(used, disk_free(kept.url)),
    )
    house.metrics.watch_census(lambda: watchdog.census)
    house.metrics.watch_alarms(alarms_told)
    house.keep_running(watchdog.run(), "watchdog")
    return watchdog


async def _receipts(house: Surroundings, engine: Engine, kafka: KafkaSettings) -> ReceiptsConsumer:
    """Start reading the ministries' receipts."""

    answers = Answers(frozenset(refusals_topics(house.config)), clock=house.clock)

    async def note(refused: RefusedRecord) -> None:
        answer = answers.answer(refused)
        await engine.record_refusal(refused.signer, refused.place, refused.refusal, answer=answer)

    consumer = ReceiptsConsumer(
        ReceiptsSettings(
            kafka=kafka,
            topic=house.config.kafka.receipts_topic,
            group=receipts_group(house.config),
            ministries=frozenset(ministry.code for ministry in house.config.ministries),
            expected=house.rules.expected,
        ),
        house.keys,
        engine,
        clock=house.clock,
        on_refusal=note,
    )
    await consumer.start()
    house.stack.push_async_callback(consumer.close)
    return consumer


def _stamping(house: Surroundings, store: Store) -> Stamping | None:
    """Start stamping the journal, where an authority of time is named."""
    settings = house.config.time_stamps
    if settings.url is None:
        return None
    client = TimeStampClient(settings.url, house.keys, timeout_s=settings.timeout_s, addresses=house.rules.addresses)
    house.stack.push_async_callback(client.close)
    stamping = Stamping(store, client, clock=house.clock, interval_s=settings.interval_s, grace_s=settings.grace_s)
    house.metrics.watch_stamping(lambda: stamping.standing.grace_left_s)
    house.keep_running(stamping.run(), "stamping")
    return stamping


def _answers(house: Surroundings, engine: Engine) -> AnswerBook:
    """Start keeping our signed answers."""
    book = AnswerBook(engine, clock=house.clock)
    house.stack.push_async_callback(book.close, asyncio.create_task(book.run(), name="answers"))
    return book


def _repetitions(house: Surroundings, store: Store) -> Repetitions:
    """Start forgetting which old requests were answered."""
    memory = Repetitions(store, clock=house.clock)
    house.keep_running(memory.run(), "repetitions")
    return memory
