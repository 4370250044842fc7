"""A machine's disk: what was written, what of it is safe, and what goes wrong.

A write is seen at once and safe once its file was synced. When the power fails, each write since then is there, is not,
or is there in some of its sectors. When only a process dies, what it wrote stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from simulator.loop import Process

SECTOR_BYTES = 512

OK, BUSY, FULL, CANT_OPEN = 0, 5, 13, 14  # SQLite's words
READ_FAILED, WRITE_FAILED, SYNC_FAILED = 266, 778, 1034


@dataclass(slots=True)
class File:
    """`data` is what programs see; `safe` is what a power failure leaves for sure; `pending` came since."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # offset and octets; None truncates

    def write(self, offset: int, octets: bytes) -> None:
        _apply(self.data, offset, octets)
        self.pending.append((offset, octets))

    def truncate(self, size: int) -> None:
        _apply(self.data, size, None)
        self.pending.append((size, None))

    def sync(self) -> None:
        for offset, octets in self.pending:
            _apply(self.safe, offset, octets)
        self.pending.clear()

    def lose_power(self, random: Random) -> None:
        """What was not synced: each write whole, not at all, or torn."""
        for offset, octets in self.pending:
            fate = random.random()
            if octets is None or len(octets) <= SECTOR_BYTES or fate < 0.7:
                if fate < 0.4:
                    _apply(self.safe, offset, octets)
                continue
            for start in range(0, len(octets), SECTOR_BYTES):
                if random.random() < 0.5:
                    _apply(self.safe, offset + start, octets[start : start + SECTOR_BYTES])
        self.pending.clear()
        self.data = bytearray(self.safe)


def _apply(image: bytearray, offset: int, octets: bytes | None) -> None:
    if octets is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(octets)] = octets


@dataclass(slots=True)
class Disk:
    """`die_at` counts down writes and syncs of one process; at zero it dies before the write or sync is done."""

    files: dict[str, File] = field(default_factory=dict)
    capacity_bytes: int | None = None  # full: no file may grow beyond what all have together
    failing: frozenset[str] = frozenset()  # "read", "write", "sync"
    die_at: tuple[Process, int] | None = None
    on_death: Callable[[Process], None] = lambda process: process.kill()
    operations: int = 0

    def lay(self, name: str, content: bytes) -> None:
        """Put a file there, safe."""
        self.files[name] = File(data=bytearray(content), safe=bytearray(content))

    def used_bytes(self) -> int:
        return sum(len(file.data) for file in self.files.values())

    def write(self, process: Process | None, file: File, offset: int, octets: bytes) -> int:
        if self._dies(process):
            return WRITE_FAILED
        if "write" in self.failing:
            return WRITE_FAILED
        growth = max(0, offset + len(octets) - len(file.data))
        if growth and self.capacity_bytes is not None and self.used_bytes() + growth > self.capacity_bytes:
            return FULL
        file.write(offset, octets)
        return OK

    def sync(self, process: Process | None, file: File) -> int:
        if self._dies(process) or "sync" in self.failing:
            return SYNC_FAILED
        file.sync()
        return OK

    def lose_power(self, random: Random) -> None:
        for name in sorted(self.files):
            self.files[name].lose_power(random)

    def _dies(self, process: Process | None) -> bool:
        """Whether the process is dead, by now."""
        self.operations += 1
        if process is None:
            return False
        if self.die_at is not None and self.die_at[0] is process and process.alive:
            left = self.die_at[1] - 1
            self.die_at = (process, left)
            if left <= 0:
                self.die_at = None
                self.on_death(process)
        return not process.alive
