"""What an attempt's outcome is called where its delivery's table, the breaker and the journal judge it. Pure."""

from __future__ import annotations

from contracts.visible import visible
from gateway.domain.delivery import Attempt, Result
from gateway.ports import Acknowledged, NotSent, Outcome, Refused, Unknown
from gateway.store.rows import OutboxRow


def result_of(outcome: Outcome) -> Result:
    """The outcome's kind for the retry decision."""
    match outcome:
        case Acknowledged():
            return Result.ACKNOWLEDGED
        case Refused():
            return Result.REFUSED
        case NotSent():
            return Result.NOT_SENT
        case Unknown():
            return Result.UNKNOWN


def reason_of(outcome: Outcome) -> str:
    """For journal and operator; empty for an acknowledgement. Others may say what no database keeps."""
    match outcome:
        case Acknowledged():
            return ""
        case Refused():
            return visible(f"{outcome.code}: {outcome.reason}")
        case NotSent() | Unknown():
            return visible(outcome.reason)


def attempt_of(row: OutboxRow, outcome: Outcome, *, taken_over: bool) -> Attempt:
    """The attempt at a row that ended so."""
    return Attempt(
        delivery=row.id,
        recipient=row.recipient,
        body=row.body_type,
        number=row.booked + 1,
        result=result_of(outcome),
        reason=reason_of(outcome),
        taken_over=taken_over,
        retry_after_s=outcome.retry_after_s if isinstance(outcome, NotSent) else None,
    )
