"""What follows an attempt: a pure decision, exhaustive over results, whether the noun takes over, and attempts left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ErrorCode, Refusal
from gateway.domain.delivery import (
    TABLE,
    Attempt,
    Delivery,
    DeliveryAcknowledged,
    DeliveryDeferred,
    DeliveryParked,
    DeliveryState,
    DeliveryTakenOver,
    Discarded,
    Fired,
    Requeued,
    Result,
    RetryPolicy,
    Scheduled,
    after_attempt,
)
from gateway.domain.table import Alarm, Context, Transition

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
POLICY = RetryPolicy(pauses_s=(1, 5, 15, 60, 300, 900, 3600, 7200), jitter=0.1)
LAST = len(POLICY.pauses_s)  # the last attempt after which there is another


def attempt(result: Result, **other: object) -> Attempt:
    values = {"delivery": "d1", "recipient": "999101", "body": "Notice", "number": 1, "result": result} | other
    return Attempt(**values)  # type: ignore[arg-type]


#    result               taken over  attempts left  what follows
ROWS = {
    (Result.ACKNOWLEDGED, False, True): DeliveryAcknowledged,
    (Result.ACKNOWLEDGED, False, False): DeliveryAcknowledged,
    (Result.ACKNOWLEDGED, True, True): DeliveryAcknowledged,
    (Result.ACKNOWLEDGED, True, False): DeliveryAcknowledged,
    (Result.REFUSED, False, True): DeliveryParked,  # their final no is not repeated at them
    (Result.REFUSED, False, False): DeliveryParked,
    (Result.REFUSED, True, True): DeliveryTakenOver,
    (Result.REFUSED, True, False): DeliveryTakenOver,
    (Result.NOT_SENT, False, True): DeliveryDeferred,
    (Result.NOT_SENT, False, False): DeliveryParked,
    (Result.NOT_SENT, True, True): DeliveryTakenOver,
    (Result.NOT_SENT, True, False): DeliveryTakenOver,
    (Result.UNKNOWN, False, True): DeliveryDeferred,  # the same id again
    (Result.UNKNOWN, False, False): DeliveryParked,
    (Result.UNKNOWN, True, True): DeliveryTakenOver,  # a payment asks instead of being sent again
    (Result.UNKNOWN, True, False): DeliveryTakenOver,
}


def test_the_table_below_has_every_row_there_is() -> None:
    assert ROWS.keys() == set(product(Result, (False, True), (True, False)))


@pytest.mark.parametrize(("row", "follows"), ROWS.items(), ids=str)
def test_what_follows_an_attempt(row: tuple[Result, bool, bool], follows: type) -> None:
    result, taken_over, left = row
    made = attempt(result, taken_over=taken_over, number=LAST if left else LAST + 1, reason="why")
    after = after_attempt(made, POLICY, NOW, 0.5)
    assert type(after) is follows
    assert (after.delivery, after.recipient, after.body, after.attempt) == ("d1", "999101", "Notice", made.number)
    assert getattr(after, "reason", "why") == "why"


@pytest.mark.parametrize("number", range(1, LAST + 1))
@pytest.mark.parametrize("result", [Result.NOT_SENT, Result.UNKNOWN])
def test_the_nth_pause_follows_the_nth_attempt(number: int, result: Result) -> None:
    after = after_attempt(attempt(result, number=number), POLICY, NOW, 0.0)
    assert isinstance(after, DeliveryDeferred)
    assert after.until == NOW + timedelta(seconds=POLICY.pauses_s[number - 1])


@pytest.mark.parametrize(
    ("wish_s", "pause_s"),
    [(None, 5), (0, 5), (4, 5), (6, 6), (3600, 3600), (3601, 3600), (10**15, 3600), (float("inf"), 3600)],
)
def test_a_counterpartys_wish_is_honoured_within_its_limit(wish_s: float | None, pause_s: float) -> None:
    after = after_attempt(attempt(Result.NOT_SENT, number=2, retry_after_s=wish_s), POLICY, NOW, 0.0)
    assert isinstance(after, DeliveryDeferred)
    assert after.until == NOW + timedelta(seconds=pause_s)


policies = st.builds(
    RetryPolicy,
    pauses_s=st.lists(st.floats(0.01, 50_000), min_size=1, max_size=100).map(lambda pauses: tuple(sorted(pauses))),
    jitter=st.floats(0, 0.5),
)
chances = st.floats(0, 1, exclude_max=True)
unsure = st.sampled_from([Result.NOT_SENT, Result.UNKNOWN])


@given(policies, chances, unsure, st.integers(1, 200), st.none() | st.floats(0, 1e18))
def test_not_sent_is_parked_only_after_the_schedule_and_tried_never_past_it(
    policy: RetryPolicy, chance: float, result: Result, number: int, wish_s: float | None
) -> None:
    after = after_attempt(attempt(result, number=number, retry_after_s=wish_s), policy, NOW, chance)
    assert type(after) is (DeliveryDeferred if number <= len(policy.pauses_s) else DeliveryParked)


@given(policies, chances, unsure, st.data())
def test_jitter_only_lengthens_and_only_by_its_share(
    policy: RetryPolicy, chance: float, result: Result, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, len(policy.pauses_s)))
    after = after_attempt(attempt(result, number=number), policy, NOW, chance)
    assert isinstance(after, DeliveryDeferred)
    pause_s = policy.pauses_s[number - 1]
    assert pause_s - 1e-5 <= (after.until - NOW).total_seconds() <= pause_s * (1 + policy.jitter) + 1e-5


@given(policies, st.floats(50, 10_000))  # at 0.5 a schedule of this test came to ten million pieces
def test_in_pieces_a_schedule_is_as_long_and_no_wait_of_it_too_long(policy: RetryPolicy, most_s: float) -> None:
    pieces = policy.in_pieces(most_s)
    assert sum(pieces.pauses_s) == pytest.approx(sum(policy.pauses_s))
    assert max(pieces.pauses_s) <= most_s * (1 + 1e-12)  # a quotient of floats may end one beyond
    assert replace(pieces, pauses_s=policy.pauses_s) == policy


HOURLY = RetryPolicy(pauses_s=(3600,) * 10, jitter=0)


@pytest.mark.parametrize(
    ("marks", "warnings"),
    [
        ((50, 70, 90), {6: 50, 8: 70, 10: 90}),
        ((55, 58), {7: 58}),  # two marks passed at once: the greater
        ((), {}),
        ((100,), {}),  # then it is parked
    ],
)
def test_a_person_is_warned_once_at_each_mark_of_the_schedule(marks: tuple[int, ...], warnings: dict[int, int]) -> None:
    policy = replace(HOURLY, warn_at_percent=marks)
    numbers = range(1, len(policy.pauses_s) + 1)
    deferred = [after_attempt(attempt(Result.UNKNOWN, number=n), policy, NOW, 0.9) for n in numbers]
    said = {d.attempt: d.warning_percent for d in deferred if isinstance(d, DeliveryDeferred)}
    assert {number: percent for number, percent in said.items() if percent} == warnings


@given(policies)
def test_no_schedule_has_more_warnings_than_marks(policy: RetryPolicy) -> None:
    marks = [policy.warning_percent(number) for number in range(1, len(policy.pauses_s) + 1)]
    given_out = [mark for mark in marks if mark is not None]
    assert given_out == sorted(set(given_out))


DUE = Delivery(
    state=DeliveryState.DUE,
    lot_id="",
    owner="",
    channel="banks",
    recipient="999101",
    body="Notice",
    attempt=0,
    due_at=NOW,
)
CONTEXT = Context(now=NOW, rules=None, id="d1")  # type: ignore[arg-type]  # no row of this table asks the rules
DELIVERY = {"delivery": "d1", "recipient": "999101", "body": "Notice"}
FACTS = DELIVERY | {"attempt": 1}
EDGES = [
    (None, Scheduled(channel="banks", recipient="999101", body="Notice", due_at=NOW), "due"),
    ("due", DeliveryAcknowledged(**FACTS), "acknowledged"),
    ("due", DeliveryTakenOver(**FACTS, reason="r"), "taken_over"),
    ("due", DeliveryDeferred(**FACTS, reason="r", until=NOW), "due"),
    ("due", DeliveryParked(**FACTS, reason="r"), "parked"),
    ("due", Fired(), "fired"),
    ("parked", Requeued(**DELIVERY, person="operator"), "due"),
    ("parked", Discarded(**DELIVERY, person="operator", reason="r"), "discarded"),
]


@pytest.mark.parametrize("event", [event for _, event, _ in EDGES], ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", [None, *DeliveryState])
def test_only_acknowledgement_the_noun_or_a_person_ends_a_delivery(state: DeliveryState | None, event: object) -> None:
    """Every state against every event: what stands in EDGES happens, all else is refused."""
    before = None if state is None else replace(DUE, state=state)
    decision = TABLE.decide(before, event, CONTEXT)  # type: ignore[arg-type]
    allowed = {(source, type(edge)): target for source, edge, target in EDGES}
    target = allowed.get((None if state is None else state.value, type(event)))
    if target is None:
        assert isinstance(decision, Refusal)
        assert decision.code in (ErrorCode.STATE_CONFLICT, ErrorCode.REFERENCE_UNKNOWN, ErrorCode.ALREADY_EXISTS)
    else:
        assert isinstance(decision, Transition)
        assert decision.noun.state == target


@pytest.mark.parametrize(("percent", "alarms"), [(None, []), (70, ["DELIVERY_DELAYED"])])
def test_a_warning_is_an_alarm(percent: int | None, alarms: list[str]) -> None:
    deferred = DeliveryDeferred(**FACTS, reason="away", until=NOW, warning_percent=percent)
    decision = TABLE.decide(DUE, deferred, CONTEXT)
    assert isinstance(decision, Transition)
    assert [effect.code for effect in decision.effects if isinstance(effect, Alarm)] == alarms


def test_parking_asks_a_person() -> None:
    decision = TABLE.decide(DUE, DeliveryParked(**FACTS, reason="no"), CONTEXT)
    assert isinstance(decision, Transition)
    assert [effect.code for effect in decision.effects if isinstance(effect, Alarm)] == ["DELIVERY_PARKED"]
