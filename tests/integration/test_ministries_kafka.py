"""Protocols to the ministries and receipts back, over Kafka: the embedded broker, and Apache Kafka where it is."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Producer
from waiting import PATIENCE_S, until

from adapters.ministries.adapter import MinistriesAdapter, MinistriesSettings
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from adapters.ministries.reader import Reader, ReaderSettings, ReadRecord
from adapters.ministries.receipts import ReceiptsConsumer, ReceiptsSettings, RefusedRecord
from adapters.ministries.sandbox import Answering, MinistrySandbox, MinistrySandboxSettings
from certs.asice import seal
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.events.protocols import ProtocolReceipted, read_protocol, write_receipt
from contracts.events.topics import Carries, Topic, protocol_topics, receipts_topic
from gateway.domain.dispatches import AuctionResult, Channel, ProtocolDelivery
from gateway.domain.events.protocol import Receipted
from gateway.ports import Acknowledged, Answer, Dispatch, Message, NotSent, Refused, Target, Unknown
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


@pytest.fixture
def embedded() -> Iterator[Cluster]:
    topics = names()
    with EmbeddedBroker({topic.name: topic.partitions for topic in topics}) as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout_s=2.0, session_timeout_s=2.0)
        yield cluster_of(topics, kafka, broker)


@pytest.fixture(params=["embedded", "3", "4"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
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


@pytest.fixture(scope="module")
def identities() -> dict[str, Identity]:
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

    async def receive(self, message: Message) -> Answer:
        self.calls += 1
        if self.broken:
            self.broken -= 1
            raise refuse(ErrorCode.STORE_UNAVAILABLE)
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


@pytest.fixture
async def house(cluster: Cluster, identities: dict[str, Identity]) -> AsyncIterator[House]:
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


async def test_three_ministries_get_the_protocol_and_their_receipts_come_back(house: House, tmp_path: Path) -> None:
    """EHR-7: to Economy, Justice and Internal Affairs, each with its own key, each answering with a receipt."""
    content = container(house)
    async with contextlib.AsyncExitStack() as stack:
        sandboxes = [
            await stack.enter_async_context(ministry(house, code, folder=tmp_path / code)) for code in MINISTRIES
        ]
        for code in MINISTRIES:
            assert isinstance(await house.adapter.send(delivery(content, code)), Acknowledged)
        await until(lambda: len(house.inbox.messages) == 3)
    assert {message.source for message in house.inbox.messages} == set(MINISTRIES)
    for message in house.inbox.messages:
        assert message.target == Target(noun="protocol", id="L-1.protocol")
        assert isinstance(message.event, Receipted)
        assert message.event.authority == message.source
        assert message.event.sha256 == hashlib.sha256(content).hexdigest()
    for sandbox, code in zip(sandboxes, MINISTRIES, strict=True):
        (taken_in,) = sandbox.registry.taken_in.values()
        assert taken_in.sealed.files["protokol.pdf"].content == b"%PDF-"
        assert (tmp_path / code / "EH-2026_000001.asice").read_bytes() == content
    assert house.refused == []


async def test_the_record_is_a_cloudevent_keyed_by_its_lot(house: House) -> None:
    content = container(house)
    outcome = await house.adapter.send(delivery(content))
    assert isinstance(outcome, Acknowledged)
    assert b'"topic":"eherrac.protocols.economy' in outcome.exhibits[0].content
    record = await first_record(house)
    event = read_protocol(record.headers, record.value)
    assert (record.key, event.id, event.number, event.container) == (b"L-1", "D-ECONOMY-1", "EH-2026/000001", content)


async def first_record(house: House) -> Any:
    consumer = AIOKafkaConsumer(
        house.cluster.topics["ECONOMY"],
        bootstrap_servers=house.cluster.kafka.bootstrap_servers,
        group_id=f"reader-{uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        return await asyncio.wait_for(consumer.getone(), 20)
    finally:
        await consumer.stop()


async def test_a_protocol_sent_again_is_taken_in_once_and_answered_again(house: House) -> None:
    again = delivery(container(house))
    async with ministry(house) as economy:
        for _ in range(2):
            assert isinstance(await house.adapter.send(again), Acknowledged)
        await until(lambda: house.inbox.calls >= 2)
    assert (len(economy.registry.taken_in), economy.registry.repeated) == (1, 1)
    assert len(house.inbox.messages) == 1


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


async def test_a_ministry_that_never_answers_leaves_no_message(house: House) -> None:
    async with ministry(house, answering=Answering.NEVER) as economy:
        await house.adapter.send(delivery(container(house)))
        await until(lambda: len(economy.registry.taken_in) == 1)
    assert house.inbox.calls == 0


async def test_a_container_that_is_not_from_the_gateway_is_not_taken_in(house: House) -> None:
    async with ministry(house) as economy:
        await house.adapter.send(delivery(container(house, signer="999101")))
        await house.adapter.send(delivery(b"no container", number=2))
        await until(lambda: len(economy.registry.refused) == 2)
    assert economy.registry.taken_in == {}
    assert ErrorCode.PARTICIPANT_MISMATCH in {refusal.code for refusal in economy.registry.refused}


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


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"recipient": "CULTURE"}, "PARTICIPANT_UNKNOWN"),
        ({"attachment": None}, "SCHEMA_INVALID"),
        ({"attachment": b"another container"}, "DIGEST_MISMATCH"),
    ],
)
async def test_what_must_not_be_sent_is_refused_at_home(
    embedded: Cluster, identities: dict[str, Identity], change: dict[str, Any], code: str
) -> None:
    async with opened(embedded, identities) as house:
        outcome = await house.adapter.send(replace(delivery(container(house)), **change))
    assert isinstance(outcome, Refused)
    assert outcome.code == code


async def test_too_large_a_container_is_refused_by_us_and_by_the_broker(
    embedded: Cluster, identities: dict[str, Identity]
) -> None:
    async with opened(embedded, identities) as house:
        too_large = await house.adapter.send(delivery(b"x" * 4_200_000))
        assert embedded.embedded is not None
        embedded.embedded.fail_requests(PRODUCE, MESSAGE_TOO_LARGE)
        refused = await house.adapter.send(delivery(b"x"))
    assert [outcome.code for outcome in (too_large, refused) if isinstance(outcome, Refused)] == ["BODY_TOO_LARGE"] * 2


async def test_without_a_broker_nothing_was_sent(identities: dict[str, Identity]) -> None:
    nobody = Cluster(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), topics={"ECONOMY": "t"}, receipts="r", embedded=None
    )
    async with opened(nobody, identities, patience_s=1.0) as house:
        assert isinstance(await house.adapter.send(delivery(b"x")), NotSent)
        assert not house.receipts.reader.reading.is_set()


async def test_an_outage_is_not_sent_silence_is_unknown_and_both_end(
    embedded: Cluster, identities: dict[str, Identity]
) -> None:
    """STYLE 5: what may have left is unknown; the same id goes again, and the ministry takes it in once."""
    broker = embedded.embedded
    assert broker is not None
    async with opened(embedded, identities, patience_s=1.0) as house, ministry(house) as economy:
        protocol, before = delivery(container(house)), delivery(container(house), number=2)

        async def is_acknowledged() -> bool:
            return isinstance(await house.adapter.send(before), Acknowledged)

        await until(is_acknowledged)
        await until(lambda: len(house.inbox.messages) == 1)
        broker.set_down()
        await until(lambda: not is_connected(house))
        assert isinstance(await house.adapter.send(protocol), NotSent)
        broker.set_up()
        broker.set_delay_ms(1_500)
        assert isinstance(await retried(house, protocol), Unknown)
        broker.set_delay_ms(0)
        before = protocol
        await until(is_acknowledged)
        await until(lambda: len(house.inbox.messages) == 2)
    assert len(economy.registry.taken_in) == 2


def is_connected(house: House) -> bool:
    producer = house.adapter._publisher._producer
    return producer is not None and any(link.connected() for link in producer.client._conns.values())


async def retried(house: House, dispatch: Dispatch) -> object:
    """As the dispatcher does: while it certainly was not sent, again."""
    async with asyncio.timeout(PATIENCE_S):
        while isinstance(outcome := await house.adapter.send(dispatch), NotSent):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return outcome


async def test_a_reader_outlives_a_broker_that_comes_late(embedded: Cluster, identities: dict[str, Identity]) -> None:
    broker = embedded.embedded
    assert broker is not None
    broker.set_down()
    async with opened(embedded, identities) as house:
        await until(lambda: house.receipts.reader.last_fault is not None)
        assert not house.receipts.reader.reading.is_set()
        broker.set_up()
        await until(house.receipts.reader.reading.is_set)


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
