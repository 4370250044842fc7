"""The gateway is killed (SIGKILL) again and again in the middle of its work; what it acknowledged it keeps, once.

The gateway and its broker are programs of their own; AÖS, Asan Pay, banks, ministries and the platform live in this
process and survive, so that what they saw can be counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio
from city import City, free_port

from adapters.aos.central.orders import OrderState, RequestState
from adapters.banks.sandbox.settings import Behaviour
from adapters.platform.sandbox import Published
from contracts.events.platform import read_event
from gateway.domain.nouns import TABLES
from gateway.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("KILL_SEED", "20261122"))
KILLS = int(os.environ.get("KILLS", "3"))
LOTS = int(os.environ.get("KILL_LOTS", "12"))
POOR_IBAN = "AZ58XZRN38010000000000090002"  # of bank 999101, with 150 AZN
TOPICS = ("eherrac.protocols.economy", "eherrac.protocols.justice", "eherrac.protocols.interior", "eherrac.receipts")


@dataclass(slots=True)
class Victim:
    """The gateway as a process, always on the same port and folder."""

    folder: Path
    environ: dict[str, str]
    address: str
    kafka: str
    store: Store
    process: asyncio.subprocess.Process | None = None
    kills: int = 0
    busy_at_kill: list[int] = field(default_factory=list)

    async def run(self) -> None:
        with (self.folder / "gateway.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.cli", "serve", "--config", str(self.folder / "gateway.toml"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | self.environ | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        assert json.loads(line)["ready"], (self.folder / "gateway.log").read_text()

    async def under_way(self) -> int:
        """How much is on its way out."""
        rows = await self.store.read(lambda reader: reader.list_outbox(limit=1000))
        return sum(row.channel != "timer" for row in rows)

    async def kill(self) -> None:
        self.busy_at_kill.append(await self.under_way())
        await self._end(signal.SIGKILL)
        self.kills += 1

    async def close(self) -> None:
        await self._end(signal.SIGTERM)
        await self.store.close()

    async def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            await asyncio.wait_for(self.process.wait(), 20)


class BesiegedCity(City):
    """A city whose gateway is a victim."""

    system: Victim  # type: ignore[assignment]

    async def start_gateway(self, environ: dict[str, str]) -> None:
        self._broker = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "tests" / "broker_process.py"), *TOPICS,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self._broker.stdout is not None
        kafka = (await asyncio.wait_for(self._broker.stdout.readline(), 30)).decode().strip()
        port = free_port()
        environ = environ | {"EHERRAC__HTTP__PORT": str(port), "EHERRAC__KAFKA__BOOTSTRAP": kafka}
        self.system = Victim(
            folder=self.folder,
            environ=environ,
            address=f"http://127.0.0.1:{port}",
            kafka=kafka,
            store=await open_store(environ["EHERRAC__STORE__URL"]),
        )
        await self.system.run()

    async def close(self) -> None:
        await super().close()
        assert self._broker.stdin is not None
        self._broker.stdin.close()
        await asyncio.wait_for(self._broker.wait(), 20)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the platform does with one lot, and how it must end."""

    lot: str
    way: str  # sold | accept | refuse | poor

    @property
    def ends(self) -> str:
        return "held" if self.way == "poor" else "concluded"

    def events(self, city: City) -> list[dict[str, Any]]:
        """All events of the lot, with ids that a resend keeps."""
        now = city.now()
        data: list[tuple[str, dict[str, Any]]] = [
            (
                "lot.announced",
                {
                    "title": f"Mənzil {self.lot} (nümunə)",
                    "address": "Bakı",
                    "regime": "enforcement",
                    "claimant": "999202" if self.way == "refuse" and self.lot[-1] in "02468" else "999101",
                    "startingPrice": "2000.00",
                    "auctionAt": (now + timedelta(days=1)).isoformat(),
                    "caseNumber": f"5-{self.lot}/2026",
                },
            )
        ]
        if self.way == "sold":
            account = {"holder": "B1", "iban": "AZ08XZRN38010000000000010101", "bic": "XZRNAZ22"}
            loser = {"holder": "B2", "iban": "AZ69GNSN38010000000000020202", "bic": "GNSNAZ22"}
            bidder = {"taxId": "1NUMUN1", "depositForm": "money"}
            data += [
                ("bidder.registered", bidder | {"bidderId": "B1", "name": "B1", "refundAccount": account}),
                ("bidder.registered", bidder | {"bidderId": "B2", "name": "B2", "refundAccount": loser}),
                ("auction.closed", {"result": "sold", "heldAt": now.isoformat(), "winnerId": "B1", "price": "2500.00"}),
            ]
        else:
            data.append(("auction.closed", {"result": "unsold", "heldAt": now.isoformat(), "reason": "heç kim"}))
        return [
            {
                "specversion": "1.0",
                "id": f"{self.lot}-{number}",
                "source": "EHERRAC",
                "type": f"az.eherrac.{type}.v1",
                "subject": self.lot,
                "time": now.isoformat(),
                "datacontenttype": "application/json",
                "data": content,
            }
            for number, (type, content) in enumerate(data)
        ]


