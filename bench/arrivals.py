"""Lots that arrive at a rate of their own, whether or not the gateway keeps up: no lot waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.auctioneer import Platform, cancelled_lot, unsold_lot


async def arrive(platform: Platform, numbers: Sequence[int], *, per_s: float, patience_s: float) -> None:
    """Begin a lot every 1/`per_s` seconds; return when each is known to be settled.

    Raises:
        ExceptionGroup: a lot was refused, or not settled within `patience_s`.
    """
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for place, number in enumerate(numbers):
            await asyncio.sleep(began + place / per_s - time.monotonic())
            group.create_task(platform.sell(unsold_lot(number), patience_s=patience_s))


async def call_off(platform: Platform, numbers: Sequence[int], *, per_s: float, patience_s: float) -> dict[str, float]:
    """Have a deposit paid for each lot, then cancel an auction every 1/`per_s` seconds; return when every deposit is
    known to be returned. When each cancellation began to be sent, in seconds since the epoch, by its lot.

    Raises:
        ExceptionGroup: something was refused, or not known within `patience_s`.
    """
    scripts = [cancelled_lot(number) for number in numbers]
    await asyncio.gather(*(platform.play(script, 0, 3, patience_s=patience_s) for script in scripts))
    sent_at: dict[str, float] = {}
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for place, script in enumerate(scripts):
            await asyncio.sleep(began + place / per_s - time.monotonic())
            sent_at[script.lot_id] = time.time()
            group.create_task(platform.play(script, 3, len(script.steps), patience_s=patience_s))
    return sent_at
