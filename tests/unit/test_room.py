"""How much room is left: by the disk, by what is allowed, and told once at each step down."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gateway.engine.room import Level, Room, RoomRule
from gateway.engine.watchdog import _narrower
from gateway.store import disk_free

RULE = RoomRule(size_max=1000, warn=300, reserve=100)
DISK_ONLY = RoomRule(warn=300, reserve=100)


@pytest.mark.parametrize(
    ("rule", "used", "disk_free", "free", "level"),
    [
        (DISK_ONLY, 5000, 300, 300, Level.AMPLE),
        (DISK_ONLY, 5000, 299, 299, Level.FILLING),
        (DISK_ONLY, 5000, 100, 100, Level.FILLING),
        (DISK_ONLY, 5000, 99, 99, Level.FULL),
        (DISK_ONLY, 5000, None, None, Level.AMPLE),
        (RULE, 700, None, 300, Level.AMPLE),
        (RULE, 701, None, 299, Level.FILLING),
        (RULE, 901, None, 99, Level.FULL),
        (RULE, 1200, None, 0, Level.FULL),
        (RULE, 100, 99, 99, Level.FULL),
        (RULE, 901, 5000, 99, Level.FULL),
    ],
)
def test_what_is_left_is_the_lesser_of_the_disk_and_of_what_is_allowed(
    rule: RoomRule, used: int, disk_free: int | None, free: int | None, level: Level
) -> None:
    assert rule.judge(used, disk_free) == Room(used=used, free=free, level=level)


def test_a_disk_that_is_not_to_be_looked_at_stops_no_count(tmp_path: Path) -> None:
    assert (disk_free(f"sqlite:///{tmp_path / 'store.db'}") or 0) > 0
    assert disk_free(f"sqlite:///{tmp_path / 'unmounted' / 'store.db'}") is None
    assert disk_free("postgresql://gateway@127.0.0.1/x") is None


def test_each_step_down_is_told_once_and_a_step_up_not_at_all() -> None:
    levels = [Level.AMPLE, Level.FILLING, Level.FILLING, Level.FULL, Level.FULL, Level.FILLING, Level.AMPLE, Level.FULL]
    rooms = [Room(used=2**30, free=5 * 2**20, level=level) for level in levels]
    told = [alarm for before, now in pairwise(rooms) for alarm in _narrower(before, now)]
    assert [alarm.code for alarm in told] == ["STORE_FILLING", "STORE_FULL", "STORE_FULL"]
    assert told[0].facts == {"used": "1024 MiB", "free": "5 MiB"}
