"""Apache Kafka is killed under load and comes back: nothing is lost, intake ends at its bound, somebody is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.broker_outage import Outage, measure

pytestmark = pytest.mark.timeout(900)

DOWN_S, OUTBOX_MAX = 15.0, 8
SETTINGS = {
    "EHERRAC__INTAKE__OUTBOX_MAX": str(OUTBOX_MAX),
    "EHERRAC__WATCHDOG__INTERVAL_S": "1",
    "EHERRAC__WATCHDOG__LATE_S": "2",
    "EHERRAC__DISPATCHER__BREAKER_FAILURES": "2",
    "EHERRAC__DISPATCHER__BREAKER_PAUSE_S": "1",
    "EHERRAC__DISPATCHER__BREAKER_PAUSE_MAX_S": "2",
}


async def test_everything_accepted_arrives_after_the_broker_was_dead(
    tmp_path: Path, jars: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Void, and so an error, if a protocol is missing, a notice came backwards or no alarm was raised in time."""
    jars("kafka-4")
    monkeypatch.setenv("PYTHONPATH", "")  # the town sets it for its programs; put back afterwards
    outage: Outage = await measure(tmp_path, down_s=DOWN_S, per_s=0.7, settings=SETTINGS)
    assert outage.waiting_max > OUTBOX_MAX
    assert outage.shed > 0
    assert outage.shed_s is not None
