"""The siege of one town: a run after the other, each with its lots, one blow, what starts again, and the count."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adapters.platform.sandbox import Published
from contracts.events.platform import read_event
from gateway.engine.audit import audit
from gateway.store import open_store
from gateway.store.backup import back_up, restored
from gateway.store.interface import Reader
from kill import points
from kill.besieged import Backing, Besieged
from kill.counting import Count, Ledger, count, count_everything
from kill.lots import BIDDERS, Lot
from kill.older import make_older
from kill.plan import OF_SERVICES, Blow, Run
from kill.points import Engine
from kill.processes import Gateway, Program, Service, Services, Started
from kill.quiet import Quiet

RUNS_A_TOWN = 40  # then a new one, so that nothing grows without end
REACH_S = 90.0  # how long a point may not be passed after its lots are published
DRAIN_S = 300.0
_LOOK_S = 0.1
_AWAY_S = 0.7
_COLD_EVERY = 50  # runs; the gateway starts as a new interpreter, with all its imports


@dataclass(slots=True)
class Blows:
    """What a run's blow came to: who died, whether at the point, and what it took each to start again."""

    killed: list[str] = field(default_factory=list)
    at_point: str = ""
    restarts: list[Started] = field(default_factory=list)
    services_s: list[float] = field(default_factory=list)


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
            reached=not run.stroke.point or blows.at_point == run.stroke.point,
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
    """The platform says everything about some lots; each event is sent until there is a 2xx."""
    for lot in lots:
        city.expect(lot)
    await asyncio.gather(*(_play(city, lot, chance.uniform(0, 0.2)) for lot in lots))


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


