"""aiokafka's producer, made to copy what it sends once instead of nine times (ADR 19).

aiokafka appends each value to a buffer, sums that up without the processor's help, and joins it anew at every level of
the request. Ours keeps the parts of a batch (format 2 of Kafka's records) as they came and joins them when the request
is written; the octets are the same. Connections, metadata, the order of batches, their numbers and their retries stay
aiokafka's. It is taken hold of where it is not public: its version is pinned, and `tests/unit/test_produce.py` compares
octet by octet.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import Int32, String
from google_crc32c import extend

Parts = Sequence[bytes]  # what stands one after the other
_FRAME = struct.Struct(">qiibI")  # base offset, length of all that follows it, leader's epoch, format, checksum
_HEAD = struct.Struct(">hiqqqhii")  # attributes, last offset, first and last time, producer, epoch, sequence, count
_FORMAT, _NO_EPOCH, _UNCOUNTED = 2, -1, -1


class RecordBatch:
    """Records of one partition. Stands where aiokafka has its `BatchBuilder`, closed; none of them is compressed."""

    def __init__(self, *, max_bytes: int, at_ms: int) -> None:
        self._max_bytes, self._size_bytes = max_bytes, _FRAME.size + _HEAD.size
        self._records: list[bytes] = []  # in parts
        self._count, self._at_ms = 0, at_ms
        self._numbers = (_UNCOUNTED, _UNCOUNTED, 0)  # of the producer: id, epoch, sequence
        self._built: Parts | None = None

    def takes(self, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> bool:
        """Whether there was room; the first record always has it."""
        before = b"".join((b"\0\0", _varint(self._count), _varint(len(key)), key, _varint(len(value))))
        after = _headers(headers)
        length = len(before) + len(value) + len(after)
        size_bytes = len(_varint(length)) + length
        if self._count and self._size_bytes + size_bytes > self._max_bytes:
            return False
        self._records += (_varint(length) + before, value, after)
        self._size_bytes += size_bytes
        self._count += 1
        return True

    # -- what aiokafka asks of its own --------------------------------------------------------------------------------

    def closed(self) -> bool:
        """Nobody else's record goes into it."""
        return True

    def close(self) -> None:
        """It is."""

    def record_count(self) -> int:
        return self._count

    def size(self) -> int:
        return self._size_bytes

    def append(self, **_: Any) -> None:
        """As aiokafka says it of a closed batch."""

    def _set_producer_state(self, producer_id: int, epoch: int, sequence: int) -> None:
        self._numbers = (producer_id, epoch, sequence)

    def _build(self) -> Parts:
        """The batch in parts; the same whenever it is sent again."""
        if self._built is None:
            at, last = self._at_ms, self._count - 1
            head = _HEAD.pack(0, last, at, at, *self._numbers, self._count)
            checksum = extend(0, head)
            for part in self._records:
                checksum = extend(checksum, part)
            frame = _FRAME.pack(0, self._size_bytes - 12, _NO_EPOCH, _FORMAT, checksum)
            self._built = (frame + head, *self._records)
        return self._built


class Producer(AIOKafkaProducer):  # type: ignore[misc] # aiokafka has no types
    """aiokafka's, whose requests are joined once."""

    _sender: Sender

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        theirs = self._sender
        self._sender = _Sender(
            theirs.client,
            acks=theirs._acks,
            txn_manager=theirs._txn_manager,
            message_accumulator=theirs._message_accumulator,
            retry_backoff_ms=theirs._retry_backoff * 1000,
            request_timeout_ms=theirs._request_timeout_ms,
        )


class _Sender(Sender):  # type: ignore[misc] # aiokafka has no types
    async def _send_produce_req(self, node_id: int, batches: dict[Any, Any]) -> None:
        await _Handler(self, batches).do(node_id)
        self._in_flight.remove(node_id)
        self._muted_partitions.difference_update(batches)


class _Handler(SendProduceReqHandler):  # type: ignore[misc] # aiokafka has no types
    def create_request(self) -> ProduceRequest:
        theirs = super().create_request()
        return JoinedOnce(theirs._transactional_id, theirs.required_acks, theirs._timeout, theirs._topics)


class JoinedOnce(ProduceRequest):  # type: ignore[misc] # aiokafka has no types
    """A request whose batches are octets, or parts of ours."""

    def build(self, request_struct_class: type[Any]) -> Any:
        request = super().build(request_struct_class)
        request.encode = lambda: _Body(_encoded(request))
        return request


@dataclass(frozen=True, slots=True)
class _Body:
    """A request, before its header is put in front of it."""

    parts: Parts

    def __radd__(self, header: bytes) -> _Message:
        return _Message((header, *self.parts))


@dataclass(frozen=True, slots=True)
class _Message:
    """A request with its header; when its length is put in front of it, it is joined."""

    parts: Parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __radd__(self, length: bytes) -> memoryview:
        """A view, so that what the socket does not take at once need not be cut out of it."""
        return memoryview(b"".join((length, *self.parts)))


def _encoded(request: Any) -> Parts:
    """As the request's own `encode`, in parts."""
    parts: list[bytes] = []
    for name, kind in zip(request.SCHEMA.names, request.SCHEMA.fields, strict=True):
        value = getattr(request, name)
        parts += _topics(value) if name == "topics" else (kind.encode(value),)
    return parts


def _topics(topics: Sequence[tuple[str, Sequence[tuple[int, bytearray | Parts]]]]) -> Iterator[bytes]:
    yield Int32.encode(len(topics))
    for topic, partitions in topics:
        yield String("utf-8").encode(topic)
        yield Int32.encode(len(partitions))
        for partition, batch in partitions:
            parts = batch if isinstance(batch, tuple) else (batch,)
            yield Int32.encode(partition)
            yield Int32.encode(sum(map(len, parts)))
            yield from parts


def _headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    parts = [_varint(len(headers))]
    for name, value in headers:
        parts += (_name(name), _varint(len(value)), value)
    return b"".join(parts)


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    octets = name.encode()
    return _varint(len(octets)) + octets


@lru_cache(maxsize=4096)
def _varint(number: int) -> bytes:
    """As Kafka writes a number that is not negative: twice it, seven bits an octet, the lowest first."""
    left, octets = number << 1, bytearray()
    while left > 0x7F:
        octets.append(left & 0x7F | 0x80)
        left >>= 7
    octets.append(left)
    return bytes(octets)