PLANS = [Plan(f"K{n}", ("accept", "refuse", "sold", "accept", "refuse", "poor")[n % 6]) for n in range(LOTS)]


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[BesiegedCity]:
    made = BesiegedCity(tmp_path)
    poor = {plan.lot: POOR_IBAN for plan in PLANS if plan.way == "poor"}
    decisions = {plan.lot: Behaviour.REFUSE for plan in PLANS if plan.way == "refuse"}
    await made.open(
        decisions=decisions,
        payers=poor,
        publish_again_max_s=0.5,
        EHERRAC__DISPATCHER__LEASE_S="3",
        EHERRAC__AOS__ANSWER_TIMEOUT_S="3",
        EHERRAC__LOG__LEVEL="ERROR",
    )
    yield made
    await made.close()


async def play(city: BesiegedCity, plan: Plan, chance: random.Random, acknowledged: list[str]) -> None:
    """Publish one lot's events; each is sent until there is a 2xx, which is noted."""
    for event in plan.events(city):
        await asyncio.sleep(chance.uniform(0, 0.8))
        if event["type"] == "az.eherrac.auction.closed.v1" and plan.way == "sold":
            for bidder in ("B1", "B2"):
                await city.platform.wait_for("collection.state", f"{plan.lot}.deposit.{bidder}", "paid")
                await city.platform.wait_for("collection.state", f"{plan.lot}.participation-fee.{bidder}", "paid")
        publication = await city.platform.publish(read_event(event))
        assert isinstance(publication, Published), publication
        acknowledged.append(publication.event_id)


async def besiege(city: BesiegedCity, chance: random.Random) -> None:
    """Each time the gateway is back at work, a moment later it is dead again."""
    for _ in range(KILLS):
        await city.until(lambda: is_busy(city))
        await asyncio.sleep(chance.uniform(0, 0.3))
        await city.system.kill()
        await city.system.run()


async def is_busy(city: BesiegedCity) -> bool:
    return await city.system.under_way() > 0


async def drained(city: BesiegedCity) -> bool:
    rows = await city.system.store.read(lambda reader: reader.list_outbox(limit=1000))
    lots = await city.system.store.read(lambda reader: reader.list_nouns("lot", limit=1000))
    protocols = await city.system.store.read(lambda reader: reader.list_nouns("protocol", limit=1000))
    return (
        all(row.channel == "timer" for row in rows)
        and {row.id: row.state for row in lots} == {plan.lot: plan.ends for plan in PLANS}
        and [row.state for row in protocols] == ["delivered"] * sum(plan.ends == "concluded" for plan in PLANS)
    )


