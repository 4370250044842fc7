"""Bounded intake: what is more than can be sent, or more than a client's share, is shed before work is done.

New work is refused while more waits to be sent than the stated bound; what finishes work under way (the rails' answers,
receipts) and what only reads is never refused for that. A client over its quota is refused alone: the others keep
their places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.domain.quota import Bucket, QuotaPolicy, take
from gateway.wire.admission import Admission

_READS = frozenset({"GET", "HEAD"})


class Intake:
    """`gateway.wire.admission.Admission` by the backlog and by quotas.

    Args:
        backlog: how many deliveries wait now; asked at every request, so it must be quick.
        backlog_max: more than so many, and nothing new is taken.
        look_again_s: when a refused sender may find it otherwise.
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
    ) -> None:
        self._backlog, self._backlog_max, self._look_again_s = backlog, backlog_max, look_again_s
        self._quota, self._own_quotas, self._clock = quota, dict(own_quotas or {}), clock
        self._buckets: dict[str, Bucket] = {}

    def begin(self, method: str) -> None:
        """Before a request is read.

        Raises:
            RefusedError: OVERLOADED.
        """
        if method not in _READS and self._backlog() > self._backlog_max:
            raise refuse(ErrorCode.OVERLOADED, retry_after_s=math.ceil(self._look_again_s))

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
