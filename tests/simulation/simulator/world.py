"""One run: a town and its gateways, accidents for a while, then calm, then what must hold."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import structlog
from tests_house import RULES, START

from gateway.domain.clock import end_of_day, local_date
from gateway.domain.money import Money
from gateway.domain.rulebook import LimitPolicy, LiquidityRule
from gateway.engine import unavailable
from gateway.ports import Answer, Message
from gateway.store.testing import blank_image
from simulator import invariants, vfs
from simulator.broker import Broker
from simulator.disk import Disk
from simulator.gateway import Gateway, Parts
from simulator.loop import Process, SimulatedLoop, StuckError
from simulator.network import Network
from simulator.plan import Plan, draw
from simulator.storage import PATH
from simulator.town import Town, found, moody
from simulator.trace import Trace
from simulator.unsigned import unsigned

QUIET_AFTER_S = 4 * 3600.0  # of calm: longer than any pause reached by then, and what clocks were off
LOOK_EVERY_S = 40.0
LOOKS = 3  # so often nothing was going on: what a counterparty was late with has come
CLOCK_STEPS_S = (-3600, -600, -60, 60, 600, 3600)
CLOCK_OFF_MAX_S = 2 * 3600
ROUNDS_OF_A_PERSON = 3
_LIQUIDITY = LiquidityRule(
    account="C-EHRNAZ22",
    settlement_account=None,
    reserve=Money(100_000),
    step=Money(100_000),
    policy=LimitPolicy.PERSON,
)
_NEVER = frozenset(
    {"NOT_SCHEDULED", "STATUS_REGRESSION", "STORE_TAMPERED", "TIMER_REFUSED"}
)  # alarms of which each is a bug here


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one seed. `failure` is None where everything held."""

    seed: int
    plan: Plan
    failure: str | None
    digest: str
    lines: tuple[str, ...]
    events: int
    virtual_s: float


