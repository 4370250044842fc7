"""The simulator itself: the same seed is the same world, wherever it runs, and different seeds are different ones."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from simulator.plan import draw
from simulator.world import run, runs

SEEDS = (2, 11, 95, 278)  # with and without replicas, clock steps, disk faults, days that pass


def test_the_same_seed_is_the_same_world_to_the_last_line() -> None:
    first, second = ({found.seed: found.digest for found in runs(SEEDS)} for _ in range(2))
    assert first == second
    assert len(set(first.values())) == len(SEEDS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_another_process_with_another_hash_seed_sees_the_same_world(hash_seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for seed in SEEDS[:2]:
        done = subprocess.run(
            [sys.executable, "-m", "simulator", f"SEED={seed}"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == f"digest {run(seed).digest}"


def test_the_plans_of_a_thousand_seeds_have_every_accident_alone_and_beside_every_other() -> None:
    from itertools import combinations
    from random import Random

    kinds = [
        "loss", "duplication", "delay", "cuts_every_s", "crashes_every_s", "torn_every_s", "power_every_s",
        "clock_every_s", "full_every_s", "broken_every_s", "slow_disk_s", "moods_every_s",
    ]  # fmt: skip
    plans = [draw(Random(seed)) for seed in range(1000)]
    for pair in combinations(kinds, 2):
        for wanted in ((True, True), (True, False), (False, True), (False, False)):
            assert any(tuple(bool(getattr(plan, kind)) for kind in pair) == wanted for plan in plans), (pair, wanted)
