"""Asking AÖS what became of an order it is silent about (AOS-I1, AOS-I2, AOS-R5): when, how often, under which id.

All of it is the rail's profile (AOS-G5). Payments and credits share it; what an answer means for them is their table's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from contracts.errors import ErrorCode
from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.events.order import (
    EnquiriesExhausted,
    EnquiryDue,
    EnquiryRefused,
    EnquirySent,
    NotKnownToRail,
    SilenceElapsed,
)
from gateway.domain.rulebook import EnquiryIds, RailRule
from gateway.domain.table import Alarm, Context, Effect, Tell, Timer

ENQUIRY_ALIAS = "aos.enquiry"  # the message id of a question; whoever asked it has the name
TIMER = "answer"  # a noun waits for one answer at a time
_UNSENT = timedelta(hours=1)


class Verdict(StrEnum):
    """What a refused question says of the order."""

    OVERTAKEN = "overtaken"  # it was not our last
    NOTHING = "nothing"  # refused for a reason of its own: a person is told
    FORGOTTEN = "forgotten"  # the rail does not know what it has spoken of itself: a regression
    TOO_OFTEN = "too_often"  # never seen, and it has gone again as often as the profile says
    NEVER_SEEN = "never_seen"  # it goes again as the same message


def silence(context: Context, *, times: int = 1) -> Timer:
    """From now on AÖS has its time to answer, or so many times that; after it nobody knows."""
    return Timer(TIMER, context.now + times * context.rules.rail.answer_timeout, SilenceElapsed())


def first(context: Context) -> Timer:
    """The first question."""
    return Timer(TIMER, context.now + context.rules.rail.enquiry_delay, EnquiryDue(number=1))


def next_after(sent: EnquirySent, context: Context) -> Timer:
    """The question after one that the rail has."""
    return Timer(TIMER, context.now + context.rules.rail.enquiry_interval, EnquiryDue(number=sent.number + 1))


def unless_sent(number: int, context: Context) -> Timer:
    """The same question anew, should this one never go: a rail that is down is asked nothing, however long it is down.

    That it waits is the delivery's to tell a person; this is for one that a person discards.
    """
    wait = max(context.rules.rail.enquiry_interval, _UNSENT)
    return Timer(TIMER, context.now + wait, EnquiryDue(number=number))


def is_of_another_day(code: str, told_at: datetime | None, ordered_at: datetime, rail: RailRule) -> bool:
    """AOS-C2: refused because, by AÖS's own clock (`told_at`), the day is not the order's."""
    if told_at is None or code not in rail.day_refused_codes:
        return False
    return local_date(told_at) != local_date(ordered_at)


def enquiry_id(last: str | None, number: int, context: Context) -> str:
    """The id of a question; `last` is the one before it."""
    rail = context.rules.rail
    if rail.enquiry_ids is EnquiryIds.SAME and last is not None:
        return last
    seed = f"{context.id}/enquiry/{number}/{context.now.isoformat()}"
    return ids.message_id(rail.own_address, local_date(context.now), seed)


def judge(event: EnquiryRefused, rail: RailRule, *, last: str | None, spoken_of: bool, resends: int) -> Verdict:
    """Only the last question counts, and only "no such order" says anything of the order."""
    if event.enquiry_id != last:
        return Verdict.OVERTAKEN
    if event.code not in rail.unknown_order_codes:
        return Verdict.NOTHING
    if spoken_of:
        return Verdict.FORGOTTEN
    return Verdict.TOO_OFTEN if resends >= rail.resends_max else Verdict.NEVER_SEEN


def after_refusal(
    noun: str, verdict: Verdict, event: EnquiryRefused, context: Context, *, asking: bool
) -> tuple[Effect, ...]:
    """What a noun does about it. `asking`: no person has been given it yet."""
    facts = {noun: context.id, "code": event.code, "reason": event.reason}
    to_a_person = (Tell(noun, context.id, EnquiriesExhausted()),) if asking else ()
    match verdict:
        case Verdict.OVERTAKEN:
            return ()
        case Verdict.NOTHING:
            return (Alarm("ENQUIRY_REFUSED", facts),)
        case Verdict.FORGOTTEN:
            return (Alarm(ErrorCode.STATUS_REGRESSION, facts), *to_a_person)
        case Verdict.TOO_OFTEN:
            return to_a_person
        case Verdict.NEVER_SEEN:
            return (Tell(noun, context.id, NotKnownToRail(enquiry_id=event.enquiry_id)),)
