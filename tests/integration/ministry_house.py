"""Our side and the ministries' over Kafka: settings, sandboxes, a cluster of the test's own; the engine in memory."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from waiting import PATIENCE_S

from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.publisher import PublisherSettings
from adapters.ministries.receipts import ReceiptsConsumer, ReceiptsSettings, RefusedRecord
from adapters.ministries.sandbox import MinistrySandbox, MinistrySandboxSettings
from certs.asice import seal
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.events.topics import Carries, Topic, protocol_topics, receipts_topic
from gateway.domain.dispatches import AuctionResult, Channel, ProtocolDelivery
from gateway.ports import Answer, Dispatch, Message
from gateway.wire.broker import EmbeddedBroker
from gateway.wire.identity import Identity

MINISTRIES = ("ECONOMY", "JUSTICE", "INTERIOR")
PRODUCE = 0  # Kafka API key
MESSAGE_TOO_LARGE = 10  # Kafka error code


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A broker with topics of this test's own."""

    kafka: KafkaSettings
    topics: dict[str, str]  # by ministry
    receipts: str
    embedded: EmbeddedBroker | None = None


def names() -> list[Topic]:
    mark = uuid4().hex[:8]
    declared = [*protocol_topics().values(), receipts_topic()]
    return [replace(topic, name=f"{topic.name}.{mark}") for topic in declared]


def cluster_of(topics: list[Topic], kafka: KafkaSettings, embedded: EmbeddedBroker | None = None) -> Cluster:
    return Cluster(
        kafka=kafka,
        topics={topic.authority: topic.name for topic in topics if topic.authority},
        receipts=next(topic.name for topic in topics if topic.carries is Carries.RECEIPT),
        embedded=embedded,
    )


@pytest.fixture(name="embedded")
def embedded_cluster() -> Iterator[Cluster]:
    topics = names()
    with EmbeddedBroker({topic.name: topic.partitions for topic in topics}) as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout_s=2.0, session_timeout_s=2.0)
        yield cluster_of(topics, kafka, broker)


@pytest.fixture(params=["embedded", "3", "4"], name="cluster")
async def each_cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    kafka = KafkaSettings(
        bootstrap_servers=request.getfixturevalue("find_kafka")(request.param).plain, session_timeout_s=6.0
    )
    topics = names()
    assert len(await create_topics(kafka, topics)) == len(topics)
    assert await create_topics(kafka, topics) == []
    yield cluster_of(topics, kafka)


@pytest.fixture(scope="module", name="identities")
def everybodys_keys() -> dict[str, Identity]:
    authority = Authority.create(clock())
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(clock())]
    )
    return {
        code: Identity(authority.issue(code, f"{code} (nümunə)", key="p256", now=clock()), trust)
        for code in ("GATEWAY", "999101", *MINISTRIES)
    }


@dataclass
class Inbox:
    """An engine's front in memory, with the state of its house in `broken`."""

    messages: list[Message] = field(default_factory=list)
    calls: int = 0
    broken: int = 0
    says: ErrorCode = ErrorCode.STORE_UNAVAILABLE

    async def receive(self, message: Message) -> Answer:
        self.calls += 1
        if self.broken:
            self.broken -= 1
            raise refuse(self.says)
        repeated = any((old.source, old.id) == (message.source, message.id) for old in self.messages)
        if not repeated:
            self.messages.append(message)
        return Answer(
            noun="protocol",
            id=str(message.target.id),
            state="issued",
            version=1,
            accepted_at=clock(),
            repeated=repeated,
        )


@dataclass
class House:
    """Our side: the adapter and the receipts consumer over an inbox."""

    cluster: Cluster
    identities: dict[str, Identity]
    inbox: Inbox
    refused: list[RefusedRecord]
    adapter: MinistriesAdapter
    receipts: ReceiptsConsumer


@pytest.fixture(name="house")
async def running_house(cluster: Cluster, identities: dict[str, Identity]) -> AsyncIterator[House]:
    async with opened(cluster, identities) as house:
        yield house


@contextlib.asynccontextmanager
async def opened(
    cluster: Cluster, identities: dict[str, Identity], patience_s: float = PATIENCE_S
) -> AsyncIterator[House]:
    inbox, refused = Inbox(), list[RefusedRecord]()

    async def note(record: RefusedRecord) -> None:
        refused.append(record)

    publisher = PublisherSettings(kafka=cluster.kafka, connect_s=patience_s, delivery_timeout_s=patience_s)
    adapter = MinistriesAdapter(MinistriesSettings(publisher=publisher, topics=cluster.topics))
    receipts = ReceiptsConsumer(
        ReceiptsSettings(kafka=cluster.kafka, topic=cluster.receipts, group=f"{cluster.receipts}.gateway"),
        lambda: identities["GATEWAY"],
        inbox,
        clock=clock,
        on_refusal=note,
    )
    await receipts.start()
    yield House(cluster, identities, inbox, refused, adapter, receipts)
    await receipts.close()
    await adapter.close()


@contextlib.asynccontextmanager
async def ministry(house: House, code: str = "ECONOMY", **behaviour: Any) -> AsyncIterator[MinistrySandbox]:
    settings = MinistrySandboxSettings(
        identity=lambda: house.identities[code],
        kafka=house.cluster.kafka,
        topic=house.cluster.topics[code],
        receipts=house.cluster.receipts,
    )
    sandbox = MinistrySandbox(replace(settings, **behaviour))
    await sandbox.start()
    try:
        yield sandbox
    finally:
        await sandbox.close()


def container(house: House, signer: str = "GATEWAY") -> bytes:
    files = {"protokol.xml": ("application/xml", b"<p/>"), "protokol.pdf": ("application/pdf", b"%PDF-")}
    return seal(files, house.identities[signer].credential, now=clock())


def delivery(content: bytes, recipient: str = "ECONOMY", number: int = 1) -> Dispatch:
    body = ProtocolDelivery(
        protocol_id=f"L-{number}.protocol",
        number=f"EH-2026/{number:06d}",
        lot_id=f"L-{number}",
        result=AuctionResult.SOLD,
        document_id=f"doc-{number}",
        sha256=hashlib.sha256(content).hexdigest(),
        issued_at=clock(),
    )
    return Dispatch(
        id=f"D-{recipient}-{number}",
        channel=Channel.MINISTRIES.value,
        recipient=recipient,
        body=body,
        attempt=1,
        created_at=clock(),
        attachment=content,
    )
