"""`python -m bench.flood`: honest clients beside floods of every kind, over HTTP and SOAP, on SQLite and PostgreSQL.

The gateway is a process of its own in its whole town, and so is each flooder. Honest are the platform, whose lots
arrive at a rate of their own and go their whole way through banks, AÖS and ministries, and a bank that asks for its
offers over REST and over SOAP, each some times a second. Counted is the share of their requests that were answered at
the first try, how long that took, and how long a bank's callback took after AÖS's final status; how often readiness
failed; what a refusal of the flood cost the gateway.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import aiohttp
import orjson
from cyclopts import App, Parameter

from bench.auctioneer import Platform, now, playing, unsold_lot
from bench.books import Books, Spread
from bench.databases import postgres_url
from bench.flooder import Flood
from bench.process import used
from bench.town import Town, running_town
from contracts.soap.model import ListOffers, ListOffersResponse
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedClient
from gateway.wire.soap_client import SoapClient

_GREEDY, _HONEST = "999101", "999202"
_FLOODS_FROM = "127.0.0.9"
_ASKS_PER_S, _LOTS_PER_S = 5.0, 0.5
_ANSWERED = "200"
_PATIENCE_S, _SETTLED_S = 30.0, 120.0

app = App(name="bench.flood", help=__doc__)


@dataclass(slots=True)
class Heard:
    """What honest clients were answered."""

    answered_s: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    @property
    def asked(self) -> int:
        """Every request of theirs."""
        return len(self.answered_s) + self.others.total()

    @property
    def share(self) -> float:
        """Of them that was answered at the first try."""
        return len(self.answered_s) / self.asked

    async def keep_asking(self, ask: Callable[[], Awaitable[str]], seconds: float) -> None:
        """At a steady rate, whether or not the one before was answered."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * _ASKS_PER_S)):
                await asyncio.sleep(began + number / _ASKS_PER_S - time.monotonic())
                group.create_task(self._ask(ask))

    async def _ask(self, ask: Callable[[], Awaitable[str]]) -> None:
        began = time.perf_counter()
        try:
            said = await ask()
        except (NotSentError, OutcomeUnknownError) as error:
            said = type(error).__name__
        if said == _ANSWERED:
            self.answered_s.append(time.perf_counter() - began)
        else:
            self.others[said] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """One run."""

    heard: Heard
    lots: int  # asked to be sold during the flood
    settled: int
    final_to_callback: Spread | None
    looks: int
    not_ready: int
    late_s: list[float]
    flood: Mapping[str, int]
    shed: float
    cpu_share: float  # of a core, of the gateway while it was flooded


async def measure(
    folder: Path, kind: Flood | None, *, connections: int, seconds: float, settings: Mapping[str, str]
) -> Flooded:
    """Some seconds of flood and what came of it; without a kind, of peace."""
    async with running_town(folder, settings=settings) as town, playing(town) as platform, _bank(town) as (rest, soap):
        books, heard, looks = Books(town.config.store.url), Heard(), _Looks(town.world.gateway.url)
        await platform.sell(unsold_lot(999_999))
        flood = None if kind is None else await _start(town, kind, connections, seconds)
        before = used(town.gateway_pid)
        async with asyncio.TaskGroup() as group:
            lots = group.create_task(_sell(platform, int(seconds * _LOTS_PER_S)))
            group.create_task(heard.keep_asking(rest, seconds))
            group.create_task(heard.keep_asking(soap, seconds))
            group.create_task(looks.look(seconds))
        cpu_s = used(town.gateway_pid).since(before).cpu_s
        answers = {} if flood is None else orjson.loads((await flood.communicate())[0])
        final = books.final_to_callback_s()[1:]
        return Flooded(
            heard=heard,
            lots=int(seconds * _LOTS_PER_S),
            settled=lots.result(),
            final_to_callback=Spread.of(final) if final else None,
            looks=looks.looks,
            not_ready=looks.not_ready,
            late_s=looks.late_s,
            flood=answers,
            shed=looks.shed,
            cpu_share=cpu_s / seconds,
        )


async def _sell(platform: Platform, lots: int) -> int:
    """How many of the lots were sold in the end; each begins at its own moment."""

    async def sell(number: int) -> bool:
        await asyncio.sleep(number / _LOTS_PER_S)
        try:
            await platform.sell(unsold_lot(number), patience_s=_SETTLED_S)
        except (NotSentError, OutcomeUnknownError, TimeoutError):
            return False
        return True

    return sum(await asyncio.gather(*map(sell, range(lots))))


@dataclass(slots=True)
class _Looks:
    """Readiness and the loop's lateness, from outside, once a second."""

    gateway: str
    looks: int = 0
    not_ready: int = 0
    shed: float = 0.0
    late_s: list[float] = field(default_factory=list)

    async def look(self, seconds: float) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            for _ in range(int(seconds)):
                await asyncio.sleep(1)
                self.looks += 1
                self.not_ready += not await self._is_ready(session)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.gateway}/readyz") as answer:
                ready = answer.status == 200
            async with session.get(f"{self.gateway}/metrics") as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return False
        self.late_s += map(float, re.findall(r"^eherrac_loop_late_seconds (\S+)", text, re.MULTILINE))
        self.shed = sum(map(float, re.findall(r"^eherrac_shed_total\S* (\S+)", text, re.MULTILINE)))
        return ready


