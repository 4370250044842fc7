"""What came of a siege, as text: a line while it goes on, the tables at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson

from kill.plan import Blow, Plan, strokes
from kill.points import Engine
from kill.siege import Result

READY_MAX_S = 30.0  # what is promised, by the clock
READY_CPU_MAX_S = 15.0
"""Beyond this the gateway itself is slow and not the machine: a busy machine lengthens the wait for a CPU, and hardly
the work; who needs 15 s of CPU keeps the promise only where a whole core is idle half of the time. What it takes today
stands in docs/reliability.md: a few seconds."""


def read_results(out: Path) -> list[Result]:
    """Every run written down so far, of both engines."""
    lines = [line for engine in Engine if (file := out / f"{engine}.jsonl").exists() for line in _whole_lines(file)]
    return [Result(**orjson.loads(line)) for line in lines]


def _whole_lines(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def progress(results: list[Result]) -> str:
    failed = [result.run for result in results if result.failure] or "none"
    kills, acknowledged = sum(len(result.killed) for result in results), _sum(results, "acknowledged")
    restarts = _restarts(results, "wall_s")
    times = f"restart p50 {_at(restarts, 50):.2f} s, max {_at(restarts, 100):.2f} s"
    return f"{len(results)} runs, {kills} kills, {acknowledged} acknowledged; {times}; failed: {failed}"


def never_reached(results: list[Result]) -> list[str]:
    """The blows at a point that no run of an engine dealt where it was meant to."""
    dealt = {(result.engine, result.blow, result.point) for result in results if result.reached}
    engines = {Engine(result.engine) for result in results}
    wanted = {(str(engine), str(one.blow), one.point) for engine in engines for one in strokes(engine) if one.point}
    return [" / ".join(one) for one in sorted(wanted - dealt)]


def too_slow(results: list[Result]) -> list[str]:
    """The restarts that broke the promise by their own doing; one on a starved machine is in the table, no failure."""
    return [
        f"run {one.run}: ready after {start['wall_s']:.1f} s, of them {start['cpu_s']:.1f} s of CPU"
        for one in results
        for start in one.restarts
        if start["wall_s"] > READY_MAX_S and start["cpu_s"] > READY_CPU_MAX_S
    ]


def table(results: list[Result]) -> str:
    """Markdown."""
    return "\n".join((*_figures(results), "", *_blows(results), "", *_times(results), ""))


def _figures(results: list[Result]) -> Iterable[str]:
    yield "| | SQLite, own broker | PostgreSQL, Apache Kafka, two replicas | together |"
    yield "|---|---|---|---|"
    parts = [[one for one in results if one.engine == engine] for engine in Engine] + [results]
    rows = {
        "runs": len,
        "runs in which anything was lost, invented or doubled": lambda part: sum(bool(one.failure) for one in part),
        "processes killed": lambda part: sum(len(one.killed) for one in part),
        "lots": lambda part: sum(one.lots for one in part),
        "acknowledged with a 2xx": lambda part: _sum(part, "acknowledged"),
        "of these stored, with one effect": lambda part: _sum(part, "stored"),
        "protocols the broker acknowledged": lambda part: _sum(part, "to_publish"),
        "of these on the topics, under the same id": lambda part: _sum(part, "published"),
        "notices to be called back": lambda part: _sum(part, "to_call_back"),
        "of these received, under the same id": lambda part: _sum(part, "called_back"),
        "receipts refused": lambda part: _sum(part, "refused"),
        "of these told to the ministry, under the same id": lambda part: _sum(part, "refused_told"),
        "records that came again (allowed)": lambda part: _sum(part, "records_again"),
        "callbacks that came again (allowed)": lambda part: _sum(part, "callbacks_again"),
        "refusals told again (allowed)": lambda part: _sum(part, "refusals_again"),
    }
    for name, figure in rows.items():
        yield f"| {name} | " + " | ".join(f"{figure(part):,}".replace(",", " ") for part in parts) + " |"


def _blows(results: list[Result]) -> Iterable[str]:
    yield "| struck | where | SQLite | PostgreSQL |"
    yield "|---|---|---|---|"
    dealt = Counter((one.engine, one.blow, one.point) for one in results if one.reached)
    planned = (stroke for plan in Plan for engine in Engine for stroke in strokes(engine, plan))
    for blow, point in dict.fromkeys((str(one.blow), one.point) for one in planned):
        if not any((engine, blow, point) in dealt for engine in Engine):
            continue
        figures = [str(dealt[engine, blow, point] or "-") for engine in Engine]
        yield f"| {blow} | {point} | {' | '.join(figures)} |"
    missed = sum(not one.reached for one in results)
    yield f"| (armed, not passed; killed at any time instead) | | {missed} | |"


def _times(results: list[Result]) -> Iterable[str]:
    yield "| from start to ready, seconds | times | p50 | p99 | max |"
    yield "|---|---|---|---|---|"
    for engine in Engine:
        part = [one for one in results if one.engine == engine]
        for cold, how in ((True, "new interpreter"), (False, "forked, programs read beforehand")):
            for measure, what in (("wall_s", "by the clock"), ("cpu_s", "of CPU")):
                yield from _row(f"gateway on {engine}, {how}, {what}", _restarts(part, measure, cold=cold))
    for blow in (Blow.POSTGRES, Blow.STANDBY, Blow.KAFKA, Blow.KAFKA_AT_POINT):
        yield from _row(blow, sorted(second for one in results if one.blow == blow for second in one.services_s))


def _row(name: str, found: list[float]) -> Iterable[str]:
    if found:
        yield f"| {name} | {len(found)} | {_at(found, 50):.2f} | {_at(found, 99):.2f} | {found[-1]:.2f} |"


def _restarts(results: list[Result], measure: str, *, cold: bool | None = None) -> list[float]:
    starts = [start for one in results for start in one.restarts]
    return sorted(start[measure] for start in starts if cold is None or start["cold"] is cold)


def _at(ordered: list[float], percent: int) -> float:
    """The nearest rank; nothing measured is 0."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


def _sum(results: Iterable[Result], name: str) -> int:
    return sum(one.count[name] for one in results if one.count is not None)
