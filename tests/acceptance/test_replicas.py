"""Two replicas over one PostgreSQL and one Apache Kafka: one effect for each message, all sent once, a quiet end."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import orjson
import pytest_asyncio
from aiohttp import web
from aiokafka import AIOKafkaConsumer
from town import UNHURRIED, Town, world_keys
from waiting import until

from adapters.ministries.kafka import create_topics
from gateway.bootstrap import kafka_settings, start, topics_of
from gateway.cli.world import packaged
from gateway.config import load_config
from gateway.wire.client import SignedAnswer
from gateway.wire.server import Running, serve_app, signed_http

LOTS = 50
REFUSAL = {"decision": "refuse", "reason": "almırıq"}


@dataclass
class Ears:
    """The platform's and the banks' callback services: what they were told, by `webhook-id`."""

    told: Counter[str] = field(default_factory=Counter)

    def app(self, town: Town) -> web.Application:
        root = web.Application()
        for code in ("EHERRAC", "999101", "999202"):
            identity = town.identity(code)
            app = web.Application(middlewares=[signed_http(lambda i=identity: i, clock=town.now)])
            app.router.add_post("/notices", self.hear)
            root.add_subapp(f"/{code}", app)
        return root

    async def hear(self, request: web.Request) -> web.Response:
        self.told[request.headers["webhook-id"]] += 1
        return web.Response(status=204)


@dataclass
class Pair:
    """Two replicas, and everybody who listens."""

    towns: list[Town]
    ears: Ears

    async def both(self, ask) -> list[SignedAnswer]:
        """The same to both at once."""
        return await asyncio.gather(*(ask(town) for town in self.towns))


@pytest_asyncio.fixture
async def schema(postgres_dsn: str) -> AsyncIterator[str]:
    import psycopg

    name = f"t_{uuid4().hex}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield f"{postgres_dsn}?options={quote(f'-csearch_path={name}')}"
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest_asyncio.fixture
async def pair(tmp_path: Path, schema: str, kafka_bootstrap: str) -> AsyncIterator[Pair]:
    shutil.copytree(world_keys(), tmp_path / "keys")
    towns, ears = [Town(tmp_path), Town(tmp_path)], Ears()
    listening = await serve_app(ears.app(towns[0]), "127.0.0.1", 0)
    text = _configuration(listening, mark=uuid4().hex[:8])
    (tmp_path / "gateway.toml").write_text(text)
    environ = UNHURRIED | {
        "EHERRAC__HTTP__PORT": "0",
        "EHERRAC__STORE__URL": schema,
        "EHERRAC__STORE__CONNECTIONS_MAX": "4",
        "EHERRAC__KAFKA__BOOTSTRAP": kafka_bootstrap,
    }
    config = load_config(tmp_path / "gateway.toml", environ)
    await create_topics(kafka_settings(config, kafka_bootstrap), topics_of(config))
    towns[1]._serial = 1_000_000  # their message ids are of one sender
    for town in towns:
        town.config = config
        town.system = await start(config, clock=town.now)
    yield Pair(towns, ears)
    for town in towns:
        await town.close()
    await listening.close()


def _configuration(listening: Running, *, mark: str) -> str:
    text = packaged("demo.toml").replace('directory = "keys"', 'directory = "keys/GATEWAY"')
    for code, address in (("EHERRAC", "8103/notices"), ("999101", "8104/callback"), ("999202", "8105/callback")):
        text = text.replace(f"http://127.0.0.1:{address}", f"{listening.address}/{code}/notices")
    text = text.replace('transport = "soap"', 'transport = "rest"').replace('topic = "eherrac.', f'topic = "{mark}.')
    return text.replace("[kafka]\n", f'[kafka]\nreceipts_topic = "{mark}.receipts"\n')


async def test_two_replicas_do_everything_once_and_one_leaves_quietly(pair: Pair) -> None:
    """EHR-7: fifty lots from the announcement to the ministries."""
    first, second = pair.towns
    at = first.now()
    lots = [f"R{n:02d}" for n in range(LOTS)]

    async def run(number: int, lot: str) -> None:
        here = pair.towns[number % 2] if number < LOTS // 2 else first  # the second leaves half way
        about = {"id": f"announce-{lot}", "time": at.isoformat()}
        if number < 10:  # the same message, in the same millisecond, to both
            answers = await pair.both(lambda town: _taken(lambda: _announce(town, lot, at, **about)))
            bodies = [orjson.loads(answer.body) for answer in answers]
            assert bodies[0] == bodies[1]
        else:
            answers = [await _taken(lambda: _announce(here, lot, at, **about))]
        assert {answer.status for answer in answers} == {202}
        about["id"] = f"close-{lot}"
        unsold = {"result": "unsold", "heldAt": at.isoformat(), "reason": "heç kim"}
        assert (await _taken(lambda: here.publish("auction.closed", lot, unsold, **about))).status == 202
        answer = {"decision": REFUSAL, "key": f"decide-{lot}"}
        assert (await _taken(lambda: here.decide("999101", f"{lot}.offer", **answer))).status == 202

    await asyncio.gather(*(run(number, lot) for number, lot in enumerate(lots[: LOTS // 2])))
    leaving = asyncio.create_task(second.system.close())
    await asyncio.gather(*(run(number, lot) for number, lot in enumerate(lots) if number >= LOTS // 2))
    await leaving
    await _until_sent(first)
    counts = await first.counts()
    for noun in ("lot", "offer", "protocol"):  # all of them, and all in the same state
        assert [n for (name, _), n in counts.items() if name == noun] == [LOTS]
    feeds = await first.system.store.read(
        lambda r: [line.outbox_id for who in ("EHERRAC", "999101") for line in r.read_feed(who, limit=10_000)]
    )
    assert len(feeds) >= 3 * LOTS
    assert pair.ears.told == Counter(feeds)  # each id once, none missing, none invented
    records = await _records(first)
    assert len(records) == len(set(records)) == 3 * LOTS  # a protocol of each lot to each ministry
    assert (await first.system.watchdog.count()).alarms == ()


async def _taken(say: Callable[[], Awaitable[SignedAnswer]]) -> SignedAnswer:
    """As every sender does: what could not be written down, on a machine that is too slow, comes again under its id."""
    answers: list[SignedAnswer] = []

    async def is_taken() -> bool:
        answers.append(await say())
        return answers[-1].status != 503

    await until(is_taken)
    return answers[-1]


async def _announce(town: Town, lot: str, at, **about: str) -> SignedAnswer:
    data = {
        "title": "Mənzil (nümunə)",
        "address": "Bakı",
        "regime": "enforcement",
        "claimant": "999101",
        "startingPrice": "20000.00",
        "auctionAt": (at + timedelta(days=1)).isoformat(),
        "caseNumber": "5-1/2026",
    }
    return await town.publish("lot.announced", lot, data, **about)


async def _until_sent(town: Town) -> None:
    """Nothing but timers is left in the outbox."""

    async def is_empty() -> bool:
        return not (await town.system.watchdog.count()).backlog

    await until(is_empty)


async def _records(town: Town) -> list[str]:
    """`ce_id` of every record that lies on the ministries' topics."""
    options = kafka_settings(town.config, town.config.kafka.bootstrap).client_options
    topics = [ministry.topic for ministry in town.config.ministries]
    consumer = AIOKafkaConsumer(*topics, **options, auto_offset_reset="earliest")
    await consumer.start()
    ends = await consumer.end_offsets(consumer.assignment())
    found: list[str] = []
    while len(found) < sum(ends.values()):
        batches = await consumer.getmany(timeout_ms=1000)
        found += [dict(record.headers)["ce_id"].decode() for batch in batches.values() for record in batch]
    await consumer.stop()
    return found
