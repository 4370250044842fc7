"""Records put together for one partition: one batch, one acknowledgement, each record's offset known by it.

The partition is the one that Kafka's own clients choose for the key, so that a lot's records stay together whoever
writes them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from aiokafka.partitioner import murmur2
from aiokafka.structs import RecordMetadata

from adapters.ministries.produce import Producer, RecordBatch

_POSITIVE = 0x7FFFFFFF
_UNTOLD = -1  # offset: the broker has the batch from an earlier try and no longer knows where


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to be written."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a record lies; `offset` is -1 where the broker has it and cannot say."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one partition in their order; `places` are theirs among all that were handed in."""

    topic: str
    partition: int
    records: RecordBatch
    places: tuple[int, ...]

    async def hand_over(self, producer: Producer) -> asyncio.Future[RecordMetadata]:
        """Put it on its way, after those of its partition that wait; what comes back is its acknowledgement."""
        pending: asyncio.Future[RecordMetadata] = await producer.send_batch(
            self.records, self.topic, partition=self.partition
        )
        pending.add_done_callback(_heard)
        return pending

    def written(self, stored: RecordMetadata) -> Iterator[tuple[int, Written]]:
        """Where each lies, by place: one after the other from the batch's own offset on."""
        for index, place in enumerate(self.places):
            offset = _UNTOLD if stored.offset < 0 else stored.offset + index
            yield place, Written(topic=self.topic, partition=self.partition, offset=offset)


def partition_of(key: bytes, partitions: Collection[int]) -> int:
    """Where Kafka's clients, ours and the JVM's, put a key."""
    place: int = (murmur2(key) & _POSITIVE) % len(partitions)
    return sorted(partitions)[place]


def batches(
    partitions: Collection[int],
    places: Sequence[int],
    records: Sequence[Record],
    *,
    max_bytes: int,
    at_ms: int,
    singly: bool = False,
) -> Iterator[Batch]:
    """Those of `records` that stand at `places`, all of one topic, in as few batches as the limit allows.

    `singly`: each in a batch of its own.
    """
    most = 1 if singly else len(places)
    by_partition: defaultdict[int, list[int]] = defaultdict(list)
    for place in places:
        by_partition[partition_of(records[place].key, partitions)].append(place)
    for partition, mine in by_partition.items():
        left = mine
        while left:
            batch, count = RecordBatch(max_bytes=max_bytes, at_ms=at_ms), 0
            while count < min(len(left), most) and _takes(batch, records[left[count]]):
                count += 1
            topic = records[left[0]].topic
            yield Batch(topic=topic, partition=partition, records=batch, places=tuple(left[:count]))
            left = left[count:]


def _takes(batch: RecordBatch, record: Record) -> bool:
    return batch.takes(record.key, record.value, record.headers)


def _heard(pending: asyncio.Future[RecordMetadata]) -> None:
    """A failure nobody waits for any more is no news."""
    if not pending.cancelled():
        pending.exception()
