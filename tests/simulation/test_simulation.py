"""Two thousand worlds, each with accidents of its own. `make simulate SEEDS=… FROM=…` searches further."""

from __future__ import annotations

import pytest
from simulator.__main__ import report
from simulator.world import runs

BATCH, BATCHES = 50, 40


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "batch", range(BATCHES), ids=lambda batch: f"seeds {batch * BATCH} to {(batch + 1) * BATCH - 1}"
)
def test_whatever_goes_wrong_nothing_is_lost_nothing_happens_twice_and_everything_ends(batch: int) -> None:
    """AOS-P1 to AOS-P7, AOS-I1, AOS-I2, AOS-C3, AOS-R1, AOS-R2, EHR-5, EHR-6, EHR-7, EHR-10, EHR-12, EHR-13."""
    for found in runs(range(batch * BATCH, (batch + 1) * BATCH)):
        if found.failure is not None:
            pytest.fail(report(found), pytrace=False)
