"""Who kills a service that others use waits until they are between two runs, and they wait for it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Quiet:
    """A lock among processes: held together by those at work, alone by the one who kills what all of them use.

    A turnstile in front of it lets the one who waits alone go before those who come later.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @asynccontextmanager
    async def held(self, *, alone: bool) -> AsyncIterator[None]:
        """For the length of a run."""
        lock = os.open(self._file, os.O_CREAT | os.O_RDWR)
        turnstile = os.open(f"{self._file}.turnstile", os.O_CREAT | os.O_RDWR)
        try:
            await asyncio.to_thread(fcntl.flock, turnstile, fcntl.LOCK_EX)
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            yield
        finally:
            os.close(lock)
            os.close(turnstile)
