"""What the store's trouble becomes: one refusal that says when to come again, one line in the log that says why."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from contracts.errors import ErrorCode
from gateway.engine import unavailable
from gateway.engine.unavailable import AGAIN_S, SAID_EVERY_S, spread, store_unavailable
from gateway.store import StoreBusyError, StoreError, StoreUnavailableError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds; nothing was said before."""
    seconds = [0.0]
    monkeypatch.setattr(unavailable.time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(unavailable, "_said_at", {})
    return seconds


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailableError("disk full"), ErrorCode.STORE_UNAVAILABLE),
        (StoreBusyError("all at work"), ErrorCode.OVERLOADED),
        (StoreError("no such column"), ErrorCode.STORE_UNAVAILABLE),
    ],
    ids=repr,
)
def test_a_sender_hears_whether_the_store_is_away_or_busy_and_when_to_come_again(
    error: StoreError, code: ErrorCode
) -> None:
    refusal = store_unavailable(error, lambda: 0.0).refusal
    assert (refusal.code, refusal.facts) == (code, {"retry_after_s": str(AGAIN_S)})


def test_the_log_says_why_once_in_a_while_for_each_kind(clock: list[float]) -> None:
    with capture_logs() as lines:
        for second in (0.0, 1.0, SAID_EVERY_S - 0.1, SAID_EVERY_S):
            clock[0] = second
            store_unavailable(StoreUnavailableError(f"disk full at {second}"))
            store_unavailable(StoreBusyError("all at work"))
    reasons = [line["reason"] for line in lines]
    assert reasons == ["disk full at 0.0", "all at work", f"disk full at {SAID_EVERY_S}", "all at work"]


@pytest.mark.usefixtures("clock")
def test_what_is_no_outage_is_told_as_a_fault_of_ours_with_its_place() -> None:
    with capture_logs() as lines:
        store_unavailable(StoreError("no such column"))
    assert [(line["log_level"], "exc_info" in line) for line in lines] == [("error", True)]


def test_those_who_are_refused_together_do_not_come_again_together() -> None:
    assert [spread(chance) for chance in (0.0, 0.5, 0.999)] == [AGAIN_S, 7, 2 * AGAIN_S - 1]
