"""Reading a topic so that nothing is lost: an offset is committed only after the record was dealt with.

A handler that raises is asked again, later and later, and holds back what comes after it in its partition; so it
raises only for what may pass by itself. A broken connection is built anew for as long as the reader lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnsupportedCodecError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from adapters.ministries.kafka import KafkaSettings

_log = logging.getLogger(__name__)
_FETCH_MAX_BYTES = 8_388_608  # twice the largest record
_HEARTBEATS_A_SESSION = 3
_PROBE_MS = 500
_OF_THE_RECORD = (UnsupportedCodecError, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSettings:
    """Which topic is read as which group, and the pauses after a failure."""

    kafka: KafkaSettings
    topic: str
    group: str
    again_s: float = 0.5  # first pause; doubles
    again_max_s: float = 15.0
    close_timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecord:
    """One record as it was read. With a `fault` the client could not decode it: only its place is known."""

    topic: str
    partition: int
    offset: int
    key: bytes = b""
    value: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    fault: str | None = None


class Reader:
    """Reads one topic in a task of its own."""

    def __init__(self, settings: ReaderSettings, handle: Callable[[ReadRecord], Awaitable[None]]) -> None:
        self._settings, self._handle = settings, handle
        self._task: asyncio.Task[None] | None = None
        self.reading = asyncio.Event()  # set while a connection stands: for readiness
        self.last_fault: str | None = None

    async def start(self) -> None:
        """Begin reading; returns at once, whether or not the cluster is there."""
        self._task = asyncio.create_task(self._read_for_ever(), name=f"reader {self._settings.topic}")

    async def close(self) -> None:
        """Stop reading; the record in hand is dealt with again at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _read_for_ever(self) -> None:
        while True:
            try:
                await self._read_until_broken()
            except Exception as error:  # whatever it was, a reader that ends unseen would be worse
                self._note(error)
            await asyncio.sleep(self._settings.again_s)

    async def _read_until_broken(self) -> None:
        consumer = self._consumer()
        try:
            await consumer.start()
            self.reading.set()
            self._note_end()
            while True:
                record = await _next(consumer)
                await self._handle_until_done(record)
                await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1})
        finally:
            self.reading.clear()
            await _stop(consumer, self._settings.close_timeout_s)

    async def _handle_until_done(self, record: ReadRecord) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Exception),
            wait=wait_random_exponential(self._settings.again_s, self._settings.again_max_s),
            before_sleep=self._note_attempt,
        ):
            with attempt:
                await self._handle(record)

    def _consumer(self) -> AIOKafkaConsumer:
        session_ms = round(self._settings.kafka.session_timeout_s * 1000)
        return AIOKafkaConsumer(
            self._settings.topic,
            **self._settings.kafka.client_options,
            group_id=self._settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_MAX_BYTES,
            fetch_max_wait_ms=round(self._settings.kafka.fetch_wait_s * 1000),
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // _HEARTBEATS_A_SESSION,
        )

    def _note_attempt(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            self._note(error)

    def _note(self, error: BaseException) -> None:
        """Remember the fault, and say it once however often it is met."""
        fault = f"{type(error).__name__}: {error}".rstrip(": ")
        if fault != self.last_fault:
            _log.warning("reading %s: %s", self._settings.topic, fault)
        self.last_fault = fault

    def _note_end(self) -> None:
        if self.last_fault is not None:
            _log.warning("reading %s again", self._settings.topic)
        self.last_fault = None


async def _next(consumer: AIOKafkaConsumer) -> ReadRecord:
    try:
        return _record(await consumer.getone())
    except Exception as error:
        if _is_of_the_connection(error):
            raise
        return await _undecodable(consumer, error)


def _is_of_the_connection(error: Exception) -> bool:
    """Whether it may pass by itself. What a producer packed as we cannot unpack it stays, and is of the same family."""
    return isinstance(error, KafkaError | OSError | TimeoutError) and not isinstance(error, _OF_THE_RECORD)


async def _undecodable(consumer: AIOKafkaConsumer, error: Exception) -> ReadRecord:
    """The record that the client choked on (a header's name that is no UTF-8, a codec we lack), stepped over.

    The client does not say where it was, so each partition is asked by itself; those that answer are set back.
    """
    for place in consumer.assignment():
        offset = await consumer.position(place)
        try:
            await consumer.getmany(place, timeout_ms=_PROBE_MS, max_records=1)
        except Exception as fault:
            if _is_of_the_connection(fault):
                raise
            consumer.seek(place, offset + 1)
            return ReadRecord(topic=place.topic, partition=place.partition, offset=offset, fault=str(fault))
        consumer.seek(place, offset)
    raise error


async def _stop(consumer: AIOKafkaConsumer, timeout_s: float) -> None:
    """Leave the group and close the connections.

    aiokafka's `stop` can be ended half way by the cancellation of its own parts, and can wait for a broker that is
    gone; the connections are closed in any case.
    """
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait({stopping}, timeout=timeout_s)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await consumer._client.close()


def _record(record: Any) -> ReadRecord:
    return ReadRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key or b"",
        value=record.value or b"",
        headers=tuple(record.headers),
    )
