"""`python -m bench.soak`: the gateway's memory under a low, steady load, on SQLite and an Apache Kafka of its own.

Memory is looked at before the first lot (at rest) and every minute. The slope is the least-squares line through the
looks after the warm-up, a third of the time: what a leak would look like. The run is void unless everything that was
asked for happened.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Annotated

from cyclopts import App, Parameter

from bench.apache import running_kafka
from bench.arrivals import arrive
from bench.auctioneer import now, playing
from bench.books import Books
from bench.end_to_end import VoidError, quiet
from bench.process import used
from bench.town import running_town

_LOOK_EVERY_S = 60.0
_LOOKS_MIN = 10
_PATIENCE_S = 300.0
_WARM_UP_SHARE = 1 / 3
_MIB = 1_048_576

app = App(name="bench.soak", help=__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """Memory in MiB; `looks` are (minutes since the beginning, memory)."""

    lots: int
    at_rest_mib: float
    looks: tuple[tuple[float, float], ...]

    @property
    def warm(self) -> list[tuple[float, float]]:
        """What followed the warm-up."""
        return [look for look in self.looks if look[0] >= self.looks[-1][0] * _WARM_UP_SHARE]

    @property
    def slope_mib_per_hour(self) -> float:
        """Of the line through what followed the warm-up."""
        return linear_regression(*zip(*self.warm, strict=True)).slope * 60


async def measure(folder: Path, *, minutes: float, per_s: float) -> Soak:
    """Play lots for so long.

    Raises:
        VoidError: accepted, settled and called back are not equal, or something did not come to its end.
    """
    numbers = range(round(minutes * 60 * per_s))
    every_s = min(_LOOK_EVERY_S, minutes * 60 / _LOOKS_MIN)
    with running_kafka(folder / "kafka") as kafka:
        settings = {"EHERRAC__KAFKA__BOOTSTRAP": kafka.bootstrap}
        async with running_town(folder / "town", settings=settings) as town, playing(town) as platform:
            at_rest, began = _resident_mib(town.gateway_pid), time.monotonic()
            looks: list[tuple[float, float]] = []
            arriving = asyncio.create_task(arrive(platform, numbers, per_s=per_s, patience_s=_PATIENCE_S))
            while not arriving.done():
                await asyncio.wait([arriving], timeout=every_s)
                looks.append(((time.monotonic() - began) / 60, _resident_mib(town.gateway_pid)))
                print(f"{now():%H:%M:%S} {looks[-1][1]:.1f} MiB", file=sys.stderr, flush=True)
            await arriving
            await quiet(Books(town.config.store.url), len(numbers))
    return Soak(lots=len(numbers), at_rest_mib=at_rest, looks=tuple(looks))


def _resident_mib(pid: int) -> float:
    return used(pid).resident_bytes / _MIB


@app.default
def main(
    *,
    minutes: Annotated[float, Parameter(help="How long lots arrive.")] = 60.0,
    per_s: Annotated[float, Parameter(help="Lots a second.")] = 0.5,
) -> None:
    """Measure and print a row."""
    began = now()
    with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as temporary:
        try:
            soak = asyncio.run(measure(Path(temporary), minutes=minutes, per_s=per_s))
        except VoidError as fault:
            print(fault, file=sys.stderr)
            raise SystemExit(1) from fault
    highest = max(look for _, look in soak.looks)
    print(f"{began:%Y-%m-%d %H:%M} UTC, {minutes:g} minutes, {soak.lots} lots, {per_s:g} a second\n")
    print("| memory at rest | after the warm-up | at the end | highest | slope |\n|---:|---:|---:|---:|---:|")
    figures = (soak.at_rest_mib, soak.warm[0][1], soak.looks[-1][1], highest)
    print(f"| {' | '.join(f'{mib:.0f} MiB' for mib in figures)} | {soak.slope_mib_per_hour:+.1f} MiB/h |")


if __name__ == "__main__":
    app()