class Striker:
    """Deals the blow of one run, and starts again what it ended."""

    def __init__(self, city: Besieged, run: Run, blows: Blows) -> None:
        self._city, self._run, self._blows = city, run, blows
        self._mark = city.mark
        self._victim = city.gateways[run.victim % len(city.gateways)]

    async def prepare(self) -> None:
        """Before anything is said about the lots."""
        if self._run.stroke.blow is Blow.AT_POINT:
            await self._arm()
        elif self._run.stroke.blow is Blow.MIGRATION:
            await self._migration()

    async def strike(self) -> None:
        """While the lots are at work."""
        deal: Callable[[], Any] = {
            Blow.AT_POINT: self._at_point,
            Blow.ANY_TIME: self._any_time,
            Blow.ALL_AT_ONCE: self._all_at_once,
            Blow.DRAINING: self._draining,
            Blow.STOPPED: self._stopped,
            Blow.STARTING: self._starting,
            Blow.MIGRATION: self._nothing_more,
            Blow.BACKUP: self._backup,
            Blow.MINISTRY: self._ministry,
            Blow.AOS_AWAY: self._aos_away,
            Blow.KAFKA: self._kafka,
            Blow.POSTGRES: self._postgres,
        }[self._run.stroke.blow]
        await deal()

    async def _nothing_more(self) -> None:
        """It was struck before."""

    async def _arm(self) -> None:
        """All replicas; the first to come by dies, alone."""
        for gateway in self._city.gateways:
            await gateway.tell(f"arm {self._run.nth} {self._run.stroke.point}")

    async def _at_point(self) -> None:
        first = await self._first_to_die()
        fallen = [first] if first is not None else []
        for gateway in self._city.gateways:
            if gateway.alive and not await gateway.tell(
                "arm 0 -"
            ):  # it came by at the same moment, and its mark is one
                assert await gateway.ended() == -signal.SIGKILL, gateway.tail()
                self._mark.unlink(missing_ok=True)
                self._blows.killed.append("gateway")
                fallen.append(gateway)
        await asyncio.gather(*(self._restart(gateway) for gateway in fallen or [await self._kill(self._victim)]))

    async def _first_to_die(self) -> Gateway | None:
        """Who died at its point; None if nobody came by."""
        endings = {asyncio.create_task(gateway.ended(REACH_S)): gateway for gateway in self._city.gateways}
        done, others = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, *done, return_exceptions=True)
        for task in done:
            if task.exception() is None:
                self._died(endings[task], task.result())
                return endings[task]
        return None

    async def _any_time(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        await self._restart(await self._kill(self._victim))

    async def _all_at_once(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        await asyncio.gather(*(self._kill(gateway) for gateway in self._city.gateways))
        await asyncio.gather(*(self._restart(gateway) for gateway in self._city.gateways))

    async def _draining(self) -> None:
        """SIGTERM, and SIGKILL in the middle of the quiet end."""
        await self._victim.tell(f"arm 1 {points.DRAINING}")
        await asyncio.sleep(self._run.delay_s)
        assert self._victim.process is not None
        self._victim.process.send_signal(signal.SIGTERM)
        self._died(self._victim, await self._victim.ended())
        await self._restart(self._victim)

    async def _stopped(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        await self._victim.end(signal.SIGTERM)
        assert self._victim.process is not None
        assert self._victim.process.returncode == 0, self._victim.tail()
        await self._restart(self._victim)

    async def _starting(self) -> None:
        """Killed at work, then at the named point of its start, then somewhere in its start, then left alone."""
        await asyncio.sleep(self._run.delay_s)
        await self._kill(self._victim)
        started = await self._victim.serve(self._mark, armed=self._run.stroke.point)
        assert started is None, f"{self._run.stroke.point} was not passed"
        self._died(self._victim, -signal.SIGKILL)
        await self._victim.begin(self._mark, cold=True)
        await asyncio.sleep(self._run.delay_s)
        await self._kill(self._victim)
        await self._restart(self._victim)

    async def _migration(self) -> None:
        """Nobody is at work; the store becomes one of the revision before, with everything in it."""
        for gateway in self._city.gateways:
            await self._kill(gateway)
        await make_older(self._city)
        started = await self._victim.serve(self._mark, armed=self._run.stroke.point, nth=self._run.nth)
        assert started is None, f"{self._run.stroke.point} was not passed"
        self._died(self._victim, -signal.SIGKILL)
        await asyncio.gather(*(self._restart(gateway) for gateway in self._city.gateways))

    async def _backup(self) -> None:
        """The one killed leaves no copy under the name; the next one is whole, and stands as a store."""
        await asyncio.sleep(self._run.delay_s)
        folder, url = self._city.folder, self._city.system.url
        file, other = folder / f"{self._run.number}.backup", folder / f"{self._run.number}.restored.db"
        log = folder / "backup.log"
        command = ("backup", str(file), "--config", str(folder / "gateway.toml"))
        copying = Program(log=log, environ=self._city.environ, nursery=self._city.nursery)
        await copying.launch(str(self._mark), points.BACKING_UP, "1", *command)
        self._died("backup", await copying.ended())
        assert not file.exists(), "half a copy under the name of a whole one"
        await asyncio.to_thread(back_up, url, file)
        if self._city.backing.engine is Engine.SQLITE:
            with restored(file, f"sqlite:///{other}") as at:
                store = await open_store(at)
                found = await audit(store)
                await store.close()
                assert found.holds, f"the copy: {found}"
            other.unlink()
        file.unlink()

    async def _ministry(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        program = self._city.ministry.program
        await program.end()
        self._blows.killed.append("ministry")
        await program.start()

    async def _aos_away(self) -> None:
        await asyncio.sleep(self._run.delay_s / 2)
        await self._city.aos.go_away()
        await asyncio.sleep(_AWAY_S)
        await self._city.aos.listen()

    async def _kafka(self) -> None:
        await self._service(Service.KAFKA)

    async def _postgres(self) -> None:
        await self._service(Service.POSTGRES)

    async def _service(self, name: Service) -> None:
        await asyncio.sleep(self._run.delay_s)
        services = Services()
        await services.kill(name)
        self._blows.killed.append(name)
        await asyncio.sleep(_AWAY_S)
        self._blows.services_s.append(await services.revive(name))

    # -- who dies, who lives -----------------------------------------------------------------------------------------

    async def _kill(self, gateway: Gateway) -> Gateway:
        await gateway.end(signal.SIGKILL)
        self._blows.killed.append("gateway")
        return gateway

    def _died(self, who: Gateway | str, returned: int) -> None:
        """At its point, and of nothing else."""
        said = self._mark.read_text() if self._mark.exists() else ""
        log = who.tail() if isinstance(who, Gateway) else ""
        assert returned == -signal.SIGKILL, f"{who} ended by itself with {returned}\n{log}"
        assert said, f"{who} died and not at a point"
        self._mark.unlink()
        self._blows.at_point = said
        self._blows.killed.append("gateway" if isinstance(who, Gateway) else who)

    async def _restart(self, gateway: Gateway) -> None:
        started = await gateway.serve(self._mark, cold=self._run.number % _COLD_EVERY == 0)
        assert started is not None
        self._blows.restarts.append(started)
