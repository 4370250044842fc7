"""Delivery: one outbox row on its way, and the pure decision what follows an attempt.

A delivery leaves the outbox only by acknowledgement, by its noun taking over, or by a person. The schedule never makes
it fail: when attempts run out it is parked, and parked means a person is asked.

An attempt counts once its end is known. One that the death of its process interrupted may have been made or not; it is
made again under the same id after its lease, and uses up nothing of the schedule: a gateway that dies twenty times in a
minute parks nobody's delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from gateway.domain.frozen import quick, replace
from gateway.domain.table import Alarm, Change, Context, StateTable


class DeliveryState(StrEnum):
    """Where a delivery is. The texts stand in the outbox rows."""

    DUE = "due"  # waiting for its time, its turn or its next attempt
    ACKNOWLEDGED = "acknowledged"
    TAKEN_OVER = "taken_over"  # refused or unknown, and the noun that sent it goes on from there
    PARKED = "parked"  # a person decides: again, or never
    DISCARDED = "discarded"  # a person decided: never
    FIRED = "fired"  # a timer whose time came


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the decisions need of an outbox row."""

    state: DeliveryState
    lot_id: str
    owner: str
    channel: str
    recipient: str
    body: str  # name of the dispatch
    attempt: int  # attempts so far whose end is known
    due_at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """Put into the outbox."""

    channel: str
    recipient: str
    body: str
    due_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAcknowledged:
    """The other side has it."""

    delivery: str
    recipient: str
    body: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTakenOver:
    """Refused, or of unknown outcome, and the noun deals with it."""

    delivery: str
    recipient: str
    body: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDeferred:
    """Not arrived, or not known to have: the same id again at `until`.

    `warning_percent`: the share of the schedule that is now behind it, where a person should know.
    """

    delivery: str
    recipient: str
    body: str
    attempt: int
    reason: str
    until: datetime
    warning_percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryParked:
    """Refused for good, or tried as often as the schedule says."""

    delivery: str
    recipient: str
    body: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued:
    """A person said: again. One attempt more; in vain, it is parked again."""

    delivery: str
    recipient: str
    body: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """A person said: never."""

    delivery: str
    recipient: str
    body: str
    person: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerPassed:
    """A timer's time came when its noun listened for it no more."""

    delivery: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """The timer's time came."""


_S = DeliveryState
TABLE = StateTable(
    "delivery",
    Delivery,
    DeliveryState,
    final=(_S.ACKNOWLEDGED, _S.TAKEN_OVER, _S.DISCARDED, _S.FIRED),
    waiting_for_person=(_S.PARKED,),
)


@TABLE.on(None, event=Scheduled, to=_S.DUE)
def _schedule(_: None, event: Scheduled, __: Context) -> Change[Delivery]:
    return Change(
        Delivery(
            state=_S.DUE,
            lot_id="",
            owner="",
            channel=event.channel,
            recipient=event.recipient,
            body=event.body,
            attempt=0,
            due_at=event.due_at,
        )
    )


@TABLE.on(_S.DUE, event=DeliveryAcknowledged, to=_S.ACKNOWLEDGED)
def _acknowledge(delivery: Delivery, event: DeliveryAcknowledged, _: Context) -> Change[Delivery]:
    return Change(replace(delivery, attempt=event.attempt))


@TABLE.on(_S.DUE, event=DeliveryTakenOver, to=_S.TAKEN_OVER)
def _take_over(delivery: Delivery, event: DeliveryTakenOver, _: Context) -> Change[Delivery]:
    return Change(replace(delivery, attempt=event.attempt, note=event.reason))


@TABLE.on(_S.DUE, event=DeliveryDeferred)
def _defer(delivery: Delivery, event: DeliveryDeferred, context: Context) -> Change[Delivery]:
    deferred = replace(delivery, attempt=event.attempt, due_at=event.until, note=event.reason)
    if event.warning_percent is None:
        return Change(deferred)
    facts = {"delivery": context.id, "recipient": event.recipient, "reason": event.reason}
    return Change(deferred, (Alarm("DELIVERY_DELAYED", facts | {"percent": str(event.warning_percent)}),))


