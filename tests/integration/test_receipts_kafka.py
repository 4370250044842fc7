"""Receipts from the ministries over Kafka: each is booked once, and what is wrong with one holds no other back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from unittest.mock import Mock

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Producer
from ministry_house import (  # noqa: F401 - fixtures
    Cluster,
    House,
    clock,
    container,
    delivery,
    each_cluster,
    embedded_cluster,
    everybodys_keys,
    ministry,
    opened,
    running_house,
)
from waiting import PATIENCE_S, until

from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from adapters.ministries.reader import Reader, ReaderSettings, ReadRecord
from adapters.ministries.sandbox import Answering
from contracts.errors import ErrorCode
from contracts.events.protocols import ProtocolReceipted, write_receipt
from gateway.wire.identity import Identity


async def put(house: House, document: bytes, headers: list[tuple[str, bytes]] | None = None) -> None:
    """Write something on the receipts topic."""
    event = ProtocolReceipted(id="R-x", source="ECONOMY", lot_id="L-1", time=clock(), document=document)
    record = Record(
        topic=house.cluster.receipts,
        key=b"L-1",
        value=document,
        headers=write_receipt(event) if headers is None else headers,
    )
    publisher = Publisher(PublisherSettings(kafka=house.cluster.kafka))
    try:
        await publisher.publish(record)
    finally:
        await publisher.close()


async def test_a_receipt_that_comes_twice_is_one_message(house: House) -> None:
    async with ministry(house, answering=Answering.TWICE):
        await house.adapter.send(delivery(container(house)))
        await until(lambda: house.inbox.calls >= 2)
    assert len(house.inbox.messages) == 1
    assert house.refused == []


async def test_a_badly_signed_receipt_is_reported_and_holds_nobody_back(house: House) -> None:
    content = container(house)
    async with ministry(house, answering=Answering.BADLY_SIGNED), ministry(house, "JUSTICE"):
        await house.adapter.send(delivery(content, "ECONOMY"))
        await until(lambda: len(house.refused) == 1)
        await house.adapter.send(delivery(content, "JUSTICE"))
        await until(lambda: len(house.inbox.messages) == 1)
    assert house.refused[0].refusal.code == ErrorCode.DIGEST_MISMATCH
    assert house.refused[0].place.startswith(house.cluster.receipts)
    assert house.inbox.messages[0].source == "JUSTICE"


@pytest.mark.parametrize(
    ("document", "headers", "code"),
    [
        (b"<Receipt/>", None, ErrorCode.SCHEMA_INVALID),
        (b"<!DOCTYPE x []><x/>", None, ErrorCode.XML_FORBIDDEN),
        (b"not xml", None, ErrorCode.XML_MALFORMED),
        (b"<x/>", [], ErrorCode.CONTENT_TYPE),
    ],
)
async def test_poison_on_the_receipts_topic_is_passed_over(
    house: House, document: bytes, headers: list[tuple[str, bytes]] | None, code: ErrorCode
) -> None:
    await put(house, document, headers)
    await until(lambda: len(house.refused) == 1)
    assert house.refused[0].refusal.code == code
    assert house.refused[0].record.value == document
    async with ministry(house):
        await house.adapter.send(delivery(container(house)))
        await until(lambda: len(house.inbox.messages) == 1)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_producer_that_compresses_holds_nobody_back(house: House, codec: str) -> None:
    """Any of Kafka's codecs is a setting of the ministry's own producer; ours has a word for one of them."""
    event = ProtocolReceipted(id="R-x", source="ECONOMY", lot_id="L-1", time=clock(), document=b"<x/>" * 100)
    producer = Producer({"bootstrap.servers": house.cluster.kafka.bootstrap_servers, "compression.type": codec})
    for _ in range(2):
        producer.produce(house.cluster.receipts, event.document, b"L-1", headers=list(write_receipt(event)))
    assert await asyncio.to_thread(producer.flush, PATIENCE_S) == 0
    await until(lambda: len(house.refused) == 2)
    async with ministry(house):
        await house.adapter.send(delivery(container(house)))
        await until(lambda: len(house.inbox.messages) == 1)
    assert len(house.refused) == 2


async def test_a_receipt_that_breaks_our_reading_holds_nobody_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would break it each time it is tried again."""
    with monkeypatch.context() as patched:
        patched.setattr("adapters.ministries.receipts.parse_xml", Mock(side_effect=KeyError("nobody thought of this")))
        await put(house, b"<x/>")
        await until(lambda: len(house.refused) == 1)
    async with ministry(house):
        await house.adapter.send(delivery(container(house)))
        await until(lambda: len(house.inbox.messages) == 1)
    assert [record.refusal.code for record in house.refused] == [ErrorCode.SCHEMA_INVALID]


