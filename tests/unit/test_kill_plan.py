"""The siege's plan: by the seed alone, and no blow is left out."""

from __future__ import annotations

from collections import Counter

import pytest
from kill.plan import run_of, strokes
from kill.points import Engine


def test_a_run_is_the_same_whenever_its_seed_and_number_are() -> None:
    assert [run_of(7, number) for number in range(50)] == [run_of(7, number) for number in range(50)]
    assert [run_of(7, number) for number in range(50)] != [run_of(8, number) for number in range(50)]


def test_engines_share_the_runs_evenly() -> None:
    assert Counter(run_of(1, number).engine for number in range(100)) == dict.fromkeys(Engine, 50)


@pytest.mark.parametrize("engine", Engine)
def test_one_cycle_of_runs_deals_every_blow_once(engine: Engine) -> None:
    count = len(strokes(engine))
    ours = [run for run in (run_of(3, number) for number in range(2 * count)) if run.engine is engine]
    assert Counter(run.stroke for run in ours) == Counter(strokes(engine))


def test_a_run_has_a_lot_that_passes_its_point_and_no_lot_twice() -> None:
    runs = [run_of(5, number) for number in range(300)]
    assert all(set(run.stroke.ways) <= {lot.way for lot in run.lots} for run in runs)
    names = [lot.id for run in runs for lot in run.lots]
    assert len(names) == len(set(names))