@TABLE.on(_S.DUE, event=DeliveryParked, to=_S.PARKED)
def _park(delivery: Delivery, event: DeliveryParked, context: Context) -> Change[Delivery]:
    delivery = replace(delivery, attempt=event.attempt, note=event.reason)
    facts = {"delivery": context.id, "recipient": event.recipient, "reason": event.reason}
    return Change(delivery, (Alarm("DELIVERY_PARKED", facts),))


@TABLE.on(_S.PARKED, event=Requeued, to=_S.DUE)
def _requeue(delivery: Delivery, _: Requeued, context: Context) -> Change[Delivery]:
    return Change(replace(delivery, due_at=context.now))


@TABLE.on(_S.PARKED, event=Discarded, to=_S.DISCARDED)
def _discard(delivery: Delivery, event: Discarded, _: Context) -> Change[Delivery]:
    return Change(replace(delivery, note=event.reason))


@TABLE.on(_S.DUE, event=Fired, to=_S.FIRED)
def _fire(delivery: Delivery, _: Fired, __: Context) -> Change[Delivery]:
    return Change(delivery)


class Result(StrEnum):
    """How an attempt ended, by what is done next (STYLE 7)."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to try again: the n-th pause in seconds after the n-th attempt, stretched by up to `jitter` of itself.

    A counterparty that asks for a longer pause gets it, up to `retry_after_max_s`. A person is warned when so many
    percent of the whole time are over.
    """

    pauses_s: tuple[float, ...]
    jitter: float = 0.1
    retry_after_max_s: float = 3600.0
    warn_at_percent: tuple[int, ...] = (50, 70, 90)

    def in_pieces(self, most_s: float) -> RetryPolicy:
        """As long in all, no wait longer than this: each that is becomes several equal ones."""
        pieces = ((pause_s, ceil(pause_s / most_s) or 1) for pause_s in self.pauses_s)
        return replace(self, pauses_s=tuple(pause_s / count for pause_s, count in pieces for _ in range(count)))

    def spent_percent(self, number: int) -> float:
        """The share of the schedule that is over when the attempt of this number begins."""
        return 100 * sum(self.pauses_s[: number - 1]) / sum(self.pauses_s)

    def warning_percent(self, number: int) -> int | None:
        """The greatest mark that was passed between the attempt before and this one."""
        before, now = self.spent_percent(max(number - 1, 1)), self.spent_percent(number)
        return max((mark for mark in self.warn_at_percent if before < mark <= now), default=None)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt and how it ended. `taken_over`: the outcome carries an event its noun has a row for."""

    delivery: str
    recipient: str
    body: str
    number: int  # from 1, interrupted ones not counted
    result: Result
    reason: str = ""
    taken_over: bool = False
    retry_after_s: float | None = None


AfterAttempt = DeliveryAcknowledged | DeliveryTakenOver | DeliveryDeferred | DeliveryParked


def after_attempt(attempt: Attempt, policy: RetryPolicy, now: datetime, chance: float) -> AfterAttempt:
    """What follows an attempt. Exhaustive over results; `chance` in [0, 1) spreads retries."""
    if attempt.result is Result.ACKNOWLEDGED:
        return DeliveryAcknowledged(
            delivery=attempt.delivery, recipient=attempt.recipient, body=attempt.body, attempt=attempt.number
        )
    if attempt.taken_over:
        return DeliveryTakenOver(
            delivery=attempt.delivery,
            recipient=attempt.recipient,
            body=attempt.body,
            attempt=attempt.number,
            reason=attempt.reason,
        )
    if attempt.result is Result.REFUSED or attempt.number > len(policy.pauses_s):
        return DeliveryParked(
            delivery=attempt.delivery,
            recipient=attempt.recipient,
            body=attempt.body,
            attempt=attempt.number,
            reason=attempt.reason,
        )
    pause_s = policy.pauses_s[attempt.number - 1] * (1 + policy.jitter * chance)
    wished_s = min(attempt.retry_after_s or 0.0, policy.retry_after_max_s)
    return DeliveryDeferred(
        delivery=attempt.delivery,
        recipient=attempt.recipient,
        body=attempt.body,
        attempt=attempt.number,
        reason=attempt.reason,
        until=now + timedelta(seconds=max(pause_s, wished_s)),
        warning_percent=policy.warning_percent(attempt.number),
    )
