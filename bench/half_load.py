"""`python -m bench.half_load`: waits at half of the load that the town can carry, on SQLite and on PostgreSQL.

First so many lots at a time as it takes to keep everybody busy: that is the most. Then, in a fresh town, lots arrive at
half that rate, each at its own moment whether or not the others are done, and every wait counts from that moment. All
programs of the town share this machine's cores, so the half is half of the town's and not of the gateway's. Void unless
accepted = settled = called back and everything came to its end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bench import end_to_end
from bench.arrivals import arrive, call_off
from bench.auctioneer import now, playing
from bench.books import Books, Spread
from bench.databases import postgres_url
from bench.end_to_end import VoidError, quiet
from bench.town import running_town

_IN_FLIGHT, _WARM_UP = 16, 6
_PATIENCE_S = 120.0

app = App(name="bench.half_load", help=__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfLoad:
    """Waits, and CPU of the gateway for one payment."""

    event_to_202: Spread
    event_to_sent: Spread  # from sending an auction's cancellation to AÖS's acknowledgement of the refund it wants
    decided_to_sent: Spread  # from the bank's decision to AÖS's acknowledgement of the payment order
    final_to_callback: Spread  # from AÖS's final status to the bank's acknowledgement of its callback


async def measure(folder: Path, *, lots: int, per_s: float, settings: Mapping[str, str]) -> HalfLoad:
    """Lots at that rate, after a few to warm up.

    Raises:
        VoidError: the run does not count.
    """
    async with running_town(folder, settings=settings) as town, playing(town) as platform:
        books = Books(town.config.store.url)
        await arrive(platform, range(_WARM_UP), per_s=per_s, patience_s=_PATIENCE_S)
        await quiet(books, _WARM_UP)
        platform.waits_s.clear()
        await arrive(platform, range(_WARM_UP, _WARM_UP + lots), per_s=per_s, patience_s=_PATIENCE_S)
        await quiet(books, _WARM_UP + lots)
        event_to_202 = Spread.of(platform.waits_s)
        called_off_at = await call_off(platform, range(lots), per_s=per_s, patience_s=_PATIENCE_S)
        sent_at = books.refund_sent_at()
        if sent_at.keys() != called_off_at.keys():
            raise VoidError(f"void: {len(called_off_at)} auctions called off, {len(sent_at)} refunds sent")
        return HalfLoad(
            event_to_202=event_to_202,
            event_to_sent=Spread.of([sent_at[lot] - began for lot, began in called_off_at.items()]),
            decided_to_sent=Spread.of(books.decided_to_sent_s()[-lots:]),
            final_to_callback=Spread.of(books.final_to_callback_s()[-lots:]),
        )


async def most_per_s(folder: Path, *, lots: int, settings: Mapping[str, str]) -> float:
    """Payments a second when everybody is kept busy."""
    result = await end_to_end.measure(folder, lots=lots, in_flight=_IN_FLIGHT, warm_up=_WARM_UP, settings=settings)
    return lots / result.settled_s


def _row(name: str, lots: int, dsn: str | None) -> str:
    with _place(dsn) as (folder, settings):
        most = asyncio.run(most_per_s(folder, lots=lots, settings=settings))
    with _place(dsn) as (folder, settings):
        waits = asyncio.run(measure(folder, lots=lots, per_s=most / 2, settings=settings))
    spreads = (waits.event_to_202, waits.event_to_sent, waits.decided_to_sent, waits.final_to_callback)
    cells = " | ".join(f"{spread.p50:.0f} / {spread.p95:.0f} / {spread.p99:.0f}" for spread in spreads)
    return f"| {name} | {most:.1f} | {most / 2:.1f} | {cells} |"


@contextmanager
def _place(dsn: str | None) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A folder, and the settings of an empty database: PostgreSQL's at `dsn`, SQLite without."""
    with (
        tempfile.TemporaryDirectory(prefix="eherrac-bench-") as folder,
        nullcontext() if dsn is None else postgres_url(dsn) as url,
    ):
        yield Path(folder) / "town", {} if url is None else {"EHERRAC__STORE__URL": url}


@app.default
def main(*, lots: Annotated[int, Parameter(help="Lots of each run.")] = 150) -> None:
    """Measure and print a row for each database."""
    began, load = now(), os.getloadavg()[0]
    print(f"{began:%Y-%m-%d %H:%M} UTC, load {load:.1f}, {lots} lots; waits in ms, p50 / p95 / p99\n")
    print(
        "| store | most, payments/s | at | event → 202 | event → AÖS has the order | decision → AÖS has the order "
        "| final status → callback |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    try:
        print(_row("SQLite", lots, None), flush=True)
        if dsn := os.environ.get("TEST_POSTGRES_DSN"):
            print(_row("PostgreSQL", lots, dsn), flush=True)
    except VoidError as fault:
        print(fault, file=sys.stderr)
        raise SystemExit(1) from fault


if __name__ == "__main__":
    app()
