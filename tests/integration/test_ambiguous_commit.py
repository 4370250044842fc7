"""The answer to a COMMIT is lost, on both databases: it was done, and nobody on our side was told.

Who brought a message hears that it could not be written down and comes again (never "accepted", never "refused"); the
repetition gets the answer that the first would have had, and nothing happens twice. What became of a sending is brought
again by the house itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from dispatching import TO_R, empty, working
from puppet import Clock, Hand, Heard, Opened, TestAdapter, Wished, engine_on, message
from waiting import PATIENCE_S, until

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.engine.audit import audit
from gateway.ports import Acknowledged, Dispatch, Outcome
from gateway.store import Store, open_store

_DONE = b"C\x00\x00\x00\x0bCOMMIT\x00"  # PostgreSQL's word that a commit is durable
_CHUNK_BYTES = 65_536


class Loss:
    """What loses the answer to the next COMMIT, once it is said to; `lost` counts."""

    def __init__(self) -> None:
        self.armed, self.lost = False, 0

    def loses(self) -> bool:
        if self.armed:
            self.armed, self.lost = False, self.lost + 1
            return True
        return False


class Between(Loss):
    """Between a program and PostgreSQL: hands everything on, and breaks the line in place of a lost answer."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host, self._port = host, port
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        self._server.close()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        saying = asyncio.create_task(_pump(reader, up_writer))
        with suppress(OSError):
            while chunk := await up_reader.read(_CHUNK_BYTES):
                if _DONE in chunk and self.loses():
                    break
                writer.write(chunk)
                await writer.drain()
        saying.cancel()
        up_writer.close()
        writer.transport.abort()
        await asyncio.gather(saying, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def sqlite_losing(loss: Loss) -> type[sqlite3.Connection]:
    """Connections whose commit is done and then said to have failed, as a disk may that cannot sync."""

    class Losing(sqlite3.Connection):
        writes = False

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            done = super().execute(sql, *values)
            if sql.startswith("BEGIN"):
                self.writes = sql == "BEGIN IMMEDIATE"
            if sql == "COMMIT" and self.writes and loss.loses():
                raise sqlite3.OperationalError("disk I/O error")
            return done

    return Losing


@pytest.fixture
async def lossy(store_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Store, Loss]]:
    if store_url.startswith("sqlite"):
        loss = Loss()
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=sqlite_losing(loss)))
        store = await open_store(store_url)
        yield store, loss
        await store.close()
        return
    at = urlsplit(store_url)
    assert at.hostname is not None
    assert at.port is not None
    between = Between(at.hostname, at.port)
    store = await open_store(store_url.replace(f":{at.port}/", f":{await between.start()}/"))
    yield store, between
    await store.close()
    await between.close()


@pytest.mark.parametrize("first", [True, False], ids=["of a new noun", "of a noun that is there"])
async def test_a_message_whose_commit_is_lost_is_to_come_again_and_is_answered_as_it_would_have_been(
    lossy: tuple[Store, Loss], clock: Clock, first: bool
) -> None:
    store, loss = lossy
    engine = engine_on(store, clock)
    if not first:
        await engine.receive(message(Opened(), id="before"))
    said = message(Opened() if first else Wished(sends=(TO_R,), timer=("ring", clock.now)), id="said")
    loss.armed = True
    with pytest.raises(RefusedError) as found:
        await engine.receive(said)
    assert (loss.lost, found.value.refusal.code) == (1, ErrorCode.STORE_UNAVAILABLE)

    answers = [await engine.receive(said) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0].repeated  # it had been done
    assert (answers[0].state, answers[0].version) == ("open", 1 if first else 2)
    lines = await store.read(lambda reader: reader.journal_of("puppet", "P"))
    assert [line.cause_id for line in lines].count("said") == 1
    assert len(await store.read(lambda reader: reader.outbox_of("puppet", "P"))) == (0 if first else 2)
    assert (await audit(store)).holds


async def test_another_message_is_not_mistaken_for_the_lost_one(lossy: tuple[Store, Loss], clock: Clock) -> None:
    store, loss = lossy
    hand = Hand(engine_on(store, clock))
    await hand.say(Opened())
    loss.armed = True
    with pytest.raises(RefusedError):
        await hand.engine.receive(message(Heard(word="a"), id="a"))
    await hand.engine.receive(message(Heard(word="b"), id="b"))
    assert (await hand.puppet()).heard == ("a", "b")


async def test_the_end_of_a_sending_whose_commit_is_lost_is_brought_again_and_booked_once(
    lossy: tuple[Store, Loss], clock: Clock
) -> None:
    """At least once to the other side, once in the journal; nothing is parked and nobody is asked."""
    store, loss = lossy
    hand = Hand(engine_on(store, clock))
    await hand.say(Opened())
    await hand.say(Wished(sends=(TO_R,)))

    def arm(_: Dispatch) -> Outcome:
        loss.armed = loss.lost == 0
        return Acknowledged()

    async with working(hand.engine, adapter := TestAdapter("alpha", arm), lease_s=PATIENCE_S):
        await until(empty(hand))
    assert loss.lost == 1
    assert len({dispatch.id for dispatch in adapter.done}) == 1
    lines = await store.read(lambda reader: reader.journal_of("puppet", "P"))
    assert [line.event for line in lines].count("DeliveryAcknowledged") == 1
    assert (await audit(store)).holds
