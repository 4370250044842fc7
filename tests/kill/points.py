"""The named points at which a process is killed or stopped: between which two steps of its work. `hooks` has them.

A point that a calm run does not pass is an error of the test (`test_kill.py`): the code was renamed under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CHANNELS = ("aos", "asan_pay", "banks", "ministries", "notary", "platform", "refusals")
_PAID = ("accept",)
_COLLECTED = ("sold",)


class Engine(StrEnum):
    """What the gateway stands on."""

    SQLITE = "sqlite"  # one process, the broker in a process of its own
    POSTGRESQL = "postgresql"  # two replicas, Apache Kafka


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """`ways`: the lots that pass it. `most`: the greatest n for "the n-th time it is passed"."""

    name: str
    ways: tuple[str, ...] = _PAID
    most: int = 1
    engines: tuple[Engine, ...] = tuple(Engine)


def claimed(channel: str) -> str:
    """The row is leased, nothing has left."""
    return f"claimed, not sent: {channel}"


def sent(channel: str) -> str:
    """They have it, we have not written it down."""
    return f"sent, not booked: {channel}"


CLAIM = "lease"
INTAKE = "intake"
BOOKING = "outcome"
STAMP = "time-stamp"


def uncommitted(work: str) -> str:
    """Everything is done but the commit."""
    return f"{work} written, not committed"


def committed(work: str) -> str:
    """The commit has returned, nobody has been told."""
    return f"{work} committed, nobody told"


FINAL_STATUS = "AÖS final status booked, not called back"
RECEIPT = "receipt booked, offset not committed"
REFUSED = "receipt refused in the journal, offset not committed"
TIMER = "timer due, not fired"
ANSWER = "answer given, its copy not kept"
CHECKPOINT = "in a checkpoint of the log"
STORE_OPEN = "starting: store open"
DOORS_OPEN = "starting: doors open, not ready"
DRAINING = "told to stop, draining"
MIGRATING = "in a migration"
MIGRATED = "migrated, not committed"
BACKING_UP = "in a backup"

_LANES = {"aos": (_PAID, 1), "asan_pay": (_COLLECTED, 4), "notary": (_PAID, 1), "refusals": (_PAID, 1)}

IN_WORK = (
    *(Point(name=uncommitted(work), most=3) for work in (INTAKE, BOOKING)),
    *(Point(name=committed(work), most=3) for work in (INTAKE, CLAIM, BOOKING)),
    Point(name=uncommitted(CLAIM), most=3),
    Point(name=uncommitted(STAMP)),
    Point(name=committed(STAMP)),
    *(
        Point(name=name(channel), ways=_LANES.get(channel, (_PAID, 3))[0], most=_LANES.get(channel, (_PAID, 3))[1])
        for channel in CHANNELS
        for name in (claimed, sent)
    ),
    Point(name=FINAL_STATUS),
    Point(name=RECEIPT, most=3),
    Point(name=REFUSED),
    Point(name=TIMER, ways=("silent",)),
    Point(name=ANSWER, most=2),
    Point(name=CHECKPOINT, engines=(Engine.SQLITE,)),
)
STALLING = (
    uncommitted(INTAKE),
    uncommitted(BOOKING),
    *(name("aos") for name in (claimed, sent)),
    claimed("banks"),
    REFUSED,
)
AT_START = (STORE_OPEN, DOORS_OPEN)
IN_MIGRATION = (MIGRATING, MIGRATED)


def points_of(engine: Engine) -> tuple[Point, ...]:
    """The points that the work of lots passes on this engine."""
    return tuple(point for point in IN_WORK if engine in point.engines)