class BrokenError(AssertionError):
    """An invariant does not hold."""


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, parts: Parts, trace: Trace) -> None:
        self.random, self._outside = Random(seed), copy_context()
        self.plan, self.trace = draw(self.random), trace
        self._begins_at = START
        if self.plan.to_midnight_s:
            self._begins_at = end_of_day(local_date(START)) - timedelta(seconds=self.plan.to_midnight_s)
        self.loop = SimulatedLoop(self.random, shuffled=self.plan.shuffled)
        self.network = Network(self.loop, self.random, self.plan, trace)
        self.broker = Broker(self.loop, self.random, self.plan, self.network)
        self.disk = Disk(on_death=self._dies)
        self.disk.lay(PATH, blank_image())
        self.rules = replace(RULES, liquidity=_LIQUIDITY) if self.plan.watches_liquidity else RULES
        self.gateways = [Gateway(f"{number}", self, parts) for number in range(self.plan.gateways)]
        self.later_s = 0.0  # days that passed with nobody at work
        self.promises: dict[tuple[str, str], Answer] = {}
        self.sent_to_aos: dict[str, set[str]] = {}  # end-to-end id to the ids of all orders that AÖS ever saw from us
        self.asked_of_aos: Counter[str] = Counter()  # message id to the questions about it that AÖS ever saw
        self.broken: str | None = None
        self.town: Town

    def now(self) -> datetime:
        return self._begins_at + timedelta(seconds=self.loop.time() + self.later_s)

    def fails(self, what: str) -> None:
        """Remember the first thing that does not hold."""
        if self.broken is None:
            self.broken = what
            self.trace(self.loop.time(), f"BROKEN {what}")

    # -- what is noted while it runs ---------------------------------------------------------------------------------

    def promised(self, message: Message, answer: Answer) -> None:
        key, said = (message.source, message.id), replace(answer, repeated=False)
        if self.promises.setdefault(key, said) != said:
            self.fails(f"{key} was answered twice, differently: {self.promises[key]} and {said}")

    def logged(self, _: Any, method: str, event: dict[str, Any]) -> Any:
        what = f"{event.get('event')} {event.get('alarm', '')} {event.get('facts') or event.get('reason') or ''}"
        self.trace(self.loop.time(), f"! {what}")
        if event.get("alarm") in _NEVER or event.get("event") in ("adapter failed", "cannot claim"):
            self.fails(what)
        if event.get("alarm") == "PAYMENT_UNRESOLVED":
            self._given_up(event["facts"]["message_id"])
        raise structlog.DropEvent

    def _given_up(self, message_id: str) -> None:
        """Either nobody answered all our questions, or AÖS said as often that it never saw the order."""
        asked, rail = self.asked_of_aos[message_id], self.rules.rail
        if asked < min(rail.enquiries_max, rail.resends_max + 1):
            self.fails(f"a person has {message_id}, about which AÖS was asked {asked} times")

    # -- accidents ---------------------------------------------------------------------------------------------------

    def _dies(self, process: Process) -> None:
        """`kill -9`, at this very point; its files are closed when SQLite has let go of them."""
        process.kill()
        self.trace(self.loop.time(), f"{process.name} dies")
        gateway = next(one for one in self.gateways if one.process is process)
        self.loop.call_soon(gateway.bury, context=self._outside)
        self._later(self.random.uniform(0.1, 20), self._starts, gateway, process)

    def _later(self, delay_s: float, callback: Any, *args: Any) -> None:
        """Whoever dies meanwhile."""
        self.loop.call_later(delay_s, callback, *args, context=self._outside)

    def _starts(self, gateway: Gateway, after: Process) -> None:
        if gateway.process is after:
            gateway.start()

    def _one(self) -> Gateway | None:
        alive = [gateway for gateway in self.gateways if gateway.alive]
        return self.random.choice(alive) if alive else None

    def crash(self) -> None:
        gateway = self._one()
        if gateway is not None and gateway.process is not None:
            self._dies(gateway.process)

    def tear(self) -> None:
        gateway = self._one()
        if gateway is not None and gateway.process is not None:
            self.disk.die_at = (gateway.process, self.random.randrange(1, 40))

    def lose_power(self) -> None:
        for gateway in self.gateways:
            if gateway.alive and gateway.process is not None:
                self._dies(gateway.process)
        self.loop.call_soon(self.disk.lose_power, self.random, context=self._outside)
        self.trace(self.loop.time(), "the power fails")

    def step_clock(self) -> None:
        gateway = self.random.choice(self.gateways)
        off_s = gateway.offset_s + self.random.choice(CLOCK_STEPS_S)
        gateway.offset_s = max(-CLOCK_OFF_MAX_S, min(CLOCK_OFF_MAX_S, off_s))
        self.trace(self.loop.time(), f"clock of {gateway.name} is off by {gateway.offset_s:.0f} s")

    def fill(self) -> None:
        self.disk.capacity_bytes = self.disk.used_bytes() + self.random.choice((0, 0, 8192, 65536))
        self.trace(self.loop.time(), "the disk is full")
        self._later(self.random.uniform(1, 30), self._mend_disk)

    def damage(self) -> None:
        self.disk.failing = frozenset({self.random.choice(("write", "sync", "sync", "read"))})
        self.trace(self.loop.time(), f"the disk fails at {set(self.disk.failing)}")
        self._later(self.random.uniform(0.5, 15), self._mend_disk)

    def _mend_disk(self) -> None:
        self.disk.capacity_bytes, self.disk.failing = None, frozenset()

    def cut(self) -> None:
        line = frozenset(self.random.choice((("GATEWAY", "aos"), ("AOS", "gateway"), ("GATEWAY", "999101"),
                                             ("999101", "gateway"), ("GATEWAY", "eherrac"), ("EHERRAC", "gateway"),
                                             ("GATEWAY", "asanpay"), ("ASANPAY", "gateway"))))  # fmt: skip
        self.network.cut[line] = self.random.random() < 0.5
        self.trace(self.loop.time(), f"cut {sorted(line)}")
        self._later(self.random.uniform(5, 120), self.network.cut.pop, line, None)

    def aos_goes(self) -> None:
        self.network.away["aos"] = self.random.random() < 0.5
        self.trace(self.loop.time(), f"AÖS is away for {self.plan.aos_away_s:.0f} s")
        self._later(self.plan.aos_away_s, self.network.away.pop, "aos")

    def mood(self) -> None:
        self._later(self.random.uniform(5, 60), moody(self.town, self.random))

    async def _every(self, period_s: float, accident: Any) -> None:
        while True:
            await asyncio.sleep(self.random.expovariate(1 / period_s))
            accident()

    # -- a run -------------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        plan = self.plan
        self.town = await found(self.random, self.now, plan.lots, plan.fault_s)
        invariants.watch_aos(self)
        for gateway in self.gateways:
            gateway.start()
        kinds = (
            (plan.crashes_every_s, self.crash),
            (plan.torn_every_s, self.tear),
            (plan.power_every_s, self.lose_power),
            (plan.clock_every_s, self.step_clock),
            (plan.full_every_s, self.fill),
            (plan.broken_every_s, self.damage),
            (plan.cuts_every_s, self.cut),
            (plan.moods_every_s, self.mood),
        )
        accidents = [self.loop.create_task(self._every(period_s, kind)) for period_s, kind in kinds if period_s]
        if plan.aos_away_s:
            self._later(plan.aos_away_from_s, self.aos_goes)
        await asyncio.sleep(plan.fault_s)
        for accident in accidents:
            accident.cancel()
        await asyncio.sleep(max(0.0, plan.aos_away_from_s + plan.aos_away_s - plan.fault_s))
        await self._calm()
        await self._settled()

    async def _calm(self) -> None:
        self.trace(self.loop.time(), "calm")
        self.network.calm = True
        self.network.cut.clear()
        self.disk.die_at = None
        self._mend_disk()
        for gateway in self.gateways:
            gateway.offset_s = 0.0
        for bank in self.town.banks.values():
            bank.callbacks.fault = type(bank.callbacks.fault).NONE
        self.town.platform.answer_next.clear()

    async def _settled(self) -> None:
        """Quiet; a person deals with what is parked; days pass; quiet again; and then everything must hold."""
        await self._rest()
        if self.plan.idle_days:
            self.lose_power()
            await asyncio.sleep(1)
            self.later_s += self.plan.idle_days * 86_400.0
            self.trace(self.loop.time(), f"{self.plan.idle_days} days pass")
            await self._rest()

    async def _rest(self) -> None:
        await self._quiet()
        for _ in range(ROUNDS_OF_A_PERSON):
            if not await invariants.a_person_decides(self):
                break
            await self._quiet()
        await invariants.check(self)

    async def _quiet(self) -> None:
        until, looks = self.loop.time() + QUIET_AFTER_S, 0
        while looks < LOOKS:
            unrest = await invariants.unrest(self)
            looks = looks + 1 if unrest is None else 0
            self._raise()
            if self.loop.time() > until:
                raise BrokenError(f"no rest after {QUIET_AFTER_S:.0f} s of calm: {unrest}")
            await asyncio.sleep(LOOK_EVERY_S)
        self._raise()

    def _raise(self) -> None:
        if self.loop.failures:
            self.fails(self.loop.failures[0])
        if self.broken is not None:
            raise BrokenError(self.broken)


