"""Who is next where works wait for each other: what finishes comes before what begins, and nobody starves.

A system that is asked for more than it can do must not ask more of itself. If the ends of what it has already done
wait behind new work, they come too late and it is done again, and every place it takes to do so is lost to both. So
there are two turns, each in the order in which its works came, and of four places that become free the first gets
three.

Whoever waits in vain hears why. New work is given up after a while; what finishes is not, as long as the store answers:
it has happened already, and nobody is helped by forgetting it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from gateway.store.errors import StoreBusyError, StoreUnavailableError

FIRST_IN_A_ROW = 3  # of what finishes; then one of the new, where any waits


class Turn(StrEnum):
    """What a work is to the store."""

    UNDER_WAY = "under_way"  # finishes what was taken in, or keeps the house in order
    NEW = "new"  # what somebody asks for now; he can ask again


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """How much is asked of a store, by turn."""

    waiting: Mapping[Turn, int]
    waited_s: Mapping[Turn, float]  # by the one who waits longest; 0 where nobody does
    is_answering: bool  # a work came to its end not long ago


class Waiting(Protocol):
    """A work that waits for its place."""

    @property
    def turn(self) -> Turn: ...

    def fail(self, error: StoreUnavailableError) -> None:
        """It will not be done."""


J = TypeVar("J", bound=Waiting)


@dataclass(slots=True, eq=False)
class _Place(Generic[J]):
    job: J
    since: float  # of the loop's clock
    patience: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class Turns(Generic[J]):
    """Those who wait for one store.

    Args:
        patience_s: how long new work waits, and everybody where no work comes to its end.
        given_up: called after somebody was told that he waited in vain.
    """

    patience_s: float
    given_up: Callable[[], None] = lambda: None
    trouble: str = ""  # why nobody can be served; empty while all that is known is that nobody is
    _lines: dict[Turn, deque[_Place[J]]] = field(default_factory=lambda: {turn: deque() for turn in Turn})
    _in_a_row: int = 0
    _answered_at: float = -math.inf

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __bool__(self) -> bool:
        return any(self._lines.values())

    def add(self, job: J, *, first: bool = False) -> None:
        """Wait behind all others of this turn, or before them."""
        loop = asyncio.get_running_loop()
        place = _Place(job, loop.time())
        self._arm(place)
        line = self._lines[job.turn]
        if first:
            line.appendleft(place)
        else:
            line.append(place)

    def head(self) -> J | None:
        """Whom `take` gives next, while nobody else comes."""
        turn = self._next(frozenset())
        return None if turn is None else self._lines[turn][0].job

    def take(self, *, full: frozenset[Turn] = frozenset()) -> J | None:
        """Who is next of those whose turn is not `full`; None where nobody is."""
        turn = self._next(full)
        if turn is None:
            return None
        self._in_a_row = self._in_a_row + 1 if turn is Turn.UNDER_WAY and self._lines[Turn.NEW] else 0
        place = self._lines[turn].popleft()
        if place.patience is not None:
            place.patience.cancel()
        return place.job

    def take_all(self) -> Iterator[J]:
        """Everybody, in their order."""
        while (job := self.take()) is not None:
            yield job

    def _next(self, full: frozenset[Turn]) -> Turn | None:
        ready = [turn for turn in Turn if self._lines[turn] and turn not in full]
        if len(ready) < len(Turn):
            return ready[0] if ready else None
        return Turn.NEW if self._in_a_row >= FIRST_IN_A_ROW else Turn.UNDER_WAY

    def answered(self) -> None:
        """A work came to its end: whoever waits does not wait for a store that is dead."""
        self._answered_at, self.trouble = asyncio.get_running_loop().time(), ""

    def stuck(self, trouble: str) -> None:
        """Nobody can be served now, for this reason."""
        self._answered_at, self.trouble = -math.inf, trouble

    def waited_s(self, turn: Turn) -> float:
        """How long the one of this turn who is next has waited; 0 where nobody waits."""
        line = self._lines[turn]
        return asyncio.get_running_loop().time() - line[0].since if line else 0.0

    def pressure(self) -> Pressure:
        """How it stands now."""
        return Pressure(
            waiting={turn: len(line) for turn, line in self._lines.items()},
            waited_s={turn: self.waited_s(turn) for turn in self._lines},
            is_answering=self._is_answering(),
        )

    def _is_answering(self) -> bool:
        return self._answered_at > asyncio.get_running_loop().time() - self.patience_s

    def _arm(self, place: _Place[J]) -> None:
        if self.patience_s < math.inf:
            place.patience = asyncio.get_running_loop().call_later(self.patience_s, self._waited, place)

    def _waited(self, place: _Place[J]) -> None:
        """What finishes waits on for those who are served before it; nobody waits on for a store that is dead."""
        if place.job.turn is Turn.UNDER_WAY and self._is_answering():
            self._arm(place)
            return
        self._lines[place.job.turn].remove(place)
        place.job.fail(self._in_vain())
        self.given_up()

    def _in_vain(self) -> StoreUnavailableError:
        waited = f"no place within {self.patience_s:g} s"
        if self._is_answering():
            return StoreBusyError(f"{waited}: {len(self)} others wait")
        return StoreUnavailableError(f"{waited}: {self.trouble or 'no work under way comes to its end'}")
