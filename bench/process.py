"""What a process used, read from /proc: CPU of all its threads, those of librdkafka apart, and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_BROKER_THREADS = "rdk:"  # librdkafka names its threads; Python's all bear the program's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Seconds of CPU (user and system) since the process began, and its memory now."""

    cpu_s: float  # without the embedded broker
    broker_cpu_s: float  # of the embedded broker's threads, which stand for another machine
    resident_bytes: int

    def since(self, before: Used) -> Used:
        """What was used between two looks."""
        return Used(
            cpu_s=self.cpu_s - before.cpu_s,
            broker_cpu_s=self.broker_cpu_s - before.broker_cpu_s,
            resident_bytes=self.resident_bytes,
        )


def used(pid: int) -> Used:
    """Look at a process. Raises OSError when it is gone."""
    folder = Path(f"/proc/{pid}")
    broker_s = sum(
        _cpu_s(thread) for thread in (folder / "task").iterdir() if _name(thread).startswith(_BROKER_THREADS)
    )
    resident_pages = int((folder / "statm").read_text().split()[1])
    return Used(cpu_s=_cpu_s(folder) - broker_s, broker_cpu_s=broker_s, resident_bytes=resident_pages * _PAGE_BYTES)


def _cpu_s(folder: Path) -> float:
    """utime and stime of `stat`; the name in parentheses before them may hold spaces."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _name(thread: Path) -> str:
    return (thread / "comm").read_text()