@asynccontextmanager
async def _bank(town: Town) -> AsyncIterator[tuple[Callable[[], Awaitable[str]], Callable[[], Awaitable[str]]]]:
    """An honest bank's two ways to ask."""
    own, gateway = town.identity(_HONEST), town.world.gateway.url
    http = SignedClient(lambda: own, timeout_s=_PATIENCE_S, clock=now)
    envelopes = SoapClient(lambda: own, timeout_s=_PATIENCE_S, clock=now)

    async def rest() -> str:
        return str((await http.request("GET", f"{gateway}/v1/offers", expected_participant="GATEWAY")).status)

    async def soap() -> str:
        question = ListOffers(message_id=f"q-{time.time_ns()}")
        answer = await envelopes.call(f"{gateway}/soap/v1", question, expected_participant="GATEWAY")
        return _ANSWERED if isinstance(answer.message, ListOffersResponse) else answer.message.code

    try:
        yield rest, soap
    finally:
        await http.close()
        await envelopes.close()


async def _start(town: Town, kind: Flood, connections: int, seconds: float) -> asyncio.subprocess.Process:
    """A flooder; he begins when he has read his programs, a second later."""
    asked = ["--gateway", town.world.gateway.url, "--keys", str(town.stage.keys / _GREEDY)]
    asked += ["--connections", str(connections), "--seconds", str(seconds), "--address", _FLOODS_FROM]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.flooder", kind, *asked, stdout=asyncio.subprocess.PIPE
    )


def _row(name: str, kind: Flood | None, run: Flooded) -> str:
    answered, late = Spread.of(run.heard.answered_s), Spread.of(run.late_s or [0.0])
    final = run.final_to_callback
    cells = (
        name,
        kind or "none",
        f"{run.heard.share:.1%} of {run.heard.asked} {dict(run.heard.others) or ''}".replace("'", ""),
        f"{answered.p50:.0f} / {answered.p99:.0f}",
        f"{run.settled} of {run.lots}",
        "-" if final is None else f"{final.p50:.0f} / {final.p99:.0f}",
        f"{run.not_ready} of {run.looks}",
        f"{late.p50:.0f} / {late.p99:.0f}",
        f"{sum(run.flood.values())}: {dict(run.flood)}".replace("'", ""),
        f"{run.shed:.0f}",
        f"{run.cpu_share:.2f}",
    )
    return f"| {' | '.join(cells)} |"


@app.default
def main(
    *floods: Flood,
    connections: Annotated[int, Parameter(help="Of each flooder.")] = 200,
    seconds: Annotated[float, Parameter(help="Length of each flood.")] = 20.0,
    late_max_s: Annotated[float | None, Parameter(help="Of the loop; at 10 only a late store counts.")] = None,
    only: Annotated[str | None, Parameter(help="`SQLite` or `PostgreSQL`.")] = None,
) -> None:
    """Measure and print a row for each database and flood; without floods, for peace and every one."""
    columns = ["store", "flood", "honest answered", "in, ms p50 / p99", "lots settled", "final status → callback, ms"]
    columns += ["not ready", "loop late, ms p50 / p99", "flood's answers", "shed", "cores"]
    print(f"{now():%Y-%m-%d %H:%M} UTC, {connections} connections for {seconds:g} s\n")
    print(f"| {' | '.join(columns)} |\n|---|---|{'---:|' * (len(columns) - 2)}")
    stores = {"SQLite": None} | ({"PostgreSQL": dsn} if (dsn := os.environ.get("TEST_POSTGRES_DSN")) else {})
    for name, dsn in stores.items():
        kinds: Sequence[Flood | None] = floods or (None, *Flood)
        for kind in kinds:
            if only in (None, name):
                print(
                    _one(name, kind, dsn, connections=connections, seconds=seconds, late_max_s=late_max_s), flush=True
                )


def _one(
    name: str, kind: Flood | None, dsn: str | None, *, connections: int, seconds: float, late_max_s: float | None
) -> str:
    with (
        tempfile.TemporaryDirectory(prefix="eherrac-bench-") as folder,
        nullcontext() if dsn is None else postgres_url(dsn) as url,
    ):
        settings = {} if url is None else {"EHERRAC__STORE__URL": url}
        settings |= {} if late_max_s is None else {"EHERRAC__INTAKE__LATE_MAX_S": str(late_max_s)}
        run = measure(Path(folder) / "town", kind, connections=connections, seconds=seconds, settings=settings)
        return _row(name, kind, asyncio.run(run))


if __name__ == "__main__":
    app()
