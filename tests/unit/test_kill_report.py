"""The siege's report: what was never struck is named, what failed is counted."""

from __future__ import annotations

from dataclasses import fields, replace

from kill.counting import Count
from kill.plan import OF_SERVICES, Stroke, strokes
from kill.points import Engine
from kill.report import never_reached, progress, table, too_slow
from kill.siege import Result

COUNT = {figure.name: 7 for figure in fields(Count)}


def result(run: int, stroke: Stroke, **changes: object) -> Result:
    made = Result(
        run=run,
        engine=Engine.SQLITE,
        blow=stroke.blow,
        point=stroke.point,
        reached=True,
        killed=["gateway"],
        lots=2,
        seconds=3.0,
        restarts=[{"wall_s": run / 10, "cpu_s": 0.2, "cold": run == 0}],
        services_s=[],
        count=COUNT,
    )
    return replace(made, **changes)


RESULTS = [result(run, stroke) for run, stroke in enumerate(strokes(Engine.SQLITE))]


def test_a_point_at_which_nobody_died_is_named() -> None:
    assert never_reached(RESULTS) == []
    missed = [replace(one, reached=False) if one.point == "timer due, not fired" else one for one in RESULTS]
    assert never_reached(missed) == ["sqlite / gateway, at a named point / timer due, not fired"]


def test_a_failed_run_is_counted_and_its_number_told() -> None:
    broken = [replace(RESULTS[0], count=None, failure="lost"), *RESULTS[1:]]
    assert "| runs in which anything was lost, invented or doubled | 1 | 0 | 1 |" in table(broken)
    assert progress(broken).endswith("failed: [0]")


def test_times_are_told_apart_by_how_the_gateway_was_started() -> None:
    text = table(RESULTS)
    assert "| gateway on sqlite, new interpreter, by the clock | 1 | 0.00 | 0.00 | 0.00 |" in text
    count, last = len(RESULTS) - 1, (len(RESULTS) - 1) / 10
    assert f"| gateway on sqlite, forked, programs read beforehand, by the clock | {count} | " in text
    assert f" | {last:.2f} |" in text


def test_a_restart_is_too_slow_by_its_own_work_and_not_by_a_starved_machine() -> None:
    def restarted(wall_s: float, cpu_s: float) -> Result:
        return replace(RESULTS[0], restarts=[{"wall_s": wall_s, "cpu_s": cpu_s, "cold": True}])

    assert too_slow([restarted(29.0, 28.0), restarted(90.0, 4.0)]) == []
    assert too_slow([restarted(31.0, 16.0)]) == ["run 0: ready after 31.0 s, of them 16.0 s of CPU"]


def test_no_two_rows_of_a_service_have_the_same_name() -> None:
    struck = [result(run, Stroke(blow=blow), services_s=[1.0]) for run, blow in enumerate(sorted(OF_SERVICES))]
    names = [line.split(" | ")[0] for line in table(struck).splitlines() if line.endswith("| 1.00 | 1.00 | 1.00 |")]
    assert len(names) == len(set(names)) > 1
