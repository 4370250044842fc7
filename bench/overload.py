"""`python -m bench.overload`: more clients than the store can carry, on SQLite and on PostgreSQL, and then none.

So many clients each tell the engine one lot after the other, past the intake's bounds, and repeat what was refused when
they were told to. The disk is slow on purpose: every commit waits (on SQLite in the writer's thread, on PostgreSQL by
`commit_delay`). Counted are what was accepted and shed, how long the end of an attempt waited for its booking, what was
sent twice, and the checks of readiness; then, the load gone, how long it takes until all is sent.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import App, Parameter

from bench.auctioneer import now
from bench.books import Spread
from bench.databases import postgres_url
from bench.inside import unsold
from contracts.errors.refusal import RefusedError
from gateway.bootstrap import policies
from gateway.cli.stage import build_stage
from gateway.config import Config, build_rulebook, load_config
from gateway.domain.dispatches import Channel
from gateway.domain.nouns import TABLES
from gateway.domain.quota import QuotaPolicy
from gateway.domain.table import Event
from gateway.doors.health import passing, takes_writes
from gateway.doors.intake import Intake
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.endings import Ended
from gateway.engine.engine import Engine
from gateway.ports import Acknowledged, Dispatch, Message, Outcome, Target
from gateway.store import Store, Turn, open_store
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_works import Thread
from gateway.store.testing import blank_store_url

T = TypeVar("T")
_PATIENCE_S = 10.0  # of a client for its answer; then it says the same again
_ANSWER_S = 0.02  # of a recipient
_LEASE_S = 10.0  # short, so that what is sent again is seen within the run
_LOOK_S = 0.5  # between two looks at readiness
_DRAIN_S = 120.0

app = App(name="bench.overload", help=__doc__)


@dataclass(slots=True)
class Counted:
    """A run, as those outside saw it."""

    accepted: int = 0
    shed: int = 0
    unanswered: int = 0
    answer_s: list[float] = field(default_factory=list)  # of what was accepted
    booking_s: list[float] = field(default_factory=list)  # from an attempt's end to its booking
    sent: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    not_ready: int = 0
    drained_s: float = 0.0  # after the load's end; all that was accepted is sent and booked

    @property
    def sent_again(self) -> int:
        """Attempts that nobody needed."""
        return self.sent.total() - len(self.sent)


class _SlowDisk(Thread):
    """SQLite's thread, on a disk whose every commit takes so long."""

    def __init__(self, name: str, commit_s: float) -> None:
        super().__init__(name)
        self._commit_s = commit_s if name == "store-writer" else 0.0

    async def run(self, what: Callable[[], T]) -> T:
        def slowly() -> T:
            time.sleep(self._commit_s)
            return what()

        return await super().run(slowly)


class _Engine(Engine):
    """Notes how long the ends of attempts waited."""

    def __init__(self, *given: object, counted: Counted, ended_at: dict[str, float], **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        self._counted, self._ended_at = counted, ended_at

    async def conclude_all(self, ended: Sequence[Ended]) -> list[bool]:
        held = await super().conclude_all(ended)
        at = time.perf_counter()
        self._counted.booking_s += [at - self._ended_at[each.row.id] for each in ended]
        return held


@dataclass(slots=True)
class _Adapter:
    """Acknowledges everything of one channel, a little later."""

    channel: str
    counted: Counted
    ended_at: dict[str, float]

    async def send(self, dispatch: Dispatch) -> Outcome:
        self.counted.sent[dispatch.id] += 1
        await asyncio.sleep(_ANSWER_S)
        self.ended_at[dispatch.id] = time.perf_counter()
        return Acknowledged()

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(slots=True)
class _Load:
    """Clients that each tell one lot after the other, until it is over."""

    engine: Engine
    intake: Intake
    counted: Counted
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _number: int = 0

    async def client(self) -> None:
        await asyncio.sleep(random.random())
        while not self.over.is_set():
            self._number += 1
            await unsold(self.tell, self._number)

    async def tell(self, noun: str, id: str, event: Event, *, source: str) -> None:
        """Say it until it is taken, or all is over."""
        target = Target(noun=noun, id=id)
        message = Message(source=source, id=f"{id}/{type(event).__name__}", target=target, event=event, digest=id)
        while not self.over.is_set():
            try:
                await self._say(message)
                break
            except RefusedError as error:
                self.counted.shed += 1
                await self._rest(float(error.refusal.facts["retry_after_s"]))
            except TimeoutError:
                self.counted.unanswered += 1

    async def _say(self, message: Message) -> None:
        began = time.perf_counter()
        async with asyncio.timeout(_PATIENCE_S):
            self.intake.begin("POST")
            await self.engine.receive(message)
        self.counted.accepted += 1
        self.counted.answer_s.append(time.perf_counter() - began)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)


