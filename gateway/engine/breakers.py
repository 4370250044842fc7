"""Who is left alone, lane by lane, as this process knows it; what it learns is written down for the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import structlog

from gateway.domain import recipient as recipients
from gateway.domain.recipient import CLOSED, Breaker, BreakerPolicy
from gateway.engine.outcome import reason_of, result_of
from gateway.engine.silences import Silences
from gateway.ports import NotSent, Outcome, Unknown
from gateway.store.interface import Lane

_log = structlog.get_logger(__name__)


class Breakers:
    """The breakers that are not closed. `policies`: by channel, else `default`."""

    def __init__(
        self, silences: Silences, policies: Mapping[str, BreakerPolicy], clock: Callable[[], datetime]
    ) -> None:
        self._silences, self._clock = silences, clock
        self._policies = {"default": BreakerPolicy(), **policies}
        self._breakers: dict[Lane, Breaker] = {}

    @property
    def lanes(self) -> Mapping[Lane, Breaker]:
        """The lanes whose last attempts had no answer."""
        return self._breakers

    async def recall(self, channels: Collection[str]) -> None:
        """Who was silent when the last process ended is probed first, not tried at full width."""
        try:
            silent = await self._silences.all()
        except Exception as error:  # not worth not starting for
            _log.warning("silent recipients not recalled", reason=repr(error))
            return
        now = self._clock()
        for lane in silent:
            if lane[0] in channels:
                self._breakers[lane] = recipients.silent_since_before(self._policy(lane), now)

    def places(self, lane: Lane, width: int) -> int:
        """How many of `width` attempts may be under way."""
        return self._breakers.get(lane, CLOSED).places(width, self._clock())

    async def judge(self, lane: Lane, outcome: Outcome) -> bool:
        """Move a lane's breaker by how an attempt ended; whether it opened or closed, which is written down.

        A message that our own adapter breaks on must not have its recipient left alone: everybody else's wait there.
        """
        if isinstance(outcome, Unknown) and outcome.ours:
            return False
        before = self._breakers.get(lane, CLOSED)
        wished_s = outcome.retry_after_s if isinstance(outcome, NotSent) else None
        after = recipients.after_result(
            before, result_of(outcome), self._policy(lane), self._clock(), retry_after_s=wished_s
        )
        if after == CLOSED:
            self._breakers.pop(lane, None)
        else:
            self._breakers[lane] = after
        if (before.probe_at is None) == (after.probe_at is None):
            return False
        event: recipients.AnsweredAgain | recipients.FellSilent = recipients.AnsweredAgain()
        if after.probe_at is not None:
            event = recipients.FellSilent(failures=after.failures, reason=reason_of(outcome))
        await self._silences.note(lane, event)
        return True

    def _policy(self, lane: Lane) -> BreakerPolicy:
        return self._policies.get(lane[0], self._policies["default"])
