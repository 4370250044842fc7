"""Kafka as far as our side sees it: topics that keep what was acknowledged, and groups that remember how far they are.

A record may be written though its acknowledgement is lost, and read again by a reader that died before it committed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from adapters.ministries.publisher import Record, Written
from adapters.ministries.reader import ReadRecord
from gateway.errors import NotSentError, OutcomeUnknownError
from simulator.loop import SimulatedLoop
from simulator.network import Network
from simulator.plan import Plan

_AGAIN_S = 1.0


class Broker:
    """One partition a topic."""

    def __init__(self, loop: SimulatedLoop, random: Random, plan: Plan, network: Network) -> None:
        self._loop, self._random, self._plan, self._network = loop, random, plan, network
        self.topics: dict[str, list[ReadRecord]] = defaultdict(list)
        self.committed: dict[tuple[str, str], int] = defaultdict(int)  # group and topic to the next offset
        self._waiting: dict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self.away = False

    @property
    def all_read(self) -> bool:
        """Every group is at the end of its topic."""
        return all(offset >= len(self.topics[topic]) for (_, topic), offset in self.committed.items())

    async def publish(self, record: Record) -> Written:
        """Raises as `Publisher.publish`."""
        await asyncio.sleep(self._random.uniform(0.001, self._plan.latency_s + 0.001))
        if self._goes_wrong() or self.away:
            raise NotSentError("no leader is reachable")
        topic = self.topics[record.topic]
        if self._goes_wrong():
            await asyncio.sleep(10)
            raise OutcomeUnknownError("no acknowledgement in time")
        offset = len(topic)
        topic.append(
            ReadRecord(
                topic=record.topic,
                partition=0,
                offset=offset,
                key=record.key,
                value=record.value,
                headers=tuple(record.headers),
            )
        )
        for waiting in self._waiting.pop(record.topic, ()):
            if not waiting.done():
                waiting.set_result(None)
        if self._goes_wrong():
            raise OutcomeUnknownError("the acknowledgement is lost")
        return Written(topic=record.topic, partition=0, offset=offset)

    async def read(self, topic: str, group: str, handle: Callable[[ReadRecord], Awaitable[None]]) -> None:
        """For ever, in order; an offset is committed when its record was dealt with."""
        while True:
            offset = self.committed[group, topic]
            if offset >= len(self.topics[topic]):
                more: asyncio.Future[None] = self._loop.create_future()
                self._waiting[topic].append(more)
                await more
                continue
            try:
                await handle(self.topics[topic][offset])
            except Exception:  # as the reader does: whatever it was, it is asked again
                await asyncio.sleep(_AGAIN_S)
                continue
            if not self._goes_wrong():  # or the commit is lost, and the record comes again
                self.committed[group, topic] = max(offset + 1, self.committed[group, topic])

    def _goes_wrong(self) -> bool:
        return not self._network.calm and self._plan.loss > 0 and self._random.random() < self._plan.loss / 2


async def reading(broker: Broker, reader: Any) -> None:
    """What stands in the place of a `Reader`'s connection."""
    await broker.read(reader._settings.topic, reader._settings.group, reader._handle)
