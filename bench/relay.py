"""`python -m bench.relay`: protocols from the outbox to Kafka, beside a bare aiokafka producer with the same records.

Ours is the dispatcher with the ministries' adapter over SQLite: each record is claimed, its container read, sent with
acks=all, and its acknowledgement journalled with its evidence before it leaves the outbox. Bare is one producer with
acks=all that is handed the same topics, keys, values and headers: each after the acknowledgement of the one before
(what a relay that keeps order without lanes could do at best), as many at once as our lanes have places, and as many in
batches of our hands' size, which is how ours sends them. Usual is such a producer as most write it: with aiokafka's
own settings, which wait for one replica only and hold no two of our records in a batch. The floor is bare at once with
each container read and each acknowledgement written down bare before its place is free again (`bench.booked`). All run
in this process against the same broker, one after the other, several times. The first time is for warming up and is
not counted: a JVM that has just started compiles while ours, which comes first, is measured. Of each way the median
counts, and each share is one of two neighbours in time: what a burdened machine does to one it does to the other.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cyclopts import App, Parameter

from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.batches import partition_of
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.mapping import protocol_event
from adapters.ministries.publisher import PublisherSettings, Record
from bench.apache import running_kafka
from bench.auctioneer import now
from bench.booked import BareBook, bookings, copied
from bench.end_to_end import VoidError
from bench.inside import BANK, dispatching, unsold
from contracts.events.protocols import write_protocol
from contracts.events.topics import declared_topics, protocol_topics
from gateway.bootstrap import policies
from gateway.cli.stage import build_stage
from gateway.config import Config, build_rulebook, load_config
from gateway.domain.dispatches import Channel, Notice, NoticeKind, ProtocolDelivery, SealOrder
from gateway.domain.events import offer as offers
from gateway.domain.events import protocol as protocols
from gateway.domain.nouns import TABLES
from gateway.domain.table import Event
from gateway.engine.engine import Engine
from gateway.ports import Acknowledged, Adapter, Dispatch, Document, Message, Outcome, Target
from gateway.store import Store, open_store
from gateway.store.testing import blank_store_url
from gateway.wire.broker import EmbeddedBroker

_CONTAINER_BYTES = 60_000  # a sealed protocol with its PDF
_PATIENCE_S = 300.0
_LOOK_S = 0.005

app = App(name="bench.relay", help=__doc__)


class Way(StrEnum):
    """How records come to Kafka."""

    OURS = "ours"
    USUAL_ALONE = "usual, one by one"
    USUAL = "usual, at once"
    ALONE = "bare, one by one"
    AT_ONCE = "bare, at once"
    IN_BATCHES = "bare, in batches"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """Records a second, and CPU of this process for one record, milliseconds."""

    rate: float
    cpu_ms: float


@dataclass(slots=True)
class _Everybody:
    """Everybody but the ministries: banks decline, the notary seals something of the right size."""

    engine: Engine | None = None
    tasks: list[asyncio.Task[object]] = field(default_factory=list)
    told: int = 0

    async def tell(self, noun: str, id: str, event: Event, *, source: str) -> None:
        """A verified statement."""
        assert self.engine is not None
        self.told += 1
        digest = hashlib.sha256(str(self.told).encode()).hexdigest()
        target = Target(noun=noun, id=id)
        await self.engine.receive(Message(source=source, id=f"m{self.told}", target=target, event=event, digest=digest))

    def react(self, dispatch: Dispatch) -> tuple[Event | None, Document | None]:
        """What an acknowledgement tells at once."""
        match body := dispatch.body:
            case Notice(kind=NoticeKind.OFFER_OPENED, subject_id=offer) if dispatch.recipient == BANK:
                declined = offers.Declined(reason="Maraqlı deyil")
                self.tasks.append(asyncio.create_task(self.tell("offer", offer, declined, source=BANK)))
            case SealOrder():
                name = body.content.protocol_id
                content = hashlib.shake_256(name.encode()).digest(_CONTAINER_BYTES)
                document = Document(id=f"{name}.d", media_type="application/zip", content=content)
                sealed = protocols.Sealed(
                    document_id=document.id, sha256=hashlib.sha256(content).hexdigest(), sealed_at=now()
                )
                return sealed, document
        return None, None


@dataclass(slots=True)
class _Instantly:
    """Acknowledges everything of one channel."""

    channel: str
    everybody: _Everybody

    async def send(self, dispatch: Dispatch) -> Outcome:
        event, document = self.everybody.react(dispatch)
        return Acknowledged(event=event, document=document)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(slots=True)
class _Watched:
    """The ministries' adapter; keeps what it was given, for the bare producer."""

    adapter: MinistriesAdapter
    channel: str = Channel.MINISTRIES.value
    given: list[Dispatch] = field(default_factory=list)

    @property
    def places_per_recipient(self) -> int:
        return self.adapter.places_per_recipient

    @property
    def together_max(self) -> int:
        return self.adapter.together_max

    async def send(self, dispatch: Dispatch) -> Outcome:
        self.given.append(dispatch)
        return await self.adapter.send(dispatch)

    async def send_all(self, dispatches: Sequence[Dispatch]) -> Sequence[Outcome]:
        self.given += dispatches
        return await self.adapter.send_all(dispatches)

    async def close(self) -> None:
        await self.adapter.close()


