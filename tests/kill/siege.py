"""The siege of one town: a run after the other, each with its lots, one blow, what starts again, and the count."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters.platform.sandbox import Published
from contracts.events.platform import read_event
from gateway.store.interface import Reader
from kill.besieged import Backing, Besieged
from kill.counting import Count, Ledger, count, count_everything
from kill.lots import BIDDERS, Lot
from kill.plan import OF_SERVICES, Run
from kill.quiet import Quiet
from kill.striker import Blows, Striker

RUNS_A_TOWN = 40  # then a new one, so that nothing grows without end
DRAIN_S = 300.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is written down of a run."""

    run: int
    engine: str
    blow: str
    point: str
    reached: bool
    killed: list[str]
    lots: int
    seconds: float
    restarts: list[dict[str, Any]]
    services_s: list[float]
    count: dict[str, int] | None
    failure: str | None = None


class Siege:
    """Towns one after the other, all on the same backing."""

    def __init__(
        self, folder: Path, backing: Backing, *, runs_a_town: int = RUNS_A_TOWN, quiet: Quiet | None = None
    ) -> None:
        self._folder, self._backing, self._runs_a_town = folder, backing, runs_a_town
        self._quiet = quiet or Quiet(folder / "lock")
        self._city: Besieged | None = None
        self._ledger = Ledger()
        self._runs = self._towns = 0

    async def run(self, run: Run) -> Result:
        """One run; a failure is in the result, with what led to it."""
        blows, counted, failure = Blows(), None, None
        async with self._quiet.held(alone=run.stroke.blow in OF_SERVICES):
            began = time.monotonic()
            try:
                city = await self._town()
                counted = await self._play(city, run, blows)
            except Exception as error:
                failure = "".join(traceback.format_exception(error))
                await self._keep_the_ruins(run)
        return Result(
            run=run.number,
            engine=run.engine,
            blow=run.stroke.blow,
            point=run.stroke.point,
            reached=not blows.missed and (not run.stroke.point or blows.at_point == run.stroke.point),
            killed=blows.killed,
            lots=len(run.lots),
            seconds=round(time.monotonic() - began, 2),
            restarts=[asdict(started) for started in blows.restarts],
            services_s=[round(second, 3) for second in blows.services_s],
            count=None if counted is None else asdict(counted),
            failure=failure,
        )

    async def close(self) -> str | None:
        """Count the last town whole, and end it; what did not agree."""
        failure = None
        if self._city is not None:
            city, self._city = self._city, None
            try:
                await city.system.look()
                await count_everything(city, self._ledger)
            except Exception as error:
                failure = "".join(traceback.format_exception(error))
            await city.close()
            if failure is None:
                shutil.rmtree(city.folder)
        return failure

    async def calm(self, lots: tuple[Lot, ...]) -> dict[str, int]:
        """No blow: how often each point was passed while these lots went to their ends."""
        city = await self._town()
        await play(city, lots, random.Random(0))
        await self._drained(city, lots)
        await count(city, self._ledger, lots)
        await city.system.look_away()
        counts: dict[str, int] = {}
        for gateway in city.gateways:
            for point, passed in json.loads(await gateway.tell("counts")).items():
                counts[point] = counts.get(point, 0) + passed
        return counts

    async def _town(self) -> Besieged:
        if self._city is not None and self._runs >= self._runs_a_town:
            failure = await self.close()
            assert failure is None, failure
        if self._city is None:
            self._towns, self._runs, self._ledger = self._towns + 1, 0, Ledger()
            folder = self._folder / f"town-{self._towns}"
            folder.mkdir(parents=True)
            self._city = Besieged(folder, self._backing)
            await self._city.begin()
        self._runs += 1
        return self._city

    async def _play(self, city: Besieged, run: Run, blows: Blows) -> Count:
        await city.system.look_away()
        striker = Striker(city, run, blows)
        await striker.prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(striker.strike())
            group.create_task(play(city, run.lots, run.chance))
        await self._drained(city, run.lots)
        return await count(city, self._ledger, run.lots)

    async def _drained(self, city: Besieged, lots: tuple[Lot, ...]) -> None:
        await city.system.look()
        try:
            async with asyncio.timeout(DRAIN_S):
                while not await _at_their_ends(city, lots):  # noqa: ASYNC110 - asked of the store
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise AssertionError("not drained:\n" + await city.system.store.read(lambda r: _story(r, lots))) from None

    async def _keep_the_ruins(self, run: Run) -> None:
        """The town stays on disk for whoever looks; the next run has a new one."""
        city, self._city = self._city, None
        if city is not None:
            (city.folder / "failed-run").write_text(f"{run}\n")
            with suppress(Exception):
                await asyncio.wait_for(city.close(), 60)


async def play(city: Besieged, lots: tuple[Lot, ...], chance: random.Random) -> None:
    """The platform says everything about some lots, each until there is a 2xx; a ministry sends wrong receipts."""
    for lot in lots:
        city.expect(lot)
    wrong = [city.wrong.send(lot.id) for lot in lots if city.tells_of_refusals]
    await asyncio.gather(*(_play(city, lot, chance.uniform(0, 0.2)) for lot in lots), *wrong)


async def _play(city: Besieged, lot: Lot, pause_s: float) -> None:
    for event in lot.events(city.now()):
        await asyncio.sleep(pause_s)
        if event["type"] == "az.eherrac.auction.closed.v1" and lot.way == "sold":
            for bidder in BIDDERS:
                await city.platform.wait_for("collection.state", f"{lot.id}.deposit.{bidder}", "paid")
                await city.platform.wait_for("collection.state", f"{lot.id}.participation-fee.{bidder}", "paid")
        said = await city.platform.publish(read_event(event))
        assert isinstance(said, Published), said


async def _at_their_ends(city: Besieged, lots: tuple[Lot, ...]) -> bool:
    return await city.system.store.read(lambda reader: _ended(reader, lots))


def _ended(reader: Reader, lots: tuple[Lot, ...]) -> bool:
    if any(row.channel != "timer" for row in reader.count_outbox()):
        return False
    nouns = [row for lot in lots for row in reader.nouns_of_lot(lot.id)]
    ends = {row.id: row.state for row in nouns if row.noun == "lot"}
    protocols = [row.state for row in nouns if row.noun == "protocol"]
    concluded = sum(lot.ends == "concluded" for lot in lots)
    return ends == {lot.id: lot.ends for lot in lots} and protocols == ["delivered"] * concluded


def _story(reader: Reader, lots: tuple[Lot, ...]) -> str:
    nouns = [f"  {row.noun} {row.id}: {row.state}" for lot in lots for row in reader.nouns_of_lot(lot.id)]
    rows = [
        f"  {row.channel} {row.recipient} {row.id}: {row.state}, attempt {row.attempt}, {row.last_error}"
        for row in reader.list_outbox(limit=1000)
        if row.channel != "timer"
    ]
    return "\n".join(("lots", *nouns, "outbox", *rows))
