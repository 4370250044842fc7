"""Publishing records and knowing what became of each: acknowledged by all in-sync replicas, not sent, or unknown.

aiokafka's idempotent producer resends for ever and in silence. So a delivery is awaited for a bounded time; then the
producer is thrown away with what it still holds, and the outcome is unknown. The same record is sent again later, under
the same CloudEvents id, by whoever keeps it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, NodeNotReadyError, RecordListTooLargeError
from aiokafka.structs import RecordMetadata
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from adapters.ministries.batches import Batch, Record, Written, batches
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.produce import Producer
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from gateway.errors import NotSentError, OutcomeUnknownError

__all__ = ["PublishError", "Publisher", "PublisherSettings", "Record", "Written"]
_log = logging.getLogger(__name__)
_RECORD_OVERHEAD_BYTES = 4_096  # key, headers and framing
_PAUSE_MAX_S = 1.0  # between two attempts to connect
_BATCH_MAX_BYTES = 1_048_576  # for a partition; aiokafka's 16 kB hold no protocol, and all others wait for that one

PublishError = RefusedError | NotSentError | OutcomeUnknownError
_Ends = dict[int, Written | PublishError]  # by place among the records
_Pending = list[tuple[Batch, asyncio.Future[RecordMetadata]]]


class _TooLargeTogetherError(RefusedError):
    """The broker refused a batch of several; which of them is too large shows when each goes by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSettings:
    """`connect_s` bounds the retries in place before anything is sent; `delivery_timeout_s` the wait afterwards."""

    kafka: KafkaSettings
    value_max_bytes: int = 4_194_304 - _RECORD_OVERHEAD_BYTES
    connect_s: float = 5.0
    delivery_timeout_s: float = 10.0

    @property
    def before_s(self) -> float:
        """How long nothing has left at most: connecting, its last retry with the pause, and handing over."""
        return 3 * self.connect_s + _PAUSE_MAX_S

    @property
    def producer_options(self) -> dict[str, Any]:
        """What the producer is opened with: acknowledged by all replicas, each record once whatever is resent."""
        return self.kafka.client_options | {
            "acks": "all",
            "enable_idempotence": True,
            "max_request_size": self.value_max_bytes + _RECORD_OVERHEAD_BYTES,
            "max_batch_size": _BATCH_MAX_BYTES,
        }


