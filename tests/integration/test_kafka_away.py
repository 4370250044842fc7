"""A Kafka that takes connections and says nothing: nobody waits for it longer than a lease is reckoned with."""

from __future__ import annotations

import asyncio

from waiting import until

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from gateway.errors import NotSentError


async def test_whoever_waits_for_a_connection_waits_no_longer_than_one_attempt_to_make_it() -> None:
    """A lease is reckoned with that; one after the other would each begin the whole wait anew."""

    handling: set[asyncio.Task[None] | None] = set()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.current_task())
        await reader.read()
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        handling.discard(asyncio.current_task())

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_s=0.2)
    publisher = Publisher(PublisherSettings(kafka=kafka, connect_s=0.2))
    record = Record(topic="t", key=b"L1", value=b"x", headers=[])
    began = asyncio.get_running_loop().time()
    ends = await asyncio.gather(*(publisher.publish(record) for _ in range(64)), return_exceptions=True)
    assert {type(end) for end in ends} == {NotSentError}
    assert asyncio.get_running_loop().time() - began < 64 * 0.2 / 2  # all at once, on a slow machine too
    await publisher.close()
    await asyncio.sleep(0.1)  # for who is accepted late
    server.close()
    await until(lambda: not handling)
