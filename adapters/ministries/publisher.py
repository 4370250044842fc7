"""Publishing one record and knowing what became of it: acknowledged by all in-sync replicas, not sent, or unknown.

aiokafka's idempotent producer resends for ever and in silence. So a delivery is awaited for a bounded time; then the
producer is thrown away with what it still holds, and the outcome is unknown. The same record is sent again later, under
the same CloudEvents id, by whoever keeps it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from adapters.ministries.kafka import KafkaSettings
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.errors import NotSentError, OutcomeUnknownError

_log = logging.getLogger(__name__)
_RECORD_OVERHEAD_BYTES = 4_096  # key, headers and framing
_PAUSE_MAX_S = 1.0  # between two attempts to connect
_BATCH_MAX_BYTES = 1_048_576  # for a partition; aiokafka's 16 kB hold no protocol, and all others wait for that one


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to be written."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


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
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._discarding: set[asyncio.Task[None]] = set()

    async def publish(self, record: Record) -> Written:
        """Write one record and wait until all in-sync replicas have it.

        Raises:
            RefusedError: BODY_TOO_LARGE, by our limit or the broker's.
            NotSentError: no connection, or the leader is not there: nothing has left.
            OutcomeUnknownError: it left, and no acknowledgement came in time.
        """
        if len(record.value) > self._settings.value_max_bytes:
            raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=self._settings.value_max_bytes)
        producer = await self._open()
        pending = await self._hand_over(producer, record)
        return await self._await_delivery(producer, pending)

    async def close(self) -> None:
        """Close the connections; a record in flight becomes unknown."""
        if self._producer is not None:
            self._throw_away(self._producer)
        await asyncio.gather(*self._discarding)

    async def _open(self) -> AIOKafkaProducer:
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

    async def _started(self) -> AIOKafkaProducer:
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

    async def _start_once(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._settings.producer_options)
        try:
            async with asyncio.timeout(self._settings.connect_s):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _hand_over(self, producer: AIOKafkaProducer, record: Record) -> asyncio.Future[Written]:
        """Until this returns, nothing of the record has left: every failure is `NotSentError`."""
        try:
            async with asyncio.timeout(self._settings.connect_s):
                if not await _leaders_ready(producer, record.topic):
                    raise NotSentError(f"no leader of {record.topic} is reachable")
                pending: asyncio.Future[Written] = await producer.send(
                    record.topic, record.value, key=record.key, headers=record.headers
                )
        except MessageSizeTooLargeError as error:
            raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=self._settings.value_max_bytes) from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotSentError(f"not handed to Kafka: {_said(error)}") from error
        return pending

    async def _await_delivery(self, producer: AIOKafkaProducer, pending: asyncio.Future[Written]) -> Written:
        try:
            async with asyncio.timeout(self._settings.delivery_timeout_s):
                stored = await asyncio.shield(pending)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=self._settings.value_max_bytes) from error
        except TimeoutError as error:
            self._throw_away(producer)
            raise OutcomeUnknownError("no acknowledgement from Kafka in time") from error
        except KafkaError as error:
            self._throw_away(producer)
            raise OutcomeUnknownError(f"no acknowledgement from Kafka: {_said(error)}") from error
        return Written(topic=stored.topic, partition=stored.partition, offset=stored.offset)

    def _throw_away(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(_discard(producer))
            self._discarding.add(task)
            task.add_done_callback(self._discarding.discard)


async def _leaders_ready(producer: AIOKafkaProducer, topic: str) -> bool:
    """Whether a connection stands to the leader of every partition."""
    cluster = producer.client.cluster
    partitions = await producer.partitions_for(topic)
    leaders = {cluster.leader_for_partition(TopicPartition(topic, partition)) for partition in partitions}
    return all([leader not in {None, -1} and await producer.client.ready(leader) for leader in leaders])


async def _discard(producer: AIOKafkaProducer) -> None:
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