async def measure(folder: Path, kafka: KafkaSettings, *, count: int) -> dict[Way, Relayed]:
    """Relay three records a lot, ours, then bare.

    Raises:
        VoidError: not every record lies on its topic.
    """
    config = load_config(build_stage(folder / "stage").config, {})
    url = blank_store_url(folder)
    file, copy = Path(url.removeprefix("sqlite:///")), folder / "copy.db"
    store = await open_store(url)
    engine = Engine(store, TABLES, build_rulebook(config), clock=now, policies=policies(config))
    await _issue(engine, config, count)
    records = count * len(config.ministries)
    adapter = _Watched(MinistriesAdapter(MinistriesSettings(publisher=PublisherSettings(kafka=kafka))))
    lain = await _lying(kafka)
    copied(file, copy)
    _settle_memory()
    began, cpu_began = time.perf_counter(), time.process_time()
    await _dispatched(engine, config, {adapter.channel: adapter}, due=0, nearly=lambda: len(adapter.given) == records)
    took = {Way.OURS: (time.perf_counter() - began, time.process_time() - cpu_began)}
    await adapter.close()
    await store.close()
    if (came := await _lying(kafka) - lain) != records:
        raise VoidError(f"void: {came} records lie on the topics, {records} were to")
    places = adapter.places_per_recipient * len(config.ministries)
    given = {dispatch.id: _record(dispatch) for dispatch in adapter.given}
    _settle_memory()
    ours, usual = PublisherSettings(kafka=kafka).producer_options, kafka.client_options
    took[Way.AT_ONCE] = await _bare(ours, given, places)
    took[Way.USUAL_ALONE] = await _bare(usual, given, 1)
    took[Way.USUAL] = await _bare(usual, given, places)
    took[Way.ALONE] = await _bare(ours, given, 1)
    took[Way.IN_BATCHES] = await _in_batches(ours, list(given.values()), places, adapter.together_max)
    book = BareBook(copy, bookings(file), places=adapter.places_per_recipient)
    took[Way.FLOOR] = await _bare(ours, given, places, book)
    book.close()
    if (written := len(bookings(copy))) != records:
        raise VoidError(f"void: {written} acknowledgements written down bare, {records} were to")
    return {way: Relayed(rate=records / wall_s, cpu_ms=cpu_s / records * 1000) for way, (wall_s, cpu_s) in took.items()}


def _settle_memory() -> None:
    """As `serve` does: what stands by now is not looked through again by the garbage collector."""
    gc.collect()
    gc.freeze()


async def _issue(engine: Engine, config: Config, count: int) -> None:
    """Unsold lots that the bank declines, until their protocols wait for the ministries."""
    everybody = _Everybody(engine=engine)
    for number in range(count):
        await unsold(everybody.tell, number)
    channels = (Channel.BANKS, Channel.PLATFORM, Channel.NOTARY)
    adapters: dict[str, Adapter] = {channel.value: _Instantly(channel.value, everybody) for channel in channels}
    await _dispatched(engine, config, adapters, due=count * len(config.ministries))
    await asyncio.gather(*everybody.tasks)


async def _dispatched(
    engine: Engine,
    config: Config,
    adapters: dict[str, Adapter],
    *,
    due: int,
    nearly: Callable[[], bool] = lambda: True,
) -> None:
    """Dispatch until so many of the ministries' records wait, and nothing else; the store is asked from `nearly` on."""
    dispatcher = dispatching(engine, adapters, config)
    running = asyncio.create_task(dispatcher.run())
    async with asyncio.timeout(_PATIENCE_S):
        while not nearly() or await _waiting(engine.store) != {Channel.MINISTRIES.value: due}:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
    await dispatcher.stop()
    await running


async def _waiting(store: Store) -> dict[str, int]:
    counts = await store.read(lambda reader: reader.count_outbox())
    waiting = {Channel.MINISTRIES.value: 0}
    for row in counts:  # one for each recipient and state
        if row.channel != Channel.TIMER:
            waiting[row.channel] = waiting.get(row.channel, 0) + row.count
    return waiting


def _record(dispatch: Dispatch) -> Record:
    event = protocol_event(dispatch, source="GATEWAY")
    body: ProtocolDelivery = dispatch.body
    topic = protocol_topics()[dispatch.recipient].name
    return Record(topic=topic, key=body.lot_id.encode(), value=event.container, headers=write_protocol(event))


