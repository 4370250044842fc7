"""Batches and requests as aiokafka writes them, octet by octet, though the values are not copied on the way."""

from __future__ import annotations

import struct

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ministries.produce import JoinedOnce, RecordBatch

AT_MS = 1_795_000_000_123
OCTETS = st.binary(max_size=300)
RECORDS = st.lists(
    st.tuples(OCTETS, OCTETS, st.lists(st.tuples(st.text(max_size=80), OCTETS), max_size=4)), min_size=1, max_size=70
)
Given = list[tuple[bytes, bytes, list[tuple[str, bytes]]]]


def both(records: Given, *, max_bytes: int = 1_048_576) -> tuple[RecordBatch, BatchBuilder, list[bool]]:
    """Our batch and aiokafka's with the same records, until they are full; which ours took."""
    ours, theirs, took = RecordBatch(max_bytes=max_bytes, at_ms=AT_MS), BatchBuilder(max_bytes, 0), []
    for key, value, headers in records:
        took.append(ours.takes(key, value, headers))
        assert took[-1] == (theirs.append(timestamp=AT_MS, key=key, value=value, headers=headers) is not None)
        if not took[-1]:
            break
    for batch in (ours, theirs):
        batch._set_producer_state(4711, 3, 2**31 - 7)
    return ours, theirs, took


@given(records=RECORDS)
def test_a_batch_has_the_octets_of_aiokafkas_own(records: Given) -> None:
    ours, theirs, _ = both(records)
    assert ours.record_count() == theirs.record_count() == len(records)
    assert ours.size() == theirs.size()
    assert b"".join(ours._build()) == bytes(theirs._build())


@pytest.mark.parametrize("length", [0, 63, 64, 8_191, 8_192, 60_000, 1_048_575, 1_048_576])
def test_lengths_of_every_size_are_written_as_kafka_wants_them(length: int) -> None:
    ours, theirs, _ = both([(b"LOT-1", b"\xff" * length, [("ce_id", b"1")])])
    assert b"".join(ours._build()) == bytes(theirs._build())


@pytest.mark.parametrize("max_bytes", [1, 300, 400, 401, 402, 403, 404, 405, 500, 1000])
def test_a_batch_is_full_when_aiokafkas_own_is(max_bytes: int) -> None:
    ours, theirs, took = both([(b"k", b"v" * 100, [])] * 9, max_bytes=max_bytes)
    assert took[0]
    assert not took[-1]
    assert b"".join(ours._build()) == bytes(theirs._build())


def test_a_batch_that_is_sent_again_is_the_same_whatever_the_producer_counts_by_then() -> None:
    ours, _, _ = both([(b"k", b"v", [])])
    first = ours._build()
    ours._set_producer_state(1, 1, 1)
    assert ours._build() is first


@pytest.mark.parametrize("version", range(8))
def test_a_request_leaves_as_aiokafka_writes_it(version: int) -> None:
    """Built, headed and measured as its connection does; one of the batches is aiokafka's own."""
    ours, theirs, _ = both([(b"LOT-1", b"container" * 50, [("ce_id", b"1")]), (b"LOT-1", b"", [])])
    own, versions = theirs._build(), {0: (version, version)}

    def sent(kind: type[ProduceRequest], batch: object) -> bytes:
        topics = [("economy", [(0, batch), (2, own)]), ("justice", [(1, batch)])]
        request = kind(None, -1, 40_000, topics).prepare(versions)
        header = request.build_request_header(correlation_id=7, client_id="GATEWAY")
        message = header.encode() + request.encode()
        return bytes(struct.pack(">i", len(message)) + message)

    assert sent(JoinedOnce, ours._build()) == sent(ProduceRequest, bytes(own))
