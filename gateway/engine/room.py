"""How much the store holds and how much more it may: warned in good time, and the last of it kept. Pure.

What comes in is refused before what is under way finds no place: the outcome of a payment that was ordered can still be
written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Greater is worse."""

    AMPLE = 0
    FILLING = 1  # somebody should make room
    FULL = 2  # nothing new is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """As of one look, in bytes. `free` is None where nobody knows: a server's disk."""

    used: int = 0
    free: int | None = None
    level: Level = Level.AMPLE

    @property
    def facts(self) -> dict[str, str]:
        """For texts, in MiB."""
        return {"used": _mib(self.used), "free": _mib(self.free or 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRule:
    """Bytes: how large the store may become, where that is said; how much less than free is told; how much is kept."""

    size_max: int | None = None
    warn: int
    reserve: int

    def judge(self, used: int, disk_free: int | None) -> Room:
        """By what is left on the disk, where that is known, and of `size_max`; whichever is less."""
        left = [disk_free] if disk_free is not None else []
        left += [max(self.size_max - used, 0)] if self.size_max is not None else []
        if not left:
            return Room(used=used)
        free = min(left)
        level = Level.FULL if free < self.reserve else Level.FILLING if free < self.warn else Level.AMPLE
        return Room(used=used, free=free, level=level)


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