async def _bare(
    options: dict[str, Any], records: dict[str, Record], places: int, book: BareBook | None = None
) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    producer = AIOKafkaProducer(**options)
    left, read = iter(records.items()), set[bytes]()

    async def send() -> None:
        for delivery, record in left:
            if book is not None and record.key not in read:
                read.add(record.key)
                await book.container(delivery)
            await producer.send_and_wait(record.topic, record.value, key=record.key, headers=record.headers)
            if book is not None:
                await book.book(delivery)

    async with producer:
        topics = {record.topic for record in records.values()}
        await asyncio.gather(*(producer.partitions_for(topic) for topic in topics))
        began, cpu_began = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send() for _ in range(places)))
        return time.perf_counter() - began, time.process_time() - cpu_began


async def _in_batches(
    options: dict[str, Any], records: Sequence[Record], places: int, together: int
) -> tuple[float, float]:
    """Seconds, and seconds of CPU, with aiokafka's batches: as many of one topic in a hand as ours."""
    producer = AIOKafkaProducer(**options)
    topics = {topic: [record for record in records if record.topic == topic] for topic in {it.topic for it in records}}

    async def send(topic: str, hands: Iterator[Sequence[Record]]) -> None:
        partitions = await producer.partitions_for(topic)
        for hand in hands:
            made = {partition: producer.create_batch() for partition in partitions}
            for it in hand:
                batch = made[partition_of(it.key, partitions)]
                assert batch.append(timestamp=None, key=it.key, value=it.value, headers=it.headers) is not None
            filled = [(partition, batch) for partition, batch in made.items() if batch.record_count()]
            await asyncio.gather(*[await producer.send_batch(it, topic, partition=at) for at, it in filled])

    async with producer:
        await asyncio.gather(*(producer.partitions_for(topic) for topic in topics))
        hands = {topic: iter(_hands(its, together)) for topic, its in topics.items()}
        at_once = max(1, places // len(topics) // together)
        began, cpu_began = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send(topic, its) for topic, its in hands.items() for _ in range(at_once)))
        return time.perf_counter() - began, time.process_time() - cpu_began


def _hands(records: Sequence[Record], together: int) -> list[Sequence[Record]]:
    return [records[start : start + together] for start in range(0, len(records), together)]


async def _lying(kafka: KafkaSettings) -> int:
    """Records on the protocol topics, ever."""
    async with AIOKafkaConsumer(**kafka.client_options) as consumer:
        partitions = [
            TopicPartition(topic.name, number)
            for topic in protocol_topics().values()
            for number in range(topic.partitions)
        ]
        return sum((await consumer.end_offsets(partitions)).values())


@contextmanager
def _embedded(_: Path) -> Iterator[str]:
    with EmbeddedBroker({topic.name: topic.partitions for topic in declared_topics()}) as broker:
        yield broker.bootstrap_servers


@contextmanager
def _apache(folder: Path) -> Iterator[str]:
    with running_kafka(folder / "kafka") as kafka:
        asyncio.run(_created(kafka.bootstrap))
        yield kafka.bootstrap


async def _created(bootstrap: str) -> None:
    await create_topics(KafkaSettings(bootstrap_servers=bootstrap), declared_topics())


@app.default
def main(
    *,
    lots: Annotated[int, Parameter(help="Lots, three records each.")] = 400,
    passes: Annotated[int, Parameter(help="Counted runs against each broker, after one that is not.")] = 3,
) -> None:
    """Measure and print a row for each broker."""
    began, load = now(), os.getloadavg()[0]
    print(f"{began:%Y-%m-%d %H:%M} UTC, load {load:.1f}; {lots * 3} records of {_CONTAINER_BYTES // 1000} kB\n")
    print("| | " + " | ".join(f"{way}, records/s | of it" for way in Way) + " | CPU ms: " + " | ".join(Way) + " |")
    print("|---|" + "---:|" * (3 * len(Way)))
    for name, broker in (("embedded", _embedded), ("Apache Kafka 4", _apache)):
        with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as temporary, broker(Path(temporary)) as bootstrap:
            kafka = KafkaSettings(bootstrap_servers=bootstrap)
            runs = []
            for number in range(1 + passes):
                folder = Path(temporary) / str(number)
                folder.mkdir()
                runs.append(asyncio.run(measure(folder, kafka, count=lots)))
        print(_row(name, runs[1:]), flush=True)


def _row(name: str, runs: Sequence[dict[Way, Relayed]]) -> str:
    """The median of each way; behind each rate ours as a share of it: the median, the least and the greatest."""
    compared = " | ".join(f"{median(run[way].rate for run in runs):.0f} | {_share(way, runs)}" for way in Way)
    costs_ms = [median(run[way].cpu_ms for run in runs) for way in Way]
    return f"| {name} | {compared} | " + " | ".join(f"{cost:.2f}" for cost in costs_ms) + " |"


def _share(way: Way, runs: Sequence[dict[Way, Relayed]]) -> str:
    shares = [run[Way.OURS].rate / run[way].rate for run in runs]
    return f"{median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"


if __name__ == "__main__":
    app()
