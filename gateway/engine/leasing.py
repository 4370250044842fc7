"""What a dispatcher lets a step lease for it: what follows from a message is taken in the message's own transaction.

A claim of its own would cost a second trip through the database for nearly every message. The claim stays for all the
rest: what is due later, what had no place, what another replica left behind. And what became of the leases when
attempts are booked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.store.interface import NONE_TAKEN, Lane, Transaction
from gateway.store.rows import Concluded, Ending, LeasedRow

LEASES_MAX = 2  # by one step in one lane
Booked = Ending | bool  # an attempt whose row is to be ended, or whether its lease held when it was booked


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave for one step to lease up to `LEASES_MAX` rows in each lane of `channels` that is not `full`.

    A lane is `crowded` when it is full of attempts under way: more may wait there, and the end of each makes place for
    one of them.
    """

    worker: str
    lease_s: float
    channels: frozenset[str]
    full: frozenset[Lane]
    looks_by: datetime  # the dispatcher looks for itself then
    crowded: frozenset[Lane] = frozenset()

    def lease(
        self, tx: Transaction, lanes: Iterable[Lane], now: datetime, freed: Mapping[Lane, int] = NONE_TAKEN
    ) -> Callable[[], list[LeasedRow]]:
        """Lease what is due in those lanes, and in crowded ones as many as attempts ended; known after the commit."""
        places = {lane: LEASES_MAX for lane in lanes if lane[0] in self.channels and lane not in self.full}
        places |= {lane: count for lane, count in freed.items() if lane in self.crowded}
        if not places:
            return no_rows
        in_order = dict(sorted(places.items()))  # everybody's
        return tx.lease(now=now, worker=self.worker, lease_s=self.lease_s, places=in_order)

    def is_all(
        self, leased: Iterable[LeasedRow], lanes: Iterable[Lane], freed: Mapping[Lane, int] = NONE_TAKEN
    ) -> bool:
        """Whether nothing that is due can have been left in those lanes, but for what an attempt's end will take."""
        took = Counter((row.channel, row.recipient) for row in leased)
        return all(
            lane not in self.full and took[lane] < LEASES_MAX
            for lane in lanes
            if lane[0] in self.channels and not (lane in self.crowded and lane in freed)
        )


class LeasesLostError(Exception):
    """Nothing of this booking may be kept: of these, by place, others have the rows."""

    def __init__(self, places: frozenset[int]) -> None:
        super().__init__(places)
        self.places = places


def ask(tx: Transaction, booked: Mapping[int, Booked], now: datetime) -> Callable[[], dict[int, Concluded | bool]]:
    """End what is to be ended, all together. What became of every lease, by place, is answered in the transaction.

    Raises:
        LeasesLostError: some did not hold; when it is answered.
    """
    endings = {place: it for place, it in booked.items() if isinstance(it, Ending)}
    asked = tx.ask_conclude(list(endings.values()), now=now)

    def answered() -> dict[int, Concluded | bool]:
        found: dict[int, Concluded | bool] = {place: it for place, it in booked.items() if isinstance(it, bool)}
        found |= dict(zip(endings, asked(), strict=True))
        lost = frozenset(place for place, is_held in found.items() if not is_held)
        if lost:
            raise LeasesLostError(lost)
        return found

    return answered


def no_rows() -> list[LeasedRow]:
    """What was leased where nothing was to be."""
    return []


class Leaser(Protocol):
    """A dispatcher, as the engine sees it. All of it is called on the loop's thread."""

    def wake(self) -> None:
        """Something may be due: look now."""

    def grant(self) -> Grant | None:
        """Leave for the step that is about to run; None from a dispatcher that does not run."""

    def take(self, leased: Iterable[LeasedRow]) -> None:
        """Start what was leased on a grant."""
