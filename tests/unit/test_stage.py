"""The stage of a demonstration: what towns that begin at once may not take from each other."""

from __future__ import annotations

from gateway.cli.stage import _free_ports


def test_two_towns_begun_at_once_share_no_port() -> None:
    """Neither listens yet when the other looks."""
    first, second = _free_ports(), _free_ports()
    assert len({*first.values(), *second.values()}) == 2 * len(first)
