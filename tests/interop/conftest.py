"""A gateway with one open offer, for programs that nobody here wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from town import Town


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """A town whose bank 999101 has the offer L1.offer to decide."""
    opened = await Town(tmp_path).open()
    await opened.announce("L1")
    await opened.unsold("L1")
    yield opened
    await opened.close()
