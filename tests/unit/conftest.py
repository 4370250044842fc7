"""Fixtures of the unit storey: the house without walls, and builders of events."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tests_house
from tests_house import House


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def build() -> SimpleNamespace:
    """Builders of events with sensible fields: `build.announced(...)`, `build.bidder(...)`, `build.ordered(...)`."""
    return SimpleNamespace(
        announced=tests_house.announced,
        bidder=tests_house.bidder,
        ordered=tests_house.ordered,
        regime_rule=tests_house.regime_rule,
        BANK_ACCOUNT=tests_house.BANK_ACCOUNT,
    )
