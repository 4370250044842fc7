"""Our answers are kept once each, whoever writes them and whenever it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.engine.answers import AnswerBook
from gateway.ports import Answer, Exhibit, Message, Target
from gateway.store import Turn

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
REQUEST = Exhibit(direction="in", media_type="application/json", content=b"?", signer="999101")
SENT = Exhibit(direction="out", media_type="application/json", content=b"!", signer="GATEWAY")


class Slow:
    """An engine over a store that writes when it is told to; whom it writes for may have gone by then."""

    def __init__(self) -> None:
        self.store, self.kept = self, list[Any]()
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def receive(self, message: Message) -> Answer:
        return Answer(noun="lot", id="L1", state="announced", version=1, accepted_at=NOW)

    async def read(self, work: Callable[[Any], Any], turn: Turn = Turn.NEW) -> Any:
        return work(SimpleNamespace(noun=lambda noun, id: None))

    async def transact(self, work: Callable[[Any], Any], turn: Turn = Turn.NEW) -> Any:
        self.begun.set()
        try:
            await self.go.wait()
        finally:
            work(SimpleNamespace(add_evidence=lambda *items: self.kept.extend(items)))


@pytest.fixture
async def slow() -> Slow:
    return Slow()


async def answered(slow: Any) -> AnswerBook:
    """A book in which one answer waits to be written."""
    book = AnswerBook(slow, clock=lambda: NOW, pause_s=0)
    target = Target(noun="lot", id="L1")
    await book.receive(Message(source="S", id="m1", target=target, event=None, digest="d", exhibits=(REQUEST,)))
    book.answered(REQUEST, lambda: SENT)
    return book


async def test_who_writes_beside_another_writes_nothing_twice(slow: Slow) -> None:
    book = await answered(slow)
    both = [asyncio.create_task(book.write()) for _ in range(2)]
    await slow.begun.wait()
    slow.go.set()
    await asyncio.gather(*both)
    assert [item.content for item in slow.kept] == [SENT.content]


async def test_closed_in_the_middle_of_a_writing_it_waits_for_it_and_writes_nothing_twice(slow: Slow) -> None:
    book = await answered(slow)
    running = asyncio.create_task(book.run())
    await slow.begun.wait()
    closing = asyncio.create_task(book.close(running))
    for _ in range(5):
        await asyncio.sleep(0)
    slow.go.set()
    await closing
    assert [item.content for item in slow.kept] == [SENT.content]
