"""The town, opened for each test that asks for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from town import Town


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    opened = await Town(tmp_path).open()
    yield opened
    await opened.close()
