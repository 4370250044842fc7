"""Payments from the platform's event to the ministries' receipts, with everybody on this machine.

The wall clock therefore measures the whole town: throughput is what gateway, AÖS, banks, ministries and the platform
manage together on these cores. CPU a payment is the gateway process's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.auctioneer import Platform, playing, unsold_lot
from bench.books import Books, Counts, Spread
from bench.process import Used, used
from bench.town import Town, running_town

_LOOK_S = 0.25
_QUIET_S = 60.0  # how long what follows a settlement may take


class VoidError(Exception):
    """The run does not count: not everything that was asked for happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run."""

    lots: int
    settled_s: float  # wall, from the first event to the last settlement
    quiet_s: float  # wall, until the last receipt and callback
    gateway: Used
    counts: Counts
    event_to_202: Spread
    decided_to_settled: Spread
    final_to_callback: Spread

    @property
    def cpu_ms(self) -> float:
        """The gateway's CPU for one payment, milliseconds."""
        return self.gateway.cpu_s / self.lots * 1000


async def measure(
    folder: Path,
    *,
    lots: int,
    in_flight: int,
    warm_up: int = 0,
    recorded: bool = False,
    key: str = "rsa",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """Play so many lots, `in_flight` of them at a time, and look at what it took. `warm_up` lots go before.

    Raises:
        VoidError: accepted, settled and called back are not equal, or something did not come to its end.
        StageError: a program did not start, or ended.
    """
    async with (
        running_town(folder, recorded=recorded, key=key, settings=settings) as town,
        playing(town) as platform,
    ):
        books = Books(town.config.store.url)
        await _play(platform, range(warm_up), in_flight)
        await quiet(books, warm_up)
        platform.waits_s.clear()
        before, began, began_at = used(town.gateway_pid), time.perf_counter(), time.time()
        await _play(platform, range(warm_up, warm_up + lots), in_flight)
        counts = await quiet(books, warm_up + lots)
        quiet_s = time.perf_counter() - began
        return Result(
            lots=lots,
            settled_s=books.last_settled_at() - began_at,
            quiet_s=quiet_s,
            gateway=used(town.gateway_pid).since(before),
            counts=counts,
            event_to_202=Spread.of(platform.waits_s),
            decided_to_settled=Spread.of(books.decided_to_settled_s()[-lots:]),
            final_to_callback=Spread.of(books.final_to_callback_s()[-lots:]),
        )


async def _play(platform: Platform, numbers: Sequence[int], in_flight: int) -> None:
    left = iter(numbers)

    async def sell() -> None:
        for number in left:
            await platform.sell(unsold_lot(number))

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(sell())


async def quiet(books: Books, lots: int, *, patience_s: float = _QUIET_S) -> Counts:
    """Wait until everything that follows these lots has come to its end. Raises VoidError when it does not."""
    deadline = time.monotonic() + patience_s
    while not (counts := books.counts()).is_balanced(lots):
        if time.monotonic() > deadline:
            raise VoidError(f"void: of {lots} lots {counts}")
        await asyncio.sleep(_LOOK_S)
    return counts


__all__ = ["Result", "Town", "VoidError", "measure"]
