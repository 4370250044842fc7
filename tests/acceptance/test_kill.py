"""A short siege: killed (SIGKILL) at named points and at any time, the gateway keeps what it acknowledged, once.

The long one is `make kill-test`; what each shows stands in docs/reliability.md. PostgreSQL and Apache Kafka are killed
too where they are those of `scripts/services.sh`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from kill import points
from kill.besieged import Backing
from kill.lots import WAYS, Lot
from kill.plan import OF_SERVICES, Blow, Run, run_with, strokes
from kill.points import Engine, points_of
from kill.processes import Services
from kill.siege import Siege

SEED = 20261122
AT_POINTS = {
    Engine.SQLITE: (points.committed(points.INTAKE), points.sent("aos"), points.CHECKPOINT),
    Engine.POSTGRESQL: (points.uncommitted(points.INTAKE), points.sent("ministries"), points.FINAL_STATUS),
}
pytestmark = pytest.mark.timeout(600)  # a machine that others use has its own time


@dataclass(frozen=True, slots=True)
class Scene:
    """A town under siege, and the blows it gets."""

    siege: Siege
    runs: tuple[Run, ...]
    points: tuple[str, ...]


@pytest_asyncio.fixture(params=list(Engine))
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    engine, backing, spared = request.param, Backing(engine=Engine.SQLITE), OF_SERVICES
    if engine is Engine.POSTGRESQL:
        dsn, kafka = request.getfixturevalue("postgres_dsn"), request.getfixturevalue("find_kafka")("4").plain
        backing = Backing(engine=engine, dsn=dsn, kafka=kafka)
        spared = frozenset() if Services.are_ours(dsn) else OF_SERVICES
    siege = Siege(tmp_path, backing)
    names = tuple(point.name for point in points_of(engine))
    yield Scene(siege, _short(engine, spared), names)
    assert await siege.close() is None


def _short(engine: Engine, spared: frozenset[Blow]) -> tuple[Run, ...]:
    """Every kind of blow once, and some named points; to kill Kafka at one of them takes half a minute more."""
    chosen = [one for one in strokes(engine) if one.point in AT_POINTS[engine]]
    kinds = {one.blow: one for one in strokes(engine) if one.blow not in {Blow.AT_POINT, Blow.KAFKA_AT_POINT, *spared}}
    return tuple(run_with(one, engine, SEED, number) for number, one in enumerate((*chosen, *kinds.values()), start=1))


async def test_killed_again_and_again_it_loses_nothing_and_does_nothing_twice(scene: Scene) -> None:
    """EHR-7, EHR-10, AOS-P7. At the beginning a calm run passes every named point: none has lost its place."""
    passed = await scene.siege.calm(tuple(Lot(id=f"C-{way}", way=way) for way in WAYS))
    assert {point for point in scene.points if not passed.get(point)} <= {points.CHECKPOINT}  # asked for by its run
    for run in scene.runs:
        result = await scene.siege.run(run)
        assert result.failure is None, f"{run}\n{result.failure}"
        assert result.reached, f"not passed: {run.stroke}"
