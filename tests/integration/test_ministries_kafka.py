"""Protocols to the ministries over Kafka: the embedded broker, and Apache Kafka where it is."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from ministry_house import (  # noqa: F401 - fixtures
    MESSAGE_TOO_LARGE,
    MINISTRIES,
    PRODUCE,
    Cluster,
    House,
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

from adapters.ministries.sandbox import Answering
from contracts.errors import ErrorCode
from contracts.events.protocols import read_protocol
from gateway.domain.events.protocol import Receipted
from gateway.ports import Acknowledged, Refused, Target
from gateway.wire.identity import Identity


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
        return await asyncio.wait_for(consumer.getone(), PATIENCE_S)
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
