"""Who may take how much of the processor while it is short: shares of the loop's time, one for each account.

The loop is late when more is asked than it can do: whoever comes waits until everybody before him was served, and what
finishes work waits with him. `late_max_s` is how long that may be. While it is longer, the level falls: the share of
the loop's time that one account may take. Whoever takes more is refused before anything is read of what he says, and
whoever takes less does not notice. While the loop is on time the level rises again, until there is none.

Nobody is judged below `floor`, since what makes the loop late may be none of them, and who finishes what is under way
not below `_FINISHING`. Pure: times are seconds of one clock, given by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

SUSTAINED_S = 0.5  # late for so long, and not for a moment only
_MEMORY_S = 2.0  # what was taken counts less and less: a third after so long
_FALLS_AT_ONCE = 0.3  # the most that one late beat takes off: to so much of it
_RISES_BY = 1.03  # with every beat on time: from a tenth to the whole in some 80 beats
_FIRST_S = 0.003  # what a request takes of whom nothing is known
_FORGOTTEN = 1e-4
_FINISHING = 0.5


class Kind(StrEnum):
    """Why we think that requests come from one and the same."""

    PARTICIPANT = "participant"  # their connection brought its signature before
    CERTIFICATE = "certificate"  # it was shown in the handshake
    ADDRESS = "address"  # somebody's signature came from there not long ago
    STRANGER = "stranger"  # none of these: all together are one
    SCRAPER = "scraper"  # asks for what is counted: one, too, so that a flood of strangers is still counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """In whose name time is taken."""

    kind: Kind
    name: str = ""


STRANGERS = Account(kind=Kind.STRANGER)
SCRAPERS = Account(kind=Kind.SCRAPER)


@dataclass(slots=True)
class _Taken:
    weighed_s: float  # of the loop's time, the older the lighter
    at: float
    typical_s: float = _FIRST_S  # of one request


class Shares:
    """What every account took of the loop's time not long ago, and the level.

    Args:
        late_max_s: how late the loop may be.
        floor: the lowest level.
        finishing: participants whose statements finish what is under way.
    """

    def __init__(self, *, late_max_s: float, floor: float = 0.1, finishing: frozenset[str] = frozenset()) -> None:
        self._late_max_s, self._floor, self._finishing = late_max_s, floor, finishing
        self._taken: dict[Account, _Taken] = {}
        self._late_since: float | None = None
        self.level = 1.0  # the greatest share that an account may take; at 1 everybody is taken

    @property
    def is_short(self) -> bool:
        """Whether anybody is judged by his share."""
        return self.level < 1.0

    def admits(self, account: Account, now: float) -> bool:
        """Whether its next request is taken."""
        if not self.is_short:
            return True
        finishes = account.kind is Kind.PARTICIPANT and account.name in self._finishing
        return self.share(account, now) <= (max(self.level, _FINISHING) if finishes else self.level)

    def begin(self, account: Account, now: float) -> float:
        """A request is taken; what it will cost, seconds, counts from now on. Give it back with `end`."""
        taken = self._weigh(account, now)
        taken.weighed_s += taken.typical_s
        return taken.typical_s

    def end(self, account: Account, expected_s: float, took_s: float, now: float) -> None:
        """The request that `begin` expected so much of took so much of the loop's time."""
        taken = self._weigh(account, now)
        taken.weighed_s = max(taken.weighed_s + took_s - expected_s, 0.0)
        taken.typical_s += (took_s - taken.typical_s) / 8

    def refused(self, account: Account, took_s: float, now: float) -> None:
        """A refusal, too, takes its time."""
        self._weigh(account, now).weighed_s += took_s

    def share(self, account: Account, now: float) -> float:
        """Of the loop's time, as it was taken not long ago."""
        taken = self._taken.get(account)
        return 0.0 if taken is None else taken.weighed_s * _weight(now - taken.at) / _MEMORY_S

    def beat(self, late_s: float, now: float) -> None:
        """The loop did what was due, so much later than it was."""
        if late_s <= self._late_max_s / 2:
            self._late_since = None
            self.level = min(self.level * _RISES_BY, 1.0)
        elif late_s > self._late_max_s:
            self._late_since = now - late_s if self._late_since is None else self._late_since
            if self.is_short or now - self._late_since >= SUSTAINED_S:
                self._fall(late_s, now)
        self._forget(now)

    def _fall(self, late_s: float, now: float) -> None:
        most = max((share for _, share in self._shares(now)), default=0.0)
        rest = max(self._late_max_s / late_s, _FALLS_AT_ONCE)
        self.level = min(max(min(self.level, most) * rest, self._floor), self.level)

    def _shares(self, now: float) -> Iterator[tuple[Account, float]]:
        return ((account, self.share(account, now)) for account in self._taken)

    def _weigh(self, account: Account, now: float) -> _Taken:
        taken = self._taken.get(account)
        if taken is None:
            taken = self._taken[account] = _Taken(weighed_s=0.0, at=now)
        taken.weighed_s *= _weight(now - taken.at)
        taken.at = now
        return taken

    def _forget(self, now: float) -> None:
        for account in [account for account, share in self._shares(now) if share < _FORGOTTEN]:
            del self._taken[account]


def _weight(age_s: float) -> float:
    return math.exp(-max(age_s, 0.0) / _MEMORY_S)
