"""Recipient: whether the other end of a lane answers, and how hard a silent one is tried.

After so many attempts in a row without an answer a lane is left alone; when its pause is over one attempt probes it. An
answer of any kind, a refusal too, opens it again for all. What waits meanwhile keeps its attempts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.delivery import Result
from gateway.domain.table import Alarm, Change, Context, StateTable


class RecipientState(StrEnum):
    """Nothing is written of a recipient before it first falls silent."""

    ANSWERING = "answering"
    SILENT = "silent"  # only probed


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient on one channel; its id is `channel/recipient`."""

    state: RecipientState
    lot_id: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FellSilent:
    """So many attempts in a row had no answer."""

    failures: int
    reason: str  # of the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredAgain:
    """A probe was answered."""


_S = RecipientState
TABLE = StateTable("recipient", Recipient, RecipientState, final=())


@TABLE.on(None, _S.ANSWERING, event=FellSilent, to=_S.SILENT)
def _fall_silent(_: Recipient | None, event: FellSilent, context: Context) -> Change[Recipient]:
    facts = {"recipient": context.id, "failures": str(event.failures), "reason": event.reason}
    return Change(Recipient(state=_S.SILENT), (Alarm("RECIPIENT_SILENT", facts),))


@TABLE.on(_S.SILENT, event=AnsweredAgain, to=_S.ANSWERING)
def _answer(recipient: Recipient, _: AnsweredAgain, __: Context) -> Change[Recipient]:
    return Change(recipient)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a lane is left alone and for how long: the pause doubles with every probe in vain, up to its maximum."""

    failures_max: int = 5
    pause_s: float = 5.0  # a restart on the other side should cost no more
    pause_max_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Attempts without an answer in a row; with `probe_at`, the lane is left alone until then."""

    failures: int = 0
    probe_at: datetime | None = None

    def places(self, limit: int, now: datetime) -> int:
        """How many attempts may be under way: all, none, or the one that probes."""
        if self.probe_at is None:
            return limit
        return 1 if self.probe_at <= now else 0


CLOSED = Breaker()


def silent_since_before(policy: BreakerPolicy, now: datetime) -> Breaker:
    """Of a lane that the journal says is silent, when a process starts: probe it first."""
    return Breaker(failures=policy.failures_max, probe_at=now)


def after_result(
    breaker: Breaker, result: Result, policy: BreakerPolicy, now: datetime, *, retry_after_s: float | None = None
) -> Breaker:
    """The breaker after an attempt. Attempts begun before it opened and ended without an answer change nothing."""
    if result in (Result.ACKNOWLEDGED, Result.REFUSED):
        return CLOSED
    if breaker.probe_at is not None and now < breaker.probe_at:
        return breaker
    failures = breaker.failures + 1
    if failures < policy.failures_max:
        return Breaker(failures=failures)
    doublings = min(failures - policy.failures_max, 30)
    pause_s = max(policy.pause_s * 2**doublings, retry_after_s or 0.0)
    return Breaker(failures=failures, probe_at=now + timedelta(seconds=min(pause_s, policy.pause_max_s)))
