"""How attempts ended, booked together: what is ready at the same moment goes into one work on the store.

Who is alone is booked at once and waits for nobody; what becomes ready while a work is under way goes along with the
next. Every attempt keeps its own fate: a lease that was lost ends nothing but itself, and where one of a group fails
the store undoes them all and each is booked by itself.

What a store does not take now is kept and brought again, until it does. It has happened already: forgotten, it would
happen again under its id, and most of all where the store has too much to do. Nothing is risked by it: the lease is
the fence, and where another worker has the row meanwhile the late booking changes nothing. What goes on failing while
others are booked is at fault itself, and is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.domain.frozen import quick
from gateway.ports import Outcome
from gateway.store.errors import StoreBusyError, StoreUnavailableError
from gateway.store.rows import OutboxRow

_log = structlog.get_logger(__name__)
TOGETHER_MAX = 64  # in one work: at about 0.1 ms each nobody waits longer than some 7 ms for the others
AGAIN_S = 0.5  # between two times that the same is brought to a store that does not take it
FAULTS_MAX = 5  # of one attempt beside others that were booked


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt at a leased row and its outcome."""

    row: OutboxRow
    outcome: Outcome


class Booker(Protocol):
    """The engine, as far as it concludes; see there."""

    async def conclude(self, row: OutboxRow, outcome: Outcome) -> bool: ...

    async def conclude_all(self, ended: Sequence[Ended]) -> list[bool]: ...


Fate = bool | BaseException  # whether its lease held, or what went wrong


@dataclass(slots=True)
class _Hand:
    """Attempts that were handed in together, by one who waits for all of them."""

    booked: asyncio.Future[list[Fate]]
    said: list[Fate]  # of each, by its place
    left: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One of a hand."""

    ended: Ended
    hand: _Hand
    place: int

    def settle(self, booked: Fate) -> None:
        hand = self.hand
        hand.said[self.place] = booked
        hand.left -= 1
        if not hand.left and not hand.booked.done():  # else cancelled
            hand.booked.set_result(hand.said)


class Endings:
    """Stands in front of `Engine.conclude`. One work is under way at a time; what is brought again delays no other."""

    def __init__(self, booker: Booker, *, again_s: float = AGAIN_S) -> None:
        self._booker, self._again_s = booker, again_s
        self._ready: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None
        self._kept: set[asyncio.Task[None]] = set()
        self._finishing = asyncio.Event()
        self._booked = 0  # so far

    async def conclude(self, *ended: Ended) -> list[Fate]:
        """As `Engine.conclude` for each, and what it raised. Who is cancelled while waiting is booked nevertheless."""
        hand = _Hand(asyncio.get_running_loop().create_future(), [False] * len(ended), len(ended))
        self._ready.extend(_Waiting(each, hand, place) for place, each in enumerate(ended))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="book attempts")
        return await hand.booked

    async def finish(self) -> None:
        """Wait until all that was handed in is booked, or is known not to be: it is brought once more at most."""
        self._finishing.set()
        if self._working is not None:
            await self._working
        await asyncio.gather(*self._kept)

    async def _work(self) -> None:
        try:
            while self._ready:
                await self._book([self._ready.popleft() for _ in range(min(len(self._ready), TOGETHER_MAX))])
        finally:
            self._working = None

    async def _book(self, group: Sequence[_Waiting]) -> None:
        if len(group) == 1 or not await self._book_together(group):
            await asyncio.gather(*(self._book_first(waiting) for waiting in group))

    async def _book_together(self, group: Sequence[_Waiting]) -> bool:
        """Whether it could be done; if not, nothing of it was."""
        try:
            held = await self._booker.conclude_all([waiting.ended for waiting in group])
        except Exception as error:  # of one of them, or of the store: each will hear it by itself
            _log.info("attempts booked one by one", count=len(group), reason=repr(error))
            return False
        self._booked += len(group)
        for waiting, each in zip(group, held, strict=True):
            waiting.settle(each)
        return True

    async def _book_first(self, waiting: _Waiting) -> None:
        """By itself for the first time."""
        error = await self._book_alone(waiting)
        if error is not None:
            _log.warning("attempt not booked yet", delivery=waiting.ended.row.id, reason=str(error))
            task = asyncio.create_task(self._bring_again(waiting, error), name=f"book {waiting.ended.row.id}")
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)

    async def _bring_again(self, waiting: _Waiting, error: StoreUnavailableError) -> None:
        """Until the store takes it. A lock that others keep is no fault of what waits for it."""
        faults, booked = 0, self._booked
        while faults < FAULTS_MAX and not await self._rest():
            found = await self._book_alone(waiting)
            if found is None:
                return
            error = found
            faults += self._booked > booked and not isinstance(error, StoreBusyError)
            booked = self._booked
        waiting.settle(error)

    async def _rest(self) -> bool:
        """A while; whether there is no time left for another one."""
        if self._finishing.is_set():
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._finishing.wait(), self._again_s)
        return False

    async def _book_alone(self, waiting: _Waiting) -> StoreUnavailableError | None:
        """What the store said that did not take it; None once it is known what became of it."""
        try:
            waiting.settle(await self._booker.conclude(waiting.ended.row, waiting.ended.outcome))
            self._booked += 1
        except StoreUnavailableError as error:
            return error
        except Exception as error:
            waiting.settle(error)
        return None
