"""A gateway with one open offer, for programs that nobody here wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from town import Town


@pytest_asyncio.fixture
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """A town whose bank 999101 has the offer L1.offer to decide; a parameter is its settings, by environment name."""
    opened = await Town(tmp_path).open(**getattr(request, "param", {}))
    await opened.announce("L1")
    await opened.unsold("L1")
    yield opened
    await opened.close()
