"""Apache Kafka behind TLS, a login (SCRAM) and ACLs, reached by the gateway's own configuration."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from apache_kafka import ApacheKafka
from waiting import until

from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from adapters.ministries.rights import give
from adapters.ministries.topics import topic_faults
from contracts.events.grants import Grant, Operation, Resource, Role
from contracts.events.topics import Topic, receipts_topic
from gateway.bootstrap.ways_out import kafka_settings
from gateway.cli.world import packaged
from gateway.config import load_config
from gateway.errors import NotSentError


@pytest.fixture
async def topic(apache_kafka: ApacheKafka) -> Topic:
    """A topic of the test's own, which the user `gateway` may write to and ask about."""
    root = KafkaSettings(bootstrap_servers=apache_kafka.plain)
    own = replace(receipts_topic(), name=f"secure.{uuid4().hex[:8]}")
    await create_topics(root, [own])
    may = {"role": Role.GATEWAY, "principal": "User:gateway", "resource": Resource.TOPIC, "name": own.name}
    await give(root, [Grant(operation=operation, **may) for operation in (Operation.WRITE, Operation.DESCRIBE_CONFIGS)])
    return own


def settings(apache_kafka: ApacheKafka, folder: Path, **changed: str) -> KafkaSettings:
    (folder / "gateway.toml").write_text(packaged("demo.toml"))
    (folder / "password").write_text(changed.pop("password", "gateway-secret") + "\n")
    environ = {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "TLS_CA": str(apache_kafka.ca),
        "SASL_USERNAME": "gateway",
        "SASL_PASSWORD_FILE": str(folder / "password"),
    } | changed
    config = load_config(
        folder / "gateway.toml", {f"EHERRAC__KAFKA__{name}": value for name, value in environ.items() if value}
    )
    return kafka_settings(config, apache_kafka.secure)


async def publish(kafka: KafkaSettings, topic: Topic) -> int:
    publisher = Publisher(PublisherSettings(kafka=kafka, connect_s=1.0))
    try:
        return (await publisher.publish(Record(topic=topic.name, key=b"L1", value=b"protocol", headers=[]))).offset
    finally:
        await publisher.close()


async def published(kafka: KafkaSettings, topic: Topic) -> int:
    """Once what was granted has reached the broker; what was not sent left nothing behind."""
    offsets: list[int] = []

    async def is_written() -> bool:
        with suppress(NotSentError):
            offsets.append(await publish(kafka, topic))
        return offsets != []

    await until(is_written)
    return offsets[0]


async def test_who_may_write_writes(apache_kafka: ApacheKafka, topic: Topic, tmp_path: Path) -> None:
    kafka = settings(apache_kafka, tmp_path)
    assert await published(kafka, topic) == 0

    async def is_as_declared() -> bool:
        return await topic_faults(kafka, (topic,)) == ()

    await until(is_as_declared)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SASL_USERNAME": "stranger", "password": "stranger-secret"}, "AuthorizationFailed"),
        ({"password": "wrong"}, "Unable to bootstrap"),
        ({"TLS_CA": ""}, "Unable to bootstrap"),
    ],
    ids=["without an ACL", "wrong password", "unknown authority"],
)
async def test_who_may_not_has_sent_nothing(
    apache_kafka: ApacheKafka, topic: Topic, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    """Not sent, so the protocol waits in the outbox and goes out when the grant is mended."""

    async def is_refused_so() -> bool:
        with pytest.raises(NotSentError) as refused:
            await publish(settings(apache_kafka, tmp_path, **changed), topic)
        return said in str(refused.value)

    await until(is_refused_so)
    assert await published(settings(apache_kafka, tmp_path), topic) == 0
