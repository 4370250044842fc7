"""Several records in one hand to the brokers: each knows its own end, and where it lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from ministry_house import (  # noqa: F401 - fixtures
    MESSAGE_TOO_LARGE,
    PRODUCE,
    Cluster,
    delivery,
    each_cluster,
    embedded_cluster,
)
from waiting import PATIENCE_S

from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.publisher import Publisher, PublisherSettings, Record, Written
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.events.topics import protocol_topics
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Acknowledged, NotSent, Refused

LOTS = [f"LOT-{number:04d}" for number in range(24)]


def records(topic: str, *keys: str, size: int = 100) -> list[Record]:
    return [
        Record(topic=topic, key=key.encode(), value=str(place).encode().ljust(size), headers=[("n", b"%d" % place)])
        for place, key in enumerate(keys)
    ]


@pytest.fixture
async def publisher(cluster: Cluster) -> AsyncIterator[Publisher]:
    publisher = Publisher(PublisherSettings(kafka=cluster.kafka))
    yield publisher
    await publisher.close()


async def lying(kafka: KafkaSettings, topic: str, count: int) -> dict[tuple[int, int], Any]:
    """Records of a topic by partition and offset."""
    async with AIOKafkaConsumer(**kafka.client_options, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(3)]
        consumer.assign(partitions)
        found: dict[tuple[int, int], Any] = {}
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < count:
                came = await consumer.getmany(timeout_ms=500)
                found |= {(it.partition, it.offset): it for each in came.values() for it in each}
    return found


async def test_each_record_lies_where_it_is_said_to_and_a_lots_records_in_their_order(
    cluster: Cluster,
    publisher: Publisher,
) -> None:
    topic = cluster.topics["ECONOMY"]
    sent = records(topic, *LOTS, *LOTS)
    ends = [*await publisher.publish_all(sent[:30]), *await publisher.publish_all(sent[30:])]
    found = await lying(cluster.kafka, topic, len(sent))
    places: dict[bytes, list[tuple[int, int]]] = {}
    for record, end in zip(sent, ends, strict=True):
        assert isinstance(end, Written)
        there = found[end.partition, end.offset]
        assert (there.key, there.value, list(there.headers)) == (record.key, record.value, record.headers)
        places.setdefault(record.key, []).append((end.partition, end.offset))
    assert all(first[0] == then[0] and first[1] < then[1] for first, then in places.values())
    assert len({end.partition for end in ends if isinstance(end, Written)}) == 3


async def test_a_lots_records_lie_where_a_plain_producer_puts_them(
    cluster: Cluster,
    publisher: Publisher,
) -> None:
    """What was written one by one before stays together with what is written now."""
    topic = cluster.topics["ECONOMY"]
    async with AIOKafkaProducer(**cluster.kafka.client_options) as plain:
        before = [await plain.send_and_wait(topic, b"x", key=key.encode()) for key in LOTS]
    now = await publisher.publish_all(records(topic, *LOTS))
    assert [end.partition for end in now if isinstance(end, Written)] == [it.partition for it in before]


async def test_more_than_a_batch_may_hold_goes_in_several(cluster: Cluster, publisher: Publisher) -> None:
    topic = cluster.topics["ECONOMY"]
    ends = await publisher.publish_all(records(topic, *["LOT-1"] * 5, size=400_000))
    offsets = [end.offset for end in ends if isinstance(end, Written)]
    assert offsets == list(range(offsets[0], offsets[0] + 5))


async def test_one_too_large_for_us_or_without_its_container_keeps_no_other_back(cluster: Cluster) -> None:
    publisher = PublisherSettings(kafka=cluster.kafka, value_max_bytes=1_000)
    adapter = MinistriesAdapter(MinistriesSettings(publisher=publisher, topics=cluster.topics))
    dispatches = [
        delivery(b"a" * 900, number=1),
        delivery(b"b" * 1_001, number=2),
        replace(delivery(b"c", number=3), attachment=None),
        replace(delivery(b"d", number=4), recipient="CULTURE"),
        delivery(b"e", number=5),
    ]
    outcomes = await adapter.send_all(dispatches)
    await adapter.close()
    codes = [it.code if isinstance(it, Refused) else type(it).__name__ for it in outcomes]
    assert codes == ["Acknowledged", "BODY_TOO_LARGE", "SCHEMA_INVALID", "PARTICIPANT_UNKNOWN", "Acknowledged"]
    exhibits = [it.exhibits[0].content for it in outcomes if isinstance(it, Acknowledged)]
    assert [b"D-ECONOMY-1" in exhibits[0], b"D-ECONOMY-5" in exhibits[1]] == [True, True]


@pytest.mark.parametrize("version", ["3", "4"])
async def test_one_too_large_for_the_broker_is_refused_alone(find_kafka: Callable[[str], Any], version: str) -> None:
    """Brokers refuse a batch, not a record: what was too large together goes again, each by itself."""
    kafka = KafkaSettings(bootstrap_servers=find_kafka(version).plain)
    [declared, *_] = protocol_topics().values()
    topic = replace(declared, name=f"small.{uuid4().hex[:8]}", record_max_bytes=100_000)
    await create_topics(kafka, [topic])
    publisher = Publisher(PublisherSettings(kafka=kafka))
    small = records(topic.name, *LOTS[:6], size=60_000)
    large = replace(small[0], value=b"x" * 150_000)
    ends = await publisher.publish_all([*small[:3], large, *small[3:]])
    after = await publisher.publish_all(records(topic.name, *LOTS))  # at the first try: no producer lost count
    await publisher.close()
    assert [type(end) for end in ends] == [Written] * 3 + [RefusedError] + [Written] * 3
    assert isinstance(ends[3], RefusedError)
    assert ends[3].refusal.code == ErrorCode.BODY_TOO_LARGE
    assert [type(end) for end in after] == [Written] * len(LOTS)
    assert len(await lying(kafka, topic.name, 6 + len(LOTS))) == 6 + len(LOTS)


async def test_what_the_broker_refuses_together_and_takes_singly_is_written(embedded: Cluster) -> None:
    broker, topic = embedded.embedded, embedded.topics["ECONOMY"]
    assert broker is not None
    publisher = Publisher(PublisherSettings(kafka=embedded.kafka))
    await publisher.publish_all(records(topic, "LOT-1"))
    broker.fail_requests(PRODUCE, MESSAGE_TOO_LARGE)
    ends = await publisher.publish_all(records(topic, *["LOT-1"] * 3))
    await publisher.close()
    assert [type(end) for end in ends] == [Written] * 3


async def test_an_outage_leaves_all_unsent_and_silence_all_unknown(embedded: Cluster) -> None:
    broker, topic = embedded.embedded, embedded.topics["ECONOMY"]
    assert broker is not None
    publisher = Publisher(PublisherSettings(kafka=embedded.kafka, connect_s=1.0, delivery_timeout_s=0.5))
    sent = records(topic, *LOTS)
    assert {type(end) for end in await publisher.publish_all(sent)} == {Written}
    broker.set_delay_ms(1_500)
    assert {type(end) for end in await publisher.publish_all(sent)} == {OutcomeUnknownError}
    broker.set_delay_ms(0)
    broker.set_down()
    await asyncio.sleep(0.1)  # until the connections' end is noticed
    assert {type(end) for end in await publisher.publish_all(sent)} == {NotSentError}
    broker.set_up()
    async with asyncio.timeout(PATIENCE_S):
        while {type(end) for end in await publisher.publish_all(sent)} != {Written}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await publisher.close()


async def test_a_topic_that_is_missing_leaves_all_unsent(embedded: Cluster) -> None:
    kafka = replace(embedded.kafka, request_timeout_s=0.5)
    settings = PublisherSettings(kafka=kafka, connect_s=1.0)
    adapter = MinistriesAdapter(MinistriesSettings(publisher=settings, topics={"ECONOMY": "nobody.made.this"}))
    assert embedded.embedded is not None
    embedded.embedded.fail_topic("nobody.made.this", 3)  # unknown topic or partition
    outcomes = await adapter.send_all([delivery(b"a"), delivery(b"b", number=2)])
    await adapter.close()
    assert [type(outcome) for outcome in outcomes] == [NotSent] * 2


async def test_nothing_to_send_is_nothing(embedded: Cluster) -> None:
    publisher = Publisher(PublisherSettings(kafka=embedded.kafka))
    assert await publisher.publish_all([]) == []
    await publisher.close()
