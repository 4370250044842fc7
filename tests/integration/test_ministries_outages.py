"""A broker that is away, silent or late: what was not sent, what is unknown, and that both end."""

from __future__ import annotations

import asyncio

from ministry_house import (  # noqa: F401 - fixtures
    Cluster,
    House,
    container,
    delivery,
    embedded_cluster,
    everybodys_keys,
    ministry,
    opened,
)
from waiting import PATIENCE_S, until

from adapters.ministries.kafka import KafkaSettings
from gateway.ports import Acknowledged, Dispatch, NotSent, Unknown
from gateway.wire.identity import Identity


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
    """What may have left is unknown; the same id goes again, and the ministry takes it in once."""
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
