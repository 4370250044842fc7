"""Whether Kafka is there is asked of Kafka: a consumer with nothing to read does not notice that its brokers went."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.bootstrap.ways_in import readiness


def parts(*, reading: bool, topics: object) -> tuple[Any, Any]:
    event = asyncio.Event()
    if reading:
        event.set()
    house = SimpleNamespace(standings=tuple)
    receipts = SimpleNamespace(reader=SimpleNamespace(reading=event))
    inside = SimpleNamespace(
        receipts=receipts, topics=topics, grants=None, stamping=None, engine=SimpleNamespace(store=None)
    )
    return house, inside


@pytest.mark.parametrize(
    ("reading", "answered", "works"),
    [(True, True, True), (True, False, False), (False, True, False), (True, None, True), (False, None, False)],
)
async def test_the_broker_works_while_it_is_read_and_answers(reading: bool, answered: bool | None, works: bool) -> None:
    """`answered` None: the embedded broker, which nobody watches."""
    topics = None if answered is None else SimpleNamespace(is_answered=answered, ready=None)
    house, inside = parts(reading=reading, topics=topics)
    assert await cast(Any, readiness(house, inside)["broker"])() is works
