"""The real SQLite store without its threads: works are carried on the loop, and the disk's slowness is the plan's.

A group is run in one callback; its commit is there when it returns, and is told later. Between the two a process may
die: stored, and never said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.store.errors import StoreUnavailableError
from gateway.store.sqlite import GROUP_MAX, Groups, Job
from simulator.loop import current_process
from simulator.vfs import ROOT

T = TypeVar("T")
PATH = f"{ROOT}/store.db"
_QUICK_S = 0.002


class SimulatedWorker:
    """`gateway.store.sqlite.Worker` on the loop of its process."""

    def __init__(self, groups: Groups[Any], world: Any) -> None:
        self.groups, self._world = groups, world
        self._process = current_process()
        self._queue: list[Job] = []
        self._busy = self._closed = False

    async def submit(self, work: Callable[[Any], T]) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        job = Job(work, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        if not self._busy:
            self._busy = True
            self._after(self._run)
        result: T = await job.future
        return result

    async def close(self) -> None:
        self._closed = True

    def _after(self, callback: Callable[..., None], *args: Any) -> None:
        slow_s = self._world.plan.slow_disk_s
        delay_s = self._world.random.uniform(0, max(_QUICK_S, 0 if self._world.network.calm else slow_s))
        asyncio.get_running_loop().call_later(delay_s, callback, *args)

    def _run(self) -> None:
        group, self._queue = self._queue[:GROUP_MAX], self._queue[GROUP_MAX:]
        self.groups.run(group)
        if self._process is None or self._process.alive:  # it may have died in the middle of its commit
            self._after(self._told, group)

    def _told(self, group: list[Job]) -> None:
        for job in group:
            job.settle()
        self._busy = bool(self._queue)
        if self._busy:
            self._after(self._run)
