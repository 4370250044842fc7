"""The stage of a demonstration: what towns that begin at once may not take from each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.cli import stage


@pytest.fixture
def silent_afterwards() -> Iterator[None]:
    """What was spoken for is free again for the towns of other tests."""
    yield
    while stage._SPOKEN_FOR:
        stage._SPOKEN_FOR.pop().close()


@pytest.mark.usefixtures("silent_afterwards")
def test_two_towns_begun_at_once_share_no_port() -> None:
    """Neither listens yet when the other looks."""
    first, second = stage._free_ports(), stage._free_ports()
    assert len({*first.values(), *second.values()}) == 2 * len(first)
