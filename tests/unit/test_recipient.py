"""The circuit breaker of a recipient: when it is left alone, when it is probed, and what is written down of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.delivery import Result
from gateway.domain.recipient import (
    CLOSED,
    TABLE,
    AnsweredAgain,
    Breaker,
    BreakerPolicy,
    FellSilent,
    RecipientState,
    after_result,
    silent_since_before,
)
from gateway.domain.table import Alarm, Context, Transition

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
POLICY = BreakerPolicy(failures_max=3, pause_s=30, pause_max_s=100)
SILENCE = (Result.NOT_SENT, Result.UNKNOWN)
ANSWERS = (Result.ACKNOWLEDGED, Result.REFUSED)


def s(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def after(*results: Result, at: datetime = NOW, breaker: Breaker = CLOSED) -> Breaker:
    for result in results:
        breaker = after_result(breaker, result, POLICY, at)
    return breaker


@pytest.mark.parametrize("silence", SILENCE)
def test_a_recipient_is_left_alone_after_so_many_attempts_in_a_row(silence: Result) -> None:
    assert after(silence, silence).places(8, NOW) == 8
    assert after(silence, silence, silence) == Breaker(failures=3, probe_at=s(30))


@pytest.mark.parametrize("answer", ANSWERS)
def test_any_answer_begins_the_count_anew(answer: Result) -> None:
    assert after(Result.UNKNOWN, Result.NOT_SENT, answer) == CLOSED
    assert after(Result.UNKNOWN, Result.NOT_SENT, answer, Result.UNKNOWN).places(8, NOW) == 8


def test_one_attempt_probes_and_its_answer_opens_the_lane_for_all() -> None:
    silent = after(*[Result.UNKNOWN] * 3)
    assert [silent.places(8, s(t)) for t in (0, 29.9, 30, 300)] == [0, 0, 1, 1]
    assert after(Result.ACKNOWLEDGED, at=s(31), breaker=silent).places(8, s(31)) == 8


def test_the_pause_doubles_with_every_probe_in_vain_up_to_its_maximum() -> None:
    breaker, at, pauses = after(*[Result.NOT_SENT] * 3), NOW, []
    for _ in range(50):
        assert breaker.probe_at is not None
        pauses.append((breaker.probe_at - at).total_seconds())
        at = breaker.probe_at
        breaker = after(Result.NOT_SENT, at=at, breaker=breaker)
    assert pauses[:4] == [30, 60, 100, 100]
    assert set(pauses[4:]) == {100}


def test_attempts_begun_before_it_opened_do_not_lengthen_the_pause() -> None:
    silent = after(*[Result.UNKNOWN] * 3)
    assert after(*[Result.UNKNOWN] * 7, at=s(1), breaker=silent) == silent


@pytest.mark.parametrize(("wished_s", "pause_s"), [(10, 30), (50, 50), (5000, 100)])
def test_their_wish_for_a_longer_pause_is_honoured_up_to_the_maximum(wished_s: float, pause_s: float) -> None:
    breaker = after_result(
        after(Result.NOT_SENT, Result.NOT_SENT), Result.NOT_SENT, POLICY, NOW, retry_after_s=wished_s
    )
    assert breaker.probe_at == s(pause_s)


def test_who_was_silent_when_the_last_process_ended_is_probed_first() -> None:
    assert silent_since_before(POLICY, NOW).places(8, NOW) == 1
    assert after(Result.UNKNOWN, breaker=silent_since_before(POLICY, NOW)).probe_at == s(60)


def test_a_silent_recipient_is_an_alarm_and_each_change_is_written_down_once() -> None:
    context = Context(now=NOW, rules=None, id="banks/999101")  # type: ignore[arg-type]
    fell = FellSilent(failures=5, reason="HTTP 500")
    silent = TABLE.decide(None, fell, context)
    assert isinstance(silent, Transition)
    facts = {"recipient": "banks/999101", "failures": "5", "reason": "HTTP 500"}
    assert silent.effects == (Alarm("RECIPIENT_SILENT", facts),)
    assert not TABLE.handles(silent.noun, fell)  # another replica's breaker
    answering = TABLE.decide(silent.noun, AnsweredAgain(), context)
    assert isinstance(answering, Transition)
    assert (answering.noun.state, answering.effects) == (RecipientState.ANSWERING, ())
    assert not TABLE.handles(answering.noun, AnsweredAgain())
    assert not TABLE.handles(None, AnsweredAgain())
