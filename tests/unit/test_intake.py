"""Bounded intake: a client's quota is its own, and what is shed is shed before work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from gateway.domain.quota import Bucket, QuotaPolicy, take
from gateway.doors.intake import Intake, Unfinished

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
QUOTA = QuotaPolicy(rate_per_s=10, burst=20)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


def intake(clock: Clock, backlog: int = 0, backlog_max: int = 100) -> Intake:
    return Intake(backlog=lambda: backlog, backlog_max=backlog_max, look_again_s=9.5, quota=QUOTA, clock=clock)


def refused(ask) -> RefusedError | None:
    try:
        ask()
    except RefusedError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("backlog", "method", "taken"),
    [(100, "POST", True), (101, "POST", False), (101, "GET", True), (10**6, "HEAD", True)],
)
def test_new_work_is_refused_above_the_bound_and_reading_never(backlog: int, method: str, taken: bool) -> None:
    error = refused(lambda: intake(Clock(), backlog).begin(method))
    assert (error is None) == taken
    if error is not None:
        assert error.refusal == Refusal(code=ErrorCode.OVERLOADED, facts={"retry_after_s": "10"})


@pytest.mark.parametrize(
    ("is_full", "method", "taken"), [(False, "POST", True), (True, "POST", False), (True, "GET", True)]
)
def test_what_room_is_left_is_kept_for_what_is_under_way(is_full: bool, method: str, taken: bool) -> None:
    doors = Intake(
        backlog=lambda: 0, backlog_max=1, look_again_s=9.5, quota=QUOTA, clock=Clock(), is_full=lambda: is_full
    )
    error = refused(lambda: doors.begin(method))
    assert (error is None) == taken
    if error is not None:
        assert error.refusal == Refusal(code=ErrorCode.STORE_UNAVAILABLE, facts={"retry_after_s": "60"})
    Unfinished(doors).begin(method)


def test_honest_clients_keep_their_places_beside_one_that_floods() -> None:
    """Nine clients at half their quota, one at a hundred times it, for a minute."""
    clock = Clock()
    doors = intake(clock)
    asked, taken = Counter[str](), Counter[str]()

    def ask(client: str, times: int) -> None:
        for _ in range(times):
            asked[client] += 1
            taken[client] += refused(lambda: doors.admit(client)) is None

    for _ in range(60):
        ask("greedy", 1000)
        for number in range(9):
            ask(f"honest {number}", 5)
        clock.now += timedelta(seconds=1)
    assert {taken[name] / asked[name] for name in asked if name != "greedy"} == {1.0}  # 0.9 is promised
    assert taken["greedy"] == QUOTA.burst + 59 * QUOTA.rate_per_s


def test_a_rail_has_a_quota_of_its_own_and_is_never_refused_for_what_waits() -> None:
    """A bank that floods the rail's door takes nothing but its own places, at every door."""
    clock = Clock()
    own = {"AOS": QuotaPolicy(rate_per_s=100, burst=200)}
    doors = Intake(backlog=lambda: 10**6, backlog_max=0, look_again_s=1, quota=QUOTA, own_quotas=own, clock=clock)
    rail = Unfinished(doors)
    rail.begin("POST")
    taken = Counter[str]()
    for _ in range(500):
        for sender in ("999101", "AOS"):
            taken[sender] += refused(lambda sender=sender: rail.admit(sender)) is None
    assert taken == {"AOS": 200, "999101": QUOTA.burst}
    assert refused(lambda: doors.admit("999101")) is not None
    doors.admit("999202")


def test_a_refused_client_is_told_when_to_come_again_and_then_is_taken() -> None:
    clock = Clock()
    doors = intake(clock)
    for _ in range(QUOTA.burst):
        doors.admit("A")
    error = refused(lambda: doors.admit("A"))
    assert error is not None
    clock.now += timedelta(seconds=int(error.refusal.facts["retry_after_s"]))
    doors.admit("A")


@given(st.lists(st.floats(-10, 10), max_size=100))
def test_no_more_is_taken_than_rate_and_burst_allow_whatever_the_clock_does(steps_s: list[float]) -> None:
    bucket: Bucket | None = None
    now, forward_s, taken = START, 0.0, 0
    for step_s in steps_s:
        now += timedelta(seconds=step_s)
        forward_s += max(step_s, 0.0)
        for _ in range(50):
            bucket, wait = take(bucket, QUOTA, now)
            taken += wait is None
            assert wait is None or timedelta() < wait <= timedelta(seconds=1 / QUOTA.rate_per_s + 1e-6)
    assert taken <= QUOTA.burst + forward_s * QUOTA.rate_per_s + 1e-3