class Publisher:
    """One producer, opened at the first record and again after it was thrown away."""

    def __init__(self, settings: PublisherSettings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._opening = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()  # of producers of no more use

    async def publish(self, record: Record) -> Written:
        """Write one record and wait until all in-sync replicas have it.

        Raises:
            RefusedError: BODY_TOO_LARGE, by our limit or the broker's.
            NotSentError: no connection, or the leader is not there: nothing has left.
            OutcomeUnknownError: it left, and no acknowledgement came in time.
        """
        [end] = await self.publish_all([record])
        if isinstance(end, Written):
            return end
        raise end

    async def publish_all(self, records: Sequence[Record]) -> list[Written | PublishError]:
        """Write records of one topic, those of a partition together; for each what `publish` returns or raises."""
        limit_bytes = self._settings.value_max_bytes
        ends: _Ends = {
            place: refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=limit_bytes)
            for place, record in enumerate(records)
            if len(record.value) > limit_bytes
        }
        ends |= await self._write(records, [place for place in range(len(records)) if place not in ends])
        together = [place for place, end in ends.items() if isinstance(end, _TooLargeTogetherError)]
        ends |= await self._write(records, together, singly=True)
        return [ends[place] for place in range(len(records))]

    async def close(self) -> None:
        """Close the connections; a record in flight becomes unknown."""
        if self._producer is not None:
            self._retire(self._producer, _discard(self._producer))
        await asyncio.gather(*self._ending)

    async def _open(self) -> Producer:
        """The one producer. Whoever waits behind others that open it in vain waits no longer than one of them may."""
        if self._producer is not None:
            return self._producer
        try:
            async with asyncio.timeout(2 * self._settings.connect_s + _PAUSE_MAX_S), self._opening:
                if self._producer is None:
                    self._producer = await self._started()
                return self._producer
        except TimeoutError as error:
            raise NotSentError("Kafka is not reachable: connecting takes too long") from error

    async def _started(self) -> Producer:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type((KafkaError, OSError)),
                wait=wait_random_exponential(multiplier=0.1, max=_PAUSE_MAX_S),
                stop=stop_after_delay(self._settings.connect_s),
                reraise=True,
            ):
                with attempt:
                    return await self._start_once()
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotSentError(f"Kafka is not reachable: {_said(error)}") from error
        raise AssertionError("tenacity either returns or raises")

    async def _start_once(self) -> Producer:
        producer = Producer(**self._settings.producer_options)
        try:
            async with asyncio.timeout(self._settings.connect_s):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _write(self, records: Sequence[Record], places: Sequence[int], *, singly: bool = False) -> _Ends:
        """What became of the records at these places."""
        if not places:
            return {}
        try:
            producer = await self._open()
        except NotSentError as error:
            return dict.fromkeys(places, error)
        pending, ends = await self._hand_over(producer, records, places, singly=singly)
        if pending:
            await asyncio.wait([delivery for _, delivery in pending], timeout=self._settings.delivery_timeout_s)
        for batch, delivery in pending:
            ends |= self._delivered(producer, batch, delivery)
        return ends

    async def _hand_over(
        self, producer: Producer, records: Sequence[Record], places: Sequence[int], *, singly: bool
    ) -> tuple[_Pending, _Ends]:
        """What is on its way, and the failure of all the rest: nothing of that has left."""
        pending, topic, at_ms = _Pending(), records[places[0]].topic, time.time_ns() // 1_000_000
        try:
            async with asyncio.timeout(self._settings.connect_s):
                partitions = await _partitions(producer, topic)
                made = batches(partitions, places, records, max_bytes=_BATCH_MAX_BYTES, at_ms=at_ms, singly=singly)
                for batch in made:
                    pending.append((batch, await batch.hand_over(producer)))
        except (KafkaError, OSError, TimeoutError) as error:
            left = set(places).difference(*(batch.places for batch, _ in pending))
            return pending, dict.fromkeys(left, NotSentError(f"not handed to Kafka: {_said(error)}"))
        return pending, {}

    def _delivered(self, producer: Producer, batch: Batch, delivery: asyncio.Future[RecordMetadata]) -> _Ends:
        """What a batch came to. A producer whose batch failed counts on as if it had been written, so it goes too."""
        error = delivery.exception() if delivery.done() else TimeoutError("in time")
        if error is None:
            return dict(batch.written(delivery.result()))
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            self._retire(producer, _ended(producer, self._settings.delivery_timeout_s))
            refused = refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=self._settings.value_max_bytes)
            is_alone = len(batch.places) == 1
            return dict.fromkeys(batch.places, refused if is_alone else _TooLargeTogetherError(refused.refusal))
        self._retire(producer, _discard(producer))
        return dict.fromkeys(batch.places, OutcomeUnknownError(f"no acknowledgement from Kafka: {_said(error)}"))

    def _retire(self, producer: Producer, end: Coroutine[Any, Any, None]) -> None:
        """Give it no more records, and have it ended."""
        if self._producer is not producer:
            end.close()
            return
        self._producer = None
        task = asyncio.create_task(end, name="end a Kafka producer")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _partitions(producer: Producer, topic: str) -> set[int]:
    """The topic's partitions, once a connection stands to the leader of every one.

    Raises:
        NodeNotReadyError: to one of them none can be made.
    """
    cluster = producer.client.cluster
    partitions: set[int] = await producer.partitions_for(topic)
    for leader in {cluster.leader_for_partition(TopicPartition(topic, partition)) for partition in partitions}:
        if leader in {None, -1} or not await producer.client.ready(leader):
            raise NodeNotReadyError(f"no leader of {topic} is reachable")
    return partitions


async def _ended(producer: Producer, within_s: float) -> None:
    """Let it deliver what others gave it, for so long, then close it."""
    try:
        async with asyncio.timeout(within_s):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError):
        await _discard(producer)


async def _discard(producer: Producer) -> None:
    """Stop a producer with all it still holds; takes as long as the request in flight, at most a request's time-out.

    Its own `stop` waits for every record's delivery, for ever if the broker is gone; aiokafka has no public way to give
    records up, so its parts are closed one by one.
    """
    producer._closed = True
    for part in (producer._sender, producer.client):
        try:
            await part.close()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("closing a Kafka producer: %s", _said(error))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
