"""The simulated disk is put under Python's own SQLite."""

from __future__ import annotations

import pytest
from simulator import vfs


@pytest.fixture(autouse=True, scope="session")
def _simulated_disk() -> None:
    if not vfs.available():
        pytest.skip("this Python's SQLite is built in and takes no other file system")
