"""The real SQLite store without its threads: what is done aside runs on the loop, and takes as long as the plan's disk.

A commit is there when the callback that made it returns, and is told later. Between the two a process may die: stored,
and never said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.store.sqlite import SqliteStore
from simulator.loop import current_process
from simulator.vfs import ROOT

T = TypeVar("T")
PATH = f"{ROOT}/store.db"
LOCK_TIMEOUT_S = 5.0
_QUICK_S = 0.002


class SimulatedAside:
    """`gateway.store.sqlite_works.Aside` of one process."""

    def __init__(self, world: Any) -> None:
        self._world, self._process = world, current_process()

    async def run(self, what: Callable[[], T]) -> T:
        await self._take_time()
        result = what()
        if self._process is not None and not self._process.alive:  # it died in the middle of it
            await asyncio.get_running_loop().create_future()
        await self._take_time()
        return result

    def close(self) -> None:
        """Nothing is held."""

    async def _take_time(self) -> None:
        slow_s = 0.0 if self._world.network.calm else self._world.plan.slow_disk_s
        await asyncio.sleep(self._world.random.uniform(0, max(_QUICK_S, slow_s)))


class SimulatedStore(SqliteStore):
    """As a process that is no more cannot close it, the world does."""

    def __init__(self, world: Any) -> None:
        super().__init__(PATH, LOCK_TIMEOUT_S, lambda _: SimulatedAside(world))

    def bury(self) -> None:
        """Its files are closed; what was open in it is undone."""
        for connection in (self._writes.connection, self._reads.connection):
            connection.close()
