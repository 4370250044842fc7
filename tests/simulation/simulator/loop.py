"""An asyncio event loop without a machine under it: its time jumps, and chance picks which ready callback runs next.

Every callback belongs to the process in whose context it was made. A process that was killed is never run again: none
of its code, not even a `finally`, as after `kill -9`.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from itertools import count
from random import Random
from typing import Any

CALLBACKS_MAX = 2_000_000  # of one run: more is a loop that waits for nothing


class Process:
    """Code that lives and dies together."""

    def __init__(self, name: str) -> None:
        self.name, self.alive = name, True
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)

    def kill(self) -> None:
        """No more of it runs."""
        self.alive = False

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of this process; what it raises is a failure of the run."""
        task = self.context.copy().run(asyncio.get_running_loop().create_task, work)
        task.add_done_callback(_noted, context=self.context)
        return task


def _noted(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        task.get_loop().call_exception_handler({"message": repr(task.exception()), "exception": task.exception()})


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
current_process = _PROCESS.get


class StuckError(AssertionError):
    """Nothing will ever happen again, or things happen without end."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Time in seconds from 0. `shuffled`: any ready callback may run next; without, they run in their order."""

    def __init__(self, random: Random, *, shuffled: bool) -> None:
        self._random, self._shuffled = random, shuffled
        self._now, self._serial = 0.0, count()
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._closed = self._running = False
        self.failures: list[str] = []
        self.callbacks = 0

    # -- time and order ----------------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._serial), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def run_until_complete(self, future: Any) -> Any:
        before = events._get_running_loop()
        events._set_running_loop(self)
        self._running = True
        try:
            done = asyncio.ensure_future(future, loop=self)
            while not done.done():
                self._run_one()
            return done.result()
        finally:
            self._running = False
            events._set_running_loop(before)

    def _run_one(self) -> None:
        while not self._ready:
            self._jump()
        place = int(self._random.random() * len(self._ready)) if self._shuffled and len(self._ready) > 1 else 0
        handle = self._ready.pop(place)
        process = handle._context.get(_PROCESS)
        if handle._cancelled or (process is not None and not process.alive):
            return
        self.callbacks += 1
        if self.callbacks > CALLBACKS_MAX:
            raise StuckError(f"{CALLBACKS_MAX} callbacks, and no end")
        handle._run()

    def _jump(self) -> None:
        """To the next moment at which something happens."""
        while self._timers and self._timers[0][2]._cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            raise StuckError("everything waits, and nothing will come")
        self._now = max(self._now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(self._timers)[2])

    # -- what asyncio asks of a loop ---------------------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 4096:
            self._tasks = [task for task in self._tasks if not task.done()]
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """What would block runs at once: in this world it takes no time unless its caller says so."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(str(context.get("exception") or context["message"]))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """End what still waits, without running the loop."""
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):
                    task.get_coro().close()  # type: ignore[union-attr]
        self._tasks, self._ready, self._timers, self._closed = [], [], [], True
