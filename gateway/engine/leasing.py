"""What a dispatcher lets a step lease for it: what follows from a message is taken in the message's own transaction.

A claim of its own would cost a second trip through the database for nearly every message. The claim stays for all the
rest: what is due later, what had no place, what another replica left behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.store.interface import Lane, Transaction
from gateway.store.rows import OutboxRow

LEASES_MAX = 2  # by one step in one lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave for one step to lease up to `LEASES_MAX` rows in each lane of `channels` that is not `full`."""

    worker: str
    lease_s: float
    channels: frozenset[str]
    full: frozenset[Lane]
    looks_by: datetime  # the dispatcher looks for itself then

    def lease(self, tx: Transaction, lanes: Iterable[Lane], now: datetime) -> list[OutboxRow]:
        """Lease what is due in those lanes."""
        open_lanes = [lane for lane in sorted(lanes) if lane[0] in self.channels and lane not in self.full]
        limits = dict.fromkeys(self.channels, LEASES_MAX)
        return tx.claim(now=now, worker=self.worker, lease_s=self.lease_s, limits=limits, lanes=open_lanes)

    def is_all(self, leased: Iterable[OutboxRow], lanes: Iterable[Lane]) -> bool:
        """Whether nothing that is due can have been left in those lanes."""
        took = Counter((row.channel, row.recipient) for row in leased)
        return all(lane not in self.full and took[lane] < LEASES_MAX for lane in lanes if lane[0] in self.channels)


class Leaser(Protocol):
    """A dispatcher, as the engine sees it. All of it is called on the loop's thread."""

    def wake(self) -> None:
        """Something may be due: look now."""

    def grant(self) -> Grant | None:
        """Leave for the step that is about to run; None from a dispatcher that does not run."""

    def take(self, leased: Iterable[OutboxRow]) -> None:
        """Start what was leased on a grant."""
