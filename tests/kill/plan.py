"""What happens in each run, by the seed alone: which engine, which lots, which blow. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kill.lots import WAYS, Lot
from kill.points import AT_START, IN_MIGRATION, RECEIPT, REFUSED, STALLING, Engine, points_of

DELAY_MAX_S = 1.5  # lots of a run are at work about as long


class Blow(StrEnum):
    """What is struck, and when."""

    AT_POINT = "gateway, at a named point"
    STALLED = "gateway, stopped (SIGSTOP) for longer than its lease"  # no kill: it goes on as if no time had passed
    ANY_TIME = "gateway, at any time"
    ALL_AT_ONCE = "all replicas, at any time"
    DRAINING = "gateway, told to stop and killed while it drains"
    STOPPED = "gateway, told to stop"  # no kill: the quiet end loses nothing either
    STARTING = "gateway, twice while it starts"
    MIGRATION = "gateway, while it migrates a store of the revision before"
    BACKUP = "backup, while it copies"
    MINISTRY = "ministry, at any time"
    AOS_AWAY = "AÖS refuses connections"  # no kill: its state would not survive
    KAFKA = "Apache Kafka, at any time"
    KAFKA_AT_POINT = "Apache Kafka, while a gateway is at a named point"
    POSTGRES = "PostgreSQL, at any time"
    BACKENDS = "PostgreSQL's connections, ended by its administrator again and again"
    STANDBY = "PostgreSQL, back as a standby that only reads, and promoted later"
    IMPATIENT = "PostgreSQL, ending every transaction that is idle for 1 ms"
    DISK_FULL = "PostgreSQL's disk, full for a while"
    UPGRADE = "a build of before beside this one, then told to stop"
    UPGRADE_KILLED = "a build of before beside this one, then killed"


class Plan(StrEnum):
    """What a siege is about."""

    ALL = "all"
    SERVERS = "servers"  # PostgreSQL and Apache Kafka, away for up to twenty seconds
    UPGRADE = "upgrade"  # every run begins on a build and a schema of before


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """One blow; `point` where it has one."""

    blow: Blow
    point: str = ""
    ways: tuple[str, ...] = ("accept",)
    most: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `nth` passing of the point, `delay_s` from the first publication, `victim` the replica struck, `away_s`
    until what the others stand on is back (or, of an upgrade, until the build of before ends).
    """

    number: int
    engine: Engine
    stroke: Stroke
    nth: int
    delay_s: float
    victim: int
    away_s: float
    lots: tuple[Lot, ...]

    @property
    def chance(self) -> random.Random:
        """For the small waits within the run."""
        return random.Random(f"waits {self.lots[0].id}")


_OWN: dict[Engine, tuple[Stroke, ...]] = {
    Engine.SQLITE: tuple(Stroke(blow=Blow.ANY_TIME) for _ in range(6)),
    Engine.POSTGRESQL: (
        *(Stroke(blow=Blow.ANY_TIME) for _ in range(4)),
        *(Stroke(blow=Blow.ALL_AT_ONCE) for _ in range(3)),
        Stroke(blow=Blow.POSTGRES),
        Stroke(blow=Blow.POSTGRES),
        Stroke(blow=Blow.KAFKA),
        *(Stroke(blow=Blow.KAFKA_AT_POINT, point=point) for point in (RECEIPT, REFUSED)),
    ),
}
_COMMON = (
    *(Stroke(blow=Blow.STALLED, point=point) for point in STALLING),
    Stroke(blow=Blow.DRAINING),
    Stroke(blow=Blow.STOPPED),
    *(Stroke(blow=Blow.STARTING, point=point) for point in AT_START),
    *(Stroke(blow=Blow.MIGRATION, point=point) for point in IN_MIGRATION),
    Stroke(blow=Blow.BACKUP),
    Stroke(blow=Blow.MINISTRY),
    Stroke(blow=Blow.AOS_AWAY),
)
_SERVERS = (
    *(Stroke(blow=Blow.POSTGRES, ways=("accept", "sold")) for _ in range(3)),
    *(Stroke(blow=Blow.BACKENDS, ways=("accept", "sold")) for _ in range(3)),
    *(Stroke(blow=Blow.STANDBY, ways=("accept", "sold")) for _ in range(2)),
    Stroke(blow=Blow.IMPATIENT, ways=("accept", "sold")),
    Stroke(blow=Blow.DISK_FULL, ways=("accept", "sold")),
    *(Stroke(blow=Blow.KAFKA, ways=("accept", "refuse")) for _ in range(2)),
)
_UPGRADE = (
    *(Stroke(blow=Blow.UPGRADE, ways=WAYS) for _ in range(3)),
    Stroke(blow=Blow.UPGRADE_KILLED, ways=WAYS),
)
OF_SERVICES = frozenset({Blow.KAFKA, Blow.KAFKA_AT_POINT, *(one.blow for one in _SERVERS)})
_AWAY_S = {Plan.ALL: (0.7,), Plan.SERVERS: (0, 0.2, 1, 3, 6, 12, 20), Plan.UPGRADE: (0, 0.5, 1, 2, 3)}


@cache
def strokes(engine: Engine, plan: Plan = Plan.ALL) -> tuple[Stroke, ...]:
    """Every blow there is for this engine; one cycle of runs makes each once."""
    if plan is not Plan.ALL:
        return _SERVERS if plan is Plan.SERVERS else _UPGRADE
    at_points = [
        Stroke(blow=Blow.AT_POINT, point=point.name, ways=point.ways, most=point.most) for point in points_of(engine)
    ]
    return (*at_points, *_OWN[engine], *_COMMON)


def run_of(seed: int, number: int, *, only: Engine | None = None, plan: Plan = Plan.ALL) -> Run:
    """The run of this number: engines take turns, or there is one; each goes through its blows in a shuffled order."""
    engine = only or list(Engine)[(number + random.Random(f"{seed}/{number // 2}").randrange(2)) % 2]
    cycle, place = divmod(number if only else number // 2, len(strokes(engine, plan)))
    order = list(strokes(engine, plan))
    random.Random(f"{seed}/{engine}/{cycle}").shuffle(order)
    return run_with(order[place], engine, seed, number, plan)


def run_with(stroke: Stroke, engine: Engine, seed: int, number: int, plan: Plan = Plan.ALL) -> Run:
    """A run with this blow; all else by the seed and the number."""
    chance = random.Random(f"{seed}/{number}")
    return Run(
        number=number,
        engine=engine,
        stroke=stroke,
        nth=chance.randint(1, stroke.most if engine is Engine.SQLITE else (stroke.most + 1) // 2),  # replicas share
        delay_s=chance.uniform(0, DELAY_MAX_S),
        victim=chance.randrange(2),
        away_s=random.Random(f"{seed}/{number}/away").choice(_AWAY_S[plan]),
        lots=_lots(number, stroke, chance),
    )


def _lots(number: int, stroke: Stroke, chance: random.Random) -> tuple[Lot, ...]:
    """One that passes the point, and often another of any way; sold lots are costly and so are rarer."""
    count = chance.choice((0, 1, 1))
    others = chance.choices(("refuse", "accept", "sold", "poor", "silent"), weights=(8, 5, 2, 1, 1), k=count)
    ways = (*stroke.ways, *others)
    claimants = [chance.choice(("999101", "999202")) if way == "refuse" else "999101" for way in ways]
    return tuple(
        Lot(id=f"K{number}-{place}", way=way, claimant=claimant)
        for place, (way, claimant) in enumerate(zip(ways, claimants, strict=True))
    )
