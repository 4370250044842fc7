"""Lots that arrive at a rate of their own, whether or not the gateway keeps up: no lot waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.auctioneer import Platform, unsold_lot


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
