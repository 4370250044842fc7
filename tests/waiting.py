"""Waiting for what another task, thread or program does: for the thing itself, never for so many seconds.

The bound ends a test that fails. It is generous, for where all is well it costs nothing, and a machine may be slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_S = 60.0
_LOOK_S = 0.01


async def until(condition: Callable[[], Awaitable[object] | object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(_LOOK_S)
