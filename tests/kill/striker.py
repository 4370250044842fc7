"""The blow of a run: who is killed, ended or kept away, and when it starts again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.engine.audit import audit
from gateway.store import open_store
from gateway.store.backup import back_up, restored
from kill import points, servers
from kill.besieged import LEASE_S, Besieged
from kill.older import make_older, newest_of, revision_before
from kill.plan import Blow, Run
from kill.points import Engine
from kill.processes import ROOT, Gateway, Program, Service, Services, Started

REACH_S = 90.0  # how long a point may not be passed after its lots are published
_LOOK_S = 0.01
_COLD_EVERY = 50  # runs; the gateway starts as a new interpreter, with all its imports


@dataclass(slots=True)
class Blows:
    """What a run's blow came to: who died, whether at the point, and what it took each to start again."""

    killed: list[str] = field(default_factory=list)
    at_point: str = ""
    restarts: list[Started] = field(default_factory=list)
    services_s: list[float] = field(default_factory=list)
    missed: bool = False  # it could not be dealt here


class Striker:
    """Deals the blow of one run, and starts again what it ended."""

    def __init__(self, city: Besieged, run: Run, blows: Blows) -> None:
        self._city, self._run, self._blows = city, run, blows
        self._mark = city.mark
        self._victim = city.gateways[run.victim % len(city.gateways)]

    async def prepare(self) -> None:
        """Before anything is said about the lots."""
        if self._run.stroke.blow is Blow.AT_POINT:
            await self._arm("arm")
        elif self._run.stroke.blow in (Blow.STALLED, Blow.KAFKA_AT_POINT):
            await self._arm("stall")
        elif self._run.stroke.blow is Blow.MIGRATION:
            await self._migration()
        elif self._run.stroke.blow in (Blow.UPGRADE, Blow.UPGRADE_KILLED):
            await self._go_back()

    async def strike(self) -> None:
        """While the lots are at work."""
        deal: Callable[[], Any] = {
            Blow.AT_POINT: self._at_point,
            Blow.STALLED: self._stalled,
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
            Blow.KAFKA_AT_POINT: self._kafka_at_point,
            Blow.POSTGRES: self._postgres,
            Blow.BACKENDS: self._backends,
            Blow.STANDBY: self._standby,
            Blow.IMPATIENT: self._impatient,
            Blow.DISK_FULL: self._disk_full,
            Blow.UPGRADE: self._upgrade,
            Blow.UPGRADE_KILLED: self._upgrade,
        }[self._run.stroke.blow]
        await deal()

    async def _nothing_more(self) -> None:
        """It was struck before."""

    async def _arm(self, how: str) -> None:
        """All replicas; the first to come by dies, or stops, alone."""
        for gateway in self._city.gateways:
            await gateway.tell(f"{how} {self._run.nth} {self._run.stroke.point}")

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

    async def _stalled(self) -> None:
        """What it had in hand is long another's when it goes on."""
        async with self._standing_still():
            await asyncio.sleep(LEASE_S + 1 + self._run.delay_s)

    @asynccontextmanager
    async def _standing_still(self) -> AsyncIterator[None]:
        """While one gateway is stopped where it came by first; all go on afterwards."""
        stopped = await self._first_to_stop()
        yield
        if stopped is not None:
            self._blows.at_point = self._mark.read_text()
            stopped.go_on()
        for gateway in self._city.gateways:
            await gateway.tell("arm 0 -")
        self._mark.unlink(missing_ok=True)

    async def _first_to_stop(self) -> Gateway | None:
        """Who stands still at its point; None if nobody came by."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_S):
                while True:
                    for gateway in self._city.gateways:
                        if gateway.is_stopped:
                            return gateway
                    await asyncio.sleep(_LOOK_S)
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
        await make_older(self._city, revision_before())
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
        await asyncio.sleep(self._run.away_s)
        await self._city.aos.listen()

    async def _kafka(self) -> None:
        await self._service(Service.KAFKA)

    async def _kafka_at_point(self) -> None:
        services = Services()
        async with self._standing_still():
            await services.kill(Service.KAFKA)
            self._blows.killed.append(Service.KAFKA)
        await asyncio.sleep(self._run.away_s)
        self._blows.services_s.append(await services.revive(Service.KAFKA))

    async def _postgres(self) -> None:
        await self._service(Service.POSTGRES)

    async def _service(self, name: Service) -> None:
        await asyncio.sleep(self._run.delay_s)
        services = Services()
        await services.kill(name)
        self._blows.killed.append(name)
        await asyncio.sleep(self._run.away_s)
        self._blows.services_s.append(await services.revive(name))

    async def _backends(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        await servers.end_connections(self._city.backing.dsn, self._run.away_s, self._run.chance)

    async def _standby(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        services = Services()
        await services.kill(Service.POSTGRES)
        self._blows.killed.append(Service.POSTGRES)
        self._blows.services_s.append(await services.revive_as_standby())
        await asyncio.sleep(self._run.away_s)
        await servers.promote(self._city.backing.dsn)

    async def _impatient(self) -> None:
        await asyncio.sleep(self._run.delay_s)
        async with servers.impatient(self._city.backing.dsn):
            await asyncio.sleep(self._run.away_s)

    async def _disk_full(self) -> None:
        """It may end over it, and cannot start before there is room again."""
        await asyncio.sleep(self._run.delay_s)
        async with servers.full_disk(self._city.backing.dsn) as is_full:
            self._blows.missed = not is_full
            await asyncio.sleep(self._run.away_s)
        await Services().revive(Service.POSTGRES)

    # -- builds ------------------------------------------------------------------------------------------------------

    async def _go_back(self) -> None:
        """The build of before alone, on its schema, with everything in it."""
        build = self._city.backing.before
        assert build is not None, "which build of before? (--before)"
        for gateway in self._city.gateways:
            await self._kill(gateway)
        if newest_of(build) != newest_of(ROOT):
            await make_older(self._city, newest_of(build))
        self._victim.build = build
        started = await self._victim.serve(self._mark)
        assert started is not None

    async def _upgrade(self) -> None:
        """This build starts beside it, where there may be two; then the one of before ends, and does not come back."""
        others = [gateway for gateway in self._city.gateways if gateway is not self._victim]
        await asyncio.sleep(self._run.delay_s)
        await asyncio.gather(*(self._restart(gateway) for gateway in others))
        await asyncio.sleep(self._run.away_s)
        how = signal.SIGTERM if self._run.stroke.blow is Blow.UPGRADE else signal.SIGKILL
        await self._victim.end(how)
        assert self._victim.process is not None
        returned = self._victim.process.returncode
        assert returned == (0 if how is signal.SIGTERM else -how), f"it ended with {returned}\n{self._victim.tail()}"
        if others:
            await self._comes_back_in_vain()
        self._victim.build = ROOT
        await self._restart(self._victim)

    async def _comes_back_in_vain(self) -> None:
        """Started again over the newer schema it refuses in a line, or is one that this schema lets serve."""
        await self._victim.begin(self._mark)
        if await self._victim.said():
            await self._victim.end(signal.SIGTERM)
            return
        returned, said = await self._victim.ended(), self._victim.tail()
        assert returned == 1, f"it ended with {returned}\n{said}"
        assert "Traceback" not in said, said

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
