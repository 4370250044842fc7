"""How attempts ended, booked together: what is ready at the same moment goes into one work on the store.

Who is alone is booked at once and waits for nobody; what becomes ready while a work is under way goes along with the
next. Every attempt keeps its own fate: a lease that was lost ends nothing but itself, and where one of a group fails
the store undoes them all and each is booked by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.domain.frozen import quick
from gateway.ports import Outcome
from gateway.store.rows import OutboxRow

_log = structlog.get_logger(__name__)
TOGETHER_MAX = 64  # in one work: at about 0.1 ms each nobody waits longer than some 7 ms for the others


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


Booked = bool | BaseException  # whether its lease held, or what went wrong


@dataclass(slots=True)
class _Hand:
    """Attempts that were handed in together, by one who waits for all of them."""

    booked: asyncio.Future[list[Booked]]
    said: list[Booked]  # of each, by its place
    left: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One of a hand."""

    ended: Ended
    hand: _Hand
    place: int

    def settle(self, booked: Booked) -> None:
        hand = self.hand
        hand.said[self.place] = booked
        hand.left -= 1
        if not hand.left and not hand.booked.done():  # else cancelled
            hand.booked.set_result(hand.said)


class Endings:
    """Stands in front of `Engine.conclude`. One work is under way at a time."""

    def __init__(self, booker: Booker) -> None:
        self._booker = booker
        self._ready: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None

    async def conclude(self, *ended: Ended) -> list[Booked]:
        """As `Engine.conclude` for each, and what it raised. Who is cancelled while waiting is booked nevertheless."""
        hand = _Hand(asyncio.get_running_loop().create_future(), [False] * len(ended), len(ended))
        self._ready.extend(_Waiting(each, hand, place) for place, each in enumerate(ended))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="book attempts")
        return await hand.booked

    async def finish(self) -> None:
        """Wait until all that was handed in is booked, or is known not to be."""
        if self._working is not None:
            await self._working

    async def _work(self) -> None:
        try:
            while self._ready:
                await self._book([self._ready.popleft() for _ in range(min(len(self._ready), TOGETHER_MAX))])
        finally:
            self._working = None

    async def _book(self, group: Sequence[_Waiting]) -> None:
        if len(group) == 1 or not await self._book_together(group):
            await asyncio.gather(*(self._book_alone(waiting) for waiting in group))

    async def _book_together(self, group: Sequence[_Waiting]) -> bool:
        """Whether it could be done; if not, nothing of it was."""
        try:
            held = await self._booker.conclude_all([waiting.ended for waiting in group])
        except Exception as error:  # of one of them, or of the store: each will hear it by itself
            _log.info("attempts booked one by one", count=len(group), reason=repr(error))
            return False
        for waiting, each in zip(group, held, strict=True):
            waiting.settle(each)
        return True

    async def _book_alone(self, waiting: _Waiting) -> None:
        try:
            waiting.settle(await self._booker.conclude(waiting.ended.row, waiting.ended.outcome))
        except Exception as error:
            waiting.settle(error)