async def test_a_receipt_for_a_protocol_changed_in_the_store_holds_nobody_back(house: House) -> None:
    """Every try would meet `INTERNAL` until a person has mended it (ADR 22); the others cannot wait for that."""
    house.inbox.broken, house.inbox.says = 1_000, ErrorCode.INTERNAL
    async with ministry(house), ministry(house, "JUSTICE"):
        await house.adapter.send(delivery(container(house)))
        await until(lambda: len(house.refused) == 1)
        house.inbox.broken = 0
        await house.adapter.send(delivery(container(house), "JUSTICE"))
        await until(lambda: len(house.inbox.messages) == 1)
    assert [record.refusal.code for record in house.refused] == [ErrorCode.INTERNAL]
    assert house.inbox.messages[0].source == "JUSTICE"


class NotUtf8(str):
    """A header's name that no client can read."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfe"


async def test_a_record_that_the_client_cannot_even_decode_is_passed_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        for module in ("message_accumulator", "producer"):
            patched.setattr(f"aiokafka.producer.{module}.DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
        await put(house, b"<x/>", [(NotUtf8("x"), b"1")])
    await until(lambda: len(house.refused) == 1)
    assert house.refused[0].refusal.code == ErrorCode.SCHEMA_INVALID
    assert "utf-8" in house.refused[0].refusal.facts["fault"]
    async with ministry(house):
        await house.adapter.send(delivery(container(house)))
        await until(lambda: len(house.inbox.messages) == 1)
    assert len(house.refused) == 1


async def test_a_receipt_waits_for_our_store_and_is_not_committed_before(
    cluster: Cluster, identities: dict[str, Identity]
) -> None:
    """The offset is committed after the receipt is on disk: a house that falls in between reads it again."""
    async with opened(cluster, identities) as first, ministry(first):
        first.inbox.broken = 1_000
        await first.adapter.send(delivery(container(first)))
        await until(lambda: first.inbox.calls >= 2)
        assert "STORE_UNAVAILABLE" in (first.receipts.reader.last_fault or "")
    async with opened(cluster, identities) as second:
        await until(lambda: len(second.inbox.messages) == 1)
    async with opened(cluster, identities) as third, ministry(third, "JUSTICE"):
        await third.adapter.send(delivery(container(third), "JUSTICE", number=2))
        await until(lambda: len(third.inbox.messages) == 1)
    assert [message.source for message in third.inbox.messages] == ["JUSTICE"]
    assert first.refused == second.refused == third.refused == []


async def test_a_reader_asks_its_handler_again_before_it_goes_on(embedded: Cluster) -> None:
    seen: list[bytes] = []

    def handler(faults: Iterator[bool]) -> Callable[[ReadRecord], Awaitable[None]]:
        async def handle(record: ReadRecord) -> None:
            seen.append(record.value)
            if next(faults):
                raise RuntimeError("not yet")

        return handle

    publisher = Publisher(PublisherSettings(kafka=embedded.kafka))
    for value in (b"1", b"2"):
        await publisher.publish(Record(topic=embedded.receipts, key=b"k", value=value, headers=[]))
    settings = ReaderSettings(kafka=embedded.kafka, topic=embedded.receipts, group="g", again_s=0.01)
    reader = Reader(settings, handler(iter([True, True, False, False])))
    await reader.start()
    await until(lambda: len(seen) == 4)
    await reader.close()
    await publisher.close()
    assert seen == [b"1", b"1", b"1", b"2"]