def run(seed: int, parts: Parts | None = None, *, trace: Trace | None = None) -> Run:
    """One seed from its beginning to its end."""
    trace = trace or Trace()
    world = World(seed, parts or Parts(), trace)
    failure: str | None = None
    said_always = patch.object(unavailable, "SAID_EVERY_S", 0.0)  # of this process's clock, which is not the world's
    with vfs.mounted(world.disk), unsigned(world.network, world.broker), _log_of(world), said_always:
        try:
            world.loop.run_until_complete(world.live())
        except (BrokenError, StuckError) as error:
            failure = str(error)
        finally:
            for gateway in world.gateways:
                if gateway.process is not None:
                    gateway.process.kill()
                    gateway.bury()
            world.loop.close()
    failure = failure or world.broken or next(iter(world.loop.failures), None)
    return Run(
        seed=seed,
        plan=world.plan,
        failure=failure,
        digest=trace.digest,
        lines=tuple(trace.lines),
        events=trace.count,
        virtual_s=world.loop.time(),
    )


def runs(seeds: Iterable[int], parts: Parts | None = None) -> Iterator[Run]:
    """Many seeds, one after another. What one leaves behind is collected after it, and nothing else looked at."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            yield run(seed, parts)
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


@contextmanager
def _log_of(world: World) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[world.logged], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)