async def measure(folder: Path, url: str | None, *, clients: int, load_s: float, commit_s: float) -> Counted:
    """The load and what came of it."""
    config = load_config(build_stage(folder / "stage").config, {})
    counted, ended_at = Counted(), dict[str, float]()
    store = await slow_store(url or blank_store_url(folder), commit_s, pool_size=config.store.connections_max)
    engine = _Engine(
        store,
        TABLES,
        build_rulebook(config),
        clock=now,
        policies=policies(config),
        counted=counted,
        ended_at=ended_at,
    )
    adapters = {str(name): _Adapter(name, counted, ended_at) for name in (Channel.BANKS, Channel.PLATFORM)}
    dispatcher = Dispatcher(engine, adapters, clock=now, worker="bench", lease_s=_LEASE_S)
    engine.attach(dispatcher)
    running = asyncio.create_task(dispatcher.run())
    load = _Load(engine, _intake(store, config), counted)
    looking = asyncio.create_task(_look(store, counted))
    people = [asyncio.create_task(load.client()) for _ in range(clients)]
    await asyncio.sleep(load_s)
    load.over.set()
    began = time.perf_counter()
    await asyncio.gather(*people)
    looking.cancel()
    while not await _is_sent(store):
        await asyncio.sleep(0.1)
        if time.perf_counter() - began > _DRAIN_S:
            raise TimeoutError("not drained")
    counted.drained_s = time.perf_counter() - began
    await dispatcher.stop()
    await running
    await store.close()
    return counted


async def slow_store(url: str, commit_s: float, *, lock_timeout_s: float = 5.0, pool_size: int = 8) -> Store:
    """A store whose every commit takes so long; PostgreSQL's `url` ends in options."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        return SqliteStore(path, lock_timeout_s, aside=lambda name: _SlowDisk(name, commit_s))
    slow = f"%20-ccommit_siblings%3D0%20-ccommit_delay%3D{round(commit_s * 1e6)}"
    return await open_store(url + slow, lock_timeout_s=lock_timeout_s, pool_size=pool_size)


def _intake(store: Store, config: Config) -> Intake:
    """The doors' bounds, as `serve` has them; nobody is over a quota here."""
    return Intake(
        backlog=lambda: 0,
        backlog_max=config.intake.outbox_max,
        look_again_s=config.watchdog.interval_s,
        quota=QuotaPolicy(rate_per_s=1e6, burst=10**6),
        clock=now,
        waited_s=partial(store.waited_s, Turn.NEW),
        wait_max_s=config.intake.wait_max_s,
    )


async def _look(store: Store, counted: Counted) -> None:
    while True:
        counted.looks += 1
        counted.not_ready += not (await passing({"store": partial(takes_writes, store)}))["store"]
        await asyncio.sleep(_LOOK_S)


async def _is_sent(store: Store) -> bool:
    try:
        rows = await store.read(lambda reader: reader.count_outbox())
    except Exception:
        return False
    return all(row.channel == Channel.TIMER for row in rows)


def _row(name: str, counted: Counted) -> str:
    answer, booking = Spread.of(counted.answer_s), Spread.of(counted.booking_s)
    cells = (
        counted.accepted,
        counted.shed,
        counted.unanswered,
        f"{answer.p50:.0f} / {answer.p99:.0f}",
        f"{booking.p50:.0f} / {booking.p99:.0f}",
        len(counted.sent),
        counted.sent_again,
        f"{counted.not_ready} of {counted.looks}",
        f"{counted.drained_s:.1f}",
    )
    return f"| {name} | {' | '.join(map(str, cells))} |"


@app.default
def main(
    *,
    clients: Annotated[int, Parameter(help="Clients at once.")] = 1000,
    seconds: Annotated[float, Parameter(help="Length of the load.")] = 25.0,
    commit_ms: Annotated[float, Parameter(help="What a commit takes; PostgreSQL's greatest is 100.")] = 100.0,
) -> None:
    """Measure and print a row for each database."""
    columns = ["accepted", "shed", "unanswered", "answer, ms p50 / p99", "booking, ms p50 / p99"]
    columns += ["sent", "again", "not ready", "drained after, s"]
    print(f"{now():%Y-%m-%d %H:%M} UTC, {clients} clients for {seconds:g} s, commits of {commit_ms:g} ms\n")
    print(f"| store | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    run = partial(measure, clients=clients, load_s=seconds, commit_s=commit_ms / 1000)
    with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as folder:
        print(_row("SQLite", asyncio.run(run(Path(folder), None))), flush=True)
    if dsn := os.environ.get("TEST_POSTGRES_DSN"):
        with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as folder, postgres_url(dsn) as url:
            print(_row("PostgreSQL", asyncio.run(run(Path(folder), url))), flush=True)


if __name__ == "__main__":
    app()
