"""The records on the ministries' topics: exact headers, strict reading, and a second reader by someone else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from cloudevents.core.formats.json import JSONFormat

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.events.protocols import (
    ProtocolIssued,
    ProtocolReceipted,
    read_protocol,
    read_receipt,
    write_protocol,
    write_receipt,
)
from contracts.events.topics import Carries, declared_topics, protocol_topics, receipts_topic

EVENT = ProtocolIssued(
    id="D-1",
    source="GATEWAY",
    lot_id="L-1",
    time=datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=4))),
    protocol_id="L-1.protocol",
    number="EH-2026/000001",
    result="sold",
    container=b"PK\x03\x04 sealed \xff",
)
RECEIPT = ProtocolReceipted(id="R-1", source="ECONOMY", lot_id="L-1", time=EVENT.time, document=b"<Receipt/>")


def test_the_headers_are_those_of_the_kafka_binding() -> None:
    headers = dict(write_protocol(EVENT))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == b"D-1"
    assert headers["ce_type"] == b"az.eherrac.protocol.issued.v1"
    assert headers["ce_time"] == b"2026-11-22T06:00:00.000Z"
    assert headers["ce_subject"] == b"L-1"
    assert headers["content-type"] == b"application/vnd.etsi.asic-e+zip"
    assert headers["ce_sha256"].decode() == EVENT.sha256


def test_what_is_written_is_read() -> None:
    assert read_protocol(write_protocol(EVENT), EVENT.container) == EVENT
    assert read_receipt(write_receipt(RECEIPT), RECEIPT.document) == RECEIPT


def test_the_cloudevents_sdk_reads_our_records() -> None:
    message = KafkaMessage(headers=dict(write_protocol(EVENT)), key=b"L-1", value=EVENT.container)
    event = from_binary_event(message, JSONFormat())
    assert (event.get_id(), event.get_type(), event.get_subject()) == ("D-1", "az.eherrac.protocol.issued.v1", "L-1")
    assert event.get_data() == EVENT.container
    assert event.get_attributes()["number"] == "EH-2026/000001"


def changed(name: str, value: bytes | None) -> list[tuple[str, bytes]]:
    kept = [(key, old) for key, old in write_protocol(EVENT) if key != name]
    return kept if value is None else [*kept, (name, value)]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (changed("content-type", b"application/json"), ErrorCode.CONTENT_TYPE),
        (changed("content-type", None), ErrorCode.CONTENT_TYPE),
        (changed("ce_specversion", b"0.3"), ErrorCode.SCHEMA_INVALID),
        (changed("ce_type", b"az.eherrac.other"), ErrorCode.OPERATION_UNKNOWN),
        (changed("ce_id", None), ErrorCode.SCHEMA_INVALID),
        (changed("ce_id", b""), ErrorCode.SCHEMA_INVALID),
        (changed("ce_id", b"\xff"), ErrorCode.SCHEMA_INVALID),
        (changed("ce_number", b"x" * 513), ErrorCode.SCHEMA_INVALID),
        (changed("ce_time", b"2026-11-22T10:00:00"), ErrorCode.TIME_INVALID),
        (changed("ce_time", b"2026-13-22T10:00:00Z"), ErrorCode.TIME_INVALID),
        (changed("ce_sha256", b"0" * 64), ErrorCode.DIGEST_MISMATCH),
        (changed("ce_sha256", b"short"), ErrorCode.SCHEMA_INVALID),
        ([*write_protocol(EVENT), ("ce_id", b"D-2")], ErrorCode.SCHEMA_INVALID),
        ([*write_protocol(EVENT), *((f"x{n}", b"1") for n in range(32))], ErrorCode.SCHEMA_INVALID),
        (write_receipt(RECEIPT), ErrorCode.CONTENT_TYPE),
    ],
)
def test_a_record_that_is_not_exactly_ours_is_refused(headers: list[tuple[str, bytes]], code: ErrorCode) -> None:
    with pytest.raises(RefusedError) as refused:
        read_protocol(headers, EVENT.container)
    assert refused.value.refusal.code == code


def test_a_header_we_do_not_know_is_passed_over() -> None:
    assert read_protocol(changed("traceparent", b"00-1"), EVENT.container) == EVENT


def test_every_ministry_has_a_topic_of_its_own_and_all_share_the_receipts() -> None:
    assert {code: topic.name for code, topic in protocol_topics().items()} == {
        "ECONOMY": "eherrac.protocols.economy",
        "JUSTICE": "eherrac.protocols.justice",
        "INTERIOR": "eherrac.protocols.interior",
    }
    assert receipts_topic().name == "eherrac.receipts"
    assert {topic.carries for topic in declared_topics()} == set(Carries)
    assert all(topic.partitions > 0 and topic.retention_ms > 0 for topic in declared_topics())
