"""The embedded broker, met by an ordinary Kafka client over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from waiting import PATIENCE_S

from gateway.wire.broker import EmbeddedBroker, EmbeddedBrokerError

TOPIC = "eherrac.test"
PRODUCE = 0  # Kafka API key
POLICY_VIOLATION = 44  # a final error code


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({TOPIC: 3}) as broker:
        yield broker


def consumer(broker: EmbeddedBroker, group: str = "g") -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=broker.bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )


def producer(broker: EmbeddedBroker, timeout_ms: int = 5_000) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=timeout_ms,
    )


async def test_a_record_with_headers_and_key_comes_out_as_it_went_in(broker: EmbeddedBroker) -> None:
    async with producer(broker) as writer:
        await writer.send_and_wait(TOPIC, b"value", key=b"L-1", headers=[("ce_id", b"D-1")])
    async with consumer(broker) as reader:
        record = await asyncio.wait_for(reader.getone(), PATIENCE_S)
    assert (record.key, record.value, tuple(record.headers)) == (b"L-1", b"value", (("ce_id", b"D-1"),))


async def test_topics_have_the_declared_partitions_and_a_key_keeps_to_one(broker: EmbeddedBroker) -> None:
    async with producer(broker) as writer:
        assert await writer.partitions_for(TOPIC) == {0, 1, 2}
        written = [await writer.send_and_wait(TOPIC, b"v", key=b"L-1") for _ in range(5)]
    assert len({place.partition for place in written}) == 1
    assert [place.offset for place in written] == [0, 1, 2, 3, 4]


async def test_a_group_goes_on_where_it_committed_and_another_begins_at_the_beginning(broker: EmbeddedBroker) -> None:
    async with producer(broker) as writer:
        for value in (b"1", b"2"):
            await writer.send_and_wait(TOPIC, value, partition=0)
    async with consumer(broker) as reader:
        await asyncio.wait_for(reader.getone(), PATIENCE_S)
        await reader.commit({TopicPartition(TOPIC, 0): 1})
        assert await reader.committed(TopicPartition(TOPIC, 0)) == 1
    async with consumer(broker, group="other") as reader:
        assert (await asyncio.wait_for(reader.getone(), PATIENCE_S)).value == b"1"


async def test_an_outage_keeps_the_records(broker: EmbeddedBroker) -> None:
    async with producer(broker) as writer:
        await writer.send_and_wait(TOPIC, b"before", partition=0)
    broker.set_down()
    writer = producer(broker, timeout_ms=500)
    with pytest.raises(KafkaConnectionError):
        await writer.start()
    await writer.stop()
    broker.set_up()
    async with consumer(broker) as reader:
        assert (await asyncio.wait_for(reader.getone(), PATIENCE_S)).value == b"before"


async def test_a_fault_on_demand_reaches_the_client(broker: EmbeddedBroker) -> None:
    async with producer(broker) as writer:
        await writer.send_and_wait(TOPIC, b"fine", partition=0)
        broker.fail_requests(PRODUCE, POLICY_VIOLATION)
        with pytest.raises(KafkaError):
            await writer.send_and_wait(TOPIC, b"refused", partition=0)


def test_two_brokers_stand_beside_each_other_and_closing_twice_is_harmless() -> None:
    with EmbeddedBroker({"a": 1}) as first, EmbeddedBroker({"a": 1}) as second:
        assert first.bootstrap_servers != second.bootstrap_servers
    first.close()
    with pytest.raises(EmbeddedBrokerError):
        _ = first.bootstrap_servers


@pytest.mark.parametrize("partitions", [-5, 0, 65])
def test_an_impossible_number_of_partitions_is_refused(partitions: int) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        EmbeddedBroker({"a": partitions})