async def test_killed_again_and_again_it_loses_nothing_and_does_nothing_twice(city: BesiegedCity) -> None:
    """EHR-7, EHR-10, AOS-P7. KILL_SEED, KILLS and KILL_LOTS in the environment change the siege."""
    chance, acknowledged = random.Random(SEED), list[str]()
    await asyncio.gather(
        besiege(city, chance), *(play(city, plan, random.Random(plan.lot), acknowledged) for plan in PLANS)
    )
    await city.until(lambda: drained(city), timeout_s=80)
    assert city.system.kills == KILLS
    assert sum(city.system.busy_at_kill) > 0, "the kills hit nothing: play faster"
    await assert_everything_acknowledged_is_kept_once(city, acknowledged)
    await assert_money_moved_once(city)
    await assert_every_protocol_reached_every_ministry_once(city)
    await assert_notices_are_those_of_the_feed(city)
    await city.assert_chains_hold()


async def assert_everything_acknowledged_is_kept_once(city: BesiegedCity, acknowledged: list[str]) -> None:
    published = [event["id"] for plan in PLANS for event in plan.events(city)]
    assert sorted(acknowledged) == sorted(published)
    store = city.system.store
    for id in published:
        row = await store.read(lambda reader, id=id: reader.find_inbox("EHERRAC", id))
        assert row is not None, id
    causes: Counter[str] = Counter()
    for lot in await store.read(lambda reader: reader.list_nouns("lot", limit=1000)):
        causes.update(line.cause_id for line in await city.journal("lot", lot.id) if line.cause_source == "EHERRAC")
    assert {id: causes[id] for id in published} == dict.fromkeys(published, 1)
    nouns = [row for name in TABLES for row in await store.read(lambda r, name=name: r.list_nouns(name, limit=10_000))]
    assert {row.lot_id for row in nouns if row.noun != "door"} <= {"", *(plan.lot for plan in PLANS)}


async def assert_money_moved_once(city: BesiegedCity) -> None:
    """In the eyes of AÖS, of the banks' books and of Asan Pay."""
    refunds = {f"{plan.lot}.refund.B2" for plan in PLANS if plan.way == "sold"}
    purchases = {f"{plan.lot}.purchase" for plan in PLANS if plan.way == "accept"}
    settled = [order.transfer for order in city.aos.system.orders.values() if order.state is OrderState.SETTLED]
    assert Counter(transfer.end_to_end_id for transfer in settled) == Counter(refunds | purchases)
    requests = Counter(held.request.end_to_end_id for held in city.aos.system.requests.values())
    assert requests == Counter(f"{plan.lot}.purchase" for plan in PLANS if plan.way in ("accept", "poor"))
    states = {held.request.end_to_end_id: held.state for held in city.aos.system.requests.values()}
    assert {id for id, state in states.items() if state is RequestState.SETTLED} == purchases
    posted = Counter(posting.reference for bank in city.banks.values() for posting in bank.ledger.postings)
    del posted["opening"]
    assert posted == Counter(refunds | purchases)
    sold = sum(plan.way == "sold" for plan in PLANS)
    assert Counter(invoice.state for invoice in city.asan_pay.books) == Counter(paid=5 * sold)


async def assert_every_protocol_reached_every_ministry_once(city: BesiegedCity) -> None:
    """By the CloudEvents id, constant over all attempts: repetitions are dropped, nothing comes under two ids."""
    concluded = {plan.lot for plan in PLANS if plan.ends == "concluded"}
    for ministry in city.ministries.values():
        taken_in = ministry.registry.taken_in.values()
        assert Counter(taken.event.lot_id for taken in taken_in) == Counter(concluded)
        assert ministry.registry.refused == []
        for taken in taken_in:
            assert taken.event.sha256 == (await city.data("protocol", f"{taken.event.lot_id}.protocol")).sha256


async def assert_notices_are_those_of_the_feed(city: BesiegedCity) -> None:
    """What was told is what the feed says was to be told: nothing missing, nothing invented."""
    told = {code: Counter(notice.id for notice in bank.notices.all) for code, bank in city.banks.items()}
    told["EHERRAC"] = Counter(notice.id for notice in city.platform.notices)
    for recipient, ids in told.items():
        feed = await city.system.store.read(lambda reader, to=recipient: reader.read_feed(to, limit=10_000))
        assert [line.sequence for line in feed] == list(range(1, len(feed) + 1))
        assert ids == Counter(line.outbox_id for line in feed)
