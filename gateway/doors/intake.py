"""Bounded intake: what is more than can be kept or sent, or more than a client's share, is shed before work is done.

New work is refused while more waits to be sent than the stated bound, while the store has no room but for what is under
way, or while what came before it waits too long for the store. What finishes work under way (the rails' answers,
receipts) is never refused for that, and what only reads not for what waits to be sent. A client over its quota is
refused alone: the others keep their places.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.domain.quota import Bucket, QuotaPolicy, take
from gateway.engine.unavailable import spread
from gateway.wire.admission import Admission

_ROOM_S = 60  # somebody has to make room
_READS = frozenset({"GET", "HEAD"})


class Intake:
    """`gateway.wire.admission.Admission` by the backlog and by quotas.

    Args:
        backlog: how many deliveries wait now; asked at every request, so it must be quick.
        backlog_max: more than so many, and nothing new is taken.
        look_again_s: when a refused sender may find it otherwise.
        waited_s: how long the next of what is new has waited for the store; as quick.
        wait_max_s: longer than so, and nothing new is taken.
        is_full: whether the rest of the store's room is kept for what is under way; as quick.
        chance: draws from [0, 1) what spreads those who come again.
        quota: of each client, at all doors together.
        own_quotas: of those who have another one, by participant code.
    """

    def __init__(
        self,
        *,
        backlog: Callable[[], int],
        backlog_max: int,
        look_again_s: float,
        quota: QuotaPolicy,
        clock: Callable[[], datetime],
        own_quotas: Mapping[str, QuotaPolicy] | None = None,
        waited_s: Callable[[], float] = lambda: 0.0,
        wait_max_s: float = math.inf,
        is_full: Callable[[], bool] = lambda: False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._waited_s, self._wait_max_s, self._chance = waited_s, wait_max_s, chance
        self._is_full = is_full
        self._backlog, self._backlog_max, self._look_again_s = backlog, backlog_max, look_again_s
        self._quota, self._own_quotas, self._clock = quota, dict(own_quotas or {}), clock
        self._buckets: dict[str, Bucket] = {}

    def begin(self, method: str) -> None:
        """Before a request is read.

        Raises:
            RefusedError: OVERLOADED, or STORE_UNAVAILABLE where there is no room.
        """
        if method not in _READS and self._is_full():
            raise refuse(ErrorCode.STORE_UNAVAILABLE, retry_after_s=_ROOM_S)
        if method not in _READS and self._backlog() > self._backlog_max:
            raise refuse(ErrorCode.OVERLOADED, retry_after_s=math.ceil(self._look_again_s))
        if self._waited_s() > self._wait_max_s:
            raise refuse(ErrorCode.OVERLOADED, retry_after_s=spread(self._chance()))

    def admit(self, participant: str) -> None:
        """Once it is known who asks, before anything else is done for it.

        Raises:
            RefusedError: OVERLOADED.
        """
        quota = self._own_quotas.get(participant, self._quota)
        self._buckets[participant], wait = take(self._buckets.get(participant), quota, self._clock())
        if wait is not None:
            raise refuse(ErrorCode.OVERLOADED, retry_after_s=math.ceil(wait.total_seconds()))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The admission of doors that finish what is under way: the same quotas, and never refused for the backlog."""

    intake: Admission

    def begin(self, method: str) -> None:
        """Taken."""

    def admit(self, participant: str) -> None:
        """Once it is known who sends. Raises as the intake's."""
        self.intake.admit(participant)
